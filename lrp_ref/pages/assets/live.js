// The live page: someone draws, the network and its explanation run, and the page shows ten of them.
import { floats, header } from "lrp/blocks.js";
import { picture } from "lrp/digits.js";
import { pad as drawingPad } from "lrp/draw.js";
import { engine } from "lrp/engine.js";
import { cards } from "lrp/live_cards.js";
import { sentence, signed, waterfall } from "lrp/live_ledger.js";
import { limitOf, outline, paint, palette, where } from "lrp/live_maps.js";
import { network } from "lrp/live_units.js";
import { stepsOf } from "lrp/live_tour.js";
import { account, combined, softmax, started } from "lrp/starts.js";
import { tour } from "lrp/tour.js";

const head = header();
const side = head.pen.side;
const find = (selector) => document.querySelector(selector);
const state = {
  image: picture(head.samples[head.first], head.pen),
  epsilon: head.epsilon,
  gamma: head.gamma,
  kind: "logit",
  against: Math.min(9, head.classes.length - 1),
  chosen: Number(head.first) % head.classes.length,
  sign: "both",
};
const shown = { maps: [], accounts: [], output: [], limit: 1, frame: 0 }; // what stands on the page, for the read-outs
const FEW = 5; // times that tell nothing: the first calls are slow
const times = [];
let colours = palette();
let running = null; // the engine, when it is ready
let found = null; // what it gave last
let [busy, again] = [false, false];

const ink = (name) => getComputedStyle(document.documentElement).getPropertyValue(name);

// What is computed of a result ------------------------------------------------------------------------------------------

/** Return what starts for a class, as it is asked now. */
const start = (k) => started(state.kind, found.output, k, state.against);

function explain() {
  shown.output = Array.from(found.output);
  const starts = head.classes.map((_, k) => start(k));
  shown.maps = starts.map((s) => combined(s, found.relevance));
  shown.accounts = starts.map((s) => account(combined(s, found.ledger), head.columns));
  shown.limit = limitOf(shown.maps);
  shown.frame += 1;
}

/** Run the network on what is drawn; a call while one runs lets it run once more, and drops what lies between. */
async function request() {
  if (!running) return undefined;
  if (busy) return void (again = true);
  busy = true;
  do {
    again = false;
    const asked = performance.now();
    found = await running.run(state, !draw.busy());
    explain();
    times.push(performance.now() - asked);
    if (times.length > 60) times.shift();
    show();
    await new Promise((done) => setTimeout(done)); // what is drawn meanwhile comes first
  } while (again);
  busy = false;
  return undefined;
}

// What is shown ---------------------------------------------------------------------------------------------------------

function asks() {
  const [name, other] = [head.classes[state.chosen], head.classes[state.against]];
  const kinds = { logit: "", probability: ", its probability", contrastive: " against all others", log_odds: ", its log-odds" };
  return `Class ${name}${state.kind === "difference" ? ` against ${other}` : kinds[state.kind]}`;
}

function show() {
  const { chosen, sign } = state;
  const all = { ...shown, chances: softmax(shown.output), chosen, sign, colours };
  paintCards(all);
  find("#map-title").textContent = asks();
  paint(find("#map"), shown.maps[chosen], [side, side], { limit: shown.limit, colours, sign });
  outline(find("#map"), state.image, side, ink("--quiet"));
  const ends = [find("#bar-low"), find("#bar-high")];
  [ends[0].textContent, ends[1].textContent] = [signed(-shown.limit, 2), signed(shown.limit, 2)];
  find("#limit").textContent = `Colours are full from |R| = ${shown.limit.toPrecision(2)} on, which one pixel in 200 exceeds. Dots mark what speaks against the class.`;
  waterfall(find("#account"), shown.accounts[chosen]);
  find("#closes").textContent = `The account closes. ${sentence(shown.accounts[chosen])}`;
  paintSeen();
  layers.show(found, state, start(chosen), colours);
  readout();
  say();
  if (running) ready();
}

