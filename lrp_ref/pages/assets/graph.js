// A small layer as a picture: inputs on the left, units on the right, and on every edge the message that it carries.

import { fill, number, short, sign, signed, svg } from "lrp/dom.js";

const [WIDE, STEP, SINK, TOP, X0, X1, RADIUS, HALF] = [720, 78, 48, 42, 165, 570, 27, 16]; // HALF of a square
const SINKS = [
  ["bias", "b"],
  ["stabiliser", "ε"],
  ["dropped", "∅"],
];

/** A picture in an <svg> of as many inputs and units as there are, which update() changes in place. */
export class Graph {
  /** Edges and units can be clicked on: onChoose(i, j) is told which, i is null for a unit. */
  constructor(root, inputs, outputs, onChoose = () => {}) {
    this.root = root;
    root.setAttribute("role", "img");
    root.classList.add("graph");
    this.title = svg("title");
    const left = inputs + SINKS.length;
    const last = TOP + STEP * (inputs - 1);
    root.setAttribute("viewBox", `0 0 ${WIDE} ${last + STEP * 0.25 + SINK * SINKS.length + 20}`);
    const y = (i) => (i < inputs ? TOP + STEP * i : last + STEP * 0.25 + SINK * (i - inputs + 1));
    const middle = (TOP + last) / 2 + (inputs < 3 ? 14 : 0);
    const right = (j) => middle + (j - (outputs - 1) / 2) * Math.max(STEP * 1.2, (STEP * inputs) / outputs);
    this.edges = Array.from({ length: left }, (_, i) =>
      Array.from(
        { length: outputs },
        (_, j) =>
          new Edge([X0 + (i < inputs ? RADIUS : HALF), y(i)], right(j), i, j, () => onChoose(i < inputs ? i : null, j)),
      ),
    );
    this.ins = Array.from(
      { length: left },
      (_, i) => new Node(X0, y(i), "in", i < inputs ? null : SINKS[i - inputs][0]),
    );
    this.outs = Array.from({ length: outputs }, (_, j) => new Node(X1, right(j), "out", null, () => onChoose(null, j)));
    const edges = this.edges.flat();
    const groups = [...this.ins, ...this.outs, ...edges].map((one) => one.group);
    fill(root, this.title, ...edges.map((edge) => edge.line), ...groups);
  }

  /**
   * Show units, one for each output: {r, z, name, messages, bias, stabiliser, dropped}, with names and values of the
   * inputs, what each received, a sentence that says it all, the chosen {i, j}, and whether the messages are known yet.
   */
  update({ names, values, units, received, said, chosen, known = true }) {
    this.title.textContent = said;
    const rows = (unit) => [...unit.messages, unit.bias, unit.stabiliser, unit.dropped];
    const largest = Math.max(...units.flatMap((unit) => rows(unit).map(Math.abs)), 0);
    this.ins.forEach((node, i) => {
      const [sink, letter] = SINKS[i - names.length] ?? [];
      const total = sink ? units.reduce((sum, unit) => sum + rows(unit)[i], 0) : received[i];
      const belongs = units.map((_, j) => `e-${i}-${j}`).join(" ");
      const none = sink !== undefined && units.every((unit) => rows(unit)[i] === 0);
      node.group.dataset.link = `n-${i} ${belongs} ${sink ?? ""}`;
      node.group.dataset.points = `n-${i}`;
      node.group.classList.toggle("none", none || (sink !== undefined && !known));
      node.update({ inside: letter ?? number(values[i]), name: sink ?? names[i], value: total, known, alone: none });
    });
    this.outs.forEach((node, j) => {
      node.group.dataset.link = `o-${j} r-${j}`;
      node.group.dataset.points = `o-${j}`;
      node.group.classList.toggle("chosen", units.length > 1 && chosen.j === j);
      node.update({ inside: number(units[j].z), name: units[j].name, value: units[j].r, known: true, plain: true });
    });
    this.edges.forEach((row, i) =>
      row.forEach((edge, j) => {
        const sink = SINKS[i - names.length]?.[0] ?? null;
        edge.update(rows(units[j])[i], largest, {
          known,
          sink,
          chosen: chosen.i === i && chosen.j === j,
          back: chosen.j !== j,
        });
      }),
    );
  }
}

