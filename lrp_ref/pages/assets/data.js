// What Python put into the page, by node, channel and unit.

import { bytes } from "lrp/blocks.js";
import { floats } from "lrp/blocks.js";

/** Return everything: the explanations, the numbers, and the pixels. */
export async function load() {
  const text = new TextDecoder().decode(await bytes("views"));
  const [numbers, pixels] = [await floats("numbers"), new Uint8Array(await bytes("bytes"))];
  return new Data(JSON.parse(text), numbers, pixels);
}

/** The explanations of a page. */
class Data {
  constructor(views, numbers, pixels) {
    Object.assign(this, { views, numbers, pixels });
  }

  /** Return a node of an explanation by its name; undefined where there is none. */
  node(view, name) {
    return view.nodes.find((node) => node.name === name);
  }

  /** Return a node's map of relevance {values, high, wide, by}, of one channel where it is asked for; null without. */
  map(node, channel = null) {
    if (!node || !node.map) return null;
    const [offset, high, wide, by] = node.map;
    if (channel === null) return { values: this.numbers.subarray(offset, offset + high * wide), high, wide, by };
    const row = node.channels.find(([c]) => c === channel);
    if (!row || row[2] === null) return null;
    return { values: this.numbers.subarray(row[2], row[2] + high * wide), high, wide, by };
  }

  /** Return the values of a node's channel, laid out as its map; null where they are not in the page. */
  values(node, channel) {
    const row = node.channels.find(([c]) => c === channel);
    if (!row || row[3] === null || !node.map) return null;
    return this.numbers.subarray(row[3], row[3] + node.map[1] * node.map[2]);
  }

  /** Return an input's numbers at a place of its map, one of each channel; [] where they are not in the page. */
  inputValues(node, y, x) {
    const input = node.input;
    if (!input || !node.map) return [];
    const [, high, wide, by] = node.map;
    if (by > 1) return [];
    if (input.tables && input.picture) {
      const [offset, , , depth] = input.picture;
      return input.tables.map((table, c) => table[this.pixels[offset + (y * wide + x) * depth + Math.min(c, depth - 1)]]);
    }
    if (input.values === null || input.values === undefined) return [];
    if (node.kind === "image") {
      return Array.from({ length: input.channels }, (_, c) => this.numbers[input.values + (c * high + y) * wide + x]);
    }
    return node.whole || node.kind === "vector" ? [this.numbers[input.values + y * wide + x]] : [];
  }

  /** Return an input's picture {pixels, high, wide, depth}; null without. */
  picture(view) {
    const node = view.nodes.find((one) => one.input && one.input.picture);
    if (!node) return null;
    const [offset, high, wide, depth] = node.input.picture;
    return { pixels: this.pixels.subarray(offset, offset + high * wide * depth), high, wide, depth };
  }

  /** Return the messages of a unit, the strongest first: where, a_i, w_ij, R_i←j. */
  messages(unit) {
    const [offset, count] = unit.table;
    const part = (k) => this.numbers.subarray(offset + k * count, offset + (k + 1) * count);
    const [inputs, values, weights, messages] = [0, 1, 2, 3].map(part);
    return Array.from(inputs, (at, k) => ({ at, value: values[k], weight: weights[k], message: messages[k] }));
  }

  /** Return which value of a unit's layer a flat place is in, and where in it: [node, [c, y, x]]. */
  placed(view, node, flat) {
    for (const name of node.reads) {
      const read = this.node(view, name);
      const shape = read ? read.shape : null;
      if (!shape) return [name, null, [flat]];
      const size = shape.reduce((all, n) => all * n, 1);
      if (flat < size) return [name, read, unravelled(flat, shape)];
      flat -= size;
    }
    return ["", null, [flat]];
  }
}

/** Return a flat place as one number per axis, the last axis the fastest. */
export function unravelled(flat, shape) {
  const found = [];
  for (const size of [...shape].reverse()) {
    found.unshift(flat % size);
    flat = Math.floor(flat / size);
  }
  return found;
}

/** Return where a place of a map is in the node's value, its channel included; null where several channels add up. */
export function placeOf(node, channel, y, x) {
  if (node.kind === "vector") return node.shape.map((n) => (n > 1 ? x : 0));
  if (node.whole) return node.axis === 0 ? [y, x] : [x, y];
  if (channel === null) return null;
  const rest = node.kind === "series" ? [x] : [y, x];
  rest.splice(node.axis, 0, channel);
  return rest;
}

/** Return where a place of a node's value is on its map: [channel, y, x]. */
export function onMap(node, at) {
  if (node.kind === "vector") return [null, 0, Math.max(...at)];
  const rest = at.filter((_, k) => k !== node.axis);
  if (node.whole) return [null, at[node.axis], rest[0]];
  return [at[node.axis], ...(rest.length === 1 ? [0, rest[0]] : rest.slice(-2))];
}
