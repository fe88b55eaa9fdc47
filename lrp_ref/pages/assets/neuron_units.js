// The units of a small layer in a state: what each makes of its relevance, what is said of it, and what belongs together.

import { number, signed } from "lrp/dom.js";
import { NAMED, ruleOf } from "lrp/named.js";
import { rootMeanSquares } from "lrp/rules.js";
import { unitOf } from "lrp/unit.js";

/** Return the rule of a state as JSON. */
export function ruleAt(state, given) {
  return state.rule === "given" ? given : ruleOf(state.rule, state.parameters[state.rule], state.policy);
}

/** Return the units of a state {inputs, weights, bias, relevance, tied, …} by its rule, one for each output. */
export function unitsAt(state, { names, outputs, given }) {
  const rule = ruleAt(state, given);
  const columns = outputs.map((_, j) => ({
    a: state.inputs,
    w: state.weights.map((row) => row[j]),
    b: state.bias[j],
    groups: rule.groups,
  }));
  const rms = rule.groups ? rootMeanSquares(columns) : [];
  return outputs.map((output, j) => {
    const { w } = columns[j];
    const z = state.inputs.reduce((sum, a, i) => sum + a * w[i], 0) + state.bias[j];
    const r = state.tied ? z : state.relevance[j];
    const unit = unitOf({ names, a: state.inputs, w, b: state.bias[j], r, rule, rms, z });
    return { ...unit, name: output };
  });
}

/** Return what a rule is not meant for in a state, as sentences. */
export function notes(state, names) {
  const { low, high } = state.parameters.ZBox;
  const said = [];
  const outside = state.inputs.flatMap((a, i) => (a < low || a > high ? [names[i]] : []));
  if (state.rule === "ZBox" && low > high) said.push("l is larger than h: there is no such box.");
  else if (state.rule === "ZBox" && outside.length)
    said.push(`${outside.join(", ")} outside of l … h: the rule is stated for inputs within.`);
  if (["Gamma", "ZPlus"].includes(state.rule) && state.inputs.some((a) => a < 0)) {
    said.push(`An input is negative: ${NAMED[state.rule].say} is stated for inputs ≥ 0.`);
  }
  return said;
}

/** Return what several units send, as one sentence. */
export function together(units, received, names) {
  const add = (column) => units.reduce((sum, unit) => sum + unit[column], 0);
  const kept = [
    ["the biases keep", add("bias")],
    ["the stabiliser takes", add("stabiliser")],
    ["dropped is", add("dropped")],
  ];
  const said = kept.filter(([, x]) => x !== 0).map(([what, x]) => `${what} ${signed(x)}`);
  const inputs = received.map((r, i) => `${names[i]} ${signed(r)}`).join(", ");
  return `Of ${number(add("r"))} in all, the inputs receive ${inputs}${said.length ? `; ${said.join(", ")}` : ""}.`;
}

/** Return a unit as unit.js shows it: its parts named and linked with their edges, nodes and fields. */
export function shownUnit(unit, j, { names, outputs }) {
  const own = (belongs, points = belongs) => ({ belongs, points });
  const many = outputs.length > 1;
  const connections = unit.connections.map((one, i) => ({
    ...one,
    links: own(`e-${i}-${j} n-${i}`, `e-${i}-${j}`),
    weight: `w${lower(i + 1)}${many ? lower(j + 1) : ""}`,
    symbol: one.name.length > 4 ? `a${lower(i + 1)}` : one.name,
  }));
  const sink = (k, name) => own(`e-${names.length + k}-${j} ${name}`, `e-${names.length + k}-${j}`);
  const links = {
    r: own(`r-${j} o-${j}`, `r-${j}`),
    bias: sink(0, "bias"),
    stabiliser: sink(1, "stabiliser"),
    dropped: sink(2, "dropped"),
    all: own("all", names.map((_, i) => `e-${i}-${j}`).join(" ")),
  };
  const title = many ? `What ${unit.name} hands down` : "";
  return { ...unit, connections, links, title, at: many ? String(j + 1) : "j" };
}

const lower = (k) => "₀₁₂₃₄₅₆₇₈₉"[k];
