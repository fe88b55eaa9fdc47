// The inputs of a neuron as a picture, in which a point x̃ is moved by the pointer or the arrow keys.

import { fill, number, sign, signed, svg } from "lrp/dom.js";
import { dot, nearestRoot, pointText } from "lrp/expansion.js";

const [SIZE, EDGE] = [400, 34]; // of the picture, and of its margin

/** Return the scales of a picture in which both axes go from low to high. */
export function scales([low, high]) {
  const part = (v) => ((v - low) / (high - low)) * (SIZE - 2 * EDGE);
  return { low, high, x: (v) => EDGE + part(v), y: (v) => SIZE - EDGE - part(v) };
}

/** What both pictures have: axes, the point a, and the handle x̃. */
class Plot {
  constructor(owner) {
    this.owner = owner;
    this.root = svg("svg", {
      viewBox: `0 0 ${SIZE} ${SIZE}`,
      class: "plot",
      role: "group",
      "aria-label": "The neuron's inputs; x̃ can be moved",
    });
    this.handle = svg(
      "g",
      {
        class: "handle",
        tabindex: 0,
        role: "slider",
        "aria-label": "x̃; arrow keys move it, with Shift by less",
        "aria-valuemin": owner.said.span[0],
        "aria-valuemax": owner.said.span[1],
      },
      svg("circle", { r: 10 }),
      svg("text", { x: 0, y: -16, "text-anchor": "middle" }, "x̃"),
    );
    this.handle.addEventListener("keydown", (event) => owner.keyed(event));
    this.root.addEventListener("pointerdown", (event) => {
      this.root.setPointerCapture(event.pointerId);
      this.handle.focus();
      owner.pointed(this.at(event));
      event.preventDefault();
    });
    this.root.addEventListener(
      "pointermove",
      (event) => this.root.hasPointerCapture(event.pointerId) && owner.pointed(this.at(event)),
    );
  }

  /** Return where a pointer is, in the picture's units. */
  inside(event) {
    const box = this.root.getBoundingClientRect();
    return [((event.clientX - box.left) / box.width) * SIZE, ((event.clientY - box.top) / box.height) * SIZE];
  }

  back(x, y) {
    const { low, high } = this.owner.span;
    const part = (v) => (v - EDGE) / (SIZE - 2 * EDGE);
    return [low + part(x) * (high - low), low + (1 - part(y)) * (high - low)];
  }

  axes(vertical) {
    const { low, high, x, y } = this.owner.span;
    const every = Math.ceil((Math.floor(high) - Math.ceil(low) + 1) / 9);
    const [first, last] = [Math.ceil(Math.ceil(low) / every), Math.floor(Math.floor(high) / every)];
    const shown = Array.from({ length: last - first + 1 }, (_, k) => (first + k) * every);
    return svg(
      "g",
      { class: "axes" },
      svg("path", { d: `M${x(low)} ${y(0)}H${x(high)}M${x(0)} ${y(low)}V${y(high)}` }),
      ...shown
        .filter((t) => t !== 0)
        .flatMap((t) => [
          svg("text", { x: x(t), y: y(0) + 15, "text-anchor": "middle" }, number(t)),
          svg("text", { x: x(0) - 6, y: y(t) + 4, "text-anchor": "end" }, number(t)),
        ]),
      svg("text", { x: x(high) + 4, y: y(0) - 6, class: "axis-name" }, vertical ? "x₁" : "x"),
      svg("text", { x: x(0) + 8, y: y(high) - 4, class: "axis-name" }, vertical ?? "f"),
    );
  }

  place(px, py, root) {
    this.handle.setAttribute("transform", `translate(${px} ${py})`);
    this.handle.setAttribute("aria-valuenow", Number(root[0].toFixed(4)));
    this.handle.setAttribute("aria-valuetext", `x̃ = ${pointText(root)}`);
  }
}

