// Health, what is damaged and the ways out, and the server itself.

import { send } from "../lib/api.js";
import { h, show } from "../lib/dom.js";
import { count, moment } from "../lib/format.js";
import { t } from "../lib/i18n.js";
import { card, facts, failure, head } from "./parts.js";
import { recovery } from "./recovery.js";

export async function render(main, page) {
  const health = h("div");
  const said = h("p", { role: "status" });
  const seal = async () => {
    try {
      const { number } = await send("api/v1/seals", {});
      show(said, h("span.good", {}, `${t("seal")} ${count(number)}`));
    } catch (error) {
      show(said, h("span.bad", {}, error.message));
    }
  };
  const ways = h("div.stack");
  const draw = (status) => show(health, integrity(status.integrity));
  draw(page.status);
  // It may take as long as a check of the state, and the rest of the page does not wait for it.
  recovery().then((parts) => show(ways, parts), (error) => show(ways, failure(error)));
  const { server } = page.status;
  show(main, head(t("system")), h("div.grid", {},
    h("div.w8.stack", {}, health, ways, card("w12", t("seals"), h("p.quiet", {}, t("sealHow")), h("button.primary", { onclick: seal }, t("makeSeal")), said)),
    h("div.w4", {}, card("w12", t("server"), facts([["diotec360", server.version], [t("started"), moment(server.started)], [t("ownKey"), h("span.mono", {}, server.public_key)]])))));
  return { refresh: draw };
}

function integrity({ status, causes }) {
  if (status !== "panic") return card("w12", t("health"), h("div.big.good", {}, t("intact")), h("p.sub", {}, t("integrityNote")));
  return card("w12", t("health"), h("div.big.bad", {}, t("panic")), h("p", {}, t("panicText")),
    h("h2", {}, t("cause")), h("ul", {}, causes.map(({ store, what }) => h("li", {}, h("b", {}, `${store}: `), what))));
}
