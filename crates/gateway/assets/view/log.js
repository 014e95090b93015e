// The log: pages by cursor, filters, search; and a record with its proof.

import { ask } from "../lib/api.js";
import { h, show } from "../lib/dom.js";
import { count, ms } from "../lib/format.js";
import { t } from "../lib/i18n.js";
import { badge, field, head, linkedRow, nothing, table, when } from "./parts.js";
import { renderRecord } from "./record.js";

const KINDS = ["execution", "attack", "metric", "event"];
const STATUSES = ["PROVED", "FAILED", "REJECTED", "TIMEOUT"];
const PAGE = 25;

export async function render(main, page, [index]) {
  if (index !== undefined) return renderRecord(main, page, index);
  const list = h("div.stack");
  const filters = { kind: "", status: "", q: "" };
  let cursor = null;
  const load = async (more) => {
    const { items, next } = await ask("api/v1/audit/records", { query: { ...filters, before: more ? cursor : null, limit: PAGE } });
    cursor = next;
    const filtered = Object.values(filters).some(Boolean);
    if (!more && !items.length) return show(list, filtered ? nothing(t("nothingFound")) : nothing(t("emptyLog"), t("emptyLogHow")));
    if (more) list.querySelector("tbody").append(...rows(items));
    else show(list, recordTable(items));
    list.querySelector(".more")?.remove();
    if (next) list.append(h("div.row.more", {}, h("button", { onclick: () => load(true) }, t("older"))));
    return undefined;
  };
  const fresh = h("p", {});
  await load(false);
  show(main, head(t("log")), form(filters, () => load(false)), h("div.card", {}, fresh, list));
  let seen = page.status.log.size;
  return {
    refresh: (status) => {
      const more = status.log.size - seen;
      if (more <= 0) return;
      const button = h("button", { onclick: () => { seen = status.log.size; show(fresh); load(false); } }, t("newRecords", { n: count(more) }));
      show(fresh, button);
    },
  };
}

function form(filters, apply) {
  const select = (name, values, text) => h("select", { onchange: (event) => { filters[name] = event.target.value; apply(); } },
    h("option", { value: "" }, t("any")), values.map((value) => h("option", { value }, text(value))));
  const search = h("input", { type: "search", placeholder: t("searchHint") });
  const submit = (event) => {
    event.preventDefault();
    filters.q = search.value.trim();
    apply();
  };
  return h("form.form", { onsubmit: submit, role: "search" },
    field(t("kind"), select("kind", KINDS, t)),
    field(t("status"), select("status", STATUSES, (status) => t(status.toLowerCase()))),
    field(t("search"), search, true),
    h("button.primary", { type: "submit" }, t("apply")));
}

/** Records as a table; those that `isNew` names light up for a moment. */
export function recordTable(items, isNew = () => false) {
  return table([t("place"), t("subject"), t("status"), t("duration"), t("time")], rows(items, isNew), t("log"));
}

function rows(items, isNew = () => false) {
  return items.map((item) => {
    const what = h("span", {}, item.title || t(item.kind), item.id ? h("span.sub.mono", {}, ` ${item.id}`) : null);
    const how = item.status ? badge(item.status) : item.kind === "attack" ? badge(t("attack"), "attack") : badge(t(item.kind), "quiet");
    const took = item.elapsed_ms === null || item.elapsed_ms === undefined ? "" : ms(item.elapsed_ms);
    return linkedRow(`#/log/${item.index}`, [count(item.index), what, how, took, when(item.time)], isNew(item) ? ".new" : "");
  });
}
