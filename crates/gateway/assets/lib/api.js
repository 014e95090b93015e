// Talking to the server: JSON, problems, and events that continue where they broke off.

const TOKEN = "diotec360-token";

/** What the server refused, in its own words. */
export class Problem extends Error {
  constructor(status, body) {
    super(body.detail || body.title || `HTTP ${status}`);
    this.name = "Problem";
    this.status = status;
    this.code = body.code ?? "";
    this.title = body.title ?? "";
  }
}

/** The token of this tab; kept until the tab is closed, and sent to nobody else. */
export const token = {
  get: () => sessionStorage.getItem(TOKEN) ?? "",
  set: (text) => (text ? sessionStorage.setItem(TOKEN, text) : sessionStorage.removeItem(TOKEN)),
};

function headers(more = {}) {
  const held = token.get();
  return held ? { ...more, authorization: `Bearer ${held}` } : more;
}

/** Asks; the answer is JSON, or a `Problem` is thrown. */
export async function ask(path, { query = {}, ...options } = {}) {
  const url = new URL(path, document.baseURI);
  for (const [name, value] of Object.entries(query)) {
    if (value !== null && value !== undefined && value !== "") url.searchParams.set(name, value);
  }
  const response = await fetch(url, { ...options, headers: headers(options.headers) });
  const text = await response.text();
  let body = {};
  try {
    body = text ? JSON.parse(text) : {};
  } catch {
    body = { detail: text.slice(0, 200) };
  }
  if (!response.ok) throw new Problem(response.status, body);
  return body;
}

/** Sends JSON. */
export function send(path, body, method = "POST") {
  return ask(path, { method, headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
}

/**
 * Listens to the server's events until `signal` aborts. `on.event(name, data)` gets each one,
 * `on.state("live" | "waiting")` how it stands. It begins again by itself, behind the last event seen.
 */
export async function listen(path, on, signal) {
  let last = "";
  let pause = 500;
  while (!signal.aborted) {
    try {
      const more = last ? { "last-event-id": last } : {};
      const response = await fetch(new URL(path, document.baseURI), { headers: headers(more), signal });
      if (!response.ok) throw new Problem(response.status, {});
      on.state("live");
      for await (const event of events(response.body)) {
        pause = 500;
        if (event.id) last = event.id;
        if (event.data) on.event(event.name, JSON.parse(event.data));
      }
    } catch (error) {
      if (signal.aborted) return;
      if (error.status === 401 || error.status === 403) pause = 15_000;
    }
    on.state("waiting");
    await new Promise((resolve) => setTimeout(resolve, pause));
    pause = Math.min(pause * 2, 15_000);
  }
}

/** The events of a `text/event-stream`. */
async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    rest += value;
    const blocks = rest.split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) {
      const event = { name: "message", data: "", id: "" };
      for (const line of block.split("\n")) {
        const [, field, text] = /^([a-z]+): ?(.*)$/.exec(line) ?? [];
        if (field === "event") event.name = text;
        if (field === "data") event.data += text;
        if (field === "id") event.id = text;
      }
      yield event;
    }
  }
}
