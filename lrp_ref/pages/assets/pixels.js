// A map of relevance as pixels, alone or over the picture that it is about.

import { limitOf } from "lrp/colours.js";
import { oneSided } from "lrp/colours.js";

const STRENGTH = 0.9; // opacity of the strongest relevance over the picture, as in the pictures of the package

/** Return pixels {data, high, wide} of a map: R = 0 has exactly the table's middle colour where the map is opaque.
 *
 * ``opacity`` 1 is the map alone, 0.5 the map as strong as its relevance over the grey picture, 0 the picture alone.
 */
export function painted(map, { limit, palette, which, opacity, picture }) {
  const under = picture && opacity < 1 && alike(picture, map) ? picture : null;
  const high = under ? Math.max(under.high, map.high) : map.high;
  const wide = under ? Math.max(under.wide, map.wide) : map.wide;
  const data = new Uint8ClampedArray(4 * high * wide);
  for (let y = 0; y < high; y += 1) {
    const row = Math.floor((y * map.high) / high) * map.wide;
    for (let x = 0; x < wide; x += 1) {
      const r = oneSided(map.values[row + Math.floor((x * map.wide) / wide)], which);
      const place = limit > 0 ? Math.max(-1, Math.min(1, r / limit)) : 0;
      const out = 4 * (y * wide + x);
      data[out + 3] = 255;
      const at = palette.at(place);
      if (!under) {
        for (let c = 0; c < 3; c += 1) data[out + c] = palette.bytes[at + c];
        continue;
      }
      const grey = greyOf(under, Math.floor((y * under.high) / high), Math.floor((x * under.wide) / wide));
      const strong = palette.at(Math.sign(place) * (0.7 + 0.3 * Math.abs(place)));
      const alpha = STRENGTH * Math.sqrt(Math.abs(place)) * Math.min(1, 2 * opacity);
      const whole = Math.max(0, 2 * opacity - 1);
      for (let c = 0; c < 3; c += 1) {
        const over = (1 - alpha) * grey + alpha * palette.bytes[strong + c];
        data[out + c] = (1 - whole) * over + whole * palette.bytes[at + c];
      }
    }
  }
  return { data, high, wide };
}

/** Whether a map can lie over a picture: both have one shape, but for the size. */
export function alike(picture, map) {
  return map.high > 1 && Math.abs(picture.high * map.wide - picture.wide * map.high) <= Math.max(map.high, map.wide) * 2;
}

/** Return the grey value of a picture's pixel. */
export function greyOf(picture, y, x) {
  const at = (y * picture.wide + x) * picture.depth;
  const { pixels, depth } = picture;
  return depth === 1 ? pixels[at] : 0.299 * pixels[at] + 0.587 * pixels[at + 1] + 0.114 * pixels[at + 2];
}

/** Return a picture's own pixels {data, high, wide}. */
export function asSeen({ pixels, high, wide, depth }) {
  const data = new Uint8ClampedArray(4 * high * wide).fill(255);
  for (let k = 0; k < high * wide; k += 1) {
    for (let c = 0; c < 3; c += 1) data[4 * k + c] = pixels[k * depth + Math.min(c, depth - 1)];
  }
  return { data, high, wide };
}

/** Put pixels into a canvas, which takes their size. */
export function put(canvas, { data, high, wide }) {
  if (canvas.width !== wide) canvas.width = wide;
  if (canvas.height !== high) canvas.height = high;
  canvas.getContext("2d").putImageData(new ImageData(data, wide, high), 0, 0);
}

/** Draw a map small, on its own scale, which ends before the few strongest of many numbers. */
export function thumbnail(canvas, map, palette) {
  const limit = limitOf([map.values], map.values.length > 1000 ? 99.5 : 100);
  put(canvas, painted(folded(map), { limit, palette, which: "both", opacity: 1, picture: null }));
}

/** Return a long row as a square, row by row, so that it can be seen when it is small. */
function folded(map) {
  if (map.high > 1 || map.wide < 24) return map;
  const wide = Math.ceil(Math.sqrt(map.wide));
  const values = new Float32Array(wide * Math.ceil(map.wide / wide));
  values.set(map.values);
  return { ...map, values, high: values.length / wide, wide };
}

/** Draw + and − where relevance is strong, which tells the sign without a colour. */
export function mark(canvas, map, { limit, palette, which, size }) {
  const rows = Math.min(map.high, Math.max(1, Math.round(size.high / 18)));
  const columns = Math.min(map.wide, Math.max(1, Math.round(size.wide / 18)));
  [canvas.width, canvas.height] = [Math.round(size.wide * 2), Math.round(size.high * 2)];
  const draw = canvas.getContext("2d");
  const [high, wide] = [canvas.height / rows, canvas.width / columns];
  draw.textAlign = "center";
  draw.textBaseline = "middle";
  draw.font = `${Math.min(24, high * 0.9, wide * 1.2)}px system-ui, sans-serif`;
  for (let j = 0; j < rows; j += 1) {
    for (let i = 0; i < columns; i += 1) {
      const place = strongest(map, which, j / rows, (j + 1) / rows, i / columns, (i + 1) / columns) / (limit || 1);
      if (Math.abs(place) < 0.2) continue;
      draw.fillStyle = palette.ink(place);
      draw.fillText(place > 0 ? "+" : "−", (i + 0.5) * wide, (j + 0.5) * high);
    }
  }
}

function strongest(map, which, top, bottom, left, right) {
  let found = 0;
  for (let y = Math.floor(top * map.high); y < Math.ceil(bottom * map.high); y += 1) {
    for (let x = Math.floor(left * map.wide); x < Math.ceil(right * map.wide); x += 1) {
      const r = oneSided(map.values[y * map.wide + x], which);
      if (Math.abs(r) > Math.abs(found)) found = r;
    }
  }
  return found;
}
