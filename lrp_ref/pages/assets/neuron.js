// One layer of up to six inputs and three units, with every number to change: what a rule sends, at once.

import { header } from "lrp/blocks.js";
import { el, fill, number, signed, svg } from "lrp/dom.js";
import { fit } from "lrp/frame.js";
import { Graph } from "lrp/graph.js";
import { link } from "lrp/links.js";
import { NAMED, ruleOf } from "lrp/named.js";
import { Asked } from "lrp/predict.js";
import { cut, rootMeanSquares } from "lrp/rules.js";
import { sentence, unitOf, unitView } from "lrp/unit.js";

const POLICIES = [["absorb", "keeps its share"], ["ignore", "is left out"], ["spread", "shares with the inputs"]];
const QUIET = 400; // milliseconds without a change before the sentence is read out

/** Return the rule of a state as JSON. */
export function ruleAt(state, given) {
  return state.rule === "given" ? given : ruleOf(state.rule, state.parameters[state.rule], state.policy);
}

/** Return the units of a state {inputs, weights, bias, relevance, tied, …} by its rule, one for each output. */
export function unitsAt(state, { names, outputs, given }) {
  const rule = ruleAt(state, given);
  const columns = outputs.map((_, j) => ({ a: state.inputs, w: state.weights.map((row) => row[j]), b: state.bias[j], groups: rule.groups }));
  const rms = rule.groups ? rootMeanSquares(columns) : [];
  return outputs.map((output, j) => {
    const { w } = columns[j];
    const z = state.inputs.reduce((sum, a, i) => sum + a * w[i], 0) + state.bias[j];
    const unit = unitOf({ names, a: state.inputs, w, b: state.bias[j], r: state.tied ? z : state.relevance[j], rule, rms, z });
    return { ...unit, name: output };
  });
}

/** Return what a rule is not meant for in a state, as sentences. */
export function notes(state, names) {
  const { low, high } = state.parameters.ZBox;
  const said = [];
  const outside = state.inputs.flatMap((a, i) => (a < low || a > high ? [names[i]] : []));
  if (state.rule === "ZBox" && low > high) said.push("l is larger than h: there is no such box.");
  else if (state.rule === "ZBox" && outside.length) said.push(`${outside.join(", ")} outside of l … h: the rule is stated for inputs within.`);
  if (["Gamma", "ZPlus"].includes(state.rule) && state.inputs.some((a) => a < 0)) {
    said.push(`An input is negative: ${NAMED[state.rule].say} is stated for inputs ≥ 0.`);
  }
  return said;
}

class Neuron {
  constructor(root, said) {
    Object.assign(this, { root, said, chosen: { i: 0, j: 0 }, fields: [] });
    this.outputs = said.outputs;
    if (said.given) said.given = cut(said.given, said.names.map((_, i) => i)); // bounds with a number for each input
    this.start();
    this.build();
    this.update();
    link(root);
    fit(root);
  }

  start() {
    const { inputs, weights, bias, relevance, tied, rule, policy, parameters } = structuredClone(this.said.state);
    const usual = Object.entries(NAMED).map(([name, one]) => [name, Object.fromEntries(Object.entries(one.parameters).map(([key, p]) => [key, p.usual]))]);
    this.state = { inputs, weights, bias, relevance, tied, rule, policy, parameters: Object.fromEntries(usual) };
    if (rule !== "given") Object.assign(this.state.parameters[rule], parameters);
  }

  build() {
    const { names } = this.said;
    this.graph = new Graph(svg("svg"), names.length, this.outputs.length, (i, j) => this.choose(i, j));
    this.legend = el("p", { class: "legend", "aria-hidden": "true" }, el("span", {}, el("i", { class: "plus" }), "positive"),
      el("span", {}, el("i", { class: "minus" }), "negative"), el("span", {}, "as wide as |message|"));
    this.sentence = el("p", { class: "sentence" });
    this.live = el("p", { class: "hidden-text", "aria-live": "polite" });
    this.notes = el("p", { class: "notes" });
    this.place = el("div");
    this.units = el("div", { class: "choice", role: "group", "aria-label": "Unit that is shown" }, ...this.outputs.map((name, j) =>
      el("button", { type: "button", onclick: () => this.choose(this.chosen.i, j) }, name)));
    this.units.hidden = this.outputs.length < 2;
    this.results = el("div", { class: "results" }, this.sentence, this.notes, this.live);
    this.below = el("div", { class: `below ${["single", "", "stacked"][this.outputs.length - 1]}` }, this.controls(), el("div", { class: "shown" }, this.units, this.place));
    this.question = this.said.predict ? new Asked(this.said.predict, () => this.answered()) : null;
    fill(this.root, el("h1", {}, this.said.title), this.question?.element, this.toolbar(), this.graph.root, this.legend, this.results, this.below);
    this.known(this.question === null);
  }

