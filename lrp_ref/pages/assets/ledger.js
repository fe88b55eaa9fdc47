// The ledger of one unit, or of several together, as a waterfall: what arrived, where it went step by step, and that it closes.

import { fill, number, sign, signed, svg } from "lrp/dom.js";

const [WIDE, ROW, LEFT, RIGHT] = [640, 30, 130, 92];
const LINE = 13; // where the number stands in its row

/** Return the steps of an account: its name, its number, the variable of its colour, and what is linked with it. */
export function steps({ messages, bias, stabiliser, dropped, links = {} }) {
  return [
    { name: "to inputs", value: messages, colour: messages < 0 ? "minus" : "plus", link: links.all },
    { name: "bias", value: bias, colour: "bias", link: links.bias },
    { name: "stabiliser", value: stabiliser, colour: "stabiliser", link: links.stabiliser },
    { name: "dropped", value: dropped, colour: "dropped", link: links.dropped },
  ];
}

/** Return an account as one sentence. */
export function sentence({ r, messages, bias, stabiliser, dropped }) {
  const kept = [["the bias", bias], ["the stabiliser", stabiliser]].filter(([, x]) => x !== 0);
  const said = kept.map(([name, x]) => `${name} takes ${signed(x)}`);
  if (dropped !== 0) said.push(`${signed(dropped)} is dropped`);
  const rest = said.length ? `, ${said.join(", ")}` : ", and nothing is left";
  return `Of ${number(r)}, ${signed(messages)} goes to the inputs${rest}.`;
}

/** A waterfall in an <svg>, which update() changes in place. */
export class LedgerBar {
  constructor(root) {
    this.root = root;
    this.rows = ["arrived", "to inputs", "bias", "stabiliser", "dropped"].map((name, k) => {
      const y = 6 + k * ROW;
      const bar = svg("rect", { y, height: ROW - 12, rx: 2, "stroke-width": 2 });
      const label = svg("text", { x: LEFT - 10, y: y + LINE, "text-anchor": "end" }, name);
      const value = svg("text", { x: WIDE - 4, y: y + LINE, "text-anchor": "end", class: "value" });
      const join = svg("path", { class: "join" });
      return { group: svg("g", { class: "step" }, join, bar, label, value), bar, value, join, y };
    });
    this.title = svg("title");
    this.zero = svg("path", { class: "axis" });
    this.end = svg("path", { class: "end" });
    const high = 6 + this.rows.length * ROW;
    root.setAttribute("viewBox", `0 0 ${WIDE} ${high}`);
    root.setAttribute("role", "img");
    root.classList.add("ledger");
    fill(root, this.title, this.zero, this.end, ...this.rows.map((row) => row.group));
    this.high = high;
  }

  /** Show an account {r, messages, bias, stabiliser, dropped, links}. */
  update(account) {
    const found = [{ name: "arrived", value: account.r, colour: account.r < 0 ? "minus" : "plus", link: account.links?.r }, ...steps(account)];
    const [starts, ends] = [[], []];
    let at = 0;
    found.forEach(({ value }, k) => {
      starts.push(k === 0 ? 0 : at);
      at = k === 0 ? 0 : at + value;
      ends.push(k === 0 ? value : at);
    });
    const [low, high] = [Math.min(0, ...starts, ...ends), Math.max(0, ...starts, ...ends)];
    const x = (v) => LEFT + ((v - low) / (high - low || 1)) * (WIDE - LEFT - RIGHT);
    this.rows.forEach(({ group, bar, value, join, y }, k) => {
      const { colour, link } = found[k];
      const [a, b] = [x(starts[k]), x(ends[k])].sort((p, q) => p - q);
      bar.setAttribute("x", a);
      bar.setAttribute("width", Math.max(b - a, found[k].value === 0 ? 0 : 1.5));
      bar.setAttribute("stroke", `var(--${colour})`);
      bar.setAttribute("fill", found[k].value < 0 ? "var(--paper)" : `var(--${colour})`);
      value.textContent = k === 0 ? number(found[k].value) : signed(found[k].value);
      value.dataset.value = found[k].value;
      group.dataset.link = link?.belongs ?? "";
      group.dataset.points = link?.points ?? link?.belongs ?? "";
      group.setAttribute("class", `step ${sign(found[k].value)}`);
      join.setAttribute("d", k > 1 ? `M${x(starts[k])} ${y - ROW + 6}V${y + ROW - 12}` : "");
    });
    this.zero.setAttribute("d", `M${x(0)} 0V${this.high}`);
    this.end.setAttribute("d", `M${x(account.r)} 0V${this.high}`);
    this.title.textContent = sentence(account);
  }
}
