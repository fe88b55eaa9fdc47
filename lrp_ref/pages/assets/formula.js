// The message of one connection as a formula: in symbols, with the numbers plugged in, and the result.
//
// First what stands in it, as data; then how it is drawn. Factors are buttons: one is reached by Tab, the others by the
// arrow keys; what belongs to the factor that has the focus stands out (links.js).

import { el, fill, number, signed } from "lrp/dom.js";
import { edited } from "lrp/rules.js";
import { quotient } from "lrp/named.js";

const MOST_TERMS = 7; // of a denominator that are written out

/** A factor: its text, the names of what belongs to it, and what it is. */
const factor = (text, link, say) => ({ text, link, say });

/**
 * Return the quotients of a message in symbols and with numbers, as lists of factors.
 *
 * unit is that of unit.js with a rule and parts; i is the place of the connection. Groups whose gate is shut are left
 * out; of a dead one the denominator is 0.
 */
export function quotients(unit, i) {
  const told = unit.parts;
  return unit.rule.groups.flatMap((group, g) => {
    const part = told[g];
    if (!part.open) return [];
    return [
      {
        weight: group.weight,
        dead: part.dead,
        symbols: inSymbols(unit, group, i),
        numbers: inNumbers(unit, group, part, i),
      },
    ];
  });
}

