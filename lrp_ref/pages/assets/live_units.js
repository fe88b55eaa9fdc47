// From the network to one unit: the strip of nodes, the choice of a unit, and its messages.
import { flat, place } from "lrp/connections.js";
import { signed } from "lrp/live_ledger.js";
import { largest, paint } from "lrp/live_maps.js";
import { between, called, flatMap, handed, strip, strongest } from "lrp/live_network.js";
import { unitView } from "lrp/unit.js";

const MOST = 12; // units that are listed

/** Make the part of the page that shows nodes and units; parts are elements: strip, unit, node (a canvas), position. */
export function network(parts, head) {
  const told = Object.fromEntries(head.nodes.map((node) => [node.name, node]));
  const useful = head.nodes.filter((node) => node.share?.kind === "groups");
  const now = { node: useful.filter((node) => node.shape.length === 3).at(-1)?.name ?? useful[0]?.name, unit: null };
  let [layers, graph, last, view, viewed] = [null, null, null, null, ""];
  const paintStrip = strip(parts.strip, head, (name) => choose(name));

  /** Show a node, and its strongest unit where none is given. */
  function choose(name, unit = null) {
    [now.node, now.unit] = [name, unit];
    if (last) show(...last);
  }

  /** Show what is between the nodes, where ``found`` has it: while someone draws it stays as it was. */
  function show(found, sliders, start, colours) {
    if (!(`value.${head.nodes[0].name}` in found)) return;
    last = [found, sliders, start, colours];
    layers = between(head, found, start);
    paintStrip(layers, colours, now.node);
    if (graph && told[now.node]) showUnit(sliders, colours);
  }

  function showUnit(sliders, colours) {
    const node = told[now.node];
    const { relevance } = layers[node.name];
    const best = strongest(relevance, node.shape, MOST);
    const unit = now.unit ?? best[0].unit;
    list(node, best, unit);
    const { map, size } = flatMap(relevance, node.shape);
    paint(parts.node, map, size, { limit: largest(map), colours });
    ring(place(unit, node.shape).slice(-2), size, node.shape.length > 1);
    const made = handed(node, layers, unit, sliders, graph);
    if (viewed === node.name) view.update(made);
    else view = unitView(parts.unit, made);
    viewed = node.name;
  }

  function ring([row, column], [rows, columns], grid) {
    if (!grid) return;
    const pen = parts.node.getContext("2d");
    const [high, wide] = [parts.node.height / rows, parts.node.width / columns];
    Object.assign(pen, { strokeStyle: getComputedStyle(parts.node).color, lineWidth: 3 });
    pen.strokeRect(column * wide, row * high, wide, high);
  }

  function list(node, best, unit) {
    const listed = best.some((b) => b.unit === unit) ? best : [{ unit, r: layers[node.name].relevance[unit] }, ...best];
    const options = listed.map(({ unit: u, r }) => new Option(`${called(node.name, u, node.shape)}  R = ${signed(r)}`, String(u), false, u === unit));
    parts.position.replaceChildren(...options);
  }

  /** Show the unit of a node with the largest |R| at a place, whose parts of the node's height and width are given. */
  function openAt(node, down, across) {
    const at = (c) => flat([c, Math.floor(down * node.shape[1]), Math.floor(across * node.shape[2])], node.shape);
    const channels = Array.from({ length: node.shape[0] }, (_, c) => at(c));
    const r = layers[node.name].relevance;
    choose(node.name, channels.reduce((a, b) => (Math.abs(r[b]) > Math.abs(r[a]) ? b : a)));
  }

  parts.position.addEventListener("change", () => choose(now.node, Number(parts.position.value)));
  parts.node.addEventListener("click", (event) => {
    const node = told[now.node];
    const box = parts.node.getBoundingClientRect();
    if (layers && node?.shape.length === 3) openAt(node, (event.clientY - box.top) / box.height, (event.clientX - box.left) / box.width);
  });
  return {
    show,
    choose,
    ready: (bytes) => (graph = bytes),
    now: () => ({ ...now, layers }),
    handed: (name, unit, sliders) => handed(told[name], layers, unit, sliders, graph),
    open([row, column]) {
      const node = useful.find((one) => one.shape.length === 3);
      if (layers && node) openAt(node, row / head.pen.side, column / head.pen.side);
    },
  };
}
