// The drawing pad: lines by mouse, touch and pen, and by the arrow keys.

const STEP = 0.03; // of the pad, for an arrow key
const NEAR = 0.006; // a point that is nearer to the last one is left out
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/** Make a canvas a drawing pad; ``changed(lines)`` is told of every change, lines of points from 0 to 1. */
export function pad(canvas, { changed, said, colour }) {
  let lines = [];
  let pen = null; // of the keyboard: {at, down}
  let drawing = false;
  let playing = 0; // the number of the animation that may go on

  function paint() {
    const size = canvas.width;
    const ink = canvas.getContext("2d");
    ink.clearRect(0, 0, size, size);
    Object.assign(ink, { lineCap: "round", lineJoin: "round", lineWidth: 0.075 * size, strokeStyle: colour("--ink") });
    for (const line of lines) {
      ink.beginPath();
      line.forEach(([x, y], k) => (k ? ink.lineTo(x * size, y * size) : ink.moveTo(x * size, y * size)));
      if (line.length === 1) ink.lineTo(line[0][0] * size, line[0][1] * size + 0.01);
      ink.stroke();
    }
    if (!pen) return;
    const [x, y] = pen.at.map((v) => v * size);
    Object.assign(ink, { lineWidth: 3, strokeStyle: colour("--accent"), fillStyle: colour("--accent") });
    ink.beginPath();
    ink.arc(x, y, 11, 0, 2 * Math.PI);
    ink.stroke();
    if (pen.down) ink.fill();
  }

  function set(next) {
    lines = next;
    paint();
    changed(lines);
  }

  const stop = () => (playing += 1);
  const add = (point) => set([...lines.slice(0, -1), [...lines.at(-1), point]]);
  const begin = (point) => set([...lines, [point]]);
  const place = (event) => {
    const box = canvas.getBoundingClientRect();
    const of = (v) => Math.min(Math.max(v, 0), 1);
    return [of((event.clientX - box.left) / box.width), of((event.clientY - box.top) / box.height)];
  };

  canvas.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    stop();
    canvas.setPointerCapture(event.pointerId);
    [drawing, pen] = [true, null];
    begin(place(event));
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!drawing) return;
    for (const one of event.getCoalescedEvents?.().length ? event.getCoalescedEvents() : [event]) {
      const [to, last] = [place(one), lines.at(-1).at(-1)];
      if (Math.hypot(to[0] - last[0], to[1] - last[1]) > NEAR) add(to);
    }
  });
  for (const end of ["pointerup", "pointercancel"]) {
    canvas.addEventListener(end, () => {
      if (!drawing) return;
      drawing = false;
      changed(lines);
    });
  }
  canvas.addEventListener("keydown", (event) => {
    const step = ARROWS[event.key];
    if (event.altKey || event.ctrlKey || event.metaKey || !(step || event.key === " ")) return;
    event.preventDefault();
    stop();
    pen ??= { at: [0.5, 0.5], down: false };
    if (event.key === " ") {
      pen.down = !pen.down;
      said(pen.down ? "Pen down." : "Pen up.");
      if (pen.down) return begin([...pen.at]);
      return paint();
    }
    const far = event.shiftKey ? 3 * STEP : STEP;
    pen.at = pen.at.map((v, i) => Math.round(1000 * Math.min(Math.max(v + far * step[i], 0), 1)) / 1000);
    return pen.down ? add([...pen.at]) : paint();
  });
  canvas.addEventListener("blur", () => {
    pen = null;
    paint();
  });

  /** Draw lines one point after the other, after those that are there; at once where motion is unwanted. */
  async function play(more, { keep = false, milliseconds = 900 } = {}) {
    stop();
    const [mine, before] = [playing, keep ? lines : []];
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    const count = more.reduce((n, line) => n + line.length, 0);
    const started = performance.now();
    for (let shown = 0; !still && shown < count; ) {
      await new Promise((done) => setTimeout(done, 16));
      if (mine !== playing) return;
      shown = Math.min(Math.ceil((count * (performance.now() - started)) / milliseconds), count);
      let left = shown;
      const part = more.map((line) => [line.slice(0, left), (left = Math.max(left - line.length, 0))][0]);
      set([...before, ...part.filter((line) => line.length)]);
    }
    set([...before, ...more]);
  }

  return {
    play,
    paint,
    lines: () => lines,
    busy: () => drawing,
    set: (next) => [stop(), set(next)],
    undo: () => [stop(), set(lines.slice(0, -1))],
  };
}
