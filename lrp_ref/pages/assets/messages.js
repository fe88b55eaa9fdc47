// One unit: what it received, what it hands to each of its inputs, and what it keeps from them; it always adds up.

import { el } from "lrp/dom.js";
import { number } from "lrp/dom.js";
import { percent } from "lrp/dom.js";
import { sign } from "lrp/dom.js";
import { signed } from "lrp/dom.js";

/** Return the view of a unit: a sentence, and the table of its messages with bars and their sum.
 *
 * ``name(message)`` is the input that a message goes to, as an element.
 */
export function unitView(node, unit, messages, name) {
  const shown = messages.reduce((sum, m) => sum + m.message, 0);
  const elsewhere = [["bias", unit.bias], ["stabiliser", unit.stabiliser], ["dropped", unit.dropped]];
  const parts = [unit.rest, ...elsewhere.map(([, value]) => value)];
  const rounding = unit.relevance - parts.reduce((sum, part) => sum + part, shown);
  const most = Math.max(...messages.map((m) => Math.abs(m.message)), ...parts.map(Math.abs), 1e-300);
  const rows = messages.map((m) => row(name(m), m, unit, most));
  if (unit.others) {
    rows.push(sum(`${unit.others} further input${unit.others > 1 ? "s" : ""}`, unit.rest, unit, most, "others"));
  }
  elsewhere.forEach(([what, value]) => value && rows.push(sum(`to ${what}`, value, unit, most, what)));
  if (Math.abs(rounding) > 1e-9 * Math.abs(unit.relevance)) rows.push(sum("rounding", rounding, unit, most, "rounding"));
  return [
    el("p", {}, told(unit, messages)),
    formula(node, unit, messages[0]),
    el(
      "table",
      { class: "messages" },
      el("thead", {}, el("tr", {}, ...headers(unit).map((text, k) => el("th", { scope: "col", class: k ? "n" : null }, text)))),
      el("tbody", {}, ...rows),
      el(
        "tfoot",
        {},
        el(
          "tr",
          {},
          el("th", { scope: "row", colspan: unit.weighted ? "4" : "2" }, "sum = relevance of the unit, R_j"),
          el("td", { class: `n ${sign(unit.relevance)}`, "data-sum": unit.relevance }, signed(unit.relevance)),
          el("td", { class: "n" }, "100 %"),
          el("td", {}),
        ),
      ),
    ),
  ];
}

function headers(unit) {
  const weights = unit.weighted ? ["w_ij", "a_i·w_ij"] : [];
  return ["input i", "a_i", ...weights, "message R_i←j", "of R_j", "size"];
}

function row(input, m, unit, most) {
  const product = m.value * m.weight;
  const weights = unit.weighted ? [cell(number(m.weight)), cell(signed(product), sign(product))] : [];
  return el(
    "tr",
    { "data-message": m.message, "data-at": m.at },
    el("th", { scope: "row" }, input),
    cell(number(m.value)),
    ...weights,
    cell(signed(m.message), sign(m.message)),
    cell(percent(m.message, unit.relevance)),
    el("td", {}, bar(m.message, most)),
  );
}

function sum(what, value, unit, most, kind) {
  return el(
    "tr",
    { class: `absorbed ${kind}`, "data-column": kind, "data-value": value },
    el("th", { scope: "row", colspan: unit.weighted ? "4" : "2" }, what),
    cell(signed(value), sign(value)),
    cell(percent(value, unit.relevance)),
    el("td", {}, bar(value, most)),
  );
}

function cell(text, kind = "") {
  return el("td", { class: `n ${kind}`.trim() }, text);
}

/** Return a bar to the right of the middle for positive numbers, to the left for negative ones. */
export function bar(value, most) {
  const width = (50 * Math.abs(value)) / (most || 1);
  return el(
    "span",
    { class: "bar-line", "aria-hidden": "true" },
    el("span", { class: `bar-fill ${sign(value)}`, style: `width:${width}%;${value < 0 ? "right" : "left"}:50%` }),
  );
}

function told(unit, messages) {
  const plus = messages.filter((m) => m.message > 0).length;
  const best = messages[0];
  if (!best) return "No input receives anything of this unit's relevance.";
  const part = percent(best.message, unit.relevance);
  return (
    `The unit has the value ${number(unit.value)} and the relevance ${signed(unit.relevance)}. ` +
    `Of the ${messages.length} messages listed ${plus} are positive; the strongest is ${part} of its relevance.`
  );
}

function formula(node, unit, best) {
  if (!best || !node.formula) return null;
  const lines = [`${node.formula}`];
  if (unit.weighted) {
    const b = unit.b === null ? "" : `, b_j = ${number(unit.b)}`;
    lines.push(
      `strongest input: a_i·w_ij = ${number(best.value)} · ${number(best.weight)} = ${signed(best.value * best.weight)}; ` +
        `z_j = ${number(unit.value)}${b}; R_j = ${signed(unit.relevance)}; R_i←j = ${signed(best.message)}`,
    );
  }
  return el("div", { class: "formula" }, ...lines.map((line) => el("p", {}, line)));
}
