// A guided tour: numbered steps that operate the page, point at its parts, and ask before they show.

/** Make the tour's card of an element; each step is {title, text, at, act, ask: {question, answers, right, because}}. */
export function tour(card, steps) {
  let at = -1;
  let before = null; // what had the focus
  let pointed = null;
  const find = (name) => card.querySelector(`[data-part="${name}"]`);
  const [title, text, count, questions] = ["title", "text", "count", "questions"].map(find);

  function point(selector) {
    pointed?.classList.remove("pointed");
    pointed = selector ? document.querySelector(selector) : null;
    pointed?.classList.add("pointed");
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    pointed?.scrollIntoView({ block: "nearest", behavior: still ? "auto" : "smooth" });
  }

  function answer(button, ask, chosen) {
    for (const one of questions.querySelectorAll("button")) one.setAttribute("aria-pressed", String(one === button));
    const verdict = chosen === ask.right ? "Yes. " : `Not quite: ${ask.answers[ask.right]}. `;
    questions.querySelector("p:last-child").textContent = verdict + ask.because;
    ask.act?.();
  }

  function asked(ask) {
    if (!ask) return questions.replaceChildren();
    const question = Object.assign(document.createElement("p"), { textContent: ask.question, className: "question" });
    const buttons = ask.answers.map((words, k) => {
      const button = Object.assign(document.createElement("button"), { textContent: words, type: "button" });
      button.setAttribute("aria-pressed", "false");
      button.addEventListener("click", () => answer(button, ask, k));
      return button;
    });
    const verdict = Object.assign(document.createElement("p"), { className: "verdict" });
    verdict.setAttribute("aria-live", "polite");
    return questions.replaceChildren(question, ...buttons, verdict);
  }

  function show(next) {
    if (next < 0 || next >= steps.length) return next < 0 ? undefined : close();
    at = next;
    const step = steps[at];
    [title.textContent, text.textContent] = [step.title, step.text];
    count.textContent = `Step ${at + 1} of ${steps.length}`;
    find("back").disabled = at === 0;
    find("next").textContent = at === steps.length - 1 ? "Done" : "Next";
    asked(step.ask);
    point(step.at);
    card.focus({ preventScroll: true });
    return step.act?.();
  }

  function open() {
    before = document.activeElement;
    card.hidden = false;
    show(0);
  }

  function close() {
    if (card.hidden) return;
    card.hidden = true;
    at = -1;
    point(null);
    before?.focus();
  }

  find("next").addEventListener("click", () => show(at + 1));
  find("back").addEventListener("click", () => show(at - 1));
  find("close").addEventListener("click", close);
  document.addEventListener("keydown", (event) => {
    if (card.hidden) return;
    if (event.key === "Escape") close();
    if (!card.contains(document.activeElement) || event.altKey || event.ctrlKey || event.metaKey) return;
    if (event.key === "ArrowRight") show(at + 1);
    if (event.key === "ArrowLeft") show(at - 1);
  });
  return { open, close, step: () => at };
}