function inSymbols(unit, group, i) {
  const { name, symbol = "a_i", weight = "w_ij", links } = unit.connections[i];
  const { top } = quotient(group, [symbol, weight]);
  const generic = quotient(group);
  return {
    top: [factor(top, links, `what ${name} brings`)],
    bottom: [factor(generic.bottom, unit.links.all, "the sum over all inputs, with bias and stabiliser")],
    before: generic.before.includes("[") ? generic.before.replace(/^[^[]*/, "").trim() : "",
  };
}

function inNumbers(unit, group, part, i) {
  const { a, w, name, links } = unit.connections[i];
  const products = group.runs
    .map((run) => ({ run, x: edited(run.inputs, a, i), v: edited(run.weights, w) }))
    .filter(({ x, v }) => x * v !== 0)
    .map(({ run, x, v }, k) => `${run.sign < 0 ? (k ? " − " : "−") : k ? " + " : ""}${product(run, x, v)}`);
  const top = [factor(products.join("") || "0", links, `what ${name} brings`)];
  const even = part.even !== 0 ? part.even / part.message : 0;
  if (even) top.push(factor(term(even, false), unit.links.bias, "its part of bias and stabiliser"));
  const bottom = [];
  if (part.terms.length <= MOST_TERMS) {
    part.terms.forEach((value, k) => {
      const { name: other, links: own } = unit.connections[k];
      if (value !== 0) bottom.push(factor(term(value, bottom.length === 0), own, `what ${other} brings`));
    });
    if (!bottom.length) bottom.push(factor("0", unit.links.all, "what the inputs bring"));
  } else {
    const total = part.terms.reduce((all, x) => all + x, 0);
    bottom.push(factor(term(total, true), unit.links.all, `what ${part.terms.length} inputs bring`));
  }
  if (part.bias !== 0) bottom.push(factor(term(part.bias, false), unit.links.bias, "the bias"));
  if (part.added !== 0) bottom.push(factor(term(part.added, false), unit.links.stabiliser, "the stabiliser"));
  return { top, bottom };
}

/** Return a product of an edited input and an edited weight as text; what is 1 by the rule is not written. */
function product(run, x, v) {
  if (run.inputs === "ones") return number(v);
  return `${bracketed(x)}·${bracketed(v)}`;
}

const bracketed = (x) => (x < 0 ? `(${number(x)})` : number(x));
const term = (x, first) => (first ? number(x) : x < 0 ? ` − ${number(-x)}` : ` + ${number(x)}`);

/** Return text as nodes in which "_ij" and the like stand below the line. */
export function lowered(text) {
  return text.split(/(_[a-z0-9←]+)/i).map((piece) => (piece.startsWith("_") ? el("sub", {}, piece.slice(1)) : piece));
}

/** A formula in an element, which update() draws anew. */
export class Formula {
  constructor(element) {
    this.element = element;
    this.at = 0; // of the factors, the one that Tab reaches
    element.setAttribute("role", "group");
    element.addEventListener("keydown", (event) => this.moved(event));
    element.addEventListener("focusin", (event) => this.entered(event.target));
  }

  /** Show the message of a unit's connection i; without the parts of its rule only the formula's text and the number. */
  update(unit, i) {
    const connection = unit.connections[i];
    const lead = (text = "") => el("span", { class: "lead" }, ...lowered(text));
    const message = lead(`R_${connection.at ?? i + 1}←${unit.at ?? "j"}`);
    this.element.setAttribute(
      "aria-label",
      `Formula of what ${connection.name} receives; arrow keys go through its factors`,
    );
    const lines = [];
    if (!unit.parts || !unit.rule?.groups) {
      if (unit.formula) lines.push(line([...lowered(unit.formula)]));
      lines.push(
        line([message, "= ", this.factor(factor(signed(connection.message), connection.links, "the message"))]),
      );
    } else {
      const found = quotients(unit, i);
      const r = (text) => this.factor(factor(text, unit.links.r, "the relevance that arrived"));
      if (found.length) {
        lines.push(line([message, "= ", ...this.sum(found, "symbols"), " · ", r(`R_${unit.at ?? "j"}`)]));
        lines.push(line([lead(), "= ", ...this.sum(found, "numbers"), " · ", r(bracketed(unit.r))]));
      } else {
        lines.push(line([message, "= 0: z is 0, and no part of the rule holds for it"]));
      }
      const dead = found.filter((one) => one.dead).length;
      const why = dead ? " (a denominator is 0: what it would divide is dropped)" : "";
      lines.push(
        line([lead(), "= ", this.factor(factor(signed(connection.message), connection.links, "the message")), why]),
      );
    }
    fill(this.element, ...lines);
    const factors = this.factors();
    this.at = Math.min(this.at, factors.length - 1);
    factors.forEach((one, k) => (one.tabIndex = k === this.at ? 0 : -1));
  }

  sum(found, which) {
    const parts = found.flatMap((one, k) => {
      const weight = Math.abs(one.weight) === 1 ? "" : `${number(Math.abs(one.weight))} · `;
      const before =
        which === "symbols" && one.symbols.before
          ? el("span", { class: "gate" }, ...lowered(one.symbols.before), " ")
          : null;
      const sign = one.weight < 0 ? (k ? " − " : "−") : k ? " + " : "";
      return [sign, weight, before, this.fraction(one[which])];
    });
    return found.length > 1 ? ["(", ...parts, ")"] : parts;
  }

  fraction({ top, bottom }) {
    const row = (factors, name) => el("span", { class: name }, ...factors.map((one) => this.factor(one)));
    const by = el("span", { class: "hidden-text" }, " divided by ");
    return el("span", { class: "fraction" }, row(top, "top"), by, row(bottom, "bottom"));
  }

  factor({ text, link, say }) {
    const { belongs, points } = link ?? {};
    const attributes = {
      type: "button",
      class: "factor",
      "data-link": belongs,
      "data-points": points,
      title: say,
      tabindex: -1,
    };
    return el("button", attributes, ...lowered(text), el("span", { class: "hidden-text" }, `, ${say}`));
  }

  factors() {
    return [...this.element.querySelectorAll(".factor")];
  }

  entered(target) {
    const factors = this.factors();
    const at = factors.indexOf(target.closest(".factor"));
    if (at < 0) return;
    this.at = at;
    factors.forEach((one, k) => (one.tabIndex = k === at ? 0 : -1));
  }

  moved(event) {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    const factors = this.factors();
    if (!step && event.key !== "Home" && event.key !== "End") return;
    event.preventDefault();
    const wanted = event.key === "Home" ? 0 : event.key === "End" ? factors.length - 1 : this.at + step;
    factors[Math.max(0, Math.min(factors.length - 1, wanted))]?.focus();
  }
}

function line(children) {
  return el("div", { class: "line" }, ...children.filter((child) => child !== null && child !== ""));
}
