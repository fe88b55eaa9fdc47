// The map that is looked at, alone or as a pair with its difference, or the words or numbers of an input.

import { limitOf } from "lrp/colours.js";
import { difference } from "lrp/compare.js";
import { Controls } from "lrp/controls.js";
import { placeOf } from "lrp/data.js";
import { el } from "lrp/dom.js";
import { fill } from "lrp/dom.js";
import { isolated } from "lrp/dom.js";
import { named } from "lrp/dom.js";
import { number } from "lrp/dom.js";
import { percent } from "lrp/dom.js";
import { short } from "lrp/dom.js";
import { signed } from "lrp/dom.js";
import { MapView } from "lrp/map.js";
import { sentence } from "lrp/map.js";
import { alike } from "lrp/pixels.js";
import { bars } from "lrp/vector.js";
import { chooseBar } from "lrp/vector.js";
import { MOST_BARS } from "lrp/vector.js";
import { wordsOf } from "lrp/words.js";

/** The maps of a page; ``set(change, entry)`` changes the state. */
export class Maps {
  constructor(data, palettes, signs, set) {
    Object.assign(this, { data, palettes, set });
    this.controls = new Controls(Object.keys(palettes), signs, (change) => set(change));
    const told = (y, x, chosen) => this.moved(y, x, chosen);
    const keys = "arrow keys move the cursor, Enter opens the unit";
    this.views = ["Relevance", "The other explanation", "Difference"].map((name) => new MapView(`${name}; ${keys}`, told));
    this.title = el("h2", { id: "maps-title" });
    this.others = el("div", { class: "others" });
    this.figures = el("div", { class: "figures" }, ...this.views.map((view) => view.element));
    this.readout = el("output", { class: "readout", "aria-live": "polite" });
    this.sentence = el("p", { class: "told" });
    this.strongest = el("tbody");
    const head = ["place", "relevance", "of Σ", "value"].map((h, k) => el("th", { scope: "col", class: k ? "n" : null }, h));
    this.table = el("details", {}, el("summary", {}, "The strongest places as a table"), el("table", {}, el("thead", {}, el("tr", {}, ...head)), this.strongest));
    this.element = el("section", { class: "maps", "aria-labelledby": "maps-title" }, this.title, this.controls.element, this.others, this.figures, this.readout, this.sentence, this.table);
  }

  /** Show a state. */
  show({ values, view, node, rival, changed }) {
    Object.assign(this, { values, view, node, rival });
    const drawn = changed("view", "against", "node", "channel", "sign", "clip", "opacity", "palette", "marks");
    if (drawn || changed("unit")) this.draw();
    const at = values.pixel === null ? null : values.pixel.split(",").map(Number);
    if (at) this.point(...at);
    else if (drawn) fill(this.readout, this.map ? "Move over the map, or use the arrow keys, to read its numbers." : "");
  }

  draw() {
    const { values, view, node, rival, data } = this;
    const palette = this.palettes[values.palette];
    const there = rival ? data.node(rival, node.name) : null;
    this.map = data.map(node, values.channel);
    this.other = there ? data.map(there, values.channel) : null;
    this.gap = difference(this.map, this.other);
    fill(this.title, node.layer ? "Relevance at " : "Relevance of ", named(node.name, 40), values.channel === null ? "" : `, channel ${values.channel}`);
    this.figures.hidden = !this.map;
    if (!this.map) {
      this.controls.show(values, false);
      fill(this.others, el("p", {}, `The map of this layer is left out of the page; its relevance adds up to ${signed(node.sum)}.`));
      fill(this.sentence);
      fill(this.strongest);
      this.table.hidden = true;
      return;
    }
    this.table.hidden = false;
    const maps = [this.map, this.gap ? this.other : null, this.gap];
    const limit = limitOf(maps.filter(Boolean).map((map) => map.values), values.clip);
    const strip = node.kind !== "image" && node.kind !== "array";
    const picture = strip ? null : data.picture(view);
    const look = { limit, palette, which: values.sign, opacity: values.opacity, picture, marks: values.marks === 1, strip };
    this.controls.show(values, picture && alike(picture, this.map));
    this.views.forEach((one, k) => {
      one.element.hidden = !maps[k];
      if (maps[k]) one.draw(maps[k], { ...look, lines: k === 0 ? this.lines() : null, spots: this.spots() });
    });
    this.captions(rival, there);
    this.inOtherForms(limit, palette);
    this.tell();
  }

