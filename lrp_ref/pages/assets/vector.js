// The numbers of a short vector: a bar each, with one focus that arrow keys move.

import { bar } from "lrp/bars.js";
import { el } from "lrp/dom.js";
import { named } from "lrp/dom.js";
import { number } from "lrp/dom.js";
import { sign } from "lrp/dom.js";
import { signed } from "lrp/dom.js";
import { walkable } from "lrp/options.js";

export const MOST_BARS = 64;

/** Return the bars of a vector as an element; ``moved(k, chosen)`` is told which is looked at. */
export function bars(label, map, names, values, limit, moved) {
  const list = el("div", { class: "bars", role: "listbox", "aria-label": label });
  map.values.forEach((r, k) =>
    list.append(
      el(
        "div",
        { role: "option", class: "bar-row", tabindex: k ? "-1" : "0", "aria-selected": "false", "data-place": k },
        el("span", { class: "bar-name" }, named(names[k] ?? `number ${k}`, 32)),
        el("span", { class: "n quiet" }, values[k] === undefined ? "" : number(values[k])),
        bar(r, limit),
        el("span", { class: `n ${sign(r)}` }, signed(r)),
      ),
    ),
  );
  walkable(list, moved);
  return list;
}

/** Mark the bar that is looked at. */
export function chooseBar(list, place) {
  [...list.children].forEach((option, k) => {
    option.setAttribute("aria-selected", String(k === place));
    option.tabIndex = k === place ? 0 : -1;
  });
}
