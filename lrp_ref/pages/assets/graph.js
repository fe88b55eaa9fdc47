// A small layer as a picture: inputs on the left, units on the right, and on every edge the message that it carries.

import { fill, number, sign, signed, svg } from "lrp/dom.js";

const [WIDE, STEP, TOP, X0, X1, RADIUS] = [700, 76, 44, 190, 560, 24];
const SINKS = [["bias", "b", "bias"], ["stabiliser", "ε", "stabiliser"], ["dropped", "∅", "dropped"]];

/** A picture in an <svg> of as many inputs and units as there are, which update() changes in place. */
export class Graph {
  constructor(root, inputs, outputs, onChoose = () => {}) {
    this.root = root;
    root.setAttribute("role", "img");
    root.classList.add("graph");
    this.title = svg("title");
    const left = inputs + SINKS.length;
    const high = TOP * 2 + STEP * (inputs - 1) + STEP * 0.72 * SINKS.length;
    root.setAttribute("viewBox", `0 0 ${WIDE} ${high}`);
    const y = (i) => (i < inputs ? TOP + STEP * i : TOP + STEP * (inputs - 1) + STEP * 0.72 * (i - inputs + 1) + 8);
    const right = (j) => TOP + (STEP * (inputs - 1) + STEP * 0.5) / 2 + (j - (outputs - 1) / 2) * Math.max(STEP * 1.3, (STEP * inputs) / outputs);
    this.edges = Array.from({ length: left }, (_, i) =>
      Array.from({ length: outputs }, (_, j) => new Edge(y(i), right(j), i, j, outputs, i < inputs ? () => onChoose(i, j) : null)));
    this.ins = Array.from({ length: left }, (_, i) => new Node(X0, y(i), "in", i >= inputs ? SINKS[i - inputs] : null));
    this.outs = Array.from({ length: outputs }, (_, j) => new Node(X1, right(j), "out"));
    const edges = this.edges.flat();
    fill(root, this.title, ...edges.map((e) => e.path), ...this.ins.map((n) => n.group), ...this.outs.map((n) => n.group), ...edges.map((e) => e.group));
  }

  /**
   * Show units, one for each output: {r, z, name, a, messages, bias, stabiliser, dropped}, with names of the inputs, what
   * each received, and a sentence that says it all.
   */
  update({ names, values, units, received, said, chosen, known = true }) {
    this.title.textContent = said;
    const rows = (unit) => [...unit.messages, unit.bias, unit.stabiliser, unit.dropped];
    const largest = Math.max(...units.flatMap((unit) => rows(unit).map(Math.abs)), 0);
    this.ins.forEach((node, i) => {
      const sink = i >= names.length;
      const total = sink ? units.reduce((sum, unit) => sum + rows(unit)[i], 0) : received[i];
      const belongs = units.map((_, j) => `e-${i}-${j}`).join(" ");
      const name = sink ? SINKS[i - names.length][0] : null;
      node.group.dataset.link = `n-${i} ${belongs} ${name ?? ""}`;
      node.group.dataset.points = `n-${i}`;
      node.update({ inside: sink ? SINKS[i - names.length][1] : number(values[i]), name: name ?? names[i], value: total, known: known || sink === false && known });
      node.group.classList.toggle("none", sink && units.every((unit) => rows(unit)[i] === 0));
    });
    this.outs.forEach((node, j) => {
      node.group.dataset.link = `o-${j} r-${j}`;
      node.group.dataset.points = `o-${j}`;
      node.update({ inside: number(units[j].z), name: units[j].name, value: units[j].r, known: true, plain: true });
    });
    this.edges.forEach((row, i) => row.forEach((edge, j) => edge.update(rows(units[j])[i], largest, {
      known, sink: i >= names.length ? SINKS[i - names.length][2] : null, chosen: chosen?.i === i && chosen?.j === j, many: units.length,
    })));
  }
}

/** A circle with a number, its name and its relevance beside it. */
class Node {
  constructor(x, y, side, sink = null) {
    const out = side === "out" ? 1 : -1;
    const shape = sink ? svg("rect", { x: x - 15, y: y - 15, width: 30, height: 30, rx: 6 }) : svg("circle", { cx: x, cy: y, r: RADIUS });
    this.inside = svg("text", { x, y: y + 5, "text-anchor": "middle", class: "inside" });
    const anchor = out > 0 ? "start" : "end";
    const away = x + out * (sink ? RADIUS + 4 : RADIUS + 12);
    this.name = svg("text", { x: away, y: sink ? y + 5 : y - 6, "text-anchor": anchor, class: "name" });
    this.value = svg("text", { x: sink ? away - 72 : away, y: sink ? y + 5 : y + 15, "text-anchor": anchor, class: "value" });
    this.group = svg("g", { class: sink ? `node sink ${sink[2]}` : `node ${side}` }, shape, this.inside, this.name, this.value);
  }

  update({ inside, name, value, known, plain = false }) {
    this.inside.textContent = inside;
    this.name.textContent = name;
    this.value.textContent = known ? (plain ? `R = ${number(value)}` : `R = ${signed(value)}`) : "R = ?";
    this.value.dataset.value = known ? value : "";
    this.value.setAttribute("class", `value ${known ? sign(value) : ""}`);
  }
}

/** What one unit sends to one input: as wide as it is large, with its number and its sign. */
class Edge {
  constructor(y0, y1, i, j, outputs, choose) {
    const [a, b] = [X0 + RADIUS, X1 - RADIUS];
    const bend = (b - a) * 0.4;
    this.path = svg("path", { d: `M${b} ${y1}C${b - bend} ${y1} ${a + bend} ${y0} ${a} ${y0}`, class: "edge" });
    const t = outputs === 1 ? 0.62 : 0.6 + 0.16 * (j - (outputs - 1) / 2); // from the unit to the input
    const [x, y] = [cubic(t, b, b - bend, a + bend, a), cubic(t, y1, y1, y0, y0)];
    this.back = svg("rect", { x: x - 34, y: y - 12, width: 68, height: 24, rx: 12 });
    this.label = svg("text", { x, y: y + 5, "text-anchor": "middle" });
    this.group = svg("g", { class: "label" }, this.back, this.label);
    for (const one of [this.path, this.group]) {
      one.dataset.link = `e-${i}-${j} n-${i} o-${j}`;
      one.dataset.points = `e-${i}-${j}`;
      if (choose) one.addEventListener("click", choose);
    }
  }

  update(message, largest, { known, sink, chosen }) {
    const part = largest ? Math.abs(message) / largest : 0;
    const hidden = sink !== null && message === 0;
    const kind = !known || message === 0 ? "zero" : sink ?? sign(message);
    this.path.setAttribute("class", `edge ${kind} ${message < 0 && known ? "negative" : ""} ${hidden ? "none" : ""} ${chosen ? "chosen" : ""}`);
    this.path.setAttribute("stroke-width", known && message !== 0 ? 1.5 + 11 * part : 1.5);
    this.group.setAttribute("class", `label ${kind} ${hidden ? "none" : ""} ${chosen ? "chosen" : ""}`);
    this.label.textContent = known ? signed(message) : "?";
    this.label.dataset.value = known ? message : "";
  }
}

const cubic = (t, p, q, r, s) => (1 - t) ** 3 * p + 3 * (1 - t) ** 2 * t * q + 3 * (1 - t) * t * t * r + t ** 3 * s;
