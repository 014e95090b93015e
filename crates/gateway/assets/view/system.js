// Health, what is damaged and the ways out, long work, and the server itself.

import { ask, send } from "../lib/api.js";
import { h, show } from "../lib/dom.js";
import { count, moment } from "../lib/format.js";
import { t } from "../lib/i18n.js";
import { badge, card, facts, head, when } from "./parts.js";

export async function render(main, page) {
  const health = h("div");
  const work = h("div");
  const said = h("p", { role: "status" });
  const act = (path) => async () => {
    try {
      await send(path, {});
      show(said);
      await jobs(work);
    } catch (error) {
      show(said, h("span.bad", {}, error.message));
    }
  };
  const draw = async (status) => {
    show(health, integrity(status.integrity));
    await jobs(work);
  };
  await draw(page.status);
  const { server } = page.status;
  show(main, head(t("system")), h("div.grid", {},
    h("div.w8.stack", {}, health, card("w12", t("jobs"), h("div.row", {}, h("button.primary", { onclick: act("api/v1/jobs/verify") }, t("checkAll")), h("button", { onclick: act("api/v1/seals") }, t("makeSeal"))), said, work)),
    card("w4", t("server"), facts([["diotec360", server.version], [t("started"), moment(server.started)], [t("publicKey"), h("span.mono", {}, server.public_key)]]))));
  const timer = setInterval(() => jobs(work).catch(() => {}), 1500);
  return { refresh: draw, dispose: () => clearInterval(timer) };
}

function integrity({ status, cause, since, first_bad: bad, provable, ways_out: ways }) {
  if (status !== "panic") return card("w12", t("health"), h("div.big.good", {}, t("intact")), h("p.sub", {}, t("integrityNote")));
  return card("w12", t("health"), h("div.big.bad", {}, t("panic")),
    facts([[t("cause"), cause], [t("since"), since ? when(since) : null], [t("firstBad"), bad]]),
    provable?.length ? [h("h2", {}, t("provable")), h("ul", {}, provable.map((line) => h("li", {}, line)))] : null,
    ways?.length ? [h("h2", {}, t("waysOut")), h("ul", {}, ways.map(({ title, how }) => h("li", {}, h("b", {}, title), how ? h("span", {}, ": ", h("code", {}, how)) : null)))] : null);
}

async function jobs(where) {
  const { items } = await ask("api/v1/jobs");
  show(where, items.length ? h("ul.steps", {}, items.map(job)) : null);
}

function job({ kind, state, done, total, message, started }) {
  const tone = { running: "warn", done: "good", failed: "bad" }[state];
  const name = { running: t("running"), done: t("done"), failed: t("failedJob") }[state];
  const bar = state === "running" && total ? h("progress", { value: done, max: total, "aria-label": kind }) : null;
  return h("li", {}, h("span.mark.quiet", { "aria-hidden": "true" }, "·"), h("div", {}, h("div.row", {}, h("b", {}, kind), badge(name, tone), started ? when(started) : null, total ? h("span.sub", {}, `${count(done)} / ${count(total)}`) : null), bar, message ? h("p.sub", {}, message) : null));
}
