// What is looked at, kept in the address behind "#", so that a link shows the same and "back" goes back.

/** Return the pairs of a fragment "a=1&b=2" as an object. */
export function parsed(fragment) {
  const found = Object.create(null); // a key may be any text, "constructor" too
  for (const pair of fragment.replace(/^#/, "").split("&")) {
    if (!pair) continue;
    const [key, ...rest] = pair.split("=");
    try {
      found[decodeURIComponent(key)] = decodeURIComponent(rest.join("="));
    } catch {
      found[key] = null;
    }
  }
  return found;
}

/** Return an object as a fragment, without what is null. */
export function written(values) {
  return Object.entries(values)
    .filter(([, value]) => value !== null && value !== undefined)
    .map(([key, value]) => `${encodeURIComponent(key)}=${encodeURIComponent(value).replace(/%2C/g, ",")}`)
    .join("&");
}

/** The state of a page: values by key, of which ``usual`` are not written into the address. */
export class State {
  /** ``check(values)`` returns the values that make sense and the sentences about those that do not. */
  constructor(usual, check, changed) {
    Object.assign(this, { usual, check, changed, values: { ...usual } });
    addEventListener("popstate", () => this.read());
    addEventListener("hashchange", () => this.read());
  }

  /** Take over what the address says. */
  read() {
    const fragment = location.hash.replace(/^#/, "");
    if (fragment === this.fragment()) return;
    const { values, wrong } = this.check(parsed(fragment));
    this.values = { ...this.usual, ...values };
    this.changed(this.values, wrong);
  }

  /** Return the address's fragment for the present state. */
  fragment() {
    const differs = Object.entries(this.values).filter(([key, value]) => value !== this.usual[key]);
    return written(Object.fromEntries(differs));
  }

  /** Change values; ``entry`` makes one that "back" returns from. */
  set(change, entry = false) {
    this.values = { ...this.values, ...change };
    const address = `#${this.fragment()}`;
    try {
      if (entry) history.pushState(null, "", address);
      else history.replaceState(null, "", address);
    } catch {
      // A page inside another has no address of its own.
    }
    this.changed(this.values, []);
  }
}