/** Two inputs: the plane, shaded by f, with the line of roots. */
export class Plane extends Plot {
  constructor(owner) {
    super(owner);
    const { low, high, x, y } = owner.span;
    const { a, w, b } = owner.said;
    const corners = [
      [low, low],
      [high, low],
      [high, high],
      [low, high],
    ];
    const most = Math.max(...corners.map((c) => dot(w, c) + b), 1e-12);
    const foot = nearestRoot(owner.said, [(low + high) / 2, (low + high) / 2]) ?? [low, low];
    const size = dot(w, w) || 1;
    const top = foot.map((v, i) => v + (w[i] * most) / size);
    const shade = svg(
      "linearGradient",
      { id: "shade", gradientUnits: "userSpaceOnUse", x1: x(foot[0]), y1: y(foot[1]), x2: x(top[0]), y2: y(top[1]) },
      svg("stop", { offset: 0, class: "from" }),
      svg("stop", { offset: 1, class: "to" }),
    );
    const hatch = svg(
      "pattern",
      { id: "flat", width: 7, height: 7, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" },
      svg("path", { d: "M0 0V7", class: "hatch" }),
    );
    const text = (positive) => polygon(clipped(corners, w, b, positive), x, y);
    this.legs = a.map((_, i) => svg("path", { class: "leg", "data-link": `t-${i}` }));
    this.tags = a.map((_, i) => svg("text", { class: "tag", "data-link": `t-${i}` }));
    this.way = svg("path", { class: "way" });
    this.arrow = svg("path", { class: "gradient" });
    this.arrowName = svg("text", { class: "gradient-name" }, "∇f");
    const line = clipped(corners, w, b, true).filter((c) => Math.abs(dot(w, c) + b) < 1e-9 * (1 + most));
    const roots =
      line.length > 1
        ? [svg("path", { class: "roots", d: `M${x(line[0][0])} ${y(line[0][1])}L${x(line[1][0])} ${y(line[1][1])}` })]
        : [];
    const box = owner.said.box;
    const frame = box
      ? [
          svg("rect", {
            class: "box",
            x: x(box[0]),
            y: y(box[1]),
            width: x(box[1]) - x(box[0]),
            height: y(box[0]) - y(box[1]),
          }),
        ]
      : [];
    const point = svg(
      "g",
      { class: "point" },
      svg("circle", { cx: x(a[0]), cy: y(a[1]), r: 7 }),
      svg("text", { x: x(a[0]) + 11, y: y(a[1]) - 9 }, "a"),
    );
    fill(
      this.root,
      svg("defs", {}, shade, hatch),
      svg("path", { d: text(true), fill: "url(#shade)" }),
      svg("path", { d: text(false), fill: "url(#flat)", class: "flat" }),
      this.axes("x₂"),
      ...frame,
      ...roots,
      this.way,
      ...this.legs,
      ...this.tags,
      this.arrow,
      this.arrowName,
      point,
      this.handle,
    );
  }

  at(event) {
    return this.back(...this.inside(event));
  }

  update(root, found) {
    const { x, y, low, high } = this.owner.span;
    const { a } = this.owner.said;
    const [p, q] = [
      [x(root[0]), y(root[1])],
      [x(a[0]), y(a[1])],
    ];
    this.way.setAttribute("d", `M${p}L${q}`);
    const middle = [q[0], p[1]]; // first along x₁, then along x₂
    [
      [p, middle],
      [middle, q],
    ].forEach(([from, to], i) => {
      this.legs[i].setAttribute("d", `M${from}L${to}`);
      this.legs[i].setAttribute("class", `leg ${sign(found.terms[i])}`);
      const off = i ? [8, 4] : [0, to[1] <= q[1] ? -8 : 18];
      this.tags[i].setAttribute("x", (from[0] + to[0]) / 2 + off[0]);
      this.tags[i].setAttribute("y", (from[1] + to[1]) / 2 + off[1]);
      this.tags[i].setAttribute("text-anchor", i ? "start" : "middle");
      this.tags[i].setAttribute("class", `tag ${sign(found.terms[i])}`);
      this.tags[i].textContent =
        Math.hypot(from[0] - to[0], from[1] - to[1]) > 24 && found.terms[i] !== 0 && this.owner.open
          ? signed(found.terms[i])
          : "";
    });
    const size = Math.hypot(...found.slope);
    const long = size ? (0.16 * (high - low)) / size : 0;
    const tip = [x(root[0] + long * found.slope[0]), y(root[1] + long * found.slope[1])];
    this.arrow.setAttribute("d", size ? arrow(p, tip) : "");
    this.arrowName.textContent = size ? "∇f" : "∇f = 0";
    const [ux, uy] = size
      ? [tip[0] - p[0], tip[1] - p[1]].map((v) => v / Math.hypot(tip[0] - p[0], tip[1] - p[1]))
      : [0, 0];
    const [nx, ny] = uy < 0 && ux >= 0 ? [uy, -ux] : [-uy, ux]; // to the side that the legs are not on
    this.arrowName.setAttribute("x", size ? (p[0] + tip[0]) / 2 + 16 * nx : p[0] + 14);
    this.arrowName.setAttribute("y", size ? (p[1] + tip[1]) / 2 + 16 * ny + 4 : p[1] + 18);
    this.arrowName.setAttribute("text-anchor", size ? "middle" : "start");
    this.place(...p, root);
  }
}

/** One input: the curve of f, with the tangent at x̃. */
export class Curve extends Plot {
  constructor(owner) {
    super(owner);
    const { low, high, x, y } = owner.span;
    const { a, w, b } = owner.said;
    const f = (v) => Math.max(0, w[0] * v + b);
    const kink = w[0] ? -b / w[0] : low;
    const points = [low, ...(kink > low && kink < high ? [kink] : []), high];
    const curve = svg("path", { class: "curve", d: `M${points.map((v) => [x(v), y(f(v))]).join("L")}` });
    this.tangent = svg("path", { class: "tangent" });
    this.leg = svg("path", { class: "leg", "data-link": "t-0" });
    this.drop = svg("path", { class: "way" });
    const point = svg(
      "g",
      { class: "point" },
      svg("path", { class: "way", d: `M${x(a[0])} ${y(0)}V${y(f(a[0]))}` }),
      svg("circle", { cx: x(a[0]), cy: y(f(a[0])), r: 7 }),
      svg("text", { x: x(a[0]) - 6, y: y(f(a[0])) - 13, "text-anchor": "end" }, "f(a)"),
    );
    const name = svg("text", { x: x(a[0]), y: y(0) + 30, "text-anchor": "middle", class: "axis-name" }, "a");
    const clip = svg(
      "clipPath",
      { id: "inside" },
      svg("rect", { x: EDGE, y: EDGE, width: SIZE - 2 * EDGE, height: SIZE - 2 * EDGE }),
    );
    const drawn = svg("g", { "clip-path": "url(#inside)" }, curve, this.tangent, this.drop, this.leg);
    fill(this.root, svg("defs", {}, clip), this.axes(null), drawn, name, point, this.handle);
  }

