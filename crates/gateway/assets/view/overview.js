// Everything at a glance.

import { ask } from "../lib/api.js";
import { bars, timeChart } from "../lib/chart.js";
import { h, show } from "../lib/dom.js";
import { count, ms, percent, short } from "../lib/format.js";
import { t } from "../lib/i18n.js";
import { print } from "../lib/print.js";
import { card, hash, head, nothing, segments, when } from "./parts.js";
import { recordTable } from "./log.js";

const RANGES = ["1h", "24h", "30d"];
let range = "1h";

export async function render(main, page) {
  const parts = { cards: h("div.grid"), charts: h("div.grid"), last: h("div.grid") };
  let newest = -1;
  const pick = (wanted) => {
    range = wanted;
    show(switcher, choice());
    charts();
  };
  const choice = () => segments(t("range"), RANGES.map((key) => [key, t(key)]), range, pick);
  const switcher = h("div", {}, choice());

  const charts = async () => show(parts.charts, await drawCharts());
  const latest = async () => {
    const [records, versions] = await Promise.all([
      ask("api/v1/audit/records", { query: { limit: 8 } }),
      ask("api/v1/state/versions", { query: { limit: 12 } }),
    ]);
    show(parts.last, lastRecords(records.items, newest), rootHistory(versions.items));
    newest = records.items[0]?.index ?? -1;
  };
  const draw = async (status) => {
    show(parts.cards, cards(status, await ask("api/persistence/stats")));
    await Promise.all([charts(), latest()]);
  };
  await draw(page.status);
  show(main, h("div.stack", {}, head(t("overview"), switcher), parts.cards, parts.charts, parts.last));
  return { refresh: draw };
}

function cards(status, stats) {
  const { total_executions: total, status_breakdown: by, avg_execution_time_ms: average } = stats.executions;
  const proved = by.PROVED ?? 0;
  return [
    card("w5", t("stateRoot"),
      h("div.stack", {}, print(status.state.root, { label: `${t("stateRoot")} ${status.state.root}` }), h("div", { id: "state-root" }, hash(status.state.root)),
        h("div.row.between", {}, h("b", {}, t("version", { n: count(status.state.version) })), h("span.sub", {}, t("keys", { n: count(status.state.entries) }))))),
    card("w4", t("executions"),
      h("div.row.between", {}, h("span.big", {}, short(total)), total ? h("span.sub", {}, h("b.good", {}, percent(proved / total)), ` ${t("successRate")}`) : null),
      meter(by, total),
      h("p.sub", {}, `${ms(average)} ${t("average")} · ${short(stats.attacks.total_attacks_blocked)} ${t("attacksOver").toLowerCase().split(" ")[0]} ${t("blocked")}`)),
    card("w3", t("integrity"), integrity(status.integrity), seal(status.seal)),
  ];
}

/** The shares of the four statuses in one bar. */
function meter(by, total) {
  const parts = ["PROVED", "FAILED", "REJECTED", "TIMEOUT"].filter((name) => by[name]);
  const label = parts.map((name) => `${t(name.toLowerCase())} ${count(by[name])}`).join(", ");
  return h("div.meter", { role: "img", "aria-label": label || "0" },
    parts.map((name) => h(`i.tone-${name.toLowerCase()}`, { title: `${t(name.toLowerCase())}: ${count(by[name])}`, style: { flex: String(Math.max(by[name] / total, 0.01)) } })));
}

function integrity({ status, cause }) {
  if (status === "panic") return h("div", {}, h("div.big.bad", {}, t("panic")), h("p.sub", {}, cause));
  return h("div", {}, h("div.big.good", {}, t("intact")), h("p.sub", {}, t("integrityNote")));
}

function seal(made) {
  if (!made) return h("p.sub", {}, h("a", { href: "#/seals" }, t("noSeal")));
  return h("p.sub", {}, h("a", { href: "#/seals" }, t("sealNote", { n: made.number, records: count(made.log_size) })), " · ", when(made.time));
}

async function drawCharts() {
  const series = await ask("api/v1/series", { query: { range } });
  const words = { keys: t("chartKeys"), table: t("chartTable"), time: t("time") };
  const statuses = ["proved", "failed", "rejected", "timeout"].map((key) => ({ key, name: t(key), tone: key }));
  const latency = ["p50", "p95", "p99"].map((key) => ({ key: `${key}_ms`, name: key, tone: key }));
  const types = [...new Set(series.attacks.flatMap(({ by_type: by }) => Object.keys(by)))].slice(0, 4);
  const attacks = types.map((name, i) => ({ key: name, name, tone: `attack-${i}` }));
  const attackRows = series.attacks.map(({ time, by_type: by }) => ({ time, ...by }));
  const totals = (field) => series.attacks.reduce((sum, row) => {
    for (const [name, value] of Object.entries(row[field])) sum[name] = (sum[name] ?? 0) + value;
    return sum;
  }, {});
  return [
    card("w7", null, timeChart({ title: t("executionsOver"), rows: series.executions, series: statuses, kind: "stack", say: short, words })),
    card("w5", null, timeChart({ title: t("latency"), rows: series.executions, series: latency, kind: "lines", say: ms, words })),
    card("w6", null, types.length ? timeChart({ title: t("attacksOver"), rows: attackRows, series: attacks, kind: "stack", say: short, words }) : [h("h2", {}, t("attacksOver")), h("p.quiet", {}, t("noAttacks"))]),
    card("w3", null, bars({ title: t("attacksByType"), rows: totals("by_type"), say: count, empty: t("noAttacks") })),
    card("w3", null, bars({ title: t("attacksByLayer"), rows: totals("by_layer"), say: count, tone: "layer", empty: t("noAttacks") })),
  ];
}

function lastRecords(items, before) {
  const body = items.length ? recordTable(items, (item) => before >= 0 && item.index > before) : nothing(t("emptyLog"), t("emptyLogHow"));
  return card("w7", t("recent"), body, items.length ? h("p", {}, h("a", { href: "#/log" }, t("all"))) : null);
}

function rootHistory(items) {
  const rows = items.map(({ version, root, time }) =>
    h("li", {}, h("a", { href: `#/state/${version}` }, h("b", {}, count(version)), print(root, { label: root }), h("span.sub", {}, time ? when(time) : ""))));
  return card("w5", t("rootHistory"), h("ol.roots", {}, rows));
}
