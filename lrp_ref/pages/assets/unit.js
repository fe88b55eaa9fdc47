// What one unit makes of its relevance: a sentence, the messages as ranked bars with their sum, the formula of one of them
// with its numbers, and the ledger that closes.
//
// unitView(element, unit) shows a unit:
//   title        text above; "" for none
//   r, z, b      R_j, z_j, b_j (null where there is none)
//   connections  [{name, a, w, message}]: a_i and w_i may be null; all of the unit, or the strongest alone with others;
//                symbol and weight are how the formula calls its input and weight, a_i and w_ij by default
//   others       {count, message}: how many further inputs there are, and what they receive together; or null
//   bias, stabiliser, dropped    the unit's columns of the ledger
//   formula      text of the rule
//   rule, parts  of rules.js where the page executed the rule itself (see unitOf); else left out
// It returns {update(unit), choose(i)}: another state of the same unit is shown in place, so that no focus is lost.

import { el, fill, named, number, sign, signed, svg } from "lrp/dom.js";
import { Formula } from "lrp/formula.js";
import { LedgerBar } from "lrp/ledger.js";
import { redistribute } from "lrp/rules.js";
import { link } from "lrp/links.js";

const MOST = 24; // bars; the others are one
const LONGEST = 40; // letters of a name
const COLUMNS = ["input", "a", "w", "message"];

/** Return a unit for unitView from its numbers, by executing a rule of rule_json.py; further values are taken over. */
export function unitOf({ names, a, w, b, r, rule, rms, z, ...rest }) {
  const told = redistribute(rule, { a, w, b: b ?? 0, r, rms, ...(z === undefined ? {} : { z }) });
  const connections = a.map((x, i) => ({ name: names[i], a: x, w: w[i], message: told.messages[i] }));
  return { r, b, rule, formula: rule.formula, others: null, ...told, connections, ...rest };
}

/** Return a unit with what its parts are linked by, where that is not said. */
function withLinks(unit) {
  const own = (name) => ({ belongs: name, points: name });
  const all = { belongs: "all", points: unit.connections.map((_, i) => `in-${i}`).join(" ") };
  const links = {
    r: own("r"),
    bias: own("bias"),
    stabiliser: own("stabiliser"),
    dropped: own("dropped"),
    all,
    ...unit.links,
  };
  const connections = unit.connections.map((one, i) => ({ links: own(`in-${i}`), ...one }));
  return { title: "", others: null, ...unit, links, connections };
}

/** Return what a unit sends, as one sentence. */
export function sentence(unit) {
  const { connections, others, r } = unit;
  const count = connections.length + (others?.count ?? 0);
  const total = connections.reduce((sum, one) => sum + one.message, others?.message ?? 0);
  const most = connections.reduce(
    (best, one) => (Math.abs(one.message) > Math.abs(best?.message ?? 0) ? one : best),
    null,
  );
  const least = Math.abs(most?.message ?? 0) * (1 - 1e-9);
  const alone = connections.filter((one) => Math.abs(one.message) >= least).length === 1;
  const strongest = most && count > 1 && alone ? `; ${most.name} gets the most, ${signed(most.message)}` : "";
  const rest = [
    ["the bias keeps", unit.bias],
    ["the stabiliser takes", unit.stabiliser],
    ["dropped is", unit.dropped],
  ];
  const kept = rest.filter(([, x]) => x !== 0).map(([what, x]) => `${what} ${signed(x)}`);
  const end = kept.length ? `. ${capital(kept.join(", "))}` : ". Nothing is kept or dropped";
  return `Of R = ${number(r)}, ${count === 1 ? "one input gets" : `${count} inputs get`} ${signed(total)}${strongest}${end}.`;
}

const capital = (text) => text[0].toUpperCase() + text.slice(1);

/** Show a unit in an element; ``ranked`` sorts the bars, ``said`` whether its sentence is shown. */
export function unitView(element, unit, { ranked = true, said = true, onChoose = () => {} } = {}) {
  const view = new UnitView(element, { ranked, said, onChoose });
  view.update(unit);
  return view;
}

class UnitView {
  constructor(element, options) {
    Object.assign(this, { element, chosen: null, rows: [], order: [], ...options });
    this.title = el("h3");
    this.sentence = el("p", { class: "sentence" });
    this.formula = new Formula(el("div", { class: "formula" }));
    this.body = el("tbody");
    this.foot = el("tfoot");
    const heads = COLUMNS.map((name, k) =>
      el(
        "th",
        { scope: "col", class: k ? "n" : null },
        name === "a" || name === "w" ? [name, el("sub", {}, "i")] : name,
      ),
    );
    const head = el("thead", {}, el("tr", {}, ...heads, el("td", {})));
    this.table = el(
      "table",
      { class: "messages" },
      el("caption", { class: "hidden-text" }, "Messages"),
      head,
      this.body,
      this.foot,
    );
    this.ledger = new LedgerBar(svg("svg"));
    const scroll = el("div", { class: "scroll" }, this.table);
    const parts = [this.title, options.said ? this.sentence : null, scroll, this.formula.element, this.ledger.root];
    element.classList.add("unit");
    fill(element, ...parts);
    link(element);
  }