  known(known) {
    for (const part of [this.results, this.below, this.bar, this.legend]) part.hidden = !known;
    this.open = known;
  }

  answered() {
    this.known(true);
    this.update();
  }

  toolbar() {
    const options = Object.entries(NAMED).map(([name, one]) => el("option", { value: name }, one.say));
    if (this.said.given) options.push(el("option", { value: "given" }, this.said.given.name));
    this.rule = el("select", { id: "rule", onchange: () => this.set((state) => (state.rule = this.rule.value)) }, ...options);
    this.policy = el("select", { id: "policy", onchange: () => this.set((state) => (state.policy = this.policy.value)) },
      ...POLICIES.map(([name, say]) => el("option", { value: name }, say)));
    this.parameters = Object.entries(NAMED).flatMap(([rule, one]) => Object.entries(one.parameters).map(([key, { letter, least, most }]) => {
      const field = this.field(`${rule}-${key}`, `${letter}, parameter of ${one.say}`, least, most, (s) => s.parameters[rule][key], (s, x) => (s.parameters[rule][key] = x), rule === "ZBox" ? null : [least, Infinity]);
      return { rule, element: el("span", { class: "parameter" }, el("span", { class: "letter", "aria-hidden": "true" }, letter), field) };
    }));
    const reset = el("button", { type: "button", id: "reset", onclick: () => this.set(() => this.start()) }, "Reset");
    this.bar = el("div", { class: "toolbar" },
      el("label", { for: "rule" }, "Rule ", this.rule), ...this.parameters.map((p) => p.element),
      (this.policyLabel = el("label", { for: "policy" }, "The bias ", this.policy)), reset);
    return this.bar;
  }

  /** Return the table of all numbers: inputs down, units across. */
  controls() {
    const { names, spans } = this.said;
    const outputs = this.outputs;
    const cell = (child, links) => el("td", { "data-link": links, "data-points": links?.split(" ")[0] }, child);
    const head = el("tr", {}, el("td", {}), el("th", { scope: "col" }, "value"), ...outputs.map((name) => el("th", { scope: "col" }, `weight to ${name}`)));
    const rows = names.map((name, i) => el("tr", {}, el("th", { scope: "row" }, name),
      cell(this.field(`a-${i}`, `input ${name}`, -spans.inputs, spans.inputs, (s) => s.inputs[i], (s, x) => (s.inputs[i] = x)), `n-${i}`),
      ...outputs.map((output, j) => cell(this.field(`w-${i}-${j}`, `weight of ${name} to ${output}`, -spans.weights, spans.weights,
        (s) => s.weights[i][j], (s, x) => (s.weights[i][j] = x)), `e-${i}-${j} n-${i}`))));
    const bias = el("tr", {}, el("th", { scope: "row" }, "bias"), el("td", {}), ...outputs.map((output, j) =>
      cell(this.field(`b-${j}`, `bias of ${output}`, -spans.weights, spans.weights, (s) => s.bias[j], (s, x) => (s.bias[j] = x)), "bias")));
    this.tied = el("input", { type: "checkbox", id: "tied", onchange: () => this.set((s) => this.untie(s)) });
    const tie = el("label", { for: "tied", class: "tie" }, this.tied, " R = z");
    const relevance = el("tr", {}, el("th", { scope: "row" }, "R"), el("td", {}, tie), ...outputs.map((output, j) =>
      cell(this.field(`r-${j}`, `relevance of ${output}`, -spans.relevance, spans.relevance,
        (s) => (s.tied ? this.now[j].z : s.relevance[j]), (s, x) => { this.untie(s, false); s.relevance[j] = x; }), `r-${j}`)));
    const caption = el("caption", { class: "hidden-text" }, "All numbers of the layer, to change");
    return el("div", { class: "numbers scroll" }, el("table", { class: "controls" }, caption, el("thead", {}, head), el("tbody", {}, ...rows, bias, relevance)));
  }

  untie(state, tied = this.tied.checked) {
    if (state.tied && !tied) state.relevance = this.now.map((unit) => unit.r);
    state.tied = tied;
  }

