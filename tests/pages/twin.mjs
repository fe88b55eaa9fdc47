// Whole layers, unit by unit, with the modules of pages: what test_twin.py compares with the frozen vectors.
import { connections } from "lrp/connections.js";
import { cut, redistribute, rootMeanSquares } from "lrp/rules.js";

/** Return relevances, columns and the worst gap between R_j and what became of it, of one layer and sample. */
function layerOf({ layer, rule, inputs, relevance }) {
  const received = inputs.map((x) => x.map(() => 0));
  const columns = { bias: 0, stabiliser: 0, dropped: 0 };
  let gap = 0;
  if (relevance.length === 0) return { received, columns, gap };
  const units = relevance.map((r, unit) => {
    const { index, operands, w, b } = connections(layer, unit);
    const from = (k) => operands?.[k] ?? 0;
    return { index, from, a: index.map((i, k) => inputs[from(k)][i]), w, b, r, rule: cut(rule, index) };
  });
  const rms = rule.groups ? rootMeanSquares(units.map((unit) => ({ ...unit, groups: unit.rule.groups }))) : [];
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
