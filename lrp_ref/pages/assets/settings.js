// Everything of a small layer that can be changed: its rule with the parameters, and its numbers, by slider or keyboard.

import { el } from "lrp/dom.js";
import { NAMED } from "lrp/named.js";

const POLICIES = [
  ["absorb", "keeps its share"],
  ["ignore", "is left out"],
  ["spread", "shares with the inputs"],
];
const [LEAST, MOST] = [1e-60, 1e60]; // of a number but 0: products and quotients of several are finite then, as in neurons.py
const STEP = 0.05; // of sliders; numbers are typed as they are

/** The controls of a layer; set(change, input) is called with what changes the state, now() returns its units. */
export class Settings {
  constructor(said, { set, reset, now }) {
    Object.assign(this, { said, set, reset, now, fields: [] });
    this.bar = this.toolbar();
    this.numbers = el("div", { class: "numbers scroll" }, this.table());
  }

  /** Show a state everywhere but in the input ``from`` in which it is being changed; ``biased`` is whether b counts. */
  show(state, biased, from = null) {
    for (const { slider, exact, read } of this.fields) {
      const value = read(state);
      if (from !== slider) slider.value = value;
      if (from === exact) continue;
      exact.value = Number(value.toPrecision(12));
      exact.setAttribute("aria-invalid", "false");
    }
    for (const { rule, element } of this.parameters) element.hidden = rule !== state.rule;
    this.rule.value = state.rule;
    this.policy.value = state.policy;
    this.policyLabel.hidden = state.rule === "given" || !biased;
    this.tied.checked = state.tied;
  }

  toolbar() {
    const options = Object.entries(NAMED).map(([name, one]) => [name, one.say]);
    if (this.said.given) options.push(["given", this.said.given.name]);
    this.rule = this.choice("rule", options);
    this.policy = this.choice("policy", POLICIES);
    this.policyLabel = el("label", { for: "policy" }, "The bias ", this.policy);
    this.parameters = Object.entries(NAMED).flatMap(([rule, one]) =>
      Object.entries(one.parameters).map(([key, parameter]) => ({
        rule,
        element: this.parameter(rule, key, parameter),
      })),
    );
    const label = el("label", { for: "rule" }, "Rule ", this.rule);
    const reset = el("button", { type: "button", id: "reset", onclick: this.reset }, "Reset");
    const parameters = this.parameters.map((one) => one.element);
    return el("div", { class: "toolbar" }, label, ...parameters, this.policyLabel, reset);
  }

  choice(key, options) {
    const change = () => this.set((state) => (state[key] = select.value));
    const select = el("select", { id: key, onchange: change });
    select.append(...options.map(([value, say]) => el("option", { value }, say)));
    return select;
  }

  parameter(rule, key, { letter, least, most }) {
    const place = (state) => state.parameters[rule];
    const allowed = rule === "ZBox" ? null : [least, Infinity];
    const label = `${letter}, parameter of ${NAMED[rule].say}`;
    const field = this.field({ id: `${rule}-${key}`, label, least, most, place, key, allowed });
    return el("span", { class: "parameter" }, el("span", { class: "letter", "aria-hidden": "true" }, letter), field);
  }

  /** Return the table of all numbers: inputs down, units across. */
  table() {
    const { names, outputs } = this.said;
    const head = (text) => el("th", { scope: "col" }, text);
    const row = (name, ...cells) => el("tr", {}, el("th", { scope: "row" }, name), ...cells);
    const top = el("tr", {}, el("td", {}), head("value"), ...outputs.map((name) => head(`weight to ${name}`)));
    const rows = names.map((name, i) => row(name, this.input(i), ...outputs.map((_, j) => this.weight(i, j))));
    const bias = row("bias", el("td", {}), ...outputs.map((_, j) => this.bias(j)));
    this.tied = el("input", { type: "checkbox", id: "tied", onchange: () => this.set((state) => this.untie(state)) });
    const tie = el("label", { for: "tied", class: "tie" }, this.tied, " R = z");
    const relevance = row("R", el("td", {}, tie), ...outputs.map((_, j) => this.relevance(j)));
    const caption = el("caption", { class: "hidden-text" }, "All numbers of the layer, to change");
    const body = el("tbody", {}, ...rows, bias, relevance);
    return el("table", { class: "controls" }, caption, el("thead", {}, top), body);
  }

  input(i) {
    const label = `input ${this.said.names[i]}`;
    return this.cell(`n-${i}`, { id: `a-${i}`, label, span: "inputs", place: (state) => state.inputs, key: i });
  }

  weight(i, j) {
    const label = `weight of ${this.said.names[i]} to ${this.said.outputs[j]}`;
    const place = (state) => state.weights[i];
    return this.cell(`e-${i}-${j} n-${i}`, { id: `w-${i}-${j}`, label, span: "weights", place, key: j });
  }

  bias(j) {
    const label = `bias of ${this.said.outputs[j]}`;
    return this.cell("bias", { id: `b-${j}`, label, span: "weights", place: (state) => state.bias, key: j });
  }

  relevance(j) {
    const label = `relevance of ${this.said.outputs[j]}`;
    const read = (state) => (state.tied ? this.now()[j].z : state.relevance[j]);
    const write = (state, x) => {
      this.untie(state, false);
      state.relevance[j] = x;
    };
    return this.cell(`r-${j}`, { id: `r-${j}`, label, span: "relevance", read, write });
  }

  /** Let R be the output, or what it is now and no longer follow it. */
  untie(state, tied = this.tied.checked) {
    if (state.tied && !tied) state.relevance = this.now().map((unit) => unit.r);
    state.tied = tied;
  }

  cell(links, { span, ...field }) {
    const most = this.said.spans[span];
    const points = links.split(" ")[0];
    return el("td", { "data-link": links, "data-points": points }, this.field({ ...field, least: -most, most }));
  }

  /** Return a slider and a number for one value of the state, place(state)[key]; what is not ``allowed`` is not taken. */
  field({ id, label, least, most, place, key, allowed = null, read, write }) {
    const range = { type: "range", id: `${id}-slider`, min: least, max: most, step: STEP, "aria-label": label };
    const slider = el("input", range);
    const exact = el("input", { type: "number", id, step: "any", "aria-label": label });
    const put = write ?? ((state, x) => (place(state)[key] = x));
    const take = (input) => {
      const x = input.value.trim() === "" ? NaN : Number(input.value);
      const holds = (x === 0 || (Math.abs(x) <= MOST && Math.abs(x) >= LEAST)) && (!allowed || (x >= allowed[0] && x <= allowed[1]));
      exact.setAttribute("aria-invalid", String(!holds));
      if (holds) this.set((state) => put(state, x), input);
    };
    slider.addEventListener("input", () => take(slider));
    exact.addEventListener("input", () => take(exact));
    exact.addEventListener("change", () => this.set(() => {}));
    this.fields.push({ slider, exact, read: read ?? ((state) => place(state)[key]) });
    return el("span", { class: "field" }, slider, exact);
  }
}
