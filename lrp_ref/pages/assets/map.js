// One map on a canvas: a colour bar, a cursor that mouse and arrow keys move, and what is under it in words.

import { el } from "lrp/dom.js";
import { fill } from "lrp/dom.js";
import { number } from "lrp/dom.js";
import { signed } from "lrp/dom.js";
import { svg } from "lrp/dom.js";
import { mark } from "lrp/pixels.js";
import { painted } from "lrp/pixels.js";
import { put } from "lrp/pixels.js";

const STEPS = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };

/** A map with a cursor. ``moved(y, x, chosen)`` is told where the cursor is, ``chosen`` after a click or Enter. */
export class MapView {
  constructor(label, moved) {
    this.moved = moved;
    this.canvas = el("canvas", { class: "pixels" });
    this.marks = el("canvas", { class: "marks" });
    this.lines = svg("svg", { class: "lines", preserveAspectRatio: "none", "aria-hidden": "true" });
    this.cursor = el("div", { class: "cursor", hidden: true });
    this.spots = el("div", { class: "spots", "aria-hidden": "true" });
    this.stage = el(
      "div",
      { class: "stage", tabindex: "0", role: "application", "aria-roledescription": "map", "aria-label": label },
      this.canvas, this.marks, this.lines, this.spots, this.cursor,
    );
    this.bar = el("canvas", { class: "bar", width: 1, height: 256 });
    this.ends = [el("span"), el("span"), el("span")];
    this.caption = el("figcaption");
    this.element = el(
      "figure",
      { class: "map" },
      this.caption,
      el("div", { class: "framed" }, this.stage, el("div", { class: "scale", "aria-hidden": "true" }, this.bar, el("div", {}, ...this.ends))),
    );
    this.at = { y: 0, x: 0 };
    this.listen();
  }

  listen() {
    const place = (event) => {
      const box = this.stage.getBoundingClientRect();
      const y = Math.floor(((event.clientY - box.top) / box.height) * this.map.high);
      const x = Math.floor(((event.clientX - box.left) / box.width) * this.map.wide);
      return [Math.max(0, Math.min(this.map.high - 1, y)), Math.max(0, Math.min(this.map.wide - 1, x))];
    };
    this.stage.addEventListener("mousemove", (event) => this.map && this.moved(...place(event), false));
    this.stage.addEventListener("click", (event) => this.map && this.moved(...place(event), true));
    this.stage.addEventListener("keydown", (event) => this.key(event));
  }

  key(event) {
    if (!this.map || event.altKey || event.ctrlKey || event.metaKey) return;
    const far = event.shiftKey ? 10 : 1;
    let [y, x] = [this.at.y, this.at.x];
    if (event.key in STEPS) [y, x] = [y + far * STEPS[event.key][0], x + far * STEPS[event.key][1]];
    else if (event.key === "Home") [y, x] = [0, 0];
    else if (event.key === "End") [y, x] = [this.map.high - 1, this.map.wide - 1];
    else if (event.key !== "Enter") return;
    event.preventDefault();
    y = Math.max(0, Math.min(this.map.high - 1, y));
    x = Math.max(0, Math.min(this.map.wide - 1, x));
    this.moved(y, x, event.key === "Enter");
  }

  /** Draw a map; ``look`` has limit, palette, which, opacity, picture, marks, strip, lines and spots. */
  draw(map, look) {
    this.map = map;
    put(this.canvas, painted(map, look));
    const rows = look.strip ? Math.max(2.2, Math.min(4, 16 / map.high)) * map.high : 0;
    this.stage.style.aspectRatio = look.strip ? "auto" : `${map.wide} / ${map.high}`;
    this.stage.style.height = look.strip ? `${rows}rem` : "";
    this.stage.style.width = look.strip ? "100%" : `min(100%, ${(30 * map.wide) / map.high}rem)`;
    this.element.classList.toggle("strip", Boolean(look.strip));
    this.element.classList.toggle("marked", look.marks);
    const size = { high: this.stage.clientHeight || 300, wide: this.stage.clientWidth || 300 };
    mark(this.marks, map, { ...look, size });
    this.drawLines(look.lines);
    fill(this.spots, look.spots.map(([y, x]) => el("i", { style: this.box(y, x) })));
    this.drawBar(look);
  }

  drawLines(lines) {
    fill(this.lines);
    if (!lines) return;
    this.lines.setAttribute("viewBox", `0 0 ${this.map.wide} ${this.map.high}`);
    lines.forEach((line, row) => {
      const [low, high] = [Math.min(...line), Math.max(...line)];
      const points = Array.from(line, (v, k) => `${k + 0.5},${row + 0.9 - (0.8 * (v - low)) / (high - low || 1)}`);
      for (const kind of ["halo", "line"]) {
        this.lines.append(svg("polyline", { class: kind, points: points.join(" "), "vector-effect": "non-scaling-stroke" }));
      }
    });
  }

  drawBar({ limit, palette }) {
    const draw = this.bar.getContext("2d");
    for (let k = 0; k < 256; k += 1) {
      draw.fillStyle = palette.css(1 - (2 * k) / 255);
      draw.fillRect(0, k, 1, 1);
    }
    [signed(limit), "0", signed(-limit)].forEach((text, k) => fill(this.ends[k], text));
    if (limit === 0) this.ends.forEach((end, k) => fill(end, k === 1 ? "0" : ""));
  }

  /** Put the cursor on a place of the map. */
  point(y, x) {
    if (!this.map || y >= this.map.high || x >= this.map.wide) return;
    this.at = { y, x };
    this.cursor.hidden = false;
    this.cursor.style = this.box(y, x);
  }

  /** Return the relevance under the cursor. */
  under() {
    return this.map.values[this.at.y * this.map.wide + this.at.x];
  }

  box(y, x) {
    const [high, wide] = [100 / this.map.high, 100 / this.map.wide];
    return `top:${y * high}%;left:${x * wide}%;height:${high}%;width:${wide}%`;
  }
}

/** Return a sentence about a map: how much is positive, and where most of it lies. */
export function sentence(map, strip, names = []) {
  let [plus, minus, best] = [0, 0, 0];
  const quarters = [0, 0, 0, 0];
  map.values.forEach((r, k) => {
    if (r > 0) plus += r;
    else minus += r;
    if (Math.abs(r) > Math.abs(map.values[best])) best = k;
    const [y, x] = [Math.floor(k / map.wide), k % map.wide];
    quarters[2 * Number(2 * y >= map.high) + Number(2 * x >= map.wide)] += Math.abs(r);
  });
  const all = plus - minus;
  if (all === 0) return "All relevance of this map is 0.";
  const signs = `Relevance here adds up to ${signed(plus + minus)}: ${number(plus)} positive, ${number(minus)} negative`;
  if (strip || map.high === 1) {
    const [row, column] = [Math.floor(best / map.wide), best % map.wide];
    const where = map.high === 1 ? (names[column] ?? `number ${column}`) : `${names[row] ?? `channel ${row}`}, place ${column}`;
    return `${signs}; the strongest is ${where} with ${signed(map.values[best])}.`;
  }
  const most = quarters.indexOf(Math.max(...quarters));
  const name = ["upper left", "upper right", "lower left", "lower right"][most];
  return `${signs}; ${Math.round((100 * quarters[most]) / all)} % of its size lies in the ${name} quarter.`;
}
