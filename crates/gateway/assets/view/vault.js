// The code that is kept: bundles, with their certificates.

import { ask } from "../lib/api.js";
import { h, show } from "../lib/dom.js";
import { bytes, count } from "../lib/format.js";
import { t } from "../lib/i18n.js";
import { badge, card, facts, hash, head, nothing, table, when } from "./parts.js";

export async function render(main, page) {
  const list = h("div.stack");
  let cursor = null;
  const load = async (more) => {
    const { items, next } = await ask("api/v1/vault/bundles", { query: { cursor: more ? cursor : null, limit: 25 } });
    cursor = next;
    if (!more && !items.length) return show(list, nothing(t("noBundles"), t("noBundlesHow")));
    const rows = items.map((bundle) => h("tr", {}, h("td", {}, bundle.intent_name || "–"), h("td", {}, badge(bundle.status)), h("td", {}, hash(bundle.address, 10)), h("td", {}, bundle.time ? when(bundle.time) : "")));
    if (more) list.querySelector("tbody").append(...rows);
    else show(list, table([t("intent"), t("status"), t("address"), t("created")], rows, t("vault")));
    list.querySelector(".more")?.remove();
    if (next) list.append(h("div.row.more", {}, h("button", { onclick: () => load(true) }, t("more"))));
    return undefined;
  };
  await load(false);
  const { vault } = page.status;
  show(main, head(t("vault")), h("div.grid", {}, card("w8", t("code"), list),
    card("w4", t("vault"), facts([[t("setRoot"), hash(vault.root)], [t("code"), t("bundles", { n: count(vault.bundles) })], [t("entries"), count(vault.objects)], [t("size"), vault.bytes === null || vault.bytes === undefined ? null : bytes(vault.bytes)]]))));
  return {};
}
