// Pieces that several views have.

import { h } from "../lib/dom.js";
import { ago, brief, moment } from "../lib/format.js";
import { t } from "../lib/i18n.js";
import { print } from "../lib/print.js";

export function loading() {
  return h("div.skeleton", { role: "status", "aria-label": t("loading") });
}

/** What did not work, and the next step. */
export function failure(error, again) {
  const offline = error instanceof TypeError;
  return h("div.notice", { role: "alert" },
    h("h2", {}, offline ? t("offline") : error.title || t("problem")),
    h("p", {}, offline ? t("offlineHow") : error.message),
    again ? h("button", { onclick: again }, t("retry")) : null);
}

export function nothing(title, how = "") {
  return h("div.notice", {}, h("h2", {}, title), how ? h("p", {}, how) : null);
}

export function head(title, ...tools) {
  return h("div.page-head", {}, h("h1", {}, title), h("div.row", {}, tools));
}

export function card(width, title, ...body) {
  return h(`section.card.${width}`, {}, title ? h("h2", {}, title) : null, body);
}

/** A list of names and values; values that are missing are left out. */
export function facts(rows) {
  const shown = rows.filter(([, value]) => value !== null && value !== undefined && value !== "");
  return h("dl.facts", {}, shown.map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]));
}

export function badge(text, tone = text) {
  return h(`span.badge.${tone}`, {}, text);
}

export function when(time) {
  return h("time", { datetime: time, title: moment(time) }, ago(time));
}

export function hash(text, digits) {
  return h("span.hash", { title: text }, digits ? brief(text, digits) : text);
}

export function rootWithPrint(text, label) {
  return h("div.stack", {}, print(text, { label }), hash(text));
}

/** Buttons of which one is chosen. */
export function segments(label, names, chosen, pick) {
  const buttons = names.map(([key, text]) =>
    h("button", { "aria-pressed": String(key === chosen), onclick: () => pick(key) }, text));
  return h("div.segments", { role: "group", "aria-label": label }, buttons);
}

export function field(label, input, wide = false) {
  return h(wide ? "label.wide" : "label", {}, label, input);
}

/** Rows that lead somewhere: the first cell is the link, and the whole row follows it. */
export function linkedRow(href, cells, extra = "") {
  const [first, ...rest] = cells;
  const row = h(`tr.link${extra}`, {}, h("td", {}, h("a", { href }, first)), rest.map((cell) => h("td", {}, cell)));
  row.addEventListener("click", (event) => {
    if (!event.target.closest("a")) location.hash = href;
  });
  return row;
}

export function table(heads, rows, label) {
  const top = h("tr", {}, heads.map((name) => h("th", { scope: "col" }, name)));
  return h("table.as-cards", { "aria-label": label }, h("thead", {}, top), h("tbody", {}, rows));
}
