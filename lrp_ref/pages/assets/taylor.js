// The first-order Taylor terms of one neuron at a point x̃ that one moves: where the terms come from, and what they miss.

import { header } from "lrp/blocks.js";
import { el, fill, number, signed, svg } from "lrp/dom.js";
import { expansion, nearestRoot, sentence } from "lrp/expansion.js";
import { fit } from "lrp/frame.js";
import { Waterfall } from "lrp/ledger.js";
import { link } from "lrp/links.js";
import { Curve, Plane, scales } from "lrp/plots.js";
import { Asked } from "lrp/predict.js";

const [STEP, FINE, SNAP] = [0.1, 0.01, 0.02]; // of keys, with Shift; a part of the picture

class Taylor {
  constructor(host, said) {
    Object.assign(this, { host, said, neuron: said, root: [...said.root] });
    this.span = scales(said.span);
    this.plot = said.a.length > 1 ? new Plane(this) : new Curve(this);
    this.build();
    this.move(this.root);
    link(host);
    fit(host);
  }

  build() {
    const { said } = this;
    this.sentence = el("p", { class: "sentence" });
    this.live = el("p", { class: "hidden-text", "aria-live": "polite" });
    this.inputs = said.a.map((_, i) => {
      const label = said.a.length > 1 ? `x̃${lower(i + 1)}` : "x̃";
      const input = el("input", { type: "number", id: `root-${i}`, step: "any", "aria-label": label });
      input.addEventListener("input", () => this.typed(i, input));
      return el("label", {}, label, " ", input);
    });
    this.buttons = said.roots.map(({ name, point }) =>
      el("button", { type: "button", onclick: () => this.move(point) }, name),
    );
    const onto = el(
      "button",
      { type: "button", id: "onto", onclick: () => this.move(nearestRoot(this.neuron, this.root) ?? this.root) },
      "to the nearest root",
    );
    const names = [
      "f(a)",
      "f(x̃)",
      ...said.a.map((_, i) => `term of x${said.a.length > 1 ? lower(i + 1) : ""}`),
      "left over",
    ];
    this.bars = new Waterfall(svg("svg"), names, 400);
    this.rows = names.map((name) => ({ name, how: el("td"), value: el("td", { class: "n" }) }));
    const table = el(
      "table",
      { class: "terms" },
      el("caption", { class: "hidden-text" }, "The expansion"),
      el(
        "tbody",
        {},
        ...this.rows.map((row) => el("tr", {}, el("th", { scope: "row" }, row.name), row.how, row.value)),
      ),
    );
    this.controls = el("div", { class: "toolbar" }, ...this.inputs, onto, ...this.buttons);
    this.result = el("div", { class: "result" }, this.bars.root, table);
    const columns = el("div", { class: "columns" }, this.plot.root, this.result);
    this.question = said.predict ? new Asked(said.predict, () => this.known(true)) : null;
    fill(this.host, el("h1", {}, said.title), this.question?.element, this.controls, columns, this.sentence, this.live);
    this.known(this.question === null);
  }

  known(known) {
    for (const part of [this.result, this.controls, this.sentence]) part.hidden = !known;
    this.plot.handle.toggleAttribute("data-shut", !known);
    this.open = known;
  }

  typed(i, input) {
    const x = input.value.trim() === "" ? NaN : Number(input.value);
    input.setAttribute("aria-invalid", String(!Number.isFinite(x)));
    if (Number.isFinite(x))
      this.move(
        this.root.map((old, k) => (k === i ? x : old)),
        input,
      );
  }

  /** Move x̃, and say what the terms there are. */
  move(root, from = null) {
    this.root = [...root];
    const found = expansion(this.neuron, this.root);
    const { a } = this.said;
    this.inputs.forEach((label, i) => {
      const input = label.querySelector("input");
      if (input !== from) input.value = Number(this.root[i].toPrecision(12));
    });
    const links = a.map((_, i) => ({ belongs: `t-${i}`, points: `t-${i}` }));
    const colour = (x) => (x < 0 ? "minus" : "plus");
    const parts = [
      { value: found.there, colour: "bias", link: { belongs: "there" } },
      ...found.terms.map((value, i) => ({ value, colour: colour(value), link: links[i] })),
      { value: found.rest, colour: "dropped", link: { belongs: "rest" } },
    ];
    const text = sentence(found, this.root);
    this.bars.show({ value: found.value, colour: colour(found.value), link: { belongs: "whole" } }, parts, text);
    const how = [
      "",
      "",
      ...found.terms.map((_, i) => `${bracketed(found.slope[i])} · (${number(a[i])} − ${bracketed(this.root[i])})`),
      "",
    ];
    [found.value, found.there, ...found.terms, found.rest].forEach((value, k) => {
      const row = this.rows[k];
      row.how.textContent = how[k];
      row.value.textContent = k ? signed(value) : number(value);
      row.value.dataset.value = value;
      row.value.parentElement.dataset.link = ["whole", "there", ...links.map((l) => l.belongs), "rest"][k];
    });
    this.sentence.textContent = text;
    this.plot.update(this.root, found);
    clearTimeout(this.timer);
    if (this.open) this.timer = setTimeout(() => (this.live.textContent = text), 400);
  }

  /** Move x̃ to where the pointer is, onto the roots where it is near to them. */
  pointed(point) {
    if (!this.open) return;
    const { low, high } = this.span;
    const inside = point.map((x) => Math.max(low, Math.min(high, x)));
    const near = nearestRoot(this.neuron, inside);
    const far = near ? Math.hypot(...near.map((x, i) => x - inside[i])) : Infinity;
    this.move(far < SNAP * (high - low) ? near : inside.map((x) => Math.round(x * 100) / 100));
  }

  keyed(event) {
    const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
    if (!way || !this.open) return;
    event.preventDefault();
    const step = event.shiftKey ? FINE : STEP;
    const along = this.root.length > 1 ? way : [way[0] + way[1]];
    this.move(this.root.map((x, i) => Number((x + step * along[i]).toFixed(6))));
  }
}

const lower = (k) => "₀₁₂"[k];
const bracketed = (x) => (x < 0 ? `(${number(x)})` : number(x));

if (globalThis.document?.getElementById("taylor")) new Taylor(document.getElementById("taylor"), header());
