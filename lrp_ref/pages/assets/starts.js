// What starts at the outputs, as start.py has it, and explanations of it: sums of those that start with 1 at one output.

/** Return the softmax of numbers. */
export function softmax(f) {
  const largest = Math.max(...f);
  const e = Array.from(f, (v) => Math.exp(v - largest));
  const whole = e.reduce((a, b) => a + b, 0);
  return e.map((v) => v / whole);
}

const STARTS = {
  logit: (f, t) => f.map((v, k) => (k === t ? v : 0)),
  probability: (f, t) => softmax(f).map((p, k) => (k === t ? p : 0)),
  contrastive: (f, t) => f.map((_, k) => (k === t ? f[t] : -f[t] / (f.length - 1))),
  log_odds(f, t) {
    const p = softmax(f.map((v, k) => (k === t ? -Infinity : v)));
    return f.map((v, k) => (k === t ? v : -p[k] * v));
  },
  difference: (f, t, against) => f.map((v, k) => (t === against ? 0 : k === t ? v : k === against ? -v : 0)),
};

/** Return the relevance that starts at each of the outputs f, for the class t. */
export function started(kind, f, t, against = null) {
  if (!Object.hasOwn(STARTS, kind)) throw new Error(`no such start: ${kind}`);
  return STARTS[kind](Array.from(f), t, against);
}

/**
 * Return the explanation of what starts: Σ_k start_k U_k. Relevance is linear in what starts, and ``unit`` has for each
 * output k the numbers U_k that come out where 1 starts there, one output behind the other.
 */
export function combined(start, unit) {
  const size = unit.length / start.length;
  const whole = new Float64Array(size);
  start.forEach((weight, k) => {
    if (weight !== 0) for (let i = 0; i < size; i++) whole[i] += weight * unit[k * size + i];
  });
  return whole;
}

/** Return where relevance went, from the rows of a ledger: what started = arrived + bias + stabiliser + dropped + rounding. */
export function account(rows, columns) {
  const row = (k) => Object.fromEntries(columns.map((name, i) => [name, rows[k * columns.length + i]]));
  const all = Array.from({ length: rows.length / columns.length }, (_, k) => row(k));
  const [from, arrived] = [all[0].relevance_out, all.at(-1).relevance_in];
  const [bias, stabiliser, dropped] = ["bias", "stabiliser", "dropped"].map((c) => all.reduce((s, r) => s + r[c], 0));
  return { from, arrived, bias, stabiliser, dropped, rounding: from - arrived - bias - stabiliser - dropped, rows: all };
}
