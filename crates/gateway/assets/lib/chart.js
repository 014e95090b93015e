// Charts in SVG, made by hand: one can look at them, walk through them with the arrow keys, or read
// them as a table.

import { announce, h, s } from "./dom.js";
import { clock } from "./format.js";

const HEIGHT = 230;
const PAD = { top: 14, right: 10, bottom: 26, left: 50 };
const WIDTH_FIRST = 560; // until it is known how wide the chart is on the page

/**
 * A chart over time. `rows` are `{time, ...values}`; `series` are `{key, name, tone}`, the first at
 * the bottom. `kind` is `stack` for amounts that add up, `lines` for levels. `say` writes a value.
 */
export function timeChart({ title, rows, series, kind, say, words }) {
  const span = rows.length > 1 ? Date.parse(rows.at(-1).time) - Date.parse(rows[0].time) : 0;
  const top = nice(highest(rows, series, kind));
  const svg = s("svg.chart", { role: "img", tabindex: "0", "aria-label": `${title}. ${words.keys}` });
  const cursor = s("line.cursor", { y1: PAD.top, y2: HEIGHT - PAD.bottom });
  const readout = h("div.readout");
  const state = { width: 0, at: rows.length - 1 };
  const choose = (index, aloud) => {
    if (!rows.length) return;
    state.at = Math.max(0, Math.min(rows.length - 1, index));
    const x = scale(rows.length, state.width)(state.at);
    cursor.setAttribute("x1", x);
    cursor.setAttribute("x2", x);
    const row = rows[state.at];
    const values = series.map(({ key, name, tone }) => ({ name, tone, text: say(row[key] ?? 0) }));
    readout.replaceChildren(h("time", {}, clock(row.time, span)),
      ...values.map(({ name, tone, text }) => h("span.key", {}, h(`i.tone-${tone}`), `${name} `, h("b", {}, text))));
    if (aloud) announce(`${clock(row.time, span)}: ${values.map(({ name, text }) => `${name} ${text}`).join(", ")}`);
  };
  const draw = (width) => {
    state.width = width;
    svg.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
    const place = { x: scale(rows.length, width), y: (value) => y(value, top) };
    const shapes = kind === "stack" ? stack(rows, series, place) : lines(rows, series, place);
    svg.replaceChildren(grid(top, say, width), axis(rows, span, place.x, width), ...shapes, cursor);
    choose(state.at, false);
  };
  draw(WIDTH_FIRST);
  new ResizeObserver(([{ contentRect: { width } }]) => width && width !== state.width && draw(width)).observe(svg);
  walk(svg, rows.length, state, choose);
  return h("figure.figure", {}, h("figcaption", {}, title, readout), svg, table(title, rows, series, say, span, words));
}

/** Mouse, touch and keys move the cursor. */
function walk(svg, length, state, choose) {
  svg.addEventListener("pointermove", (event) => {
    const inside = (event.clientX - svg.getBoundingClientRect().left - PAD.left) / (state.width - PAD.left - PAD.right);
    choose(Math.round(inside * (length - 1)), false);
  });
  svg.addEventListener("keydown", (event) => {
    const moves = { ArrowLeft: state.at - 1, ArrowRight: state.at + 1, Home: 0, End: length - 1 };
    if (!(event.key in moves)) return;
    event.preventDefault();
    choose(moves[event.key], true);
  });
}

function highest(rows, series, kind) {
  const of = (row) => series.map(({ key }) => row[key] ?? 0);
  const tops = rows.map((row) => (kind === "stack" ? of(row).reduce((a, b) => a + b, 0) : Math.max(...of(row))));
  return Math.max(0, ...tops);
}

