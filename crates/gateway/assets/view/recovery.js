// The ways out of panic mode, and what was found and done so far.

import { ask, send } from "../lib/api.js";
import { h, show } from "../lib/dom.js";
import { moment } from "../lib/format.js";
import { t } from "../lib/i18n.js";
import { card, field, table } from "./parts.js";

/** Asks what is damaged and what leads out of it; finding that may take as long as a check of the state. */
export async function recovery() {
  const { ways_out: ways, incidents } = await ask("api/v1/panic");
  return [ways.length ? card("w12", t("waysOut"), waysOut(ways)) : null, incidents.length ? card("w12", t("incidents"), incidentTable(incidents)) : null];
}

function waysOut(ways) {
  const said = h("p", { role: "status" });
  const reason = h("input", { name: "reason", required: true, maxlength: 1000, autocomplete: "off" });
  const first = ways.find(({ here }) => here);
  const take = async (event) => {
    event.preventDefault();
    const button = event.target.querySelector("button");
    button.disabled = true;
    try {
      await send("api/v1/panic/recovery", { way: new FormData(event.target).get("way"), reason: reason.value });
      show(said, t("recovering"));
    } catch (error) {
      button.disabled = false;
      show(said, h("span.bad", {}, error.message));
    }
  };
  return h("form.stack", { onsubmit: take },
    h("p", {}, t("waysOutHow")),
    h("fieldset.ways", {}, h("legend.visually-hidden", {}, t("waysOut")),
      ways.map((way) => h("label.way", {},
        h("input", { type: "radio", name: "way", value: way.name, required: true, disabled: !way.here, checked: way === first }),
        h("span", {}, h("b.mono", {}, way.name), h("br"), way.what, way.here ? null : [h("br"), h("em", {}, t("wayElsewhere"))])))),
    h("div.form", {}, field(t("reason"), reason, true), h("button.primary", { type: "submit", disabled: !first }, t("takeWay"))),
    said);
}

function incidentTable(incidents) {
  const rows = incidents.map(({ time, kind, store, text }) => h("tr", {},
    h("td", {}, time ? h("time", { datetime: time }, moment(time)) : ""),
    h("td", {}, t(`incident_${kind}`)),
    h("td", {}, store ? h("b", {}, `${store}: `) : null, text)));
  return [h("p.quiet", {}, t("incidentsHow")), h("div.scroll", { tabindex: "0", role: "group", "aria-label": t("incidents") }, table([t("when"), t("kind"), t("subject")], rows, t("incidents")))];
}
