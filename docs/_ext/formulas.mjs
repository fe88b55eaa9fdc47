// Formulas as HTML with MathML: [[LaTeX, whether displayed], …] as JSON in, [[HTML or null, error or null], …] out.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";

const katex = createRequire(`${process.argv[2]}/`)("katex");

/** Return one formula as HTML, or why it is none. */
function rendered([latex, displayMode]) {
  try {
    return [katex.renderToString(latex, { displayMode, output: "htmlAndMathml", strict: "ignore" }), null];
  } catch (error) {
    return [null, String(error.message)];
  }
}

process.stdout.write(JSON.stringify(JSON.parse(readFileSync(0, "utf-8")).map(rendered)));
