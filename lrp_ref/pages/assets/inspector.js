// The inspector: what is looked at is one state, and every part of the page shows it.

import { header } from "lrp/blocks.js";
import { address } from "lrp/checked.js";
import { checked } from "lrp/checked.js";
import { find } from "lrp/checked.js";
import { Palette } from "lrp/colours.js";
import { load } from "lrp/data.js";
import { el } from "lrp/dom.js";
import { fill } from "lrp/dom.js";
import { help } from "lrp/help.js";
import { Layers } from "lrp/layers.js";
import { Maps } from "lrp/maps.js";
import { notes } from "lrp/about.js";
import { outputs } from "lrp/about.js";
import { parts } from "lrp/about.js";
import { provenance } from "lrp/about.js";
import { summary } from "lrp/about.js";
import { comparison } from "lrp/compare.js";
import { ledger } from "lrp/account.js";
import { asSeen } from "lrp/pixels.js";
import { put } from "lrp/pixels.js";
import { State } from "lrp/state.js";

const USUAL = { view: 0, against: -1, node: null, channel: null, pixel: null, unit: null, sign: "both", clip: 100, opacity: 1, palette: null, marks: 0 };
const LARGE = 64; // pixels of a picture from which on its map is shown over it at first
const OVER = { opacity: 0.5, clip: 99.5 };

/** Put the page together and show what the address asks for. */
async function start() {
  const said = header();
  const data = await load();
  const palettes = Object.fromEntries(Object.entries(said.palettes).map(([name, hex]) => [name, new Palette(hex)]));
  const picture = data.picture(data.views[0]);
  const usual = { ...USUAL, palette: Object.keys(palettes)[0], ...(picture && picture.wide > LARGE ? OVER : {}) };
  if (said.compare !== null) usual.against = said.compare;
  const page = new Inspector(said, data, palettes, usual);
  page.show(page.state.values, []);
  page.state.read();
  document.documentElement.dataset.ready = "yes";
}

class Inspector {
  constructor(said, data, palettes, usual) {
    Object.assign(this, { said, data, palettes });
    const check = (asked) => checked(asked, data, Object.keys(palettes));
    this.state = new State(usual, check, (values, wrong) => this.show(values, wrong));
    const set = (change, entry) => this.set(change, entry);
    this.maps = new Maps(data, palettes, said.signs, set);
    this.layers = new Layers(data, palettes, set);
    this.about = el("div", { class: "about" });
    this.ledger = el("section", { "aria-labelledby": "ledger-title" });
    this.comparison = el("section", { "aria-labelledby": "comparison-title", hidden: true });
    this.sources = el("section", { "aria-labelledby": "provenance-title", class: "provenance" });
    fill(
      document.getElementById("page"),
      this.about,
      (this.columns = el("div", { class: "columns" }, this.maps.element, this.layers.list)),
      this.layers.node, this.layers.unit, this.comparison, this.ledger, this.sources,
    );
    const host = document.getElementById("waterfalls");
    this.waterfalls = [...host.children];
    host.remove();
    this.choice();
    help(document.getElementById("help"), () => this.layers.next(-1), () => this.layers.next(1));
  }

  /** Change the state; a node is named as an address names it. */
  set(change, entry = false) {
    const view = this.data.views[this.state.values.view];
    this.state.set("node" in change ? { ...change, node: address(view, change.node) } : change, entry);
  }

  /** Show another explanation, beside the other one of its sample where the page is about pairs. */
  change(view) {
    const { views } = this.data;
    const other = this.said.compare === null ? -1 : views.findIndex((one, k) => k !== view && one.sample === views[view].sample);
    this.state.set({ view, against: other, unit: null, channel: null, pixel: null }, true);
  }

