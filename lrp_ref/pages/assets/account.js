// Where the relevance went, node by node: a table whose rows lead to their layer.

import { el } from "lrp/dom.js";
import { named } from "lrp/dom.js";
import { number } from "lrp/dom.js";
import { short } from "lrp/dom.js";

const COLUMNS = ["relevance out", "relevance in", "bias", "stabiliser", "dropped", "residual"];
const TO = { bias: "biases", stabiliser: "stabilisers", dropped: "nowhere (dropped)", residual: "rounding" };

/** Return the ledger of an explanation as an element; ``chosen(node)`` is told which row is wanted. */
export function ledger(view, chosen) {
  if (!view.ledgerMade) return [el("p", {}, "This explanation was computed without its ledger.")];
  if (!view.ledger.length) return [el("p", {}, "No node handed relevance on.")];
  const totals = COLUMNS.slice(2).map((_, k) => view.ledger.reduce((sum, row) => sum + row[k + 4], 0));
  const parts = COLUMNS.slice(2).map((name, k) => [name, totals[k]]).filter(([, value]) => value !== 0);
  const words = parts.map(([name, value]) => `${part(value, view.started)} to ${TO[name]}`);
  return [
    el(
      "p",
      {},
      `Of the start relevance ${number(view.started)}, ${number(view.arrived)} arrived at the input` +
        (view.started ? ` (${part(view.arrived, view.started)})` : "") +
        (words.length ? `; ${words.join(", ")}.` : "."),
    ),
    el(
      "div",
      { class: "scrolled", tabindex: "0", role: "region", "aria-label": "Ledger table" },
      el(
        "table",
        { class: "account" },
        el("thead", {}, el("tr", {}, ...["node", "rule"].map((h) => el("th", { scope: "col" }, h)), ...COLUMNS.map((h) => el("th", { scope: "col", class: "n" }, h)))),
        el("tbody", {}, ...view.ledger.map((row) => line(row, chosen))),
        el(
          "tfoot",
          {},
          el("tr", {}, el("th", { scope: "row", colspan: "4" }, "sum over all nodes"), ...totals.map((t) => el("td", { class: "n" }, number(t)))),
        ),
      ),
    ),
  ];
}

function part(value, whole) {
  return whole ? `${number((100 * value) / whole)} %` : number(value);
}

function line([node, rule, ...numbers], chosen) {
  return el(
    "tr",
    { "data-node": node, "data-numbers": JSON.stringify(numbers) },
    el("th", { scope: "row" }, el("button", { type: "button", class: "link", onclick: () => chosen(node) }, named(node, 32))),
    el("td", { class: "rule", title: rule.length > 44 ? rule : null }, short(rule, 44)),
    ...numbers.map((value) => el("td", { class: "n" }, number(value))),
  );
}
