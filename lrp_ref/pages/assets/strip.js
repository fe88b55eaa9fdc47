// The layers, one row each: a list with one focus, which arrow keys move.

import { el } from "lrp/dom.js";
import { named } from "lrp/dom.js";
import { sign } from "lrp/dom.js";
import { signed } from "lrp/dom.js";
import { thumbnail } from "lrp/pixels.js";

/** Return the list of a view's nodes; ``chosen(name)`` is told which is wanted. */
export function strip(data, view, palette, chosen) {
  const list = el("div", { class: "strip-list", role: "listbox", "aria-label": "Layers, from the input up" });
  const most = Math.max(...view.nodes.map((node) => Math.abs(node.sum)), 1e-300);
  for (const node of view.nodes) list.append(row(data, node, palette, most));
  list.addEventListener("click", (event) => {
    const option = event.target.closest("[role=option]");
    if (option) chosen(option.dataset.node);
  });
  list.addEventListener("keydown", (event) => {
    const to = moveTo(list, event.key);
    if (!to) return;
    event.preventDefault();
    chosen(to.dataset.node);
    to.focus();
  });
  return list;
}

function row(data, node, palette, most) {
  const canvas = el("canvas", { class: "thumb", "aria-hidden": "true", width: 1, height: 1 });
  const map = data.map(node);
  if (map) thumbnail(canvas, map, palette);
  const what = node.layer ? `${node.layer} · ${node.rule}` : `input · ${node.shape.join(" × ")}`;
  const width = (100 * Math.abs(node.sum)) / most;
  return el(
    "div",
    { role: "option", class: "layer", tabindex: "-1", "aria-selected": "false", "data-node": node.name },
    el("span", { class: "thumb-box" }, map ? canvas : "–"),
    el("span", { class: "layer-name" }, named(node.name, 28)),
    el("span", { class: "layer-rule", title: what.length > 60 ? what : null }, what.length > 60 ? `${what.slice(0, 59)}…` : what),
    el("span", { class: `layer-sum ${sign(node.sum)}` }, signed(node.sum)),
    el("span", { class: `meter ${sign(node.sum)}`, style: `width:${width}%`, "aria-hidden": "true" }),
  );
}

function moveTo(list, key) {
  const options = [...list.children];
  const at = options.indexOf(document.activeElement);
  if (at < 0) return null;
  if (key === "Enter" || key === " ") return options[at];
  const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: options.length - 1 }[key];
  return to === undefined ? null : options[Math.max(0, Math.min(options.length - 1, to))];
}

/** Mark the row of a node as the one that is looked at. */
export function choose(list, name) {
  for (const option of list.children) {
    const here = option.dataset.node === name;
    option.setAttribute("aria-selected", String(here));
    option.tabIndex = here ? 0 : -1;
    if (here && list.scrollHeight > list.clientHeight) {
      const top = option.offsetTop - list.offsetTop;
      if (top < list.scrollTop || top + option.offsetHeight > list.scrollTop + list.clientHeight) {
        list.scrollTop = top - list.clientHeight / 2;
      }
    }
  }
}

/** Draw the pictures of a list once more, in other colours. */
export function repaint(list, data, view, palette) {
  for (const option of list.children) {
    const map = data.map(data.node(view, option.dataset.node));
    if (map) thumbnail(option.querySelector("canvas"), map, palette);
  }
}