function paintSeen() {
  const canvas = find("#seen");
  const white = [255, 255, 255];
  paint(canvas, state.image, [side, side], { limit: 1, colours: { minus: white, zero: [0, 0, 0], plus: white } });
}

function ready() {
  const chip = find("#state");
  chip.classList.add("ready");
  if (times.length < FEW) return void (chip.textContent = "Ready: draw.");
  const sorted = [...times].sort((a, b) => a - b);
  const middle = sorted[Math.floor(sorted.length / 2)];
  chip.dataset.milliseconds = middle.toFixed(2);
  chip.textContent = `Ready: ${head.classes.length} explanations in ${middle.toFixed(1)} ms`;
}

let saying = 0;

/** Say what is seen once it stays for a moment, so that a stroke is one sentence. */
function say() {
  clearTimeout(saying);
  saying = setTimeout(() => {
    const chances = softmax(shown.output);
    const best = chances.indexOf(Math.max(...chances));
    const drawn = state.image.some((v) => v > 0);
    const map = shown.maps[state.chosen];
    find("#says").textContent = drawn
      ? `The network says ${head.classes[best]} (${(100 * chances[best]).toFixed(1)} %). ${asks()}: ` +
        `${signed(shown.accounts[state.chosen].arrived, 2)} arrives at the pixels; ${where(map, side)}.`
      : "The pad is empty: what the network says of an empty picture has no meaning.";
    table();
  }, 500);
}

function table() {
  const rows = head.classes.map((name, k) => {
    const { from, arrived, bias, stabiliser, dropped, rounding } = shown.accounts[k];
    const chance = `${(100 * softmax(shown.output)[k]).toFixed(2)} %`;
    return [name, chance, ...[shown.output[k], from, arrived, bias, stabiliser, dropped].map((v) => signed(v, 4)), rounding.toExponential(1)];
  });
  const heads = ["class", "probability", "score", "starts", "arrives", "in biases", "in stabilisers", "dropped", "rounding"];
  const row = (cells, tag) => {
    const made = document.createElement("tr");
    cells.forEach((text, k) => {
      const cell = document.createElement(tag);
      [cell.textContent, cell.className] = [text, k ? "n" : ""];
      if (tag === "th") cell.scope = "col";
      made.append(cell);
    });
    return made;
  };
  find("#table table").replaceChildren(row(heads, "th"), ...rows.map((cells) => row(cells, "td")));
}

// The cursor on the map -------------------------------------------------------------------------------------------------

let cursor = null;

function readout() {
  if (!cursor || !shown.maps.length) return;
  const k = cursor[0] * side + cursor[1];
  const r = shown.maps[state.chosen][k];
  const says = r > 0 ? "speaks for" : r < 0 ? "speaks against" : "neither";
  find("#readout").textContent = `Row ${cursor[0]}, column ${cursor[1]}: R = ${signed(r, 4)} (${says}), ink ${state.image[k].toFixed(2)}`;
}

function point(row, column) {
  cursor = [row, column].map((v) => Math.min(Math.max(v, 0), side - 1));
  readout();
}

const on = (event) => {
  const box = find("#map").getBoundingClientRect();
  return [(event.clientY - box.top) / box.height, (event.clientX - box.left) / box.width].map((v) => Math.floor(v * side));
};
find("#map").addEventListener("pointermove", (event) => point(...on(event)));
find("#map").addEventListener("click", (event) => {
  point(...on(event));
  layers.open(cursor);
});
find("#map").addEventListener("keydown", (event) => {
  const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
  if (event.key === "Enter" && cursor) layers.open(cursor);
  if (!step) return;
  event.preventDefault();
  const from = cursor ?? [side / 2, side / 2];
  point(from[0] + step[0], from[1] + step[1]);
});

// What is set -----------------------------------------------------------------------------------------------------------

const paintCards = cards(find("#cards"), head.classes, side, (k) => set({ chosen: k }));
const layers = network({ strip: find("#strip"), unit: find("#unit"), node: find("#node"), position: find("#position") }, head);
const draw = drawingPad(find("#pad"), {
  changed(lines) {
    state.image = picture(lines, head.pen);
    request();
  },
  said: (text) => (find("#says").textContent = text),
  colour: ink,
});

