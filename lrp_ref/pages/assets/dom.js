// Elements made without markup: texts of models are texts, whatever they hold.

const SVG = "http://www.w3.org/2000/svg";

/** Return an element with attributes and children; texts become text nodes, null is left out. */
export function el(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

/** Return an SVG element with attributes and children. */
export function svg(tag, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

/** Put children in the place of those that an element has. */
export function fill(element, ...children) {
  element.replaceChildren(...children.flat().filter((child) => child !== null && child !== undefined));
}

/** Return a number with four significant digits, as tables have it. */
export function number(value) {
  if (value === null || Number.isNaN(value)) return "–";
  if (value === 0) return "0";
  const size = Math.abs(value);
  const text = size >= 1e-4 && size < 1e6 ? trimmed(Number(value.toPrecision(4))) : value.toExponential(3);
  return text.replaceAll("-", "−").replace("e+", "e");
}

function trimmed(value) {
  const text = String(value);
  return text.includes("e") ? value.toFixed(8).replace(/0+$/, "") : text;
}

/** Return a number with its sign, + too, so that the sign does not depend on a colour. */
export function signed(value) {
  return value > 0 ? `+${number(value)}` : number(value);
}

/** Return a part of a whole in percent; "" where there is no whole. */
export function percent(part, whole) {
  return whole ? `${signed((100 * part) / whole)} %` : "";
}

/** Return the class of a number's sign. */
export function sign(value) {
  return value > 0 ? "plus" : value < 0 ? "minus" : "zero";
}

/** Return a text that is not longer than ``most`` letters. */
export function short(text, most = 48) {
  const letters = [...text];
  return letters.length > most ? `${letters.slice(0, most - 1).join("")}…` : text;
}

/** Return a name of a model as an element: of any direction, cut where it is long. */
export function named(text, most = 48) {
  return el("bdi", { title: text.length > most ? short(text, 400) : null }, short(text, most));
}

/** Return a text of any direction so that it does not turn the text around it. */
export function isolated(text) {
  return `\u2068${text}\u2069`;
}
