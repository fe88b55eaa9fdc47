// Which inputs one unit of a layer reads, with which weights, and its bias. What lies in the padding is no input.
//
// A layer is the JSON of layer_json.py with its arrays in place: {type, read, made, …, weight, bias}; ``read`` and
// ``made`` are shapes of one sample, and units and inputs are numbered in C order, the last axis fastest.

/** Return the place of a unit in an array of a shape, one number for each axis. */
export function place(unit, shape) {
  const at = new Array(shape.length);
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    at[axis] = unit % shape[axis];
    unit = Math.floor(unit / shape[axis]);
  }
  return at;
}

/** Return the number of a place, the inverse of place(). */
export function flat(at, shape) {
  return at.reduce((unit, p, axis) => unit * shape[axis] + p, 0);
}

/**
 * Return the positions of a window that lie on the input, in row-major order: of each the ``tap``, its number in the
 * kernel, and ``at``, where it lies; padding is [before, after] for each axis.
 */
export function taps({ kernel, stride, padding, dilation }, output, size) {
  let found = [{ tap: 0, at: [] }];
  kernel.forEach((length, axis) => {
    const longer = [];
    for (const { tap, at } of found) {
      for (let k = 0; k < length; k++) {
        const p = output[axis] * stride[axis] + k * dilation[axis] - padding[axis][0];
        if (p >= 0 && p < size[axis]) longer.push({ tap: tap * length + k, at: [...at, p] });
      }
    }
    found = longer;
  });
  return found;
}

const KINDS = {
  /** z_j = Σ_i a_i w_ij + b_j on the last axis. */
  dense({ read, made, weight, bias }, unit) {
    const [ins, outs] = [read.at(-1), made.at(-1)];
    const [row, j] = [Math.floor(unit / outs), unit % outs];
    const inputs = Array.from({ length: ins }, (_, i) => i);
    return { index: inputs.map((i) => row * ins + i), w: inputs.map((i) => weight[i * outs + j]), b: bias?.[j] ?? 0 };
  },

  /** z[o, p] = Σ_{c,k} a[c, p·stride + k·dilation − padding] w[o, c, k] + b[o]. */
  conv(layer, unit) {
    const { read, made, weight, bias, groups, kernel } = layer;
    const [o, ...output] = place(unit, made);
    const window = taps(layer, output, read.slice(1));
    const [size, within] = [kernel.reduce((n, k) => n * k, 1), read[0] / groups];
    const first = Math.floor(o / (made[0] / groups)) * within;
    const [index, w] = [[], []];
    for (let c = 0; c < within; c++) {
      for (const { tap, at } of window) {
        index.push(flat([first + c, ...at], read));
        w.push(weight[(o * within + c) * size + tap]);
      }
    }
    return { index, w, b: bias?.[bias.length === made[0] ? o : unit] ?? 0 };
  },

  /** z_p = weight Σ_{i in window p} a_i, windows over all axes, with a weight for all or one for each; or the largest. */
  window(layer, unit) {
    const { read, made, weight } = layer;
    const index = taps(layer, place(unit, made), read).map(({ at }) => flat(at, read));
    return { index, w: index.map(() => weight[unit % weight.length]), b: 0 };
  },

  /** z_i = scale_i a_i + shift_i, with parameters for each ``each`` inputs. */
  affine({ weight, bias, each }, unit) {
    const k = Math.floor(unit / each);
    return { index: [unit], w: [weight ? weight[k % weight.length] : 1], b: bias ? bias[k % bias.length] : 0 };
  },

  /** z_i = f(a_i), of which only the place is known here. */
  elementwise(_, unit) {
    return { index: [unit], w: [1], b: 0 };
  },

  /** z_i = Σ_k c_k a_ki: the inputs are one number of each operand. */
  add({ weight }, unit) {
    const operands = Array.from(weight, (_, k) => k);
    return { index: operands.map(() => unit), operands, w: Array.from(weight), b: 0 };
  },
};

/**
 * Return what a unit reads: ``index`` of its inputs in the layer's input, their weights ``w``, and its bias ``b``; of a
 * layer of several operands ``operands``, the number of that which each input lies in.
 */
export function connections(layer, unit) {
  if (!Object.hasOwn(KINDS, layer.kind)) throw new Error(`no connections are known of a layer ${layer.type}`);
  return KINDS[layer.kind](layer, unit);
}
