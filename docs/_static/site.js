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
