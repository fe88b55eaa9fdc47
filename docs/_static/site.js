/* What scrolls can be reached with the keyboard: axe asks for it, and browsers differ. */

/** Let every block that is wider than its place take the focus, and no other. */
function reachable() {
  for (const block of document.querySelectorAll("pre, .math-block, .table-wrapper, .output, .worked")) {
    if (block.scrollWidth > block.clientWidth) {
      block.tabIndex = 0;
    } else if (block.tabIndex === 0) {
      block.removeAttribute("tabindex");
    }
  }
}

addEventListener("load", reachable);
addEventListener("resize", reachable);
document.addEventListener("toggle", reachable, true);

/** Bring the page that is open into view in the navigation, which starts at its top otherwise. */
function here() {
  const box = document.querySelector(".sidebar-scroll");
  const page = box?.querySelector(".current-page");
  if (page) {
    const below = page.getBoundingClientRect().bottom - box.getBoundingClientRect().bottom;
    box.scrollTo({ top: below > 0 ? below + box.clientHeight / 2 : 0, behavior: "instant" });
  }
}

addEventListener("load", here);
