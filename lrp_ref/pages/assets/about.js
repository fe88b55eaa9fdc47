// What was predicted, what is explained, and where the page comes from.

import { bar } from "lrp/bars.js";
import { el } from "lrp/dom.js";
import { isolated } from "lrp/dom.js";
import { named } from "lrp/dom.js";
import { number } from "lrp/dom.js";
import { short } from "lrp/dom.js";
import { sign } from "lrp/dom.js";

/** Return the largest outputs as rows with bars, the explained ones marked. */
export function outputs(view) {
  const most = Math.max(...view.outputs.map((o) => Math.abs(o.value ?? 0)), 1e-300);
  const chances = view.outputs.some((o) => o.chance !== null);
  const rows = view.outputs.map((o) =>
    el(
      "tr",
      { class: o.asked ? "asked" : o.against ? "against" : null },
      el("th", { scope: "row" }, named(o.name, 32), o.asked ? el("span", { class: "tag" }, "explained") : null, o.against ? el("span", { class: "tag" }, "against it") : null),
      el("td", { class: `n ${sign(o.value)}` }, number(o.value)),
      chances ? el("td", { class: "n" }, o.chance === null ? "–" : `${(100 * o.chance).toFixed(1)} %`) : null,
      el("td", {}, bar(o.value ?? 0, most)),
    ),
  );
  const headers = ["output", "value", ...(chances ? [view.chanceName] : []), "size"];
  const more = view.outputCount - view.outputs.length;
  return [
    el(
      "table",
      { class: "outputs" },
      el("thead", {}, el("tr", {}, ...headers.map((h, k) => el("th", { scope: "col", class: k ? "n" : null }, h)))),
      el("tbody", {}, ...rows),
    ),
    more > 0 ? el("p", { class: "quiet" }, `${more} further outputs are smaller.`) : null,
  ];
}

/** Return what became of the start relevance as rows with bars; null without a ledger. */
export function parts(view) {
  if (!view.ledgerMade) return null;
  const sum = (k) => view.ledger.reduce((total, row) => total + row[k], 0);
  const rows = [["start", view.started], ["to the input", view.arrived], ["to biases", sum(4)], ["to stabilisers", sum(5)], ["dropped", sum(6)]];
  const most = Math.max(...rows.map(([, value]) => Math.abs(value)), 1e-300);
  const part = (value) => (view.started ? `${number((100 * value) / view.started)} %` : "–");
  return el(
    "table",
    { class: "outputs" },
    el("thead", {}, el("tr", {}, ...["where it went", "relevance", "of the start", "size"].map((h, k) => el("th", { scope: "col", class: k ? "n" : null }, h)))),
    el(
      "tbody",
      {},
      ...rows.map(([name, value], k) =>
        el(
          "tr",
          { class: k ? null : "asked" },
          el("th", { scope: "row" }, name),
          el("td", { class: `n ${sign(value)}` }, number(value)),
          el("td", { class: "n" }, part(value)),
          el("td", {}, bar(value, most)),
        ),
      ),
    ),
  );
}

/** Return the line under the title. */
export function summary(view) {
  const parts = [
    `explained: ${isolated(short(view.asked, 120))}`, `composite ${isolated(view.composite)}`, `start ${isolated(view.start)}`,
    `relevance ${number(view.started)} at the output, ${number(view.arrived)} at the input`,
  ];
  return parts.join(" · ");
}

/** Return what has to be known to read the page, a sentence each. */
export function notes(view) {
  const all = [view.startsAt, view.negative, ...view.notes].filter((text, k, every) => text && every.indexOf(text) === k);
  return all.length ? el("ul", { class: "notes" }, ...all.map((text) => el("li", {}, text))) : null;
}

/** Return where the page comes from, and what is left out of it. */
export function provenance(rows, left) {
  return [
    el("dl", {}, ...rows.flatMap(([what, text]) => [el("dt", {}, named(what, 60)), el("dd", {}, el("code", {}, el("bdi", {}, text)))])),
    el("h3", {}, "Left out of this page"),
    left.length
      ? el("ul", {}, ...left.map((text) => el("li", {}, text)))
      : el("p", {}, "Nothing but channels and units of little relevance."),
  ];
}
