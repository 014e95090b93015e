// What an operator does: long work, backups, versions with names.

import { ask, send } from "../lib/api.js";
import { announce, h, show } from "../lib/dom.js";
import { count } from "../lib/format.js";
import { t } from "../lib/i18n.js";
import { jobList } from "./jobs.js";
import { card, field, hash, head, nothing, table, when } from "./parts.js";

export async function render(main) {
  const jobs = jobList((ended) => (ended.kind === "backup" ? backups.draw() : null));
  const backups = backupPart(jobs);
  const snapshots = snapshotPart();
  await Promise.all([jobs.draw(), backups.draw(), snapshots.draw()]);
  const verify = act(t("checkAll"), async () => jobs.begun(await ask("api/v1/jobs/verify", { method: "POST" })));
  show(main, head(t("operations")), h("div.grid", {},
    card("w12", t("jobs"), h("div.row", {}, verify.button, verify.said), jobs.element),
    card("w6", t("backups"), backups.element),
    card("w6", t("snapshots"), snapshots.element)));
  return { dispose: jobs.stop };
}

/** A button that does something, and where it says what became of it. */
function act(text, attempt) {
  const said = h("span", { role: "status" });
  const button = h("button.primary", { type: "button", onclick: () => tried(said, attempt) }, text);
  return { button, said };
}

/** Tries something; what went wrong is said where it was asked for. */
async function tried(said, attempt) {
  show(said);
  try {
    await attempt();
  } catch (error) {
    show(said, h("span.bad", {}, error.message));
  }
}

function backupPart(jobs) {
  const list = h("div");
  const said = h("p", { role: "status" });
  const name = h("input", { name: "backup", required: true, pattern: "[a-z0-9][a-z0-9\\-]*", maxlength: 64, autocomplete: "off", spellcheck: "false", placeholder: "daily" });
  const begin = (event) => {
    event.preventDefault();
    return tried(said, async () => jobs.begun(await send("api/v1/backups", { name: name.value })));
  };
  const draw = async () => {
    const { items } = await ask("api/v1/backups");
    const rows = items.map((made) => h("tr", {},
      h("th", { scope: "row" }, made.name),
      h("td", {}, made.version === null ? h("span.bad", {}, t("unsigned")) : t("version", { n: count(made.version) })),
      h("td", {}, made.root ? hash(made.root, 8) : ""),
      h("td", {}, made.sealed ? when(made.sealed) : "")));
    show(list, rows.length ? table([t("name"), t("upTo"), t("stateRoot"), t("seal")], rows, t("backups")) : nothing(t("noBackups"), t("noBackupsHow")));
  };
  const form = h("form.form", { onsubmit: begin }, field(t("name"), name, true), h("button.primary", { type: "submit" }, t("backUp")));
  return { draw, element: h("div.stack", {}, h("p.quiet", {}, t("backupHow")), form, said, list) };
}

function snapshotPart() {
  const list = h("div");
  const said = h("p", { role: "status" });
  const name = h("input", { name: "snapshot", required: true, maxlength: 255, autocomplete: "off", placeholder: t("snapshotExample") });
  const version = h("input", { name: "version", inputmode: "numeric", pattern: "[0-9]*", placeholder: t("newestVersion") });
  const make = (event) => {
    event.preventDefault();
    return tried(said, async () => {
      await send("api/v1/snapshots", { name: name.value, version: version.value ? Number(version.value) : null });
      name.value = "";
      await draw();
    });
  };
  const forget = (named) => tried(said, async () => {
    await ask(`api/v1/snapshots/${encodeURIComponent(named.name)}`, { method: "DELETE" });
    await draw();
    announce(`${named.name}: ${t("forgotten")}`);
    name.focus(); // the button that had it is gone
  });
  const draw = async () => {
    const { items } = await ask("api/v1/snapshots");
    const rows = items.map((named) => h("tr", {},
      h("th", { scope: "row" }, named.name),
      h("td", {}, h("a", { href: `#/state/${named.version}` }, t("version", { n: count(named.version) }))),
      h("td", {}, hash(named.root, 8)),
      h("td", {}, h("button", { type: "button", "aria-label": `${t("forgetName")}: ${named.name}`, onclick: () => forget(named) }, t("forgetName")))));
    show(list, rows.length ? table([t("name"), t("atVersion"), t("stateRoot"), h("span.visually-hidden", {}, t("forgetName"))], rows, t("snapshots")) : nothing(t("noSnapshots"), t("noSnapshotsHow")));
  };
  const form = h("form.form", { onsubmit: make }, field(t("name"), name, true), field(t("atVersion"), version), h("button.primary", { type: "submit" }, t("giveName")));
  return { draw, element: h("div.stack", {}, h("p.quiet", {}, t("snapshotHow")), form, said, list) };
}
