// The API, from the document that the server makes of itself.

import { ask, token } from "./lib/api.js";
import { h, show } from "./lib/dom.js";

const main = document.getElementById("main");
const METHODS = ["get", "put", "post", "delete"];

try {
  const api = await ask("openapi.json");
  show(main, h("div.api", {}, intro(api), access(), ...groups(api), problems(api)));
  document.getElementById(location.hash.slice(1))?.scrollIntoView();
} catch (error) {
  show(main, h("div.notice", { role: "alert" }, h("h2", {}, "The API's document cannot be read"), h("p", {}, error.message)));
}

function intro({ info }) {
  return h("section", {}, h("h1", {}, info.title), h("p.quiet", {}, `${info.version} · ${info.description ?? ""}`));
}

/** A token for trying things out; the same one as the dashboard's, for this tab. */
function access() {
  const input = h("input", { type: "password", autocomplete: "off", spellcheck: "false", placeholder: "d360_…", value: token.get() });
  input.addEventListener("change", () => token.set(input.value.trim()));
  return h("form.form", { onsubmit: (event) => event.preventDefault() }, h("label.wide", {}, "Access token, where the server needs one; it stays in this tab", input));
}

function groups(api) {
  const byTag = new Map();
  for (const [path, item] of Object.entries(api.paths)) {
    for (const method of METHODS.filter((name) => item[name])) {
      const tag = item[method].tags?.[0] ?? "other";
      byTag.set(tag, [...(byTag.get(tag) ?? []), operation(api, path, method, item[method])]);
    }
  }
  return [...byTag].map(([tag, operations]) => h("section", { id: tag }, h("h2", {}, tag), operations));
}

/** What the document says in Markdown: no more of it is used than `code`. */
function prose(text = "") {
  return text.split("`").map((part, nth) => (nth % 2 ? h("code", {}, part) : part));
}

function operation(api, path, method, what) {
  const inside = h("div.inside");
  const whole = h("details", {}, h("summary", {}, h(`span.method.${method}`, {}, method.toUpperCase()), h("code", {}, path), h("span.sub", {}, prose(what.summary))), inside);
  whole.addEventListener("toggle", () => {
    if (whole.open && !inside.firstChild) show(inside, ...body(api, path, method, what));
  });
  return whole;
}

function body(api, path, method, what) {
  const parameters = what.parameters ?? [];
  const sent = what.requestBody?.content?.["application/json"];
  const answers = Object.entries(what.responses ?? {}).map(([status, answer]) => {
    const [media, content] = Object.entries(answer.content ?? {})[0] ?? [];
    return h("div", {}, h("p", {}, h("b", {}, status), " ", prose(answer.description), media ? h("span.sub", {}, ` ${media}`) : null), content ? h("pre", { tabindex: "0" }, example(api, content)) : null);
  });
  return [
    what.description ? h("p", {}, prose(what.description)) : null,
    parameters.length ? h("table", {}, h("thead", {}, h("tr", {}, ["Parameter", "In", "Type", "What"].map((name) => h("th", { scope: "col" }, name)))), h("tbody", {}, parameters.map((one) => h("tr", {}, h("td", {}, h("code", {}, one.name), one.required ? " *" : null), h("td", {}, one.in), h("td", {}, type(api, one.schema)), h("td", {}, prose(one.description)))))) : null,
    sent ? h("div", {}, h("p", {}, h("b", {}, "Body"), h("span.sub", {}, " application/json")), h("pre", { tabindex: "0" }, example(api, sent))) : null,
    h("div", {}, answers),
    method === "get" ? tryIt(path, parameters) : null,
  ].filter(Boolean);
}

function tryIt(path, parameters) {
  const inputs = parameters.filter((one) => one.in !== "header").map((one) => [one, h("input", { autocomplete: "off", spellcheck: "false", value: one.example ?? one.schema?.example ?? null })]);
  const result = h("pre", { tabindex: "0", "aria-live": "polite" });
  const run = async (event) => {
    event.preventDefault();
    let filled = path.replace(/^\//, "");
    const query = {};
    for (const [{ name, in: place }, { value }] of inputs) {
      if (place === "path") filled = filled.replace(`{${name}}`, encodeURIComponent(value));
      else query[name] = value;
    }
    try {
      result.textContent = JSON.stringify(await ask(filled, { query }), null, 2);
    } catch (error) {
      result.textContent = error.message;
    }
  };
  return h("form.form", { onsubmit: run }, inputs.map(([{ name }, input]) => h("label", {}, name, input)), h("button.primary", { type: "submit" }, "Try it"), h("div.wide", {}, result));
}

function resolve(api, schema) {
  return schema?.$ref ? api.components.schemas[schema.$ref.split("/").at(-1)] : schema ?? {};
}

function type(api, schema) {
  const found = resolve(api, schema);
  const name = [found.type].flat().filter((one) => one && one !== "null").join(" | ");
  return found.enum ? found.enum.join(" | ") : name;
}

function example(api, { example: given, examples, schema }) {
  const first = examples ? Object.values(examples)[0]?.value : undefined;
  return JSON.stringify(given ?? first ?? made(api, schema, 0), null, 2);
}

/** An example for a schema that gives none. */
function made(api, schema, depth) {
  const found = resolve(api, schema);
  if (found.example !== undefined) return found.example;
  if (depth > 5) return null;
  const one = found.oneOf ?? found.anyOf;
  if (one) return made(api, one.find((choice) => choice.type !== "null") ?? one[0], depth + 1);
  if (found.allOf) return Object.assign({}, ...found.allOf.map((part) => made(api, part, depth + 1)));
  const [kind] = [found.type].flat().filter((name) => name !== "null");
  if (kind === "array") return [made(api, found.items, depth + 1)];
  if (kind === "object" || found.properties) {
    return Object.fromEntries(Object.entries(found.properties ?? {}).map(([name, inner]) => [name, made(api, inner, depth + 1)]));
  }
  return { integer: 0, number: 0, boolean: true, string: found.enum?.[0] ?? "text" }[kind] ?? null;
}

function problems(api) {
  const kinds = api["x-problems"] ?? [];
  return h("section", { id: "problems" }, h("h2", {}, "Problems"),
    h("p.quiet", {}, "Every error is application/problem+json (RFC 9457). Its code is one of these."),
    h("dl.facts", {}, kinds.map(({ code, status, title }) => [h("dt", { id: code }, h("code", {}, code)), h("dd", {}, `${status} ${title}`)])));
}
