// From the network to one unit: the strip of nodes, the choice of a unit, and its messages.
import { handed, between, strip, strongest } from "lrp/live_network.js";
import { flat } from "lrp/connections.js";
import { signed } from "lrp/live_ledger.js";

const MOST = 12; // units that are listed

/** Make the part of the page that shows nodes and units; parts are elements of the page. */
export function network(parts, head) {
  const told = Object.fromEntries(head.nodes.map((node) => [node.name, node]));
  const useful = head.nodes.filter((node) => node.unit && node.share?.kind === "groups");
  const now = { node: useful.at(-2)?.name ?? useful[0]?.name, unit: null };
  let [layers, graph, last] = [null, null, null];
  const paintStrip = strip(parts.strip, head, (name) => choose(name));

  function choose(name, unit = null) {
    [now.node, now.unit] = [name, unit];
    if (last) show(...last);
  }

  function show(found, sliders, start, colours) {
    if (!(`value.${head.nodes[0].name}` in found)) return;
    last = [found, sliders, start, colours];
    layers = between(head, found, start);
    paintStrip(layers, colours, now.node);
    if (graph && told[now.node]) showUnit(sliders);
  }

  function showUnit(sliders) {
    const node = told[now.node];
    const { relevance } = layers[node.name];
    const best = strongest(relevance, node.shape, MOST);
    const unit = now.unit ?? best[0].unit;
    fill(node, best, unit);
    const made = handed(node, layers, unit, sliders, graph);
    parts.unit.dataset.sum = String(made.messages.reduce((a, b) => a + b, 0));
    return made;
  }

  function fill(node, best, unit) {
    const listed = best.some((b) => b.unit === unit) ? best : [...best, { unit, r: layers[node.name].relevance[unit] }];
    parts.position.replaceChildren(...listed.map(({ unit: u, r }) => new Option(`${u} (${signed(r)})`, String(u), false, u === unit)));
  }

  parts.position.addEventListener("change", () => choose(now.node, Number(parts.position.value)));
  return {
    show,
    choose,
    ready: (bytes) => (graph = bytes),
    now: () => ({ ...now, layers }),
    handed: (name, unit, sliders) => handed(told[name], layers, unit, sliders, graph),
    open([row, column]) {
      const node = useful.find((n) => n.shape.length === 3);
      if (!layers || !node) return;
      const at = (c) => flat([c, Math.floor((row * node.shape[1]) / head.pen.side), Math.floor((column * node.shape[2]) / head.pen.side)], node.shape);
      const channels = Array.from({ length: node.shape[0] }, (_, c) => at(c));
      const r = layers[node.name].relevance;
      choose(node.name, channels.reduce((a, b) => (Math.abs(r[b]) > Math.abs(r[a]) ? b : a)));
    },
  };
}
