// What the tour of the live page says and does.

/** Return the steps; the parts of the page come from live.js. */
export function stepsOf({ head, draw, set, layers, state }) {
  return [{ title: "x", text: "y", at: "#drawing", act: () => draw.play(head.samples[head.first]) }];
}
