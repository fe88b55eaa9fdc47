// The ledger of one class as a waterfall that closes: what arrived, then all that stayed on the way, up to what started.

const SVG = "http://www.w3.org/2000/svg";
const [WIDTH, ROW, LEFT, RIGHT] = [400, 24, 148, 66];

/** Return an element of a picture. */
export function element(name, attributes = {}, text = "") {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text) made.textContent = text;
  return made;
}

/** Return a number as text, with its sign. */
export const signed = (v, digits = 3) => {
  const text = Math.abs(v) < 0.5 * 10 ** -digits ? (0).toFixed(digits) : Math.abs(v).toFixed(digits);
  return `${v < 0 && Number(text) !== 0 ? "−" : "+"}${text}`;
};

/** Return the steps of an account: name, number, and the variable of its colour. */
export function steps({ arrived, bias, stabiliser, dropped, rounding }) {
  return [
    ["arrives at the pixels", arrived, arrived < 0 ? "minus" : "plus"],
    ["stays in biases", bias, "bias"],
    ["stays in stabilisers", stabiliser, "stabiliser"],
    ["dropped", dropped, "dropped"],
    ["rounding", rounding, "quiet"],
  ];
}

/** Draw an account into an <svg>, which keeps its place. */
export function waterfall(svg, account) {
  const rows = steps(account);
  const ends = [0, account.from];
  let sum = 0;
  for (const [, v] of rows) ends.push((sum += v));
  const [low, high] = [Math.min(...ends), Math.max(...ends)];
  const x = (v) => LEFT + ((v - low) / (high - low || 1)) * (WIDTH - LEFT - RIGHT);
  svg.setAttribute("viewBox", `0 0 ${WIDTH} ${ROW * (rows.length + 1) + 8}`);
  const parts = [element("title", {}, sentence(account))];
  const line = (v, name) => element("line", { x1: x(v), x2: x(v), y1: 0, y2: ROW * (rows.length + 1), class: name });
  parts.push(line(0, "axis"), line(account.from, "start"));
  let at = 0;
  [...rows, ["= what started", account.from, "ink"]].forEach(([name, v, colour], k) => {
    const from = k === rows.length ? 0 : at;
    const [a, b] = [x(from), x(from + v)].sort((p, q) => p - q);
    const y = ROW * k + 5;
    parts.push(element("rect", { x: a, y, width: Math.max(b - a, 1.5), height: ROW - 8, rx: 2, fill: `var(--${colour})` }));
    parts.push(element("text", { x: LEFT - 8, y: y + 13, "text-anchor": "end" }, name));
    parts.push(element("text", { x: WIDTH - 4, y: y + 13, "text-anchor": "end", class: "n" }, signed(v)));
    if (k < rows.length) at += v;
  });
  svg.replaceChildren(...parts);
}

/** Return an account as one sentence. */
export function sentence({ from, arrived, bias, stabiliser, dropped, rounding }) {
  const stays = [["biases", bias], ["stabilisers", stabiliser], ["dropped", dropped]];
  const said = stays.map(([name, v]) => `${name} ${signed(v)}`).join(", ");
  return `${signed(from)} started: ${signed(arrived)} arrives at the pixels, ${said}; rounding ${signed(rounding, 6)}.`;
}
