// The rules on one unit j and the connections that it has: the twin of ``share`` in propagation/plain.py, in float64.
//
// Rules are data, as rule_json.py writes them: groups of runs that have one denominator. Names follow the formulas:
// a_i inputs, w_i weights, b the bias, z = Σ_i a_i w_i + b, r the relevance R_j that arrived; sgn(0) = sgn(−0) = +1.

const PLAIN = {
  keep: (x) => x,
  pos: (x) => (x > 0 ? x : 0),
  neg: (x) => (x < 0 ? x : 0),
  zero: () => 0,
  ones: () => 1,
  square: (x) => x * x,
};

const sum = (numbers) => numbers.reduce((total, x) => total + x, 0);

/** Return one edited number; i is its place among the inputs of the unit, for edits that have a number for each. */
export function edited(edit, x, i = 0) {
  if (edit in PLAIN) return PLAIN[edit](x);
  if (edit.boost !== undefined) return x + edit.boost * PLAIN[edit.part](x);
  if (edit.const !== undefined) return placed(edit.const, i);
  if (edit.less !== undefined) return x - placed(edit.less, i);
  throw new Error(`no such edit: ${JSON.stringify(edit)}`);
}

const placed = (value, i) => (typeof value === "number" ? value : value[i]);

/** Return what a stabiliser adds to a denominator; rms is that of this denominator over all units of the sample. */
export function offset({ kind, epsilon }, z, rms) {
  const sign = z < 0 ? -1 : 1;
  if (kind === "exact" || epsilon === 0) return 0;
  if (kind === "add") return sign * epsilon;
  if (kind === "clip") return sign * Math.max(sign * z, epsilon) - z;
  if (kind === "relative" && rms !== undefined) return sign * epsilon * rms;
  throw new Error(`no such stabiliser, or no root mean square for it: ${kind}`);
}

/** Return the terms Σ_runs ± ã_i w̃_i, the bias Σ_runs ± b̃ and their sum: the denominator of a group, not stabilised. */
export function denominator(group, { a, w, b = 0 }) {
  const runs = group.runs.map(({ inputs, weights, bias, sign }) => ({
    terms: a.map((x, i) => sign * edited(inputs, x, i) * edited(weights, w[i])),
    bias: sign * edited(bias, b),
  }));
  const terms = a.map((_, i) => sum(runs.map((run) => run.terms[i])));
  const bias = sum(runs.map((run) => run.bias));
  return { terms, bias, total: sum(runs.map((run) => sum(run.terms) + run.bias)) };
}

/**
 * Return what a rule of groups makes of the relevance r of one unit: the messages, one for each input, and what the
 * bias, the stabiliser and what is dropped take of it; ``parts`` has for each group what stands in its formula.
 *
 * z is needed where it is known better than its sum in float64, for gates; rms has a number for each group whose
 * stabiliser is relative.
 */
export function share({ a, w, b = 0, r, groups, z = sum(a.map((x, i) => x * w[i])) + b, rms = [] }) {
  const messages = a.map(() => 0);
  const parts = [];
  let [bias, stabiliser, covered] = [0, 0, 0];
  groups.forEach((group, g) => {
    const { terms, bias: ofBias, total } = denominator(group, { a, w, b });
    const added = offset(group.stabiliser, total, rms[g]);
    const open = group.gate === null || (group.gate === "positive" ? z > 0 : z < 0);
    const taken = open ? group.weight * r : 0; // weight gate_j R_j
    const dead = total + added === 0; // nothing can be divided by it: dropped
    const message = dead ? 0 : taken / (total + added); // m_j
    const there = a.map((x) => (group.present && x === 0 ? 0 : 1));
    const fanIn = sum(there); // N_j inputs of the unit; a part δ of bias and stabiliser goes evenly to them
    const [toBias, toStabiliser] = [message * ofBias, message * added];
    const [evenBias, evenStabiliser] = fanIn
      ? [group.bias_share * toBias, group.stabiliser_share * toStabiliser]
      : [0, 0];
    const even = fanIn ? (evenBias + evenStabiliser) / fanIn : 0;
    terms.forEach((term, i) => (messages[i] += term * message + there[i] * even));
    bias += toBias - evenBias;
    stabiliser += toStabiliser - evenStabiliser;
    covered += dead ? 0 : taken;
    parts.push({ terms, bias: ofBias, total, added, open, taken, dead, message, even });
  });
  return { messages, bias, stabiliser, dropped: r - covered, z, parts };
}

/** Return the root mean square of each group's denominators over all units {a, w, b, groups} of a sample. */
export function rootMeanSquares(units) {
  return units[0].groups.map((_, g) => {
    const totals = units.map((unit) => denominator(unit.groups[g], unit).total);
    return Math.sqrt(sum(totals.map((t) => t * t)) / totals.length);
  });
}

/** Return what becomes of r where the largest input takes all: the first of them, or in equal parts. */
export function winner({ a, r, ties = "first" }) {
  const z = Math.max(...a);
  const winners = a.map((x, i) => (ties === "share" ? x === z : i === a.indexOf(z)));
  const count = sum(winners.map(Number));
  const messages = winners.map((won) => (won ? r / count : 0));
  return { messages, bias: 0, stabiliser: 0, dropped: count ? 0 : r, z, parts: [] };
}

/** Return the messages and the ledger of one unit by a rule of rule_json.py: groups, pass, zero or winner. */
export function redistribute(rule, unit) {
  const rest = { bias: 0, stabiliser: 0, dropped: 0, z: unit.z, parts: [] };
  if (rule.kind === "groups") return share({ ...unit, groups: rule.groups });
  if (rule.kind === "winner") return winner({ ...unit, ties: rule.ties });
  if (rule.kind === "pass" && unit.a.length === 1) return { ...rest, messages: [unit.r] };
  if (rule.kind === "zero") return { ...rest, messages: unit.a.map(() => 0), dropped: unit.r };
  throw new Error(`no such rule for a unit of ${unit.a.length} inputs: ${rule.kind}`);
}

/**
 * Return a rule for one unit: constants with a number for each input of the layer are cut to those of the unit.
 *
 * A constant is a number, or {values, each}: that of input i of the layer is values[⌊i / each⌋ mod their number].
 */
export function cut(rule, index) {
  if (rule.kind !== "groups") return rule;
  const of = (c) => (typeof c === "number" ? c : index.map((i) => c.values[Math.floor(i / c.each) % c.values.length]));
  const edit = (e) =>
    typeof e === "string" || e.boost !== undefined
      ? e
      : e.const !== undefined
        ? { ...e, const: of(e.const) }
        : { ...e, less: of(e.less) };
  const runs = (group) => group.runs.map((run) => ({ ...run, inputs: edit(run.inputs) }));
  return { ...rule, groups: rule.groups.map((group) => ({ ...group, runs: runs(group) })) };
}
