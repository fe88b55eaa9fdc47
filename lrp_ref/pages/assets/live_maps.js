// Maps on canvases: colours of the sign, and the sign once more as glyphs or dots, for those who do not see colours.

const MARKED = 0.12; // of the scale's end: from there on the sign is marked

const channels = (text) => {
  const hex = text.trim().replace("#", "");
  return [0, 2, 4].map((k) => parseInt(hex.slice(k, k + 2), 16));
};

/** Return the colours of the page as they are now: of −, of 0 and of +, as red, green and blue. */
export function palette() {
  const style = getComputedStyle(document.documentElement);
  const [minus, zero, plus] = ["--minus", "--zero", "--plus"].map((name) => channels(style.getPropertyValue(name)));
  return { minus, zero, plus };
}

/** Return the colour of a part of the scale, from −1 to 1; 0 is exactly the neutral colour. */
export function colour(part, { minus, zero, plus }) {
  const t = Math.min(Math.abs(part), 1);
  const end = part < 0 ? minus : plus;
  return zero.map((v, i) => Math.round(v + t * (end[i] - v)));
}

/** Return what a choice of sign leaves of a number. */
export const kept = (value, sign) => (sign === "plus" ? Math.max(value, 0) : sign === "minus" ? Math.min(value, 0) : value);

const BINS = 1000;

/** Return a number that at most a part of all |R| of some maps exceed, to a thousandth: there a scale of colours ends. */
export function limitOf(maps, beyond = 0.005) {
  const most = largest(...maps);
  const counts = new Uint32Array(BINS + 1);
  for (const map of maps) for (const v of map) counts[Math.floor((BINS * Math.abs(v)) / most)] += 1;
  let left = beyond * maps.reduce((n, map) => n + map.length, 0);
  let bin = BINS;
  while (bin > 0 && left >= counts[bin]) left -= counts[bin--];
  return (most * Math.min(bin + 1, BINS)) / BINS;
}

/** Return the largest |R|, at least a number above 0. */
export function largest(...maps) {
  let most = 1e-30;
  for (const map of maps) for (const v of map) if (Math.abs(v) > most) most = Math.abs(v);
  return most;
}

const packed = ([r, g, b]) => ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0;

/**
 * Paint a map of rows × columns so that it fills a canvas; |R| = limit has the full colour. Where |R| is strong, pixels of
 * the map that are 8 and more wide on the canvas have a bar (−) or a cross (+), and smaller ones a dot where it is −.
 */
export function paint(canvas, values, [rows, columns], { limit, colours, sign = "both" }) {
  const { width, height } = canvas;
  const across = places(width, columns);
  const down = places(height, rows);
  const small = Math.min(width / columns, height / rows);
  const [strong, weak] = [packed(colours.zero), { minus: packed(colours.minus), plus: packed(colours.plus) }];
  const cells = Uint32Array.from({ length: rows * columns }, (_, k) => packed(colour(kept(values[k], sign) / limit, colours)));
  const marks = Int8Array.from({ length: rows * columns }, (_, k) => {
    const part = kept(values[k], sign) / limit;
    return Math.abs(part) < MARKED ? 0 : (part < 0 ? -1 : 1) * (Math.abs(part) > 0.55 ? 2 : 1);
  });
  const pixels = new ImageData(width, height);
  const out = new Uint32Array(pixels.data.buffer);
  for (let y = 0, at = 0; y < height; y++) {
    const [row, dy] = [down.cell[y] * columns, down.off[y]];
    for (let x = 0; x < width; x++, at++) {
      const cell = row + across.cell[x];
      const mark = marks[cell];
      const hit = mark !== 0 && glyph(mark, across.off[x], dy, small);
      out[at] = !hit ? cells[cell] : Math.abs(mark) === 2 ? strong : mark < 0 ? weak.minus : weak.plus;
    }
  }
  canvas.getContext("2d").putImageData(pixels, 0, 0);
}

/** Return for each pixel of a line which of the cells it lies in, and how far from its middle. */
function places(length, cells) {
  const size = length / cells;
  const cell = Int32Array.from({ length }, (_, k) => Math.min(Math.floor(k / size), cells - 1));
  return { cell, off: Float64Array.from(cell, (c, k) => Math.abs(k + 0.5 - (c + 0.5) * size)) };
}

/** Return whether a place in a map's pixel, dx and dy from its middle, belongs to the mark of its sign. */
function glyph(mark, dx, dy, small) {
  if (small < 3) return false;
  if (small < 8) return mark < 0 && dx < 0.6 && dy < 0.6;
  const [arm, thick] = [0.26 * small, Math.max(0.075 * small, 0.55)];
  return (dx <= arm && dy <= thick) || (mark > 0 && dy <= arm && dx <= thick);
}

/** Draw the outline of ink over a map of side × side, so that one sees what was drawn and what was not. */
export function outline(canvas, ink, side, stroke) {
  const pen = canvas.getContext("2d");
  const size = canvas.width / side;
  const dark = (row, column) => row >= 0 && column >= 0 && row < side && column < side && ink[row * side + column] > 0.5;
  pen.beginPath();
  for (let row = 0; row <= side; row++) {
    for (let column = 0; column <= side; column++) {
      if (dark(row, column) !== dark(row - 1, column)) pen.rect(column * size, row * size - 0.5, size, 1);
      if (dark(row, column) !== dark(row, column - 1)) pen.rect(column * size - 0.5, row * size, 1, size);
    }
  }
  pen.fillStyle = stroke;
  pen.fill();
}

/** Return a sentence on where the relevance above 0 lies, of a square map. */
export function where(values, side) {
  const halves = { "upper half": 0, "lower half": 0, "left half": 0, "right half": 0 };
  let whole = 0;
  values.forEach((v, k) => {
    if (v <= 0) return;
    whole += v;
    halves[Math.floor(k / side) < side / 2 ? "upper half" : "lower half"] += v;
    halves[k % side < side / 2 ? "left half" : "right half"] += v;
  });
  if (whole <= 0) return "no pixel speaks for it";
  const [name, most] = Object.entries(halves).reduce((a, b) => (b[1] > a[1] ? b : a));
  return `${Math.round((100 * most) / whole)} % of what speaks for it lies in the ${name}`;
}
