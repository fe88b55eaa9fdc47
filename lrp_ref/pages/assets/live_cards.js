// The classes as cards: a map each on one colour scale, the score, and a bar of the probability.
import { signed } from "lrp/live_ledger.js";
import { paint } from "lrp/live_maps.js";

/** Make a card for each class; ``chosen(k)`` is told of a click. Returns what shows numbers on them, in place. */
export function cards(box, classes, side, chosen) {
  const made = classes.map((label, k) => {
    const button = Object.assign(document.createElement("button"), { type: "button" });
    const canvas = Object.assign(document.createElement("canvas"), { width: 3 * side, height: 3 * side });
    canvas.setAttribute("aria-hidden", "true");
    const [name, score, chance, fill] = ["strong", "span", "span", "i"].map((tag) => document.createElement(tag));
    [name.textContent, score.className, chance.className] = [label, "n", "chance"];
    chance.append(fill);
    const [of, scored, said] = ["Class ", " score ", ""].map((textContent) =>
      Object.assign(document.createElement("span"), { textContent, className: "hidden-text" }));
    button.append(canvas, of, name, scored, score, chance, said);
    button.addEventListener("click", () => chosen(k));
    box.append(button);
    return { button, canvas, score, fill, said };
  });
  return ({ maps, accounts, output, chances, limit, chosen: now, sign, colours }) => {
    made.forEach(({ button, canvas, score, fill, said }, k) => {
      paint(canvas, maps[k], [side, side], { limit, colours, sign });
      score.textContent = signed(output[k], 2);
      fill.style.width = `${100 * chances[k]}%`;
      button.setAttribute("aria-pressed", String(k === now));
      said.textContent = `, probability ${(100 * chances[k]).toFixed(1)} %, ${signed(accounts[k].arrived, 2)} arrives at the pixels`;
    });
  };
}
