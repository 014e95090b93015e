// The state: a key with its proof, keys that begin alike, and any version of the past.

import { ask } from "../lib/api.js";
import { h, show } from "../lib/dom.js";
import { count, moment } from "../lib/format.js";
import { t } from "../lib/i18n.js";
import { print } from "../lib/print.js";
import { verifyEntries, verifyValue } from "../verify/state.js";
import { judge } from "./judge.js";
import { card, facts, field, hash, head, nothing, table, when } from "./parts.js";

export async function render(main, page, [version]) {
  const answer = h("div.stack");
  const versions = h("div");
  const chosen = version ?? "";
  const key = h("input", { name: "key", autocomplete: "off", spellcheck: "false", placeholder: "account:alice" });
  const at = h("input", { name: "at", inputmode: "numeric", pattern: "[0-9]*", value: chosen, placeholder: t("newestVersion") });
  const one = (event) => {
    event?.preventDefault();
    return guarded(answer, () => showValue(answer, key.value, at.value));
  };
  const many = () => guarded(answer, () => showRange(answer, key.value, at.value, (wanted) => { key.value = wanted; one(); }));
  const form = h("form.form", { onsubmit: one },
    field(t("key"), key, true), field(t("atVersion"), at),
    h("button.primary", { type: "submit" }, t("get")), h("button", { type: "button", id: "list", onclick: many }, t("list")));

  await Promise.all([showVersions(versions, chosen), many()]);
  show(main, head(t("state")), form, h("div.grid", {}, h("div.w8", {}, answer), h("div.w4", {}, versions)));
  return { refresh: () => (chosen ? null : showVersions(versions, chosen)) };
}

async function guarded(where, attempt) {
  try {
    await attempt();
  } catch (error) {
    show(where, card("w12", error.title || t("problem"), h("p", {}, error.message)));
  }
}

async function showValue(where, key, at) {
  const found = await ask("api/v1/state/value", { query: { key, at } });
  const result = h("div.stack", { "aria-live": "polite" });
  const check = (shown) => judge(result, () => verifyValue(shown, key));
  const past = await ask("api/v1/state/history", { query: { key, limit: 20 } });
  show(where, card("w12", found.present ? t("key") : t("absent"),
    h("div.stack", {},
      facts([[t("key"), h("span.mono", {}, key)], [t("value"), found.present ? h("pre", { tabindex: "0" }, found.value ?? found.value_hex) : h("em", {}, `${t("absent")}, ${t("absentText")}`)],
        [t("atVersion"), count(found.version)], [t("stateRootAt"), hash(found.root)]]),
      h("div.row", {}, h("button.primary", { id: "verify", onclick: () => check(found) }, t("verifyNow")),
        h("button", { id: "tamper", title: t("tamperHow"), onclick: () => check(spoil(found)) }, t("tamper"))),
      result)), history(past.items));
}

/** The same answer with one bit of its proof turned round. */
function spoil(found) {
  const bytes = Uint8Array.from(atob(found.proof), (char) => char.charCodeAt(0));
  bytes[bytes.length - 1] ^= 1;
  return { ...found, proof: btoa(String.fromCharCode(...bytes)) };
}

function history(items) {
  if (!items.length) return null;
  const rows = items.map(({ version, value, value_hex: hex, time }) =>
    h("tr", {}, h("td", {}, h("a", { href: `#/state/${version}` }, count(version))), h("td.mono", {}, value ?? hex ?? h("em", {}, t("deleted"))), h("td", {}, time ? when(time) : "")));
  return card("w12", t("history"), table([t("atVersion"), t("value"), t("time")], rows, t("history")));
}

async function showRange(where, prefix, at, get) {
  const found = await ask("api/v1/state/range", { query: { prefix, at, limit: 50 } });
  if (!found.entries.length) return show(where, prefix ? nothing(t("nothingFound")) : nothing(t("emptyState"), t("emptyStateHow")));
  const rows = found.entries.map(({ key, key_hex: hex, value, value_hex: raw }) =>
    h("tr", {}, h("td.mono", {}, key === null ? hex : h("a", { href: "#/state", onclick: (event) => { event.preventDefault(); get(key); } }, key)), h("td.mono", {}, value ?? raw)));
  const result = h("div.stack", { "aria-live": "polite" });
  const check = () => judge(result, () => verifyEntries(found, prefix));
  return show(where, card("w12", t("entries"),
    h("div.stack", {}, table([t("key"), t("value")], rows, t("entries")),
      h("div.row", {}, h("button.primary", { id: "verify", onclick: check }, t("verifyNow")), h("span.hash", {}, found.root)), result)));
}

async function showVersions(where, chosen) {
  const { items } = await ask("api/v1/state/versions", { query: { limit: 15, before: chosen ? Number(chosen) + 8 : null } });
  const rows = items.map(({ version, root, time }) =>
    h("li", {}, h("a", { href: `#/state/${version}`, "aria-current": String(version) === chosen ? "true" : null }, h("b", {}, count(version)), print(root, { label: root }), h("span.sub", { title: time ? moment(time) : "" }, time ? when(time) : ""))));
  show(where, card("w12", t("rootHistory"), h("ol.roots", {}, rows)));
}
