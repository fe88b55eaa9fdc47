// The keys of the page, and what says them.

import { el } from "lrp/dom.js";
import { fill } from "lrp/dom.js";

const KEYS = [
  ["[ and ]", "the layer before, the next layer"],
  ["arrow keys", "on the map: move the cursor; with Shift by ten; Home and End: first and last"],
  ["arrow keys", "in the list of layers, in words and in bars: the next one"],
  ["Enter", "on the map: open the unit under the cursor, if its messages are in the page"],
  ["?", "these keys"],
];

/** Listen to the keys of the page; ``before`` and ``next`` change the layer. */
export function help(dialog, before, next) {
  fill(
    dialog,
    el("h2", { id: "help-title" }, "Keys"),
    el("dl", {}, ...KEYS.flatMap(([key, what]) => [el("dt", {}, el("kbd", {}, key)), el("dd", {}, what)])),
    el("button", { type: "button", onclick: () => dialog.close() }, "close"),
  );
  const open = el("button", { type: "button", class: "help", "aria-label": "Keys of this page", onclick: () => dialog.showModal() }, "?");
  document.querySelector("header").append(open);
  addEventListener("keydown", (event) => {
    if (event.target.closest?.("input, select, textarea, dialog") || event.ctrlKey || event.metaKey || event.altKey) return;
    const act = { "[": before, "]": next, "?": () => dialog.showModal() }[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });
}
