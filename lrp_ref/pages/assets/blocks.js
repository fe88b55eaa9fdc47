// What Python put into the page: one JSON header, and arrays as gzip in base64.

/** Return the page's header, a JSON value. */
export function header() {
  return JSON.parse(document.getElementById("header").textContent);
}

/** Return the bytes of a block by its name. */
export async function bytes(name) {
  const text = document.getElementById(`block-${name}`).textContent;
  const characters = atob(text);
  const packed = new Uint8Array(characters.length);
  for (let k = 0; k < packed.length; k++) packed[k] = characters.charCodeAt(k);
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).arrayBuffer();
}

/** Return a block as numbers: little-endian float32, or float64 where ``type`` is Float64Array. */
export async function floats(name, type = Float32Array) {
  return new type(await bytes(name));
}
