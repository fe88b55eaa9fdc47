// A list of options that keys walk through: one of them has the focus, arrows move it.

const STEPS = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 };

/**
 * Let a list whose children have role "option" be walked through: ``moved(place, opened)`` is told where the focus is,
 * and whether the option was clicked, or chosen with Enter or Space.
 */
export function walkable(list, moved) {
  list.addEventListener("click", (event) => {
    const option = event.target.closest("[role=option]");
    if (option) moved(Number(option.dataset.place), true);
  });
  list.addEventListener("keydown", (event) => {
    const options = [...list.children];
    const at = options.indexOf(document.activeElement);
    const chosen = event.key === "Enter" || event.key === " ";
    const ends = { Home: 0, End: options.length - 1 };
    const to = chosen ? at : (ends[event.key] ?? (event.key in STEPS ? at + STEPS[event.key] : undefined));
    if (to === undefined || at < 0) return;
    event.preventDefault();
    const place = Math.max(0, Math.min(options.length - 1, to));
    options[place].focus();
    moved(place, chosen);
  });
}
