// A page in a frame of another one: the frame is as high as what it shows, where the page around allows it.

/** Keep the frame around this page as high as an element of it. */
export function fit(element) {
  const frame = (() => {
    try {
      return window.frameElement;
    } catch {
      return null; // the page around is of another origin
    }
  })();
  if (!frame) return;
  const style = getComputedStyle(document.body);
  const around = parseFloat(style.paddingTop) + 28;
  const set = () => (frame.style.height = `${Math.ceil(element.getBoundingClientRect().height + around)}px`);
  new ResizeObserver(set).observe(element);
}