  /** Offer the choice between several explanations, and what to set against the one that is shown. */
  choice() {
    const views = this.data.views;
    if (views.length < 2) return;
    const options = () => views.map((view, k) => el("option", { value: k }, view.name.slice(0, 120) || `explanation ${k}`));
    this.view = el("select", { id: "view", onchange: (event) => this.change(Number(event.target.value)) }, ...options());
    this.against = el("select", { id: "against", onchange: (event) => this.state.set({ against: Number(event.target.value) }, true) }, el("option", { value: -1 }, "nothing"), ...options());
    const host = document.getElementById("choice");
    host.hidden = false;
    fill(host, el("label", { for: "view" }, "shown ", this.view), el("label", { for: "against" }, "compared with ", this.against));
  }

  /** Show a state. */
  show(values, wrong) {
    const view = this.data.views[values.view];
    const node = find(view, values.node) ?? view.nodes[0];
    const rival = this.rival(values, view);
    const changed = (...keys) => keys.some((key) => !this.before || this.before[key] !== values[key]);
    document.getElementById("notice").textContent = wrong.length ? `${wrong.join(" ")} Ignored.` : "";
    if (changed("view")) this.showView(view);
    if (changed("view", "against") && this.view) this.showChoice(values, view, rival);
    this.columns.classList.toggle("compared", Boolean(rival));
    this.layers.show({ values, view, node, changed });
    this.maps.show({ values, view, node, rival, changed });
    this.before = { ...values };
  }

  /** Return the explanation that the shown one is compared with; null for none. */
  rival(values, view) {
    const other = values.against >= 0 ? this.data.views[values.against] : null;
    return other && other !== view && other.sample === view.sample ? other : null;
  }

  showView(view) {
    document.getElementById("summary").textContent = summary(view);
    fill(this.about, el("section", { "aria-labelledby": "about-title" }, el("h2", { id: "about-title" }, "Prediction"), ...outputs(view).filter(Boolean)), this.input(view), this.parts(view), notes(view));
    const chosen = (name) => this.data.node(view, name) && this.set({ node: name, channel: null, unit: null, pixel: null }, true);
    fill(this.ledger, el("h2", { id: "ledger-title" }, "Where the relevance went"), this.waterfall(view, chosen), ...ledger(view, chosen));
    fill(this.sources, el("h2", { id: "provenance-title" }, "Where this page comes from"), ...provenance(this.said.provenance, view.left));
  }

  /** Return the picture of what each layer took, whose bars lead to their layers; null without a ledger. */
  waterfall(view, chosen) {
    if (!view.waterfall) return null;
    const place = this.data.views.filter((one) => one.waterfall).indexOf(view);
    const element = this.waterfalls[place];
    element.onclick = (event) => {
      const bar = event.target.closest("[data-node]");
      if (bar) chosen(bar.dataset.node);
    };
    return element;
  }

  /** Return the section that says in a few rows what became of the start relevance; null without a ledger. */
  parts(view) {
    const table = parts(view);
    return table && el("section", { "aria-labelledby": "parts-title" }, el("h2", { id: "parts-title" }, "Relevance"), table);
  }

  /** Return the input's picture as the network sees it; null for what is none. */
  input(view) {
    const picture = this.data.picture(view);
    if (!picture) return null;
    const canvas = el("canvas", { class: "seen", role: "img", "aria-label": "The input as the network sees it" });
    put(canvas, asSeen(picture));
    return canvas;
  }

  showChoice(values, view, rival) {
    this.view.value = values.view;
    this.against.value = rival ? values.against : -1;
    [...this.against.options].forEach((option, k) => {
      const other = this.data.views[k - 1];
      option.hidden = k > 0 && (other === view || other.sample !== view.sample);
    });
    this.comparison.hidden = !rival;
    if (!rival) return;
    const chosen = (name) => this.set({ node: name, channel: null, unit: null, pixel: null }, true);
    const head = el("p", {}, `Here: ${view.name.slice(0, 120)}. There: ${rival.name.slice(0, 120)}. Differences are here less there.`);
    fill(this.comparison, el("h2", { id: "comparison-title" }, "Both explanations, layer by layer"), head, comparison(this.data, view, rival, chosen));
  }
}

start();
