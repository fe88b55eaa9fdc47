// Whole layers, unit by unit, with the modules of pages: what test_twin.py compares with the frozen vectors.
import { connections } from "lrp/connections.js";
import { cut, denominator, redistribute } from "lrp/rules.js";

/** Return the root mean squares of a layer's denominators, one for each group, for stabilisers that are relative. */
function rootMeanSquares(rule, units) {
  return (rule.groups ?? []).map((_, g) => {
    const totals = units.map((unit) => denominator(unit.rule.groups[g], unit).total);
    return Math.sqrt(totals.reduce((all, t) => all + t * t, 0) / totals.length);
  });
}

/** Return relevances, columns and the worst gap between R_j and what became of it, of one layer and sample. */
function layerOf({ layer, rule, inputs, relevance }) {
  const received = inputs.map((x) => x.map(() => 0));
  const columns = { bias: 0, stabiliser: 0, dropped: 0 };
  let gap = 0;
  const units = relevance.map((r, unit) => {
    const { index, operands, w, b } = connections(layer, unit);
    const from = (k) => operands?.[k] ?? 0;
    return { index, from, a: index.map((i, k) => inputs[from(k)][i]), w, b, r, rule: cut(rule, index) };
  });
  const rms = rootMeanSquares(rule, units);
  for (const unit of units) {
    const told = redistribute(unit.rule, { ...unit, rms });
    told.messages.forEach((message, k) => (received[unit.from(k)][unit.index[k]] += message));
    for (const name of Object.keys(columns)) columns[name] += told[name];
    const all = [...told.messages, told.bias, told.stabiliser, told.dropped];
    const size = all.reduce((most, x) => Math.max(most, Math.abs(x)), Math.abs(unit.r));
    const left = all.reduce((rest, x) => rest - x, unit.r);
    gap = Math.max(gap, size === 0 ? 0 : Math.abs(left) / size);
  }
  return { received, columns, gap };
}

export default (cases) => cases.map(layerOf);
