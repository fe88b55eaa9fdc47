// What an address may ask for: values that this page has; all else is named, and left alone.

const LONG = 64; // letters of a name that an address does not repeat

/** Return the values of an address that make sense, and a sentence about each that does not. */
export function checked(asked, data, palettes) {
  const [values, wrong] = [{}, []];
  const refuse = (key, text) => wrong.push(`The address asks for ${key.slice(0, 60)} “${String(text ?? "").slice(0, 60)}”, which this page does not have.`);
  const whole = (text, end) => (/^\d+$/.test(text ?? "") && Number(text) < end ? Number(text) : null);
  const range = (text, low, high) => (/^\d+(\.\d+)?$/.test(text ?? "") && Number(text) >= low && Number(text) <= high ? Number(text) : null);
  const readers = {
    view: (text) => whole(text, data.views.length),
    against: (text) => (text === "none" ? -1 : whole(text, data.views.length)),
    sign: (text) => (["both", "plus", "minus"].includes(text) ? text : null),
    clip: (text) => range(text, 80, 100),
    opacity: (text) => range(text, 0, 1),
    palette: (text) => (palettes.includes(text) ? text : null),
    marks: (text) => whole(text, 2),
  };
  for (const [key, text] of Object.entries(asked)) {
    if (["node", "channel", "pixel", "unit"].includes(key)) continue;
    const value = Object.hasOwn(readers, key) ? readers[key](text) : null;
    if (value === null) refuse(key, text);
    else values[key] = value;
  }
  const view = data.views[values.view ?? 0];
  const node = "node" in asked ? find(view, asked.node) : view.nodes[0];
  if (!node) refuse("node", asked.node);
  else if ("node" in asked) values.node = address(view, node.name);
  const here = node ?? view.nodes[0];
  if ("channel" in asked) {
    const channel = whole(asked.channel, Infinity);
    if (here.channels.some(([c]) => c === channel)) values.channel = channel;
    else refuse("channel", asked.channel);
  }
  if ("pixel" in asked) {
    const at = /^\d+,\d+$/.test(asked.pixel ?? "") ? asked.pixel.split(",").map(Number) : [Infinity, 0];
    if (here.map && at[0] < here.map[1] && at[1] < here.map[2]) values.pixel = asked.pixel;
    else refuse("pixel", asked.pixel);
  }
  if ("unit" in asked) {
    if (here.units.some((unit) => unit.at.join(",") === asked.unit)) values.unit = asked.unit;
    else refuse("unit", asked.unit);
  }
  return { values, wrong };
}

/** Return a view's node by its name, or by "@" and its place; undefined where there is none. */
export function find(view, text) {
  const named = view.nodes.find((node) => node.name === text);
  return named ?? (/^@\d+$/.test(text ?? "") ? view.nodes[Number(text.slice(1))] : undefined);
}

/** Return how an address names a view's node: by its name, or by its place where the name is long. */
export function address(view, name) {
  return name.length > LONG ? `@${view.nodes.findIndex((node) => node.name === name)}` : name;
}
