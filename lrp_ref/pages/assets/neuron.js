// One layer of up to six inputs and three units, with every number to change: what a rule sends, at once.

import { header } from "lrp/blocks.js";
import { el, fill, short, svg } from "lrp/dom.js";
import { fit } from "lrp/frame.js";
import { Graph } from "lrp/graph.js";
import { link } from "lrp/links.js";
import { NAMED } from "lrp/named.js";
import { notes, ruleAt, shownUnit, together, unitsAt } from "lrp/neuron_units.js";
import { Asked } from "lrp/predict.js";
import { cut } from "lrp/rules.js";
import { Settings } from "lrp/settings.js";
import { sentence, unitView } from "lrp/unit.js";

const QUIET = 400; // milliseconds without a change before the sentence is read out
const LONGEST = 14; // letters of a name

class Neuron {
  constructor(root, said) {
    const [names, outputs] = [said.names, said.outputs].map((all) => all.map((name) => short(name, LONGEST)));
    // Bounds with a number for each input are those of all inputs, in their order.
    const given = said.given ? cut(said.given, [...names.keys()]) : null;
    Object.assign(this, { root, said: { ...said, names, outputs, given }, chosen: { i: 0, j: 0 } });
    this.start();
    this.build();
    this.update();
    link(root);
    fit(root);
  }

  start() {
    const { parameters, ...state } = structuredClone(this.said.state);
    const usual = ([key, parameter]) => [key, parameter.usual];
    const all = Object.entries(NAMED).map(([name, one]) => [
      name,
      Object.fromEntries(Object.entries(one.parameters).map(usual)),
    ]);
    this.state = { ...state, parameters: Object.fromEntries(all) };
    Object.assign(this.state.parameters[state.rule] ?? {}, parameters);
  }

  build() {
    const { names, outputs, predict, title } = this.said;
    this.settings = new Settings(this.said, {
      set: (change, input = null) => {
        change(this.state);
        this.update(input);
      },
      reset: () => {
        this.start();
        this.update();
      },
      now: () => this.now,
    });
    this.graph = new Graph(svg("svg"), names.length, outputs.length, (i, j) => this.choose(i, j));
    const picture = { class: "scroll", tabindex: 0, role: "group", "aria-label": "Picture of the layer" };
    this.sentence = el("p", { class: "sentence" });
    this.live = el("p", { class: "hidden-text", "aria-live": "polite" });
    this.notes = el("p", { class: "notes" });
    this.place = el("div");
    const button = (name, j) => el("button", { type: "button", onclick: () => this.choose(null, j) }, name);
    this.units = el(
      "div",
      { class: "choice", role: "group", "aria-label": "Unit that is shown" },
      ...outputs.map(button),
    );
    this.units.hidden = outputs.length < 2;
    const results = el("div", { class: "results" }, legend(), this.sentence, this.notes, this.live);
    const columns = `below ${["single", "", "stacked"][outputs.length - 1]}`;
    const shown = el("div", { class: "shown" }, this.units, this.place);
    const below = el("div", { class: columns }, this.settings.numbers, shown);
    this.answers = [this.settings.bar, results, below];
    const question = predict ? new Asked(predict, () => this.answered()) : null;
    const graph = el("div", picture, this.graph.root);
    fill(this.root, el("h1", {}, title), question?.element, this.settings.bar, graph, results, below);
    this.known(question === null);
  }

  known(known) {
    for (const part of this.answers) part.hidden = !known;
    this.open = known;
  }

  answered() {
    this.known(true);
    this.update();
  }

  /** Show unit j, and the formula of input i unless it is null. */
  choose(i, j) {
    this.chosen = { i: i ?? this.chosen.i, j };
    this.view.chosen = this.chosen.i;
    this.update();
  }

  /** Show the state everywhere but in the input in which it is being changed. */
  update(from = null) {
    const { state, said, chosen } = this;
    const units = unitsAt(state, said);
    this.now = units;
    const received = said.names.map((_, i) => units.reduce((sum, unit) => sum + unit.messages[i], 0));
    const text = units.length > 1 ? together(units, received, said.names) : sentence(units[0]);
    const told = this.open ? text : "A layer, whose messages are asked for";
    this.graph.update({
      names: said.names,
      values: state.inputs,
      units,
      received,
      chosen,
      known: this.open,
      said: told,
    });
    this.sentence.textContent = text;
    this.notes.textContent = notes(state, said.names).join(" ");
    this.notes.hidden = !this.notes.textContent;
    const stated = ruleAt({ ...state, policy: "absorb" }, said.given);
    this.settings.show(
      state,
      stated.groups?.some((group) => group.runs.some((run) => run.bias !== "zero")),
      from,
    );
    [...this.units.children].forEach((button, j) => button.setAttribute("aria-pressed", String(j === chosen.j)));
    this.showUnit(shownUnit(units[chosen.j], chosen.j, said));
    if (this.open) this.say(text);
  }

  showUnit(unit) {
    const onChoose = (i) => this.chosen.i !== i && this.choose(i, this.chosen.j);
    if (this.view) this.view.update(unit);
    else this.view = unitView(this.place, unit, { ranked: false, said: false, onChoose });
  }

  say(text) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => (this.live.textContent = text), QUIET);
  }
}

function legend() {
  const entry = (name, say) => el("span", {}, el("i", { class: name }), say);
  const entries = [entry("plus", "positive"), entry("minus", "negative"), el("span", {}, "as wide as |message|")];
  return el("p", { class: "legend", "aria-hidden": "true" }, ...entries);
}

if (globalThis.document?.getElementById("neuron")) new Neuron(document.getElementById("neuron"), header());
