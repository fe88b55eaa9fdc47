// What a layer is made of: its channels, the strongest first, and the units whose messages are in the page.

import { el } from "lrp/dom.js";
import { number } from "lrp/dom.js";
import { percent } from "lrp/dom.js";
import { sign } from "lrp/dom.js";
import { signed } from "lrp/dom.js";
import { thumbnail } from "lrp/pixels.js";

/** Return the channels of a node as buttons; ``chosen(channel)`` is told which is wanted, null for all together. */
export function channels(data, node, palette, chosen, now) {
  if (!node.channels.length || (node.channels.length === 1 && node.channelCount === 1)) return null;
  const all = button(data.map(node), "all", node.sum, palette, now === null, () => chosen(null));
  const each = node.channels.map(([c, sum, at]) => {
    const map = at === null ? null : data.map(node, c);
    return button(map, `${c}`, sum, palette, now === c, () => chosen(c));
  });
  const others = node.channelCount - node.channels.length;
  const rest = node.sum - node.channels.reduce((total, [, sum]) => total + sum, 0);
  return el(
    "div",
    {},
    el("h3", {}, `Channels, the strongest first`),
    el("div", { class: "tiles", role: "group", "aria-label": "Channels" }, all, ...each),
    others > 0 ? el("p", { class: "quiet" }, `${others} further channels together: ${signed(rest)}`) : null,
  );
}

function button(map, name, sum, palette, pressed, click) {
  const canvas = el("canvas", { class: "thumb", width: 1, height: 1, "aria-hidden": "true" });
  if (map) thumbnail(canvas, map, palette);
  return el(
    "button",
    {
      class: "tile", type: "button", "aria-pressed": String(pressed), onclick: click, disabled: !map,
      title: map ? null : "the map of this channel is left out of the page", "data-channel": name,
    },
    el("span", { class: "thumb-box" }, map ? canvas : "–"),
    el("span", {}, name),
    el("span", { class: `quiet ${sign(sum)}` }, signed(sum)),
  );
}

/** Return the units of a node as buttons; ``chosen(unit)`` is told which is wanted. */
export function unitList(node, chosen, now, name) {
  if (!node.units.length) return null;
  return el(
    "div",
    {},
    el("h3", {}, "Units whose messages are here"),
    el(
      "div",
      { class: "tiles units", role: "group", "aria-label": "Units" },
      ...node.units.map((unit) =>
        el(
          "button",
          {
            class: "tile unit", type: "button", "aria-pressed": String(unit === now), onclick: () => chosen(unit),
            "data-unit": unit.at.join(","),
          },
          el("span", {}, name(unit.at)),
          el("span", { class: sign(unit.relevance) }, signed(unit.relevance)),
          el("span", { class: "quiet" }, percent(unit.relevance, node.sum)),
        ),
      ),
    ),
  );
}

/** Return what is known of a node, as a list of terms. */
export function facts(node, reads) {
  const rows = [
    ["layer", node.layer || "input"],
    ["shape", node.shape.join(" × ") || "one number"],
    ["reads", reads],
    ["rule", node.rule],
    ["formula", node.formula],
    ["because of", node.why],
    ["Σ relevance", `${signed(node.sum)} = ${number(node.positive)} positive, ${number(node.sum - node.positive)} negative`],
  ].filter(([, text]) => text && text.length);
  return el("dl", {}, ...rows.flatMap(([term, text]) => [el("dt", {}, term), el("dd", {}, text)]));
}
