// A question before the numbers are shown: what one has guessed, one remembers.

import { el, fill } from "lrp/dom.js";

/** A question with its options; ``done`` is called with the option that is taken. */
export class Asked {
  constructor({ question, options, answer, because }, done) {
    this.said = el("p", { class: "told", role: "status" });
    this.buttons = options.map((text, k) => el("button", { type: "button", onclick: () => this.take(k) }, text));
    this.element = el(
      "section",
      { class: "asked", "aria-label": "Predict" },
      el("p", {}, el("strong", {}, "Predict: "), question),
      el("div", { class: "options" }, ...this.buttons),
      this.said,
    );
    Object.assign(this, { options, answer, because, done });
  }

  take(k) {
    this.buttons.forEach((button, other) => {
      button.disabled = true;
      button.setAttribute("aria-pressed", String(other === k));
      if (other === this.answer) button.append(" ✓");
    });
    const right = k === this.answer;
    fill(this.said, el("strong", {}, right ? "Yes. " : `No: ${this.options[this.answer]}. `), this.because);
    this.element.classList.add(right ? "right" : "wrong");
    this.said.tabIndex = -1;
    this.said.focus();
    this.done(k);
  }
}
