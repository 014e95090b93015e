// Seals: all three stores, signed together; and their chain.

import { ask } from "../lib/api.js";
import { h, show } from "../lib/dom.js";
import { count, moment } from "../lib/format.js";
import { t } from "../lib/i18n.js";
import { verifySeal } from "../verify/seal.js";
import { judge } from "./judge.js";
import { card, facts, hash, head, nothing, when } from "./parts.js";

export async function render(main, page) {
  const list = h("div.stack");
  const draw = async () => {
    const { items } = await ask("api/v1/seals", { query: { limit: 20 } });
    show(list, items.length ? items.map(seal) : nothing(t("noSeals"), t("noSealsHow")));
  };
  await draw();
  const key = page.status.server.public_key;
  show(main, head(t("seals")), h("p.quiet", {}, t("sealHow")), facts([[t("ownKey"), h("span.mono", {}, key)]]), h("p"), list);
  let newest = page.status.seal?.number;
  return {
    refresh: (status) => {
      if (status.seal?.number === newest) return undefined;
      newest = status.seal?.number;
      return draw();
    },
  };
}

function seal(made) {
  const result = h("div.stack", { "aria-live": "polite" });
  const file = URL.createObjectURL(new Blob([made.note], { type: "text/plain" }));
  return card("w12", `${t("seal")} ${count(made.number)}`,
    h("div.stack", {},
      facts([[t("when"), Date.parse(made.time) > 0 ? h("span", {}, moment(made.time), " · ", when(made.time)) : null], // the first may know no time
        [t("version", { n: "" }).trim(), h("a", { href: `#/state/${made.version}` }, count(made.version))],
        [t("stateRoot"), hash(made.state_root)], [t("auditLog"), h("span", {}, t("records", { n: count(made.log_size) }), " ", hash(made.log_root))], [t("vault"), hash(made.vault_root)]]),
      h("div.row", {}, h("button.primary", { onclick: () => judge(result, () => verifySeal(made)) }, t("verifyNow")),
        h("a.button", { href: file, download: `seal-${made.number}.txt` }, t("download"))),
      result));
}
