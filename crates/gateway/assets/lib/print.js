// A hash as a picture: two roots that differ anywhere look different at a glance.

import { s } from "./dom.js";

/** 32 bars, one a byte: the height and the tint are the byte's. */
export function print(hash, { label = "", height = 36 } = {}) {
  const bytes = hash.match(/../g)?.map((pair) => parseInt(pair, 16)) ?? [];
  const step = 6;
  const bars = bytes.map((byte, i) => {
    const tall = 5 + (byte / 255) * (height - 5);
    return s("rect", {
      x: i * step, y: (height - tall) / 2, width: 4, height: tall, rx: 2,
      class: `print-${byte & 3}`,
    });
  });
  const attributes = { viewBox: `0 0 ${bytes.length * step - 2} ${height}`, preserveAspectRatio: "none" };
  const named = label ? { role: "img", "aria-label": label } : { "aria-hidden": "true" };
  return s("svg.print", { ...attributes, ...named }, bars);
}