  captions(rival, there) {
    const names = rival && there ? this.pairNames() : [""];
    this.views.forEach((one, k) => fill(one.caption, names[k] ? named(names[k], 60) : ""));
    const lacking = this.rival && !this.gap ? "The other explanation has no map of this shape at this layer." : "";
    fill(this.views[0].caption, ...(lacking ? [lacking] : names[0] ? [named(names[0], 60)] : []));
  }

  /** Words in place of the strip of a text, bars in place of that of a short vector. */
  inOtherForms(limit, palette) {
    const { node, values } = this;
    const words = node.input && node.input.words;
    this.bars = null;
    this.figures.hidden = false;
    if (words && values.channel === null) {
      this.showWords(words, palette);
      return;
    }
    if (node.kind !== "vector" || this.map.values.length > MOST_BARS || this.gap) {
      fill(this.others, this.whatIsShown());
      return;
    }
    const shown = { ...this.map, values: this.map.values };
    const numbers = Array.from(shown.values, (_, k) => this.data.inputValues(node, 0, k)[0]);
    this.bars = bars(`Relevance of ${node.name.slice(0, 80)}`, shown, this.names(), numbers, limit, (k, chosen) => this.moved(0, k, chosen));
    fill(this.others, this.bars);
    this.figures.hidden = true;
  }

  /** The words of a text; of two explanations both, and their difference, on one scale. */
  showWords(words, palette) {
    const { node, rival, values, data } = this;
    const there = rival ? data.node(rival, node.name)?.input?.words : null;
    const lists = [words];
    if (there && there.length === words.length) {
      lists.push(there, words.map(([text, r, special], k) => [text, r - there[k][1], special]));
    }
    const limit = limitOf(lists.map((list) => list.map(([, r]) => r)), values.clip);
    const look = { limit, palette, which: values.sign };
    const names = lists.length > 1 ? this.pairNames() : [""];
    const each = lists.map((list, n) => [names[n] ? el("p", { class: "quiet" }, named(names[n], 60)) : null, wordsOf(list, look, (k) => this.readWord(lists, k))]);
    fill(this.others, ...each.flat());
    this.figures.hidden = true;
  }

  pairNames() {
    return [this.view.name || this.view.composite, this.rival.name || this.rival.composite, "difference, the first less the second"];
  }

  whatIsShown() {
    const { node, map } = this;
    const words = [];
    if (map.by > 1) words.push(`each square is the sum of ${map.by}${map.high > 1 ? ` × ${map.by}` : ""} numbers`);
    if (node.kind === "array") words.push("all axes but the last two are added up");
    if (node.whole && map.high > 1) words.push("rows are channels");
    else if (this.values.channel === null && node.channelCount > 1) words.push(`the sum of ${node.channelCount} channels`);
    return words.length ? el("p", { class: "quiet" }, `${words.join("; ")}.`) : null;
  }

  names() {
    const features = (this.node.input && this.node.input.features) || [];
    const outputs = this.view.outputs;
    const last = this.node === this.view.nodes.at(-1) && this.map.values.length === outputs.length;
    return features.length ? features : last ? [] : [];
  }

  /** The signal of a series, a line for each channel, to lie over its relevance. */
  lines() {
    const { node, map, data } = this;
    if (!node.input || node.kind !== "series" || !node.whole || node.input.values === undefined || map.wide < 3) return null;
    const row = (k) => data.numbers.subarray(node.input.values + k * map.wide, node.input.values + (k + 1) * map.wide);
    return Array.from({ length: map.high }, (_, k) => row(k));
  }

  /** Where units are whose messages are in the page. */
  spots() {
    const { node, values, map } = this;
    if (node.kind !== "image" || map.by > 1) return [];
    const here = node.units.filter((unit) => values.channel === null || unit.at[node.axis] === values.channel);
    return here.map((unit) => unit.at.filter((_, k) => k !== node.axis));
  }