/** The next number that is easy to read: 1, 2 or 5 times a power of ten. */
function nice(value) {
  if (value <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((top) => top >= value);
}

function scale(length, width) {
  const [from, to] = [PAD.left, width - PAD.right];
  return (index) => (length > 1 ? from + ((to - from) * index) / (length - 1) : (from + to) / 2);
}

function y(value, top) {
  return HEIGHT - PAD.bottom - (value / top) * (HEIGHT - PAD.top - PAD.bottom);
}

function grid(top, say, width) {
  const rows = [0, 0.5, 1].map((part) => {
    const at = y(top * part, top);
    return [
      s("line", { x1: PAD.left, x2: width - PAD.right, y1: at, y2: at }),
      s("text", { x: PAD.left - 8, y: at + 4, "text-anchor": "end" }, say(top * part)),
    ];
  });
  return s("g.grid", { "aria-hidden": "true" }, rows);
}

function axis(rows, span, x, width) {
  const ticks = Math.min(Math.max(2, Math.floor(width / 95)), rows.length);
  const at = Array.from({ length: ticks }, (_, i) => Math.round((i * (rows.length - 1)) / Math.max(1, ticks - 1)));
  const texts = at.map((index, i) => {
    const anchor = i === 0 ? "start" : i === ticks - 1 ? "end" : "middle";
    return s("text", { x: x(index), y: HEIGHT - 7, "text-anchor": anchor }, clock(rows[index].time, span));
  });
  return s("g.axis", { "aria-hidden": "true" }, texts);
}

function stack(rows, series, { x, y: at }) {
  let below = rows.map(() => 0);
  return series.map(({ key, tone }) => {
    const above = rows.map((row, i) => below[i] + (row[key] ?? 0));
    const d = `${path(above, x, at)} ${path(below, x, at, true)} Z`;
    below = above;
    return s(`path.area.tone-${tone}`, { d });
  });
}

function lines(rows, series, { x, y: at }) {
  const of = (key) => rows.map((row) => row[key] ?? 0);
  const band = series.length > 1 ? s("path.band", { d: `${path(of(series.at(-1).key), x, at)} ${path(of(series[0].key), x, at, true)} Z` }) : null;
  const drawn = series.map(({ key, tone }) => s(`path.line.tone-${tone}`, { d: path(of(key), x, at) }));
  return band ? [band, ...drawn] : drawn;
}

function path(values, x, at, back = false) {
  const points = values.map((value, i) => `${x(i).toFixed(1)},${at(value).toFixed(1)}`);
  if (back) return `L${points.reverse().join(" L")}`;
  return `M${points.join(" L")}`;
}

/** The same numbers for who would rather read, or cannot see. */
function table(title, rows, series, say, span, words) {
  const head = h("tr", {}, h("th", { scope: "col" }, words.time), series.map(({ name }) => h("th", { scope: "col" }, name)));
  const lines = [...rows].reverse().map((row) =>
    h("tr", {}, h("th", { scope: "row" }, clock(row.time, span)), series.map(({ key }) => h("td", {}, say(row[key] ?? 0)))));
  const whole = h("div.scroll", { tabindex: "0", role: "region", "aria-label": title }, h("table", {}, h("thead", {}, head), h("tbody", {}, lines)));
  return h("details.as-table", {}, h("summary", {}, words.table), whole);
}

/** Amounts by name, the largest first, as bars. */
export function bars({ title, rows, say, tone = "attack", empty }) {
  const sorted = Object.entries(rows).sort(([, a], [, b]) => b - a).slice(0, 8);
  const most = sorted[0]?.[1] ?? 0;
  const lines = sorted.map(([name, value], i) =>
    h("li", {}, h("span.bar-name", {}, name), h("span.bar-value", {}, say(value)),
      h("span.bar", { "aria-hidden": "true" }, h(`i.tone-${tone}-${i % 4}`, { style: { width: `${Math.max(2, (100 * value) / most)}%` } }))));
  const body = lines.length ? h("ol.bars", {}, lines) : h("p.quiet", {}, empty);
  return h("figure.figure", {}, h("figcaption", {}, title), body);
}
