// A drawn digit as the network's input, as drawn.py has it: the twin that runs while someone draws.

/** Return how far a point lies from the straight piece from a to b. */
export function distance(x, y, a, b) {
  const [dx, dy] = [b[0] - a[0], b[1] - a[1]];
  const length = dx * dx + dy * dy;
  const t = length ? Math.min(Math.max(((x - a[0]) * dx + (y - a[1]) * dy) / length, 0), 1) : 0;
  return Math.hypot(x - (a[0] + t * dx), y - (a[1] + t * dy));
}

/** Return the ink of lines whose points are columns and rows of a square of pixels: min(max(pen + ½ − d, 0), 1). */
export function inked(lines, side, pen) {
  const nearest = new Float64Array(side * side).fill(Infinity);
  const reach = pen + 0.5;
  for (const line of lines) {
    for (let k = 0; k < Math.max(line.length - 1, 1); k++) {
      const [a, b] = [line[k], line[Math.min(k + 1, line.length - 1)]];
      const low = [0, 1].map((i) => Math.max(Math.ceil(Math.min(a[i], b[i]) - reach), 0));
      const high = [0, 1].map((i) => Math.min(Math.floor(Math.max(a[i], b[i]) + reach), side - 1));
      for (let y = low[1]; y <= high[1]; y++) {
        for (let x = low[0]; x <= high[0]; x++) {
          nearest[y * side + x] = Math.min(nearest[y * side + x], distance(x, y, a, b));
        }
      }
    }
  }
  return nearest.map((d) => Math.min(Math.max(reach - d, 0), 1));
}

/** Return a drawing as numbers from 0 (paper) to 1 (ink): bounding box to box×box, centre of mass to the middle. */
export function picture(lines, { side, box, pen, smallest }) {
  const points = lines.flat();
  if (!points.length) return new Float32Array(side * side);
  const bounds = [0, 1].map((i) => points.map((p) => p[i]));
  const [low, high] = [bounds.map((v) => Math.min(...v)), bounds.map((v) => Math.max(...v))];
  const scale = (box - 2 * pen) / Math.max(high[0] - low[0], high[1] - low[1], smallest);
  const middle = (side - 1) / 2;
  const moved = (to) => lines.filter((l) => l.length).map((line) => line.map((p) => [0, 1].map((i) => to(p[i], i))));
  const placed = (p, i) => (p - (low[i] + high[i]) / 2) * scale + middle;
  let [whole, across, down] = [0, 0, 0];
  inked(moved(placed), side, pen).forEach((ink, k) => {
    whole += ink;
    across += ink * (k % side);
    down += ink * Math.floor(k / side);
  });
  const shift = [middle - across / whole, middle - down / whole];
  return Float32Array.from(inked(moved((p, i) => placed(p, i) + shift[i]), side, pen));
}
