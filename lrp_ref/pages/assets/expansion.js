// The first-order Taylor expansion of one neuron, number by number.

import { number, signed } from "lrp/dom.js";

const TINY = 1e-9;

/** Return Σ_i p_i q_i. */
export const dot = (p, q) => p.reduce((sum, x, i) => sum + x * q[i], 0);

/**
 * Return f(a) = f(x̃) + Σ_i ∂f/∂x_i(x̃)·(a_i − x̃_i) + rest of f(x) = max(0, Σ_i w_i x_i + b), number by number.
 *
 * Where z(x̃) is 0, f has a kink: its derivative is then that of the side on which z is positive.
 */
export function expansion({ a, w, b }, root) {
  const z = dot(w, root) + b;
  const kink = Math.abs(z) <= TINY * (1 + dot(w.map(Math.abs), root.map(Math.abs)) + Math.abs(b));
  const slope = z > 0 || kink ? w : w.map(() => 0);
  const value = Math.max(0, dot(w, a) + b);
  const there = kink ? 0 : Math.max(0, z);
  const terms = slope.map((s, i) => s * (a[i] - root[i]));
  const rest = value - there - terms.reduce((sum, t) => sum + t, 0);
  const size = value + there + terms.reduce((sum, t) => sum + Math.abs(t), 0);
  return { value, there, kink, slope, terms, rest: Math.abs(rest) <= TINY * size ? 0 : rest }; // rounding is no rest
}

/** Return the point of z = 0 that is nearest to x; null where there is none. */
export function nearestRoot({ w, b }, x) {
  const size = dot(w, w);
  return size === 0 ? null : x.map((v, i) => v - (w[i] * (dot(w, x) + b)) / size);
}

/** Return an expansion as one sentence. */
export function sentence(found, root) {
  if (found.value === 0) return "f(a) is 0: the neuron is not active, and there is nothing to explain.";
  const at = `At x̃ = ${pointText(root)}`;
  const terms = found.terms.map(signed).join(" and ");
  const parts = found.terms.length > 1 ? `the terms are ${terms}` : `the term is ${terms}`;
  const { rest } = found;
  if (found.there === 0 && rest === 0)
    return `${at}, f is 0, and ${parts}: together all of f(a) = ${number(found.value)}.`;
  const missing = [
    found.there ? `f(x̃) = ${number(found.there)} belongs to no input` : "",
    rest ? `${signed(rest)} is left over` : "",
  ];
  const why =
    !found.kink && found.there === 0 ? " x̃ lies where f is flat: its gradient is 0, and says nothing of a." : "";
  return `${at}, ${parts}; ${missing.filter(Boolean).join(", ")}.${why}`;
}

/** Return a point as text. */
export const pointText = (point) => (point.length > 1 ? `(${point.map(number).join(", ")})` : number(point[0]));
