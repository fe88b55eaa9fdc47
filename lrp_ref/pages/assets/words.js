// A text, each word on the colour of its relevance, with its sign above it.

import { el } from "lrp/dom.js";
import { oneSided } from "lrp/colours.js";
import { short } from "lrp/dom.js";
import { signed } from "lrp/dom.js";
import { walkable } from "lrp/options.js";

/** Return the words of a text as an element; ``moved(k)`` is told which one is looked at. */
export function wordsOf(words, { limit, palette, which }, moved) {
  const list = el("p", { class: "words", role: "listbox", "aria-label": "Words", "aria-orientation": "horizontal" });
  words.forEach(([text, r, special], k) => {
    const place = limit > 0 ? oneSided(r, which) / limit : 0;
    list.append(
      el(
        "span",
        {
          class: special ? "word special" : "word", role: "option", tabindex: k ? "-1" : "0", "data-place": k, title: signed(r),
          "aria-selected": "false", "aria-label": `${short(text, 80)}: ${signed(r)}`,
          style: `background:${palette.css(place)};color:${palette.ink(place)}`,
        },
        el("bdi", {}, short(text, 200)),
        el("sup", { "aria-hidden": "true" }, Math.abs(place) < 0.1 ? "" : place > 0 ? "+" : "−"),
      ),
      " ",
    );
  });
  walkable(list, moved);
  return list;
}
