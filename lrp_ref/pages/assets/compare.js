// Two explanations of one sample: the difference of their maps, and how alike they are, node by node.

import { el } from "lrp/dom.js";
import { named } from "lrp/dom.js";
import { number } from "lrp/dom.js";
import { signed } from "lrp/dom.js";

/** Return the difference of two maps of one shape; null where the shapes differ, or one is not there. */
export function difference(one, other) {
  if (!one || !other || one.high !== other.high || one.wide !== other.wide) return null;
  return { ...one, values: one.values.map((r, k) => r - other.values[k]) };
}

/** Return the cosine of the angle between two maps: 1 for maps that differ by a factor; null where one is 0. */
export function cosine(one, other) {
  let [product, a, b] = [0, 0, 0];
  one.values.forEach((r, k) => {
    product += r * other.values[k];
    a += r * r;
    b += other.values[k] * other.values[k];
  });
  return a && b ? product / Math.sqrt(a * b) : null;
}

/** Return a table of both explanations' sums at every node that they have in common, and how alike the maps are. */
export function comparison(data, view, other, chosen) {
  const common = view.nodes.map((node) => [node, data.node(other, node.name)]).filter(([, there]) => there);
  const rows = common.map(([node, there]) => {
    const [one, two] = [data.map(node), data.map(there)];
    const alike = difference(one, two) ? cosine(one, two) : null;
    return el(
      "tr",
      { "data-node": node.name },
      el("th", { scope: "row" }, el("button", { type: "button", class: "link", onclick: () => chosen(node.name) }, named(node.name, 32))),
      ...[node.rule, there.rule].map((rule) => el("td", { class: "rule", title: rule.length > 36 ? rule : null }, rule.length > 36 ? `${rule.slice(0, 35)}…` : rule)),
      ...[signed(node.sum), signed(there.sum), signed(node.sum - there.sum), alike === null ? "–" : number(alike)].map((text) => el("td", { class: "n" }, text)),
    );
  });
  const headers = ["node", "rule here", "rule there", "Σ here", "Σ there", "difference", "cosine of the maps"];
  return el(
    "div",
    { class: "scrolled", tabindex: "0", role: "region", "aria-label": "Comparison table" },
    el(
      "table",
      { class: "account" },
      el("thead", {}, el("tr", {}, ...headers.map((h, k) => el("th", { scope: "col", class: k > 2 ? "n" : null }, h)))),
      el("tbody", {}, ...rows),
    ),
  );
}
