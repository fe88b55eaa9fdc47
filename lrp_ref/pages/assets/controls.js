// What changes the look of a map: which signs, where colours end, how much of the picture is seen, which colours.

import { el } from "lrp/dom.js";
import { fill } from "lrp/dom.js";

const SIGNS = [["both", "± both"], ["plus", "+ positive only"], ["minus", "− negative only"]];

/** The controls above the maps; ``set(change)`` is told what is wanted. */
export class Controls {
  constructor(palettes, signs, set) {
    this.signs = SIGNS.map(([key, text]) =>
      el("button", { type: "button", "aria-pressed": "false", "data-sign": key, onclick: () => set({ sign: key }) }, text),
    );
    this.clip = slider("clip", 80, 100, 0.5, (value) => set({ clip: value }));
    this.opacity = slider("opacity", 0, 1, 0.05, (value) => set({ opacity: value }));
    this.palette = el(
      "select",
      { id: "palette", onchange: (event) => set({ palette: event.target.value }) },
      ...palettes.map((name) => el("option", { value: name }, `${signs[name][1]} +, ${signs[name][0]} −`)),
    );
    this.marks = el("input", { type: "checkbox", id: "marks", onchange: (event) => set({ marks: event.target.checked ? 1 : 0 }) });
    this.words = { clip: el("output", { for: "clip" }), opacity: el("output", { for: "opacity" }) };
    this.over = el("label", { for: "opacity" }, "map over picture ", this.opacity, this.words.opacity);
    this.element = el(
      "div",
      { class: "controls", role: "group", "aria-label": "How maps are drawn" },
      el("span", { class: "joined", role: "group", "aria-label": "Signs" }, ...this.signs),
      el("label", { for: "clip" }, "colours end at ", this.clip, this.words.clip),
      this.over,
      el("label", { for: "palette" }, "colours ", this.palette),
      el("label", { for: "marks" }, this.marks, " mark + and −"),
    );
  }

  /** Show the present state; ``picture`` is whether the map lies over one. */
  show(values, picture) {
    for (const button of this.signs) button.setAttribute("aria-pressed", String(button.dataset.sign === values.sign));
    this.clip.value = values.clip;
    this.opacity.value = values.opacity;
    this.palette.value = values.palette;
    this.marks.checked = values.marks === 1;
    this.over.hidden = !picture;
    fill(this.words.clip, values.clip >= 100 ? "largest |R|" : `${values.clip} % of |R|`);
    fill(this.words.opacity, `${Math.round(100 * values.opacity)} %`);
  }
}

function slider(id, min, max, step, changed) {
  return el("input", { type: "range", id, min, max, step, oninput: (event) => changed(Number(event.target.value)) });
}