  /** Show another state of the unit. */
  update(given) {
    const unit = withLinks(given);
    this.unit = unit;
    this.title.textContent = unit.title;
    this.title.hidden = !unit.title;
    this.sentence.textContent = sentence(unit);
    const places = unit.connections.map((_, i) => i);
    if (this.ranked)
      places.sort((p, q) => Math.abs(unit.connections[q].message) - Math.abs(unit.connections[p].message));
    const shown = places.slice(0, MOST);
    if (this.chosen === null || !shown.includes(this.chosen)) this.chosen = shown[0] ?? null;
    if (shown.join() !== this.order.join()) this.build(shown);
    const hidden = places.slice(MOST);
    const more = unit.others ?? { count: 0, message: 0 };
    const others = {
      count: more.count + hidden.length,
      message: hidden.reduce((sum, i) => sum + unit.connections[i].message, more.message),
    };
    const total = unit.connections.reduce((sum, one) => sum + one.message, more.message);
    const largest = Math.max(...[...shown.map((i) => unit.connections[i].message), others.message].map(Math.abs), 0);
    for (const row of this.rows) row.update(unit.connections[row.i], largest, row.i === this.chosen);
    this.sums(unit, others, total, largest);
    if (this.chosen !== null) this.formula.update(unit, this.chosen);
    this.formula.element.hidden = this.chosen === null;
    this.ledger.update({
      r: unit.r,
      messages: total,
      bias: unit.bias,
      stabiliser: unit.stabiliser,
      dropped: unit.dropped,
      links: unit.links,
    });
  }

  /** Show the formula of another connection. */
  choose(i) {
    this.chosen = i;
    this.update(this.unit);
    this.onChoose(i);
  }

  build(shown) {
    this.order = shown;
    this.rows = shown.map((i) => new Row(i, () => this.choose(i)));
    fill(this.body, ...this.rows.map((row) => row.element));
  }

  /** Write the rows below the bars: the others, the sum of all messages, what goes elsewhere, and R_j. */
  sums(unit, others, total, largest) {
    const row = (name, value, link, more = {}) => {
      const cells = [
        el("th", { scope: "row", colspan: 3 }, name),
        el("td", { class: "n", "data-value": value }, more.plain ? number(value) : signed(value)),
      ];
      const bar = el("td", { class: "bar" }, more.bar ? barOf(value, largest) : null);
      return el("tr", { class: more.class, "data-link": link?.belongs, "data-points": link?.points }, ...cells, bar);
    };
    const { links } = unit;
    fill(
      this.foot,
      others.count
        ? row(others.count > 1 ? `${others.count} others` : "1 other", others.message, null, {
            bar: true,
            class: "others",
          })
        : null,
      row("sum of the messages", total, links.all, { class: "sum" }),
      row(
        [
          "bias keeps ",
          el("span", { class: "quiet" }, unit.b === null || unit.b === undefined ? "" : `(b = ${number(unit.b)})`),
        ],
        unit.bias,
        links.bias,
      ),
      row("stabiliser takes", unit.stabiliser, links.stabiliser),
      row("dropped", unit.dropped, links.dropped),
      row(["R", el("sub", {}, "j"), " that arrived"], unit.r, links.r, { class: "whole", plain: true }),
    );
  }
}

/** One input of the unit: its name, which chooses its formula, its numbers and its bar. */
class Row {
  constructor(i, choose) {
    this.i = i;
    this.name = el("button", { type: "button", class: "name", onclick: choose });
    this.cells = [el("td", { class: "n" }), el("td", { class: "n" }), el("td", { class: "n message" })];
    this.bar = el("td", { class: "bar" });
    this.element = el("tr", {}, el("th", { scope: "row" }, this.name), ...this.cells, this.bar);
  }

  update({ name, a, w, message, links }, largest, chosen) {
    fill(this.name, named(name, LONGEST));
    this.name.setAttribute("aria-pressed", String(chosen));
    this.element.dataset.link = links.belongs;
    this.element.dataset.points = links.points ?? links.belongs;
    [a, w, message].forEach((value, k) => {
      const none = value === null || value === undefined || Number.isNaN(value);
      this.cells[k].textContent = none ? "" : k === 2 ? signed(value) : number(value);
      this.cells[k].dataset.value = none ? "" : value;
    });
    this.cells[2].className = `n message ${sign(message)}`;
    fill(this.bar, barOf(message, largest));
  }
}

/** Return a bar from the middle to the right for +, to the left for −. */
function barOf(value, largest) {
  const part = largest ? (50 * Math.abs(value)) / largest : 0;
  const style = `width:${part}%;${value < 0 ? "right" : "left"}:50%`;
  return el("span", { class: "track", "aria-hidden": "true" }, el("span", { class: `fill ${sign(value)}`, style }));
}
