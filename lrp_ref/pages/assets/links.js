// What belongs together stands out together: a factor of a formula, its edge, its bar and its row of a table.

const names = (text) => (text ?? "").split(" ").filter(Boolean);

/**
 * Let all that has one of the names in its data-link stand out (class "linked") while an element with this name in its
 * data-points, or else in its data-link, is pointed at or has the focus; the root then has the class "linking".
 */
export function link(root) {
  const show = (element) => {
    const from = element?.closest?.("[data-link]");
    const wanted = from && root.contains(from) ? names(from.dataset.points ?? from.dataset.link) : [];
    let found = 0;
    for (const one of root.querySelectorAll("[data-link]")) {
      const linked = names(one.dataset.link).some((name) => wanted.includes(name));
      one.classList.toggle("linked", linked);
      found += linked && one !== from && !one.contains(from) && !one.closest(".none");
    }
    root.classList.toggle("linking", found > 0); // what belongs to nothing on the page dims nothing
  };
  const focused = () => (root.contains(document.activeElement) ? document.activeElement : null);
  root.addEventListener("pointerover", (event) => show(event.target.closest("[data-link]") ?? focused()));
  root.addEventListener("pointerleave", () => show(focused()));
  root.addEventListener("focusin", (event) => show(event.target));
  root.addEventListener("focusout", () => show(null));
}
