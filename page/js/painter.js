// The page's side of the worker. One request is painted, at most one waits, and a newer one takes its place. Paintings
// are looked at in turn.

export class Painter {
  #worker = new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
  #current = null;
  #next = null;
  #isReady = false;
  #looks = []; // who waits for what is seen in a painting

  // `hear(kind, message)` hears of "loading", "fetching", "fetched", "preparing", "ready" and "unloaded".
  constructor(hear) {
    this.hear = hear;
    this.#worker.onmessage = ({ data }) => this.#answer(data);
    this.#worker.onerror = (event) => {
      event.preventDefault();
      for (const { reject } of this.#looks.splice(0)) reject(new Error("the worker ended"));
      hear("unloaded", { why: event.message || "its worker did not start" });
    };
  }

  load(request) {
    this.#worker.postMessage({ kind: "load", ...request });
  }

  // The row of numbers by which it can be painted in the style of a painting.
  look({ data, width, height }) {
    return new Promise((resolve, reject) => {
      this.#looks.push({ resolve, reject });
      this.#worker.postMessage({ kind: "look", rgba: data, width, height }, [data.buffer]);
    });
  }

  // {pixels, width, height, seconds, where}; null when a newer request has come before this one was begun. After the
  // shares of the network's own styles come those of paintings, of which these are the rows. An Error says whether it was
  // `unfetched`: then a download failed, and not the painting.
  paint(pixels, shares, rows = []) {
    return new Promise((resolve, reject) => {
      this.#next?.resolve(null);
      this.#next = { pixels, shares, rows, resolve, reject };
      this.#go();
    });
  }

  #go() {
    if (!this.#isReady || this.#current || !this.#next) return;
    [this.#current, this.#next] = [this.#next, null];
    const { data, width, height } = this.#current.pixels;
    const { shares, rows } = this.#current;
    const request = { kind: "paint", rgba: data, width, height, shares, rows };
    this.#worker.postMessage(request, [data.buffer]);
    Object.assign(this.#current, { width, height });
  }

  #answer({ kind, ...message }) {
    if (kind === "painted" || kind === "unpainted") {
      const { resolve, reject, width, height } = this.#current;
      this.#current = null;
      if (kind === "unpainted") reject(Object.assign(new Error(message.why), { unfetched: message.unfetched }));
      else {
        const { rgba, seconds, where } = message;
        resolve({ pixels: new ImageData(rgba, width, height), width, height, seconds, where });
      }
    } else if (kind === "looked") this.#looks.shift().resolve(message.row);
    else if (kind === "unlooked") this.#looks.shift().reject(new Error(message.why));
    else {
      this.#isReady ||= kind === "ready";
      this.hear(kind, message);
    }
    this.#go();
  }
}
