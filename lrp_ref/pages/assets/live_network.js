// The explanation between the nodes: a strip of maps, and what one unit of a node needs for its messages.
import { signed } from "lrp/live_ledger.js";
import { largest, paint } from "lrp/live_maps.js";
import { combined } from "lrp/starts.js";
import { connections, place } from "lrp/connections.js";
import { cut } from "lrp/rules.js";
import { unitOf } from "lrp/unit.js";

const RULES = {
  ZBox: "zᴮ-rule", GeneralizedGamma: "γ-rule", Gamma: "γ-rule", Epsilon: "ε-rule", ZPlus: "z⁺-rule", "R_i = R_j": "passes on",
  "relevance goes where the value came from": "moves",
};

/** Return the weights of a layer: out of the graph's bytes where it has them. */
export function arrays(unit, graph) {
  const of = (said) => (Array.isArray(said) ? new Float32Array(graph.slice(said[0], said[0] + 4 * said[1])) : said?.numbers);
  return { ...unit, weight: of(unit.weight), bias: of(unit.bias) };
}

/** Return a rule with the numbers of the sliders in place of their names. */
export function settled(rule, { epsilon, gamma }) {
  const names = { epsilon, gamma };
  return JSON.parse(JSON.stringify(rule), (key, v) => (["boost", "epsilon"].includes(key) && v in names ? names[v] : v));
}

/** Return the values and the relevance of what starts at every node, by name; the input is among them. */
export function between(header, found, start) {
  const made = { [header.input.name]: { value: found.pixels, relevance: combined(start, found.relevance) } };
  for (const { name } of header.nodes) {
    made[name] = { value: found[`value.${name}`], relevance: combined(start, found[`relevance.${name}`]) };
  }
  return made;
}

/** Return a map of a sample's shape as rows × columns: channels summed, and a vector in rows of its own. */
export function flatMap(values, shape) {
  if (shape.length === 1) {
    const columns = shape[0] > 16 ? Math.ceil(Math.sqrt(shape[0])) : 1;
    const rows = Math.ceil(shape[0] / columns);
    return { map: Float64Array.from({ length: rows * columns }, (_, k) => values[k] ?? 0), size: [rows, columns] };
  }
  const size = shape.slice(-2);
  const map = new Float64Array(size[0] * size[1]);
  values.forEach((v, k) => (map[k % map.length] += v));
  return { map, size };
}

/** Return the units of a node by |R|, the strongest first: {unit, at, r}. */
export function strongest(relevance, shape, count) {
  const order = Array.from(relevance, (_, k) => k).sort((a, b) => Math.abs(relevance[b]) - Math.abs(relevance[a]));
  return order.slice(0, count).map((unit) => ({ unit, at: place(unit, shape), r: relevance[unit] }));
}

/** Return what a number of a node is called: the node and its place. */
export const called = (name, unit, shape) => `${name}[${place(unit, shape).join(", ")}]`;

/** Return what one unit of a node hands down: its connections, the messages and its ledger, by the literal rules. */
export function handed(node, layers, unit, sliders, graph) {
  const layer = arrays(node.unit, graph);
  const { index, w, b } = connections(layer, unit);
  const rule = cut(settled(node.share, sliders), index);
  const read = layers[node.reads[0]].value;
  const names = index.map((i) => called(node.reads[0], i, node.unit.read));
  const own = layers[node.name];
  const title = `${called(node.name, unit, node.shape)}: ${node.layer}, ${RULES[node.rule.split("(")[0]] ?? node.rule}`;
  return { ...unitOf({ names, a: index.map((i) => read[i]), w, b, r: own.relevance[unit], z: own.value[unit], rule, title }), index };
}

/** Make the strip of nodes; ``chosen(name)`` is told of a click. Returns what paints it. */
export function strip(box, header, chosen) {
  const input = { name: header.input.name, layer: "the picture", rule: "", shape: [1, header.pen.side, header.pen.side] };
  const cards = [input, ...header.nodes].map((node) => {
    const opens = node.unit && node.share.kind === "groups";
    const button = document.createElement(opens ? "button" : "div");
    const canvas = Object.assign(document.createElement("canvas"), { width: 112, height: 112 });
    canvas.setAttribute("aria-hidden", "true");
    const [name, sum, rule] = ["strong", "span", "span"].map((tag) => document.createElement(tag));
    name.textContent = node.name;
    [sum.className, rule.className] = ["n", "rule"];
    rule.textContent = node.layer === input.layer ? input.layer : `${node.layer}: ${RULES[node.rule.split("(")[0]] ?? node.rule}`;
    button.title = node.rule;
    button.append(canvas, name, sum, rule);
    if (opens) button.addEventListener("click", () => chosen(node.name));
    box.append(button);
    return { node, canvas, sum, button };
  });
  return (layers, colours, name) => {
    for (const { node, canvas, sum, button } of cards) {
      const { relevance } = layers[node.name];
      const { map, size } = flatMap(relevance, node.shape);
      paint(canvas, map, size, { limit: largest(map), colours });
      sum.textContent = `Σ ${signed(relevance.reduce((a, b) => a + b, 0))}`;
      if (button.tagName === "BUTTON") button.setAttribute("aria-pressed", String(node.name === name));
    }
  };
}
