// The layers beside the map, the one that is looked at, and its unit.

import { channels } from "lrp/channels.js";
import { facts } from "lrp/channels.js";
import { unitList } from "lrp/channels.js";
import { onMap } from "lrp/data.js";
import { el } from "lrp/dom.js";
import { fill } from "lrp/dom.js";
import { isolated } from "lrp/dom.js";
import { named } from "lrp/dom.js";
import { short } from "lrp/dom.js";
import { patch } from "lrp/patch.js";
import { unitOf } from "lrp/unit.js";
import { unitView } from "lrp/unit.js";
import { cut } from "lrp/rules.js";
import { choose } from "lrp/strip.js";
import { repaint } from "lrp/strip.js";
import { strip } from "lrp/strip.js";

/** The parts of the page about layers; ``set(change, entry)`` changes the state. */
export class Layers {
  constructor(data, palettes, set) {
    Object.assign(this, { data, palettes, set });
    this.list = el("section", { class: "layers", "aria-labelledby": "layers-title" });
    this.node = el("section", { class: "node", "aria-labelledby": "node-title" });
    this.unit = el("section", { class: "unit-view", "aria-labelledby": "unit-title", hidden: true });
  }

  /** Show a state. */
  show({ values, view, node, changed }) {
    const palette = this.palettes[values.palette];
    Object.assign(this, { view, here: node });
    if (changed("view")) {
      this.options = strip(this.data, view, palette, (name) => this.open(name));
      fill(this.list, el("h2", { id: "layers-title" }, "Layers"), this.options);
    } else if (changed("palette")) repaint(this.options, this.data, view, palette);
    choose(this.options, node.name);
    if (changed("view", "node", "palette")) this.showNode(values, view, node, palette);
    this.press(values);
    if (changed("view", "node", "unit")) this.showUnit(values, view, node);
  }

  /** Look at a node. */
  open(name) {
    if (name !== this.here.name) this.set({ node: name, channel: null, unit: null, pixel: null }, true);
  }

  /** Look at the next node, or the one before. */
  next(by) {
    const at = this.view.nodes.indexOf(this.here) + by;
    if (at >= 0 && at < this.view.nodes.length) this.open(this.view.nodes[at].name);
  }

  showNode(values, view, node, palette) {
    const reads = node.reads.map((name) => isolated(short(name, 60))).join(", ");
    fill(
      this.node,
      el("h2", { id: "node-title" }, node.layer ? `${node.layer} ` : "Input ", named(node.name)),
      facts(node, reads),
      channels(this.data, node, palette, (channel) => this.set({ channel, unit: null }, true), values.channel),
      unitList(node, (unit) => this.set(this.unitState(node, unit), true), null, (at) => at.join(", ")),
    );
  }

  /** Return the state that shows a unit: its channel and its place on the map as well. */
  unitState(node, unit) {
    const [channel, y, x] = onMap(node, unit.at);
    const there = node.channels.some(([c, , at]) => c === channel && at !== null);
    return { unit: unit.at.join(","), channel: there ? channel : null, pixel: `${y},${x}` };
  }

  press(values) {
    for (const button of this.node.querySelectorAll("[data-channel]")) {
      button.setAttribute("aria-pressed", String(button.dataset.channel === String(values.channel ?? "all")));
    }
    for (const button of this.node.querySelectorAll("[data-unit]")) {
      button.setAttribute("aria-pressed", String(button.dataset.unit === values.unit));
    }
  }

  showUnit(values, view, node) {
    const unit = node.units.find((one) => one.at.join(",") === values.unit);
    this.unit.hidden = !unit;
    if (!unit) return;
    const messages = this.data.messages(unit);
    const places = messages.map((message) => this.data.placed(view, node, message.at));
    const connections = messages.map(({ value, weight, message }, k) => ({
      name: this.inputName(...places[k]), a: value, w: unit.weighted ? weight : null, message,
    }));
    const told = { r: unit.relevance, z: unit.value, b: unit.b, bias: unit.bias, stabiliser: unit.stabiliser, dropped: unit.dropped };
    const others = unit.others ? { count: unit.others, message: unit.rest } : null;
    const host = el("div", { "data-unit-view": unit.at.join(",") });
    fill(
      this.unit,
      el("h2", { id: "unit-title" }, "Unit ", named(node.name, 32), ` [${unit.at.join(", ")}]`),
      el("div", { class: "unit-columns" }, host, patch(this.data, view, node, messages, places, this.palettes[values.palette])),
    );
    unitView(host, { title: "", formula: node.formula, others, ...told, connections, ...inNumbers(node, unit, messages, told) });
  }

  /** Return the name of a unit's input: of the feature, or of the layer with the place in it. */
  inputName(read, there, at) {
    const features = there && there.input ? there.input.features : [];
    if (features.length && at.length === 1 && features[at[0]] !== undefined) return isolated(short(features[at[0]], 32));
    return `${isolated(short(read, 24))} [${at.join(", ")}]`;
  }
}

/** Return the parts of the formula with numbers, where all of a unit's inputs are in the page and its rule can be executed there. */
function inNumbers(node, unit, messages, told) {
  if (!node.twin || unit.others || !unit.weighted) return {};
  const rule = cut(node.twin, messages.map((message) => message.at));
  const [names, a, w] = [messages.map(() => ""), messages.map((m) => m.value), messages.map((m) => m.weight)];
  try {
    const found = unitOf({ names, a, w, b: told.b, r: told.r, z: told.z, rule });
    const far = messages.some((m, k) => !(Math.abs(m.message - found.connections[k].message) <= 1e-4 * Math.abs(told.r)));
    return far ? {} : { rule, parts: found.parts };
  } catch {
    return {};
  }
}
