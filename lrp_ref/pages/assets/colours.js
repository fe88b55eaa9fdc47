// Numbers to colours: the tables that Python made, whose middle entry is exactly the colour of 0.

/** A colour table: ``at(place)`` is the index of the colour of −1…1, three bytes in ``bytes``. */
export class Palette {
  constructor(hex) {
    this.bytes = Uint8Array.from(hex.match(/../g), (pair) => parseInt(pair, 16));
    this.middle = (this.bytes.length / 3 - 1) / 2;
  }

  /** Return where in ``bytes`` the colour of a place −1…1 begins. */
  at(place) {
    return 3 * (this.middle + Math.round(Math.max(-1, Math.min(1, place)) * this.middle));
  }

  /** Return the colour of a place −1…1 as CSS. */
  css(place) {
    const at = this.at(place);
    return `rgb(${this.bytes[at]}, ${this.bytes[at + 1]}, ${this.bytes[at + 2]})`;
  }

  /** Return black or white, whichever is easier to read on the colour of a place. */
  ink(place) {
    const at = this.at(place);
    const part = (k) => {
      const c = this.bytes[at + k] / 255;
      return c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
    };
    const light = 0.2126 * part(0) + 0.7152 * part(1) + 0.0722 * part(2);
    return 1.05 / (light + 0.05) > (light + 0.05) / 0.05 ? "#ffffff" : "#000000";
  }
}

/** Return the |R| at which colours end: a percentile of |R| of all maps together, the largest for 100. */
export function limitOf(maps, percentile = 100) {
  let largest = 0;
  for (const map of maps) for (const r of map) largest = Math.max(largest, Math.abs(r));
  if (percentile >= 100 || largest === 0) return largest;
  const sizes = Float32Array.from(maps.flatMap((map) => Array.from(map, Math.abs))).sort();
  const place = (percentile / 100) * (sizes.length - 1);
  const low = Math.floor(place);
  const found = sizes[low] + (place - low) * ((sizes[low + 1] ?? sizes[low]) - sizes[low]);
  return found > 0 ? found : largest;
}

/** Return a number as it is looked at: of one sign alone, or as it is. */
export function oneSided(r, which) {
  return which === "plus" ? Math.max(r, 0) : which === "minus" ? Math.min(r, 0) : r;
}
