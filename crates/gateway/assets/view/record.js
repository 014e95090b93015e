// One record: what it says, and the proof that it is in the log.

import { ask } from "../lib/api.js";
import { h, show } from "../lib/dom.js";
import { count, moment, ms, percent } from "../lib/format.js";
import { t } from "../lib/i18n.js";
import { print } from "../lib/print.js";
import { climb, judge } from "./judge.js";
import { verifyRecord } from "../verify/record.js";
import { badge, card, facts, hash, head } from "./parts.js";

export async function renderRecord(main, page, index) {
  const record = await ask(`api/v1/audit/records/${encodeURIComponent(index)}`);
  const proof = await ask(`api/v1/audit/records/${encodeURIComponent(index)}/proof`);
  show(main, head(t("record", { n: count(record.index) }), h("a.button", { href: "#/log" }, t("back"))),
    h("div.grid", {}, card("w7", t(record.kind), body(record)), h("div.w5.stack", {}, checking(record, proof), roots(record))));
  return {};
}

function body({ fields, kind, time, observed, state_version: version }) {
  const common = [
    [t("when"), moment(time)],
    [t("observed"), observed ? moment(observed) : null],
    [t("inVersion"), version === undefined || version === null ? null : h("a", { href: `#/state/${version}` }, count(version))],
  ];
  if (kind === "execution") {
    return facts([
      ["tx_id", h("span.mono", {}, fields.tx_id)], [t("intent"), fields.intent_name], [t("status"), badge(fields.status)],
      [t("elapsed"), ms(fields.elapsed_ms)], ...common, [t("layers"), layers(fields.layer_results)],
      [t("result"), code(fields.result)], [t("telemetry"), code(fields.telemetry)],
      [t("bundle"), fields.bundle_hash ? hash(fields.bundle_hash) : null],
    ]);
  }
  if (kind === "attack") {
    return facts([
      ["attack_id", h("span.mono", {}, fields.attack_id)], [t("kind"), badge(fields.attack_type, "attack")], [t("status"), fields.category],
      [t("attacksByLayer"), fields.blocked_by_layer], [t("severity"), percent(fields.severity)], [t("detection"), fields.detection_method],
      ...common, [t("snippet"), fields.erased ? h("em", {}, t("erased")) : code(fields.code_snippet)], [t("metadata"), code(fields.metadata)],
    ]);
  }
  const rest = Object.entries(fields).map(([name, value]) => [name, typeof value === "object" ? code(value) : String(value)]);
  return facts([...rest, ...common]);
}

function layers(results) {
  const all = Object.entries(results ?? {});
  if (!all.length) return null;
  return h("ul.steps", {}, all.map(([name, passed]) =>
    h("li", {}, h(`span.mark.${passed ? "good" : "bad"}`, { "aria-hidden": "true" }, passed ? "✓" : "✕"), h("span", {}, name, h("span.visually-hidden", {}, ` ${passed ? t("passed") : t("stopped")}`)))));
}

function code(value) {
  if (value === null || value === undefined || value === "" || value === "{}") return null;
  if (typeof value === "object") return Object.keys(value).length ? h("pre", { tabindex: "0" }, JSON.stringify(value, null, 2)) : null;
  return h("pre", { tabindex: "0" }, String(value));
}

function roots({ fields }) {
  if (!fields.merkle_root_before) return null;
  const changed = fields.merkle_root_before !== fields.merkle_root_after;
  return card("w12", null,
    h("h2", {}, t("rootBefore")), print(fields.merkle_root_before, { label: fields.merkle_root_before }), hash(fields.merkle_root_before),
    changed ? [h("h2", {}, t("rootAfter")), print(fields.merkle_root_after, { label: fields.merkle_root_after }), hash(fields.merkle_root_after)] : null);
}

function checking(record, proof) {
  const result = h("div.stack", { "aria-live": "polite" });
  const check = (shown) => judge(result, () => verifyRecord(shown, record));
  return card("w12", t("checkHere"),
    h("div.stack", {}, h("p.sub", {}, t("checkHow")), climb(proof),
      facts([[t("leafHash"), hash(proof.leaf)], [t("logRoot"), hash(proof.root)]]),
      h("div.row", {}, h("button.primary", { id: "verify", onclick: () => check(proof) }, t("verifyNow")),
        h("button", { id: "tamper", title: t("tamperHow"), onclick: () => check(spoil(proof)) }, t("tamper"))),
      result));
}

/** The same proof with one bit of the record's bytes turned round. */
function spoil(proof) {
  const bytes = Uint8Array.from(atob(proof.record), (char) => char.charCodeAt(0));
  bytes[Math.floor(bytes.length / 2)] ^= 1;
  return { ...proof, record: btoa(String.fromCharCode(...bytes)) };
}

