// The layers beside the map, the one that is looked at, and its unit.

import { channels } from "lrp/channels.js";
import { facts } from "lrp/channels.js";
import { unitList } from "lrp/channels.js";
import { onMap } from "lrp/data.js";
import { el } from "lrp/dom.js";
import { fill } from "lrp/dom.js";
import { named } from "lrp/dom.js";
import { short } from "lrp/dom.js";
import { unitView } from "lrp/messages.js";
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
    const reads = node.reads.map((name) => short(name, 60)).join(", ");
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
    const name = (message) => {
      const [read, there, at] = this.data.placed(view, node, message.at);
      const features = there && there.input ? there.input.features : [];
      if (features.length && at.length === 1 && features[at[0]] !== undefined) return named(features[at[0]], 32);
      return el("span", {}, named(read, 24), ` [${at.join(", ")}]`);
    };
    fill(
      this.unit,
      el("h2", { id: "unit-title" }, "Unit ", named(node.name, 32), ` [${unit.at.join(", ")}]`),
      ...unitView(node, unit, this.data.messages(unit), name),
    );
  }
}
