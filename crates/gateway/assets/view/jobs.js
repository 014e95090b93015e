// Long work: how far it is, what it came to, and the way to end it.

import { ask } from "../lib/api.js";
import { announce, h, show } from "../lib/dom.js";
import { count, ms } from "../lib/format.js";
import { t } from "../lib/i18n.js";
import { badge, nothing, when } from "./parts.js";

const LOOK_EVERY_MS = 1000;
const TONES = { running: "warn", done: "good", failed: "bad", cancelled: "quiet" };
const STATUS = { running: "running", done: "done", failed: "failedJob", cancelled: "cancelled" };
const STORES = { state: "state", vault: "vault", "audit trail": "auditLog", seals: "seals" };

/** The list of jobs; it looks again while one runs. `onEnd` is told each job that ended meanwhile. */
export function jobList(onEnd) {
  const list = h("ul.jobs");
  const element = h("div");
  const rows = new Map(); // by number: a row stays, so that its button keeps the focus
  let drawn = false;
  let due = null;
  let stopped = false;

  const draw = async () => {
    const { items } = await ask("api/v1/jobs");
    for (const job of items) {
      const known = rows.get(job.id);
      const row = known ?? jobRow(() => draw());
      // One that was begun a moment ago may have ended before it was first looked at.
      if (job.status !== "running" && (known ? known.status === "running" : drawn)) {
        announce(`${t(job.kind)}: ${t(STATUS[job.status])}`);
        onEnd(job);
      }
      row.status = job.status;
      row.show(job);
      rows.set(job.id, row);
    }
    const elements = items.map(({ id }) => rows.get(id).element);
    drawn = true;
    // What stays where it is keeps the focus.
    if (elements.length !== list.children.length) list.replaceChildren(...elements);
    if (!items.length) show(element, nothing(t("noJobs"), t("noJobsHow")));
    else if (element.firstChild !== list) show(element, list);
    if (items.some(({ status }) => status === "running")) again();
  };
  const again = () => {
    clearTimeout(due);
    // Where the server does not answer, the next look tries again.
    due = stopped ? null : setTimeout(() => draw().catch(again), LOOK_EVERY_MS);
  };
  const stop = () => {
    stopped = true;
    clearTimeout(due);
  };
  return { element, draw, begun: draw, stop };
}

function jobRow(redraw) {
  const said = h("span", { role: "status" });
  const parts = { title: h("div.row"), progress: h("div.stack"), outcome: h("p.sub") };
  const cancel = h("button", { type: "button" }, t("cancel"));
  const element = h("li", {}, h("div.row.between", {}, parts.title, cancel), parts.progress, parts.outcome, said);
  const bars = new Map();
  const update = (job) => {
    show(parts.title, h("b", {}, `${t(job.kind)} ${job.id}`), badge(t(STATUS[job.status]), TONES[job.status]), h("span.sub", {}, when(job.started)),
      job.left_s === null ? null : h("span.sub", {}, t("left", { time: ms(Math.max(job.left_s, 0.001) * 1000) })));
    const running = job.status === "running";
    cancel.hidden = !running;
    cancel.setAttribute("aria-label", `${t("cancel")}: ${t(job.kind)} ${job.id}`);
    cancel.onclick = async () => {
      try {
        await ask(`api/v1/jobs/${job.id}`, { method: "DELETE" });
        await redraw();
      } catch (error) {
        show(said, h("span.bad", {}, error.message));
      }
    };
    parts.progress.hidden = !running;
    for (const one of running ? job.progress : []) drawBar(bars, parts.progress, one);
    show(parts.outcome, outcome(job));
  };
  return { element, show: update };
}

function drawBar(bars, where, { store, done, total }) {
  if (!bars.has(store)) {
    const bar = h("progress", { "aria-label": t(STORES[store] ?? store) });
    const text = h("span.sub");
    bars.set(store, { bar, text });
    where.append(h("div.progress", {}, h("span", {}, t(STORES[store] ?? store)), bar, text));
  }
  const { bar, text } = bars.get(store);
  [bar.max, bar.value] = [Math.max(total, 1), Math.min(done, total)];
  text.textContent = `${count(done)} / ${count(total)}`;
}

function outcome({ kind, status, result, problem }) {
  if (status === "failed") return h("span.bad", {}, problem?.detail || problem?.title);
  if (!result) return null;
  if (kind === "backup") return t("backupDone", { name: result.name, version: count(result.version), versions: count(result.versions_added), objects: count(result.objects_added) });
  if (result.sound) return h("span.good", {}, t("checkedSound", { versions: count(result.versions), records: count(result.records), objects: count(result.objects) }));
  return h("ul", {}, result.causes.map(({ store, what }) => h("li.bad", {}, `${store}: ${what}`)));
}