  moved(y, x, chosen) {
    if (!chosen) return this.point(y, x);
    const { node, values } = this;
    const at = placeOf(node, values.channel, y, x);
    const unit =
      node.units.find((one) => at && one.at.join(",") === at.join(",")) ??
      node.units.find((one) => node.kind === "image" && values.channel === null && one.at.filter((_, k) => k !== node.axis).join(",") === `${y},${x}`);
    this.set({ pixel: `${y},${x}`, unit: unit ? unit.at.join(",") : null }, true);
    this.readout.append(unit ? " · its messages are below" : node.units.length ? " · the messages of this place are not in the page" : "");
    document.querySelector(".unit-view:not([hidden])")?.scrollIntoView({ block: "nearest" });
    return undefined;
  }

  point(y, x) {
    if (!this.map || y >= this.map.high || x >= this.map.wide) return;
    for (const one of this.views) if (!one.element.hidden) one.point(y, x);
    if (this.bars) chooseBar(this.bars, x);
    this.read(y, x);
  }

  read(y, x) {
    const { node, map, gap, other } = this;
    const k = y * map.wide + x;
    const r = map.values[k];
    const parts = [this.where(y, x), gap ? `relevance ${signed(r)} here, ${signed(other.values[k])} there, difference ${signed(gap.values[k])}` : `relevance ${signed(r)}${node.sum ? ` (${percent(r, node.sum)} of Σ)` : ""}`];
    const numbers = this.values.channel === null || node.kind !== "image" ? this.data.inputValues(node, y, x) : [];
    if (numbers.length) parts.push(`input ${numbers.slice(0, 8).map(number).join(", ")}`);
    const values = this.values.channel === null ? null : this.data.values(node, this.values.channel);
    if (values) parts.push(`activation ${number(values[k])}`);
    fill(this.readout, parts.join(" · "));
    Object.assign(this.readout.dataset, { y, x, relevance: r, input: numbers.join(" "), difference: gap ? gap.values[k] : "" });
  }

  named(name, otherwise) {
    return name === undefined ? otherwise : isolated(short(name, 60));
  }

  where(y, x) {
    const { node, map } = this;
    if (node.kind === "vector") return this.named(this.names()[x], `number ${x}`);
    if (map.high === 1) return `place ${x}`;
    if (node.whole) return `${this.named(this.names()[y], `channel ${y}`)}, place ${x}`;
    return `row ${y}, column ${x}`;
  }

  readWord(lists, k) {
    const [text, r] = lists[0][k];
    const rest = lists.length > 1 ? ` here, ${signed(lists[1][k][1])} there, difference ${signed(lists[2][k][1])}` : this.node.sum ? ` (${percent(r, this.node.sum)} of Σ)` : "";
    fill(this.readout, `“${isolated(short(text, 60))}” · relevance ${signed(r)}${rest}`);
    Object.assign(this.readout.dataset, { y: 0, x: k, relevance: r, difference: lists.length > 1 ? lists[2][k][1] : "" });
    for (const list of this.others.querySelectorAll(".words")) chooseBar(list, k);
  }

  tell() {
    const { node, map } = this;
    const strip = node.kind !== "image" && node.kind !== "array";
    const words = node.input && node.input.words;
    const shown = words ? { values: words.map(([, r]) => r), high: 1, wide: words.length } : map;
    const names = words ? words.map(([text]) => `“${isolated(short(text, 40))}”`) : this.names().map((name) => isolated(short(name, 40)));
    fill(this.sentence, sentence(shown, strip, names));
    const order = Array.from(shown.values, (r, k) => [Math.abs(r), k]).sort((a, b) => b[0] - a[0] || a[1] - b[1]).slice(0, 20);
    fill(this.strongest, ...order.map(([, k]) => {
      const [y, x] = [Math.floor(k / shown.wide), k % shown.wide];
      const numbers = words ? [] : this.data.inputValues(node, y, x);
      const place = words ? names[k] : this.where(y, x);
      const cells = [signed(shown.values[k]), percent(shown.values[k], node.sum), numbers.map(number).join(", ") || "–"];
      return el("tr", {}, el("th", { scope: "row" }, place), ...cells.map((text) => el("td", { class: "n" }, text)));
    }));
  }
}
