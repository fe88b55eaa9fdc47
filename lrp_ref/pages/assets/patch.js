// Where on a picture the messages of a unit go: the least window that holds them, its channels added up.

import { el } from "lrp/dom.js";
import { thumbnail } from "lrp/pixels.js";

/** Return the picture of a unit's messages to one map; null where they go elsewhere, or to one place. */
export function patch(data, view, node, messages, places, palette) {
  const [, there] = places[0] ?? [];
  if (!there || there.kind !== "image" || places.some(([, other]) => other !== there)) return null;
  const spots = places.map(([, , at]) => at.filter((_, k) => k !== there.axis));
  const [top, left] = [0, 1].map((k) => Math.min(...spots.map((spot) => spot[k])));
  const [bottom, right] = [0, 1].map((k) => Math.max(...spots.map((spot) => spot[k])));
  const [high, wide] = [bottom - top + 1, right - left + 1];
  if (high * wide < 2) return null;
  const values = new Float32Array(high * wide);
  messages.forEach((one, k) => (values[(spots[k][0] - top) * wide + spots[k][1] - left] += one.message));
  const canvas = el("canvas", { class: "patch", width: wide, height: high, style: `aspect-ratio:${wide}/${high}` });
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", `The messages in rows ${top} to ${bottom} and columns ${left} to ${right}, channels added up`);
  thumbnail(canvas, { values, high, wide }, palette);
  const caption = `where the messages go: rows ${top}–${bottom}, columns ${left}–${right}, channels added up`;
  return el("figure", { class: "patch-box" }, canvas, el("figcaption", { class: "quiet" }, caption));
}
