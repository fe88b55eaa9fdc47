// The ledger of one unit as a waterfall: what arrived, where it went step by step, and that it closes.

import { fill, number, sign, signed, svg } from "lrp/dom.js";

const [ROW, LEFT, RIGHT] = [30, 122, 92];
const LINE = 13; // where the number stands in its row

/** Return the steps of an account: the number of each, the variable of its colour, and what is linked with it. */
export function steps({ messages, bias, stabiliser, dropped, links = {} }) {
  return [
    { value: messages, colour: messages < 0 ? "minus" : "plus", link: links.all },
    { value: bias, colour: "bias", link: links.bias },
    { value: stabiliser, colour: "stabiliser", link: links.stabiliser },
    { value: dropped, colour: "dropped", link: links.dropped },
  ];
}

/** Return an account as one sentence. */
export function sentence({ r, messages, bias, stabiliser, dropped }) {
  const kept = [
    ["the bias", bias],
    ["the stabiliser", stabiliser],
  ].filter(([, x]) => x !== 0);
  const said = kept.map(([name, x]) => `${name} takes ${signed(x)}`);
  if (dropped !== 0) said.push(`${signed(dropped)} is dropped`);
  const rest = said.length ? `, ${said.join(", ")}` : ", and nothing is left";
  return `Of ${number(r)}, ${signed(messages)} goes to the inputs${rest}.`;
}

/** A waterfall in an <svg>: what there is to divide, the steps one after the other, and a line where they have to end. */
export class Waterfall {
  /** ``wide`` is the picture's width in units of its letters, of 13 each. */
  constructor(root, names, wide = 640) {
    Object.assign(this, { root, wide });
    this.rows = names.map((name, k) => {
      const y = 6 + k * ROW;
      const bar = svg("rect", { y, height: ROW - 12, rx: 2, "stroke-width": 2 });
      const label = svg("text", { x: LEFT - 10, y: y + LINE, "text-anchor": "end" }, name);
      const value = svg("text", { x: wide - 4, y: y + LINE, "text-anchor": "end", class: "value" });
      const join = svg("path", { class: "join" });
      return { group: svg("g", { class: "step" }, join, bar, label, value), bar, value, join, y };
    });
    this.title = svg("title");
    this.zero = svg("path", { class: "axis" });
    this.end = svg("path", { class: "end" });
    this.high = 6 + this.rows.length * ROW;
    root.setAttribute("viewBox", `0 0 ${wide} ${this.high}`);
    root.setAttribute("role", "img");
    root.classList.add("ledger");
    fill(root, this.title, this.zero, this.end, ...this.rows.map((row) => row.group));
  }

  /** Show a whole and its steps {value, colour, link}, and a sentence that says the same. */
  show(whole, parts, said) {
    const found = [whole, ...parts];
    const ends = [whole.value];
    const starts = [0];
    for (const { value } of parts) {
      starts.push(ends.length > 1 ? ends.at(-1) : 0);
      ends.push(starts.at(-1) + value);
    }
    const [low, high] = [Math.min(0, ...ends), Math.max(0, ...ends)];
    const x = (v) => LEFT + ((v - low) / (high - low || 1)) * (this.wide - LEFT - RIGHT);
    this.rows.forEach(({ group, bar, value, join, y }, k) => {
      const { colour, link, value: v } = found[k];
      const [a, b] = [x(starts[k]), x(ends[k])].sort((p, q) => p - q);
      bar.setAttribute("x", a);
      bar.setAttribute("width", v === 0 ? 0 : Math.max(b - a, 1.5));
      bar.setAttribute("stroke", `var(--${colour})`);
      bar.setAttribute("fill", v < 0 ? "var(--paper)" : `var(--${colour})`);
      value.textContent = k === 0 ? number(v) : signed(v);
      value.dataset.value = v;
      group.dataset.link = link?.belongs ?? "";
      group.dataset.points = link?.points ?? link?.belongs ?? "";
      group.setAttribute("class", `step ${sign(v)}`);
      join.setAttribute("d", k > 1 ? `M${x(starts[k])} ${y - ROW + 6}V${y + ROW - 12}` : "");
    });
    this.zero.setAttribute("d", `M${x(0)} 0V${this.high}`);
    this.end.setAttribute("d", `M${x(whole.value)} 0V${this.high}`);
    this.title.textContent = said;
  }
}

/** The ledger of one unit as a waterfall. */
export class LedgerBar extends Waterfall {
  constructor(root) {
    super(root, ["arrived", "to inputs", "bias", "stabiliser", "dropped"]);
  }

  /** Show an account {r, messages, bias, stabiliser, dropped, links}. */
  update(account) {
    const whole = { value: account.r, colour: account.r < 0 ? "minus" : "plus", link: account.links?.r };
    this.show(whole, steps(account), sentence(account));
  }
}
