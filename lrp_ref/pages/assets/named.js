// The named rules as groups, from their parameters: the twin of rules/linear.py. And formulas, printed from groups.

const group = (runs, more = {}) => ({
  runs: runs.map(([inputs, weights, bias, sign = 1]) => ({ inputs, weights, bias, sign })),
  weight: 1,
  gate: null,
  stabiliser: { kind: "exact", epsilon: 0 },
  bias_share: 0,
  stabiliser_share: 0,
  present: false,
  ...more,
});

/** What each rule is called, its parameters with the least and largest value that a slider has, and its groups. */
export const NAMED = {
  LRP0: { say: "LRP-0", parameters: {}, groups: () => [group([["keep", "keep", "keep"]])] },
  Epsilon: {
    say: "LRP-ε",
    parameters: { epsilon: { letter: "ε", usual: 0.25, least: 0, most: 2 } },
    groups: ({ epsilon }) => [group([["keep", "keep", "keep"]], { stabiliser: { kind: "add", epsilon } })],
  },
  Gamma: {
    say: "LRP-γ",
    parameters: { gamma: { letter: "γ", usual: 0.25, least: 0, most: 4 } },
    groups: ({ gamma }) => [group([["keep", boost(gamma, "pos"), boost(gamma, "pos")]])],
  },
  GeneralizedGamma: {
    say: "generalised LRP-γ",
    parameters: { gamma: { letter: "γ", usual: 0.25, least: 0, most: 4 } },
    groups: ({ gamma }) => {
      const [up, down] = [boost(gamma, "pos"), boost(gamma, "neg")];
      return [
        group(
          [
            ["pos", up, up],
            ["neg", down, "zero"],
          ],
          { gate: "positive" },
        ),
        group(
          [
            ["pos", down, down],
            ["neg", up, "zero"],
          ],
          { gate: "negative" },
        ),
      ];
    },
  },
  AlphaBeta: {
    say: "LRP-αβ",
    parameters: { alpha: { letter: "α", usual: 2, least: 1, most: 4 } }, // β = α − 1
    groups: ({ alpha }) => {
      const positive = group(
        [
          ["pos", "pos", "pos"],
          ["neg", "neg", "zero"],
        ],
        { weight: alpha },
      );
      const negative = group(
        [
          ["pos", "neg", "neg"],
          ["neg", "pos", "zero"],
        ],
        { weight: 1 - alpha },
      );
      return alpha === 1 ? [positive] : [positive, negative];
    },
  },
  ZPlus: {
    say: "z⁺",
    parameters: {},
    groups: () => [
      group([
        ["pos", "pos", "zero"],
        ["neg", "neg", "zero"],
      ]),
    ],
  },
  WSquare: { say: "w²", parameters: {}, groups: () => [group([["ones", "square", "zero"]])] },
  Flat: { say: "flat", parameters: {}, groups: () => [group([["ones", "ones", "zero"]])] },
  ZBox: {
    say: "zᴮ",
    parameters: {
      low: { letter: "l", usual: -1, least: -4, most: 4 },
      high: { letter: "h", usual: 1, least: -4, most: 4 },
    },
    groups: ({ low, high }) => [
      group([
        ["keep", "keep", "zero"],
        [{ const: low, label: "l_i" }, "pos", "zero", -1],
        [{ const: high, label: "h_i" }, "neg", "zero", -1],
      ]),
    ],
  },
};

const boost = (gamma, part) => ({ boost: gamma, part });

/** Return a named rule as rule_json.py writes it, under a policy for biases: absorb, ignore or spread. */
export function ruleOf(name, parameters, policy = "absorb") {
  const groups = NAMED[name].groups(parameters).map((one) => withBias(one, policy));
  return { kind: "groups", name, formula: ruleFormula(groups), groups };
}

/** Return a group under a bias policy, as Group.with_bias does. */
export function withBias(one, policy) {
  const bare = one.runs.every((run) => run.bias === "zero");
  if (policy === "absorb" || bare) return one;
  if (policy === "spread") return { ...one, bias_share: 1 };
  return { ...one, runs: one.runs.map((run) => ({ ...run, bias: "zero" })), bias_share: 0 };
}

const PATTERNS = { keep: "{}", pos: "{}⁺", neg: "{}⁻", zero: "0", ones: "1", square: "{}²" };

/** Return the formula of an edited symbol, such as w_ij⁺. */
export function symbol(edit, letter) {
  if (edit in PATTERNS) return PATTERNS[edit].replace("{}", letter);
  if (edit.boost !== undefined) return `(${letter} + ${edit.boost}·${symbol(edit.part, letter)})`;
  return edit.less !== undefined ? `(${letter} − ${edit.label})` : edit.label;
}

/** Return the sum over runs of a group as text: the products a_i·w_ij, and the bias b_j. */
export function sums(one, a = "a_i", w = "w_ij", b = "b_j") {
  const plus = (sign) => (sign > 0 ? " + " : " − ");
  const products = one.runs
    .map((run) => `${plus(run.sign)}${symbol(run.inputs, a)}·${symbol(run.weights, w)}`)
    .join("");
  const biases = one.runs.filter((run) => run.bias !== "zero");
  const bias = biases.map((run) => plus(run.sign) + symbol(run.bias, b)).join("");
  return { top: products.replace(/^ \+ /, "").trimStart(), bias, many: one.runs.length > 1, biases: biases.length };
}

/** Return what a stabiliser adds, as text; "" where it adds nothing. */
export function added({ kind, epsilon }) {
  if (kind === "exact" || epsilon === 0) return "";
  if (kind === "clip") return ` clipped to |z| ≥ ${epsilon}`;
  return ` + ${epsilon}${kind === "relative" ? "·RMS(z)" : ""}·sgn(z_j)`;
}

/** Return a group's numerator, denominator and what stands before them, as texts. */
export function quotient(one, names = []) {
  const { top, bias, many, biases } = sums(one, ...names);
  const inner = many ? `(${top})` : top;
  const spread = spreadOf(one, bias.replace(/^ \+ /, "").trimStart(), biases);
  const gate = { positive: "[z_j > 0] ", negative: "[z_j < 0] " }[one.gate] ?? "";
  return {
    before: `${one.weight === 1 ? "" : `${String(one.weight).replace("-", "−")}·`}${gate}`,
    top: spread ? `${inner} + ${one.present ? "[a_i ≠ 0] " : ""}${spread}/N_j` : top,
    many: many || spread !== "",
    bottom: `Σ_i ${inner}${bias}${added(one.stabiliser)}`,
  };
}

function spreadOf(one, bias, biases) {
  const text = bias.startsWith("−") || biases > 1 ? `(${bias})` : bias;
  const ofBias = text ? one.bias_share : 0;
  const times = (part) => (part === 1 ? "" : `${part}·`);
  if (!one.stabiliser_share) return ofBias ? `${times(ofBias)}${text}` : "";
  return ofBias ? `(${ofBias}·${text} + ${one.stabiliser_share}·ε_j)` : `${one.stabiliser_share}·ε_j`;
}

/** Return a rule's formula as text, as Rule.formula() prints it. */
export function ruleFormula(groups) {
  const one = (g) => {
    const { before, top, many, bottom } = quotient(g);
    return `${before}${many ? `(${top})` : top} / (${bottom})`;
  };
  const text = groups.map(one).join(" + ").replaceAll("+ −", "− ");
  return `R_i = Σ_j ${groups.length > 1 ? `(${text})` : text}·R_j`;
}
