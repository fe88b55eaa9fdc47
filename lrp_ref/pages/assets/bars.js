// Bars that start in the middle: to the right for positive numbers, to the left and hatched for negative ones.

import { el } from "lrp/dom.js";
import { sign } from "lrp/dom.js";

/** Return the bar of a number; ``most`` is the size that reaches the end. */
export function bar(value, most) {
  const width = Math.min(50, (50 * Math.abs(value)) / (most || 1));
  return el(
    "span",
    { class: "bar-line", "aria-hidden": "true" },
    el("span", { class: `bar-fill ${sign(value)}`, style: `width:${width}%;${value < 0 ? "right" : "left"}:50%` }),
  );
}