  /** Return a slider and a number for one value of the state; an input outside of ``allowed`` is not taken. */
  field(id, label, least, most, read, write, allowed = null) {
    const slider = el("input", { type: "range", id: `${id}-slider`, min: least, max: most, step: 0.05, "aria-label": label });
    const exact = el("input", { type: "number", id, step: "any", "aria-label": label });
    const take = (input) => {
      const x = input.value.trim() === "" ? NaN : Number(input.value);
      const holds = Number.isFinite(x) && (!allowed || (x >= allowed[0] && x <= allowed[1]));
      exact.setAttribute("aria-invalid", String(!holds));
      if (holds) this.set((state) => write(state, x), input);
    };
    slider.addEventListener("input", () => take(slider));
    exact.addEventListener("input", () => take(exact));
    exact.addEventListener("change", () => this.update());
    this.fields.push({ slider, exact, read });
    return el("span", { class: "field" }, slider, exact);
  }

  set(change, from = null) {
    change(this.state);
    this.update(from);
  }

  choose(i, j) {
    this.chosen = { i: i ?? this.chosen.i, j };
    this.view.chosen = this.chosen.i;
    this.update();
  }

  update(from = null) {
    const { state, said, chosen } = this;
    const units = unitsAt(state, said);
    this.now = units;
    const received = said.names.map((_, i) => units.reduce((sum, unit) => sum + unit.messages[i], 0));
    const text = this.outputs.length > 1 ? together(units, received, said.names) : sentence(units[0]);
    this.graph.update({ names: said.names, values: state.inputs, units, received, chosen, known: this.open, said: this.open ? text : "A layer, whose messages are asked for" });
    this.sentence.textContent = text;
    fill(this.notes, notes(state, said.names).join(" "));
    this.notes.hidden = !this.notes.textContent;
    for (const field of this.fields) show(field, field.read(state), from);
    for (const { rule, element } of this.parameters) element.hidden = rule !== state.rule;
    this.rule.value = state.rule;
    this.policy.value = state.policy;
    const biased = ruleAt({ ...state, policy: "absorb" }, said.given).groups?.some((g) => g.runs.some((run) => run.bias !== "zero"));
    this.policyLabel.hidden = state.rule === "given" || !biased;
    this.tied.checked = state.tied;
    [...this.units.children].forEach((button, j) => button.setAttribute("aria-pressed", String(j === chosen.j)));
    this.showUnit(units[chosen.j], chosen.j);
    if (this.open) this.say(text);
  }

  showUnit(unit, j) {
    const own = (name, points) => ({ belongs: name, points: points ?? name });
    const { names } = this.said;
    const many = this.outputs.length > 1;
    const connections = unit.connections.map((one, i) => ({
      ...one, links: own(`e-${i}-${j} n-${i}`, `e-${i}-${j}`), weightName: `w${lower(i + 1)}${many ? lower(j + 1) : ""}`,
    }));
    const sink = (k, name) => own(`e-${names.length + k}-${j} ${name}`, `e-${names.length + k}-${j}`);
    const links = {
      r: own(`r-${j} o-${j}`, `r-${j}`), bias: sink(0, "bias"), stabiliser: sink(1, "stabiliser"), dropped: sink(2, "dropped"),
      all: own("all", names.map((_, i) => `e-${i}-${j}`).join(" ")),
    };
    const shown = { ...unit, connections, links, at: many ? String(j + 1) : "j", title: many ? `What ${unit.name} hands down` : "" };
    if (!this.view) {
      this.view = unitView(this.place, shown, { ranked: false, said: false, onChoose: (i) => this.chosen.i !== i && this.choose(i, this.chosen.j) });
    } else this.view.update(shown);
  }

  say(text) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => (this.live.textContent = text), QUIET);
  }
}

const lower = (k) => "₀₁₂₃₄₅₆₇₈₉"[k];

/** Write a value into its slider and number, but not into what is being typed in. */
function show({ slider, exact }, value, from) {
  if (from !== slider) slider.value = value;
  if (from !== exact) {
    exact.value = Number(value.toPrecision(12));
    exact.setAttribute("aria-invalid", "false");
  }
}

/** Return what several units send, as one sentence. */
function together(units, received, names) {
  const add = (column) => units.reduce((sum, unit) => sum + unit[column], 0);
  const kept = [["the biases keep", add("bias")], ["the stabiliser takes", add("stabiliser")], ["dropped is", add("dropped")]];
  const said = kept.filter(([, x]) => x !== 0).map(([what, x]) => `${what} ${signed(x)}`);
  const inputs = received.map((r, i) => `${names[i]} ${signed(r)}`).join(", ");
  return `Of ${number(add("r"))} in all, the inputs receive ${inputs}${said.length ? `; ${said.join(", ")}` : ""}.`;
}

if (globalThis.document?.getElementById("neuron")) new Neuron(document.getElementById("neuron"), header());
