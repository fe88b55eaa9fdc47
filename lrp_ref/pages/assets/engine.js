// The exported graph in onnxruntime-web: one thread, nothing loaded from anywhere.
import { bytes } from "lrp/blocks.js";

const SHALLOW = ["output", "relevance", "ledger"];

/** Start the runtime and return the engine, warm: the first call takes many times as long as the others. */
export async function engine(header) {
  const [program, wasm, graph] = await Promise.all(["runtime", "wasm", "graph"].map(bytes));
  const url = URL.createObjectURL(new Blob([program], { type: "text/javascript" }));
  const ort = await import(url);
  URL.revokeObjectURL(url);
  ort.env.wasm.numThreads = 1; // a second thread slows a small network down
  ort.env.wasm.wasmBinary = wasm;
  const session = await ort.InferenceSession.create(graph, { executionProviders: ["wasm"] });
  const side = header.pen.side;
  const target = new ort.Tensor("int64", header.classes.map((_, k) => k), [header.classes.length]);
  const scalar = (value) => new ort.Tensor("float32", [value], []);

  /** Return output, relevance and ledger with 1 started at each class; ``deep`` has the nodes between them as well. */
  async function run({ image, epsilon, gamma }, deep = false) {
    const { name, mean, scale } = header.input;
    const pixels = image.map((v) => (255 * v - mean) * scale);
    const all = { [name]: new ort.Tensor("float32", pixels, [1, 1, side, side]), target, epsilon: scalar(epsilon), gamma: scalar(gamma) };
    const feeds = Object.fromEntries(session.inputNames.map((n) => [n, all[n]]));
    const found = await session.run(feeds, deep ? session.outputNames : SHALLOW);
    return { ...Object.fromEntries(Object.entries(found).map(([n, t]) => [n, t.data])), pixels };
  }

  await run({ image: new Float32Array(side * side), epsilon: header.epsilon, gamma: header.gamma }, true);
  return { run, graph, threads: ort.env.wasm.numThreads };
}
