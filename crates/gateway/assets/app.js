// The page: which view is shown, what every view shares, and the server's events.

import { Problem, ask, listen, token } from "./lib/api.js";
import { announce, h, s, show } from "./lib/dom.js";
import { choose, language, t } from "./lib/i18n.js";
import { askForToken } from "./view/token.js";
import { panicBanner } from "./view/panic.js";
import { failure, loading } from "./view/parts.js";

const PAGES = ["overview", "log", "state", "seals", "verify", "operations", "system"];
const views = new Map(); // the modules of the views, once they were needed
const view = { name: "", dispose: null, refresh: null };
let status = null;

const main = document.getElementById("main");

/** What a view may use of the page. */
const page = {
  get status() {
    return status;
  },
  go: (hash) => {
    location.hash = hash;
  },
  reload: route,
};

async function route() {
  const [name, ...rest] = location.hash.replace(/^#\/?/, "").split("/").map(decodeURIComponent);
  const wanted = name || "overview";
  view.dispose?.();
  Object.assign(view, { name: wanted, dispose: null, refresh: null });
  navigation();
  if (!PAGES.includes(wanted)) return show(main, h("div.notice", {}, h("h2", {}, t("notFound"))));
  show(main, loading());
  try {
    if (wanted !== "verify") await freshStatus();
    if (!views.has(wanted)) views.set(wanted, await import(`./view/${wanted}.js`));
    const made = await views.get(wanted).render(main, page, rest);
    if (view.name === wanted) Object.assign(view, made);
    else made?.dispose?.();
    document.title = `${status?.integrity?.status === "panic" ? "⚠ " : ""}${t(wanted)} · DIOTEC 360`;
  } catch (error) {
    if (view.name === wanted) trouble(error);
  }
}

function trouble(error) {
  if (error instanceof Problem && (error.status === 401 || error.status === 403)) {
    show(main, askForToken(error, () => route()));
  } else {
    show(main, failure(error, route));
  }
}

async function freshStatus() {
  status = await ask("api/v1/status");
  show(document.getElementById("panic"), status.integrity.status === "panic" ? panicBanner(status.integrity) : null);
  footer();
}

function navigation() {
  const links = PAGES.map((name) => h("a", { href: `#/${name === "overview" ? "" : name}`, "aria-current": view.name === name ? "page" : null }, t(name)));
  const nav = show(document.getElementById("nav"), links, h("a", { href: "docs" }, t("api")));
  // On a phone the links scroll sideways: where one is, is to be seen.
  const here = nav.querySelector("[aria-current]");
  if (here) nav.scrollLeft = here.offsetLeft - nav.offsetLeft - (nav.clientWidth - here.clientWidth) / 2;
  document.querySelector(".skip").textContent = t("skip");
}

function footer() {
  const server = status?.server;
  const forget = token.get() ? h("button", { onclick: () => { token.set(""); route(); } }, t("forget")) : null;
  show(document.getElementById("foot"), server ? h("span", {}, `diotec360 ${server.version}`) : null, server ? h("span.mono", {}, server.origin) : null, forget);
}

const beacon = h("span.live", { role: "status" }, h("i", { "aria-hidden": "true" }), h("span", {}, ""));

function tools() {
  const other = language() === "pt" ? "en" : "pt";
  show(
    document.getElementById("tools"),
    beacon,
    h("button", { lang: other, onclick: () => { choose(other); tools(); route(); }, "aria-label": `${other.toUpperCase()}: ${t("language")}`, title: t("language") }, other.toUpperCase()),
    h("button.icon", { "aria-label": t("theme"), title: t("theme"), onclick: otherTheme }, sunAndMoon()),
  );
}

function sunAndMoon() {
  return s("svg", { viewBox: "0 0 24 24", "aria-hidden": "true" },
    s("circle", { cx: 12, cy: 12, r: 8, fill: "none", stroke: "currentColor", "stroke-width": 2 }),
    s("path", { d: "M12 4a8 8 0 0 1 0 16z", fill: "currentColor" }));
}

function otherTheme() {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : !matchMedia("(prefers-color-scheme: light)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  try {
    localStorage.setItem("theme", root.dataset.theme);
  } catch {
    // Storage is off: the choice lasts as long as the page.
  }
}

function beat(state) {
  beacon.classList.toggle("on", state === "live");
  beacon.lastChild.textContent = t(state);
}

/** Heads come as fast as commits do; the page follows at a pace that a reader can. */
const PACE_MS = 1000;
let due = null;

function follow() {
  due ??= setTimeout(async () => {
    due = null;
    try {
      const before = status?.integrity?.status;
      await freshStatus();
      await view.refresh?.(status);
      if (before && before !== status.integrity.status) route();
    } catch {
      // The next event, or the reconnecting stream, tries again.
    }
  }, PACE_MS);
}

tools();
beat("waiting");
addEventListener("hashchange", () => route().then(() => main.focus({ preventScroll: true })).then(() => announce(t(view.name))));
await route();
listen("api/v1/events?only=head", {
  state: (state) => {
    beat(state);
    if (state === "live") follow();
  },
  event: follow,
}, new AbortController().signal);