  at(event) {
    return [this.back(...this.inside(event))[0]];
  }

  update(root, found) {
    const { low, high, x, y } = this.owner.span;
    const { a } = this.owner.said;
    const line = (v) => found.there + found.slope[0] * (v - root[0]);
    this.tangent.setAttribute("d", `M${x(low)} ${y(line(low))}L${x(high)} ${y(line(high))}`);
    this.drop.setAttribute("d", `M${x(root[0])} ${y(0)}V${y(found.there)}H${x(a[0])}`);
    this.leg.setAttribute("d", `M${x(a[0])} ${y(found.there)}V${y(line(a[0]))}`);
    this.leg.setAttribute("class", `leg ${sign(found.terms[0])}`);
    this.place(x(root[0]), y(found.there), root);
  }
}

/** Return the part of a convex polygon where w·x + b is ≥ 0, or ≤ 0. */
function clipped(corners, w, b, positive) {
  const side = (c) => (dot(w, c) + b) * (positive ? 1 : -1);
  return corners.flatMap((c, k) => {
    const next = corners[(k + 1) % corners.length];
    const [s, t] = [side(c), side(next)];
    const cross = s * t < 0 ? [c.map((v, i) => v + ((next[i] - v) * s) / (s - t))] : [];
    return [...(s >= 0 ? [c] : []), ...cross];
  });
}

const polygon = (points, x, y) => (points.length ? `M${points.map((c) => [x(c[0]), y(c[1])]).join("L")}Z` : "");

/** Return the path of an arrow. */
function arrow([x0, y0], [x1, y1]) {
  const size = Math.hypot(x1 - x0, y1 - y0) || 1;
  const [ux, uy] = [(x1 - x0) / size, (y1 - y0) / size];
  const head = (side) => `L${x1 - 9 * ux + side * 5 * uy} ${y1 - 9 * uy - side * 5 * ux}`;
  return `M${x0} ${y0}L${x1} ${y1}M${x1} ${y1}${head(1)}M${x1} ${y1}${head(-1)}`;
}