/** A circle with a number, its name and its relevance beside it. */
class Node {
  constructor(x, y, side, sink = null, choose = null) {
    const out = side === "out" ? 1 : -1;
    const shape = sink
      ? svg("rect", { x: x - HALF, y: y - HALF, width: 2 * HALF, height: 2 * HALF, rx: 7 })
      : svg("circle", { cx: x, cy: y, r: RADIUS });
    this.inside = svg("text", { x, y: y + 5, "text-anchor": "middle", class: "inside" });
    const place = { x: x + out * (RADIUS + 12), "text-anchor": out > 0 ? "start" : "end" };
    this.y = y;
    this.name = svg("text", { ...place, class: "name" });
    this.value = svg("text", { ...place, y: y + 14, class: "value" });
    this.group = svg(
      "g",
      { class: sink ? `node sink ${sink}` : `node ${side}` },
      shape,
      this.inside,
      this.name,
      this.value,
    );
    if (choose) this.group.addEventListener("click", choose);
  }

  update({ inside, name, value, known, plain = false, alone = false }) {
    this.inside.textContent = inside;
    this.inside.classList.toggle("long", inside.length > 5);
    this.name.textContent = short(name, 16);
    this.name.setAttribute("y", this.y + (alone ? 5 : -5));
    this.value.textContent = known ? `R = ${plain ? number(value) : signed(value)}` : "R = ?";
    this.value.dataset.value = known ? value : "";
    this.value.setAttribute("class", `value ${known ? sign(value) : ""}`);
  }
}

/** What one unit sends to one input: as wide as it is large, full for + and hollow for −, with its number and its sign. */
class Edge {
  constructor([a, y0], y1, i, j, choose) {
    const b = X1 - RADIUS;
    const bend = (b - a) * 0.42;
    const d = `M${b} ${y1}C${b - bend} ${y1} ${a + bend} ${y0} ${a} ${y0}`;
    [this.path, this.core] = [svg("path", { d, class: "body" }), svg("path", { d, class: "core" })];
    this.line = svg("g", {}, this.path, this.core);
    const t = 0.66; // of the way from the unit to the input
    const [x, y] = [cubic(t, b, b - bend, a + bend, a), cubic(t, y1, y1, y0, y0)];
    this.back = svg("rect", { x: x - 38, y: y - 13, width: 76, height: 26, rx: 13 });
    this.label = svg("text", { x, y: y + 5, "text-anchor": "middle" });
    this.group = svg("g", {}, this.back, this.label);
    for (const one of [this.line, this.group]) {
      one.dataset.link = `e-${i}-${j} n-${i} o-${j}`;
      one.dataset.points = `e-${i}-${j}`;
      one.addEventListener("click", choose);
    }
  }

  update(message, largest, { known, sink, chosen, back }) {
    const part = largest ? Math.abs(message) / largest : 0;
    const width = known && message !== 0 ? 2.5 + 11 * part : 1.5;
    const none = sink !== null && (message === 0 || !known);
    const kind = !known || message === 0 ? "zero" : (sink ?? sign(message));
    const state = `${kind} ${none ? "none" : ""} ${chosen && known ? "chosen" : ""} ${back && known ? "back" : ""}`;
    this.line.setAttribute("class", `edge ${state}`);
    this.group.setAttribute("class", `label ${state}`);
    this.path.setAttribute("stroke-width", width);
    this.core.setAttribute("stroke-width", known && message < 0 ? Math.max(width - 3, 0.8) : 0);
    this.label.textContent = known ? signed(message) : "?";
    this.label.dataset.value = known ? message : "";
  }
}

const cubic = (t, p, q, r, s) => (1 - t) ** 3 * p + 3 * (1 - t) ** 2 * t * q + 3 * (1 - t) * t * t * r + t ** 3 * s;