/** Change what is asked; what a slider sets is computed anew, the rest shown anew. */
function set(change) {
  Object.assign(state, change);
  find("#kind").value = state.kind;
  find("#against").value = String(state.against);
  find("#against").disabled = state.kind !== "difference";
  find("#gamma").value = String(state.gamma);
  find("#epsilon").value = String(Math.log10(state.epsilon));
  find("#gamma-said").textContent = state.gamma.toFixed(2);
  find("#epsilon-said").textContent = state.epsilon < 0.01 ? state.epsilon.toExponential(1) : state.epsilon.toPrecision(2);
  find("#epsilon").setAttribute("aria-valuetext", find("#epsilon-said").textContent);
  for (const button of document.querySelectorAll("[data-sign]")) {
    button.setAttribute("aria-pressed", String(button.dataset.sign === state.sign));
  }
  if ("gamma" in change || "epsilon" in change) return request();
  if (!found) return undefined;
  explain();
  return show();
}

const click = (id, act) => find(id).addEventListener("click", act);
const input = (id, act) => find(id).addEventListener("input", (event) => act(event.target.value));
head.classes.forEach((name, k) => find("#against").append(new Option(name, String(k))));
for (const [name, lines] of Object.entries(head.digits ? head.samples : {})) {
  const button = Object.assign(document.createElement("button"), { type: "button", textContent: name });
  button.setAttribute("aria-label", `Load a sample ${name}`);
  button.addEventListener("click", () => draw.play(lines));
  find("#samples").append(button);
}
for (const button of document.querySelectorAll("[data-sign]")) {
  button.addEventListener("click", () => set({ sign: button.dataset.sign }));
}
input("#kind", (kind) => set({ kind }));
input("#against", (text) => set({ against: Number(text) }));
input("#gamma", (text) => set({ gamma: Number(text) }));
input("#epsilon", (text) => set({ epsilon: 10 ** Number(text) }));
click("#undo", () => draw.undo());
click("#clear", () => draw.set([]));
click("#three-nine", () => set({ kind: "difference", chosen: 3, against: 9 }));
click("#reset", () => set({ kind: "logit", epsilon: head.epsilon, gamma: head.gamma, sign: "both" }));
find("#three-nine").hidden = find("#samples").hidden = !head.digits;
find("#start-tour").hidden = !head.tour;
find("#gamma").closest(".field").hidden = !JSON.stringify(head.nodes).includes('"gamma"');

const guide = tour(find("#tour"), stepsOf({ head, draw, set, layers }));
click("#start-tour", guide.open);
const { runtime, version, model } = head;
find("#about").textContent =
  `Made by lrp_ref ${version}. Network: ${model.source}; ${model.licence}. Rules: ${head.composite}. ` +
  `The page holds ONNX Runtime Web ${runtime}, © Microsoft Corporation, MIT License. It asks the network for nothing.`;
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  colours = palette();
  bar();
  draw.paint();
  if (found) show();
});

function bar() {
  const values = Float64Array.from({ length: 15 }, (_, k) => (k - 7) / 7);
  paint(find("#bar"), values, [1, 15], { limit: 1, colours });
}

// The first view is Python's; then the network starts --------------------------------------------------------------------

const numbers = await floats("first");
const count = head.classes.length;
found = {
  output: numbers.subarray(0, count),
  relevance: numbers.subarray(count, count * (1 + side * side)),
  ledger: numbers.subarray(count * (1 + side * side)),
};
bar();
draw.set(head.samples[head.first]);
set({});
document.documentElement.dataset.first = performance.now().toFixed(0);
try {
  running = await engine(head);
  layers.ready(running.graph);
  document.documentElement.dataset.ready = performance.now().toFixed(0);
  await request();
} catch (error) {
  find("#state").textContent = `The network did not start: ${error.message}`;
  throw error;
}

/** What tests ask: the state, what is shown, and the parts that compute. */
globalThis.live = { first: head.samples[head.first], state, shown, times, draw, set, request, guide, layers, run: running.run, idle: () => !busy };
