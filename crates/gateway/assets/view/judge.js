// How a check went, step by step; and a picture of the way up to the root.

import { announce, h, s, show } from "../lib/dom.js";
import { t } from "../lib/i18n.js";
import { canHash } from "../verify/hash.js";

/**
 * Runs `check`, which returns its steps as `[key, values]`, and shows what came of it. A refusal
 * shows the steps that held and the one that did not.
 */
export async function judge(where, check) {
  if (!canHash()) return show(where, verdict("warn", t("unchecked"), t("noCrypto")));
  try {
    const steps = await check();
    announce(t("sound"));
    return show(where, verdict("good", t("sound"), t("soundText")), list(steps));
  } catch (error) {
    const reason = error.reason ?? error.message;
    announce(t("refused"));
    return show(where, verdict("bad", t("refused"), t("refusedText", { reason })), list(error.steps ?? []));
  }
}

export function verdict(tone, title, text) {
  return h(`div.verdict.${tone}`, { "data-verdict": tone }, title, h("p", {}, text));
}

function list(steps) {
  return h("ol.steps", {}, steps.map(([key, values]) => h("li", {}, h("span.mark.good", { "aria-hidden": "true" }, "✓"), h("span", {}, t(key, values)))));
}

/** From a leaf at the bottom left to the root: one node a level, with the sibling that joins it. */
export function climb({ index, size, path }) {
  const levels = path.length;
  const width = 560;
  const step = Math.min(46, 200 / Math.max(1, levels));
  const height = step * levels + 44;
  const x = (level) => 40 + ((width - 80) * level) / Math.max(1, levels);
  const y = (level) => height - 22 - step * level;
  const parts = [];
  for (let level = 0; level < levels; level += 1) {
    const [fromX, fromY, toX, toY] = [x(level), y(level), x(level + 1), y(level + 1)];
    const sibling = { x: Math.min(width - 14, fromX + 0.55 * (toX - fromX) + 34), y: fromY };
    parts.push(s("path", { d: `M${fromX} ${fromY}L${toX} ${toY}`, class: "climb-way" }), s("path", { d: `M${sibling.x} ${sibling.y}L${toX} ${toY}`, class: "climb-side" }), s("rect", { x: sibling.x - 5, y: sibling.y - 5, width: 10, height: 10, rx: 3, class: "climb-sibling" }));
  }
  for (let level = 0; level <= levels; level += 1) parts.push(s("circle", { cx: x(level), cy: y(level), r: level === levels ? 8 : 5.5, class: level === levels ? "climb-root" : "climb-node" }));
  const label = t("stepPath", { n: levels, index, size });
  return s("svg.climb", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label }, parts);
}
