// Which styles are chosen, and how much of each: thumbnails to press, and a slider for each when several are mixed. After
// the network's own come the paintings that were added, of each of which a row of numbers is known.

import { titled } from "./words.js";

const HALF = 50; // where the slider of a style begins
const LONGEST = 20; // letters of a painting's name

export class Styles {
  #parts = new Map(); // of each chosen style, its slider's value
  rows = []; // of each painting that was added, in order

  constructor({ group, shares, mix }, names, changed) {
    Object.assign(this, { group, sliders: shares, mix, names, changed });
    this.buttons = new Map(names.map((name) => [name, this.#button(name, `styles/${name}.jpg`)]));
    group.append(...this.buttons.values());
    mix.addEventListener("change", () => this.#mixing());
    const first = names.includes("swirls") ? "swirls" : names[0];
    this.#choose([first]);
    this.#show(first);
  }

  // A painting from now on is a style as the others are, and the chosen one, or one of those that are mixed.
  add(file, image, row) {
    const name = this.#free(file);
    this.names = [...this.names, name];
    this.rows = [...this.rows, row]; // a request that waits keeps its own
    this.buttons.set(name, this.#button(name, image));
    this.group.append(this.buttons.get(name));
    this.#choose(this.mix.checked ? [...this.#parts.keys(), name] : [name]);
    this.#show(name);
    this.changed();
  }

  #free(file) {
    const whole = file.replace(/\.\w+$/, "").trim() || "painting";
    const short = whole.length > LONGEST ? `${whole.slice(0, LONGEST - 1).trim()}…` : whole;
    let [name, count] = [short, 1];
    while (this.buttons.has(name)) name = `${short} ${++count}`;
    return name;
  }

  // On phones the styles are a strip to move along.
  #show(name) {
    const { offsetLeft, offsetWidth } = this.buttons.get(name);
    this.group.scrollLeft = offsetLeft - (this.group.clientWidth - offsetWidth) / 2;
  }

  // {style: share}: the shares have the sum 1, or are all 0.
  get shares() {
    const sum = [...this.#parts.values()].reduce((total, part) => total + part, 0);
    return Object.fromEntries([...this.#parts].map(([name, part]) => [name, sum ? part / sum : 0]));
  }

  // What a network takes: a number for each of its styles, then for each painting.
  row(strength) {
    const shares = this.shares;
    return this.names.map((name) => strength * (Object.hasOwn(shares, name) ? shares[name] : 0));
  }

  #button(name, src) {
    const image = Object.assign(new Image(160, 160), { src, alt: "", draggable: false });
    const button = Object.assign(document.createElement("button"), { type: "button" });
    button.append(image, titled(name));
    button.dataset.style = name;
    button.addEventListener("click", () => this.#press(name));
    return button;
  }

  #press(name) {
    const chosen = [...this.#parts.keys()];
    if (!this.mix.checked) this.#choose([name]);
    else if (!this.#parts.has(name)) this.#choose([...chosen, name]);
    else if (chosen.length > 1) this.#choose(chosen.filter((other) => other !== name));
    else return;
    this.changed();
  }

  // One style is left when mixing ends: the one with the largest share.
  #mixing() {
    const [largest] = [...this.#parts].sort(([, one], [, other]) => other - one)[0];
    const before = this.#parts.size;
    this.#choose(this.mix.checked ? [...this.#parts.keys()] : [largest]);
    if (before > 1) this.changed();
  }

  #choose(names) {
    const kept = this.mix.checked ? this.#parts : new Map();
    this.#parts = new Map(names.map((name) => [name, kept.get(name) ?? HALF]));
    for (const [name, button] of this.buttons) button.setAttribute("aria-pressed", this.#parts.has(name));
    this.sliders.hidden = !this.mix.checked;
    this.sliders.replaceChildren(...(this.mix.checked ? names.map((name) => this.#slider(name)) : []));
    this.#tellShares();
  }

  #slider(name) {
    const label = document.createElement("label");
    const slider = Object.assign(document.createElement("input"), { type: "range", min: 0, max: 100 });
    slider.value = this.#parts.get(name);
    label.dataset.style = name;
    slider.addEventListener("input", () => {
      this.#parts.set(name, Number(slider.value));
      this.#tellShares();
      this.changed();
    });
    const text = Object.assign(document.createElement("span"), { textContent: titled(name) });
    label.append(text, slider, document.createElement("output"));
    return label;
  }

  #tellShares() {
    const shares = this.shares;
    for (const label of this.sliders.children) {
      const percent = `${Math.round(100 * shares[label.dataset.style])} %`;
      label.querySelector("output").textContent = percent;
      label.querySelector("input").setAttribute("aria-valuetext", percent);
    }
  }
}
