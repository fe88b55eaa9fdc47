// The computing parts of the live page, for tests: see test_live_parts.py.
import { picture } from "lrp/digits.js";
import { account, combined, softmax, started } from "lrp/starts.js";

const pictures = ({ sets, pen }) => sets.map((lines) => Array.from(picture(lines, pen)));

const starts = ({ output, unit, ledger, columns, asked }) =>
  asked.map(({ kind, target, against }) => {
    const start = started(kind, output, target, against);
    return { start, map: Array.from(combined(start, unit)), account: account(combined(start, ledger), columns) };
  });

const WORK = { pictures, starts, softmax: ({ output }) => softmax(output) };

export default function work({ what, ...given }) {
  return WORK[what](given);
}
