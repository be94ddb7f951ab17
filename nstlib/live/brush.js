// The brush on the page: paints a map of regions over a picture, and tells the kernel of it.
//
// A Session is what one page knows of the map: labels, what can be undone, and the talk with the kernel. Every view of
// the widget on that page shows the same session. past.py keeps the kernel's history by the same rules.

const KERNEL = 0;
const CHANGE = 0, UNDO = 1, REDO = 2;
const HEAD = 16; // bytes before the runs: author, edit, seen, way
const LENGTH_BITS = 13, LONGEST = 1 << LENGTH_BITS;
const DEPTH = 100; // changes that can be undone
const PAUSE = 200; // milliseconds between two messages during a stroke
const EDGE = 230, EDGE_SHADE = 0.55;
const WIDEST = 640; // of the picture, in pixels of the page
const ERASER = 0;

// Runs of labels, as in regions.py

function pack(labels) {
  const runs = [];
  for (let at = 0; at < labels.length; ) {
    const label = labels[at], start = at, end = Math.min(labels.length, at + LONGEST);
    while (at < end && labels[at] === label) at++;
    runs.push((label << LENGTH_BITS) | (at - start - 1));
  }
  return Uint16Array.from(runs);
}

function unpack(runs, labels) {
  let at = 0;
  for (const run of runs) {
    const end = at + (run & (LONGEST - 1)) + 1;
    labels.fill(run >> LENGTH_BITS, at, end);
    at = end;
  }
}

function same(a, b) {
  return a !== undefined && b !== undefined && a.length === b.length && a.every((run, k) => run === b[k]);
}

function readNote(data) {
  const word = (k) => data.getUint32(4 * k, true);
  const runs = new Uint16Array((data.byteLength - HEAD) / 2);
  for (let k = 0; k < runs.length; k++) runs[k] = data.getUint16(HEAD + 2 * k, true);
  return { author: word(0), edit: word(1), seen: word(2), way: word(3), runs };
}

function writeNote({ author, edit, seen, way, runs }) {
  const data = new DataView(new ArrayBuffer(HEAD + 2 * runs.length));
  [author, edit, seen, way].forEach((word, k) => data.setUint32(4 * k, word, true));
  runs.forEach((run, k) => data.setUint16(HEAD + 2 * k, run, true));
  return data;
}

class Session {
  constructor(model) {
    this.model = model;
    [this.height, this.width] = model.get("size");
    this.regions = model.get("names").length;
    this.labels = new Uint8Array(this.width * this.height);
    this.author = 1 + Math.floor(Math.random() * 0xfffffffe);
    this.edit = 0;
    this.back = [];
    this.forth = [];
    this.stroke = null;
    this.timer = null;
    this.sent = -Infinity;
    this.views = new Set();
    const first = readNote(model.get("painted"));
    this.seen = first.seen;
    this.foreign = first;
    unpack(first.runs, this.labels);
    this.hear = () => this.follow(readNote(model.get("painted")));
    this.tellViews = () => this.tell();
    model.on("change:painted", this.hear);
    model.on("change:undoable", this.tellViews);
  }

  close() {
    clearTimeout(this.timer);
    this.model.off("change:painted", this.hear);
    this.model.off("change:undoable", this.tellViews);
  }

  // Changes made here

  begin() {
    this.end();
    this.edit++;
    this.stroke = { before: pack(this.labels), changed: false };
  }

  // Every pixel whose middle is nearer than the radius to the line, and the one beneath its end: no half pixels.
  line(from, to, radius, label) {
    const box = this.clip(
      Math.min(from.x, to.x) - radius - 1, Math.min(from.y, to.y) - radius - 1,
      Math.max(from.x, to.x) + radius + 1, Math.max(from.y, to.y) + radius + 1,
    );
    const dx = to.x - from.x, dy = to.y - from.y, length = dx * dx + dy * dy;
    const put = (x, y) => {
      const at = y * this.width + x;
      if (this.labels[at] === label) return;
      this.labels[at] = label;
      this.stroke.changed = true;
    };
    for (let y = box.top; y < box.bottom; y++) {
      for (let x = box.left; x < box.right; x++) {
        const px = x + 0.5 - from.x, py = y + 0.5 - from.y;
        const along = length ? Math.min(1, Math.max(0, (px * dx + py * dy) / length)) : 0;
        if ((px - along * dx) ** 2 + (py - along * dy) ** 2 < radius * radius) put(x, y);
      }
    }
    const x = Math.floor(to.x), y = Math.floor(to.y);
    if (x >= 0 && y >= 0 && x < this.width && y < this.height) put(x, y);
    if (this.stroke.changed) this.show(box);
    this.sendSoon();
  }

  end() {
    if (!this.stroke) return;
    const { before, changed } = this.stroke;
    this.stroke = null;
    if (!changed) return;
    this.remember(before);
    this.send(CHANGE);
    this.tell();
  }

  replaceAll(change) {
    this.begin();
    for (let at = 0; at < this.labels.length; at++) {
      const label = change(this.labels[at]);
      if (label === this.labels[at]) continue;
      this.labels[at] = label;
      this.stroke.changed = true;
    }
    this.show();
    this.end();
  }

  fill(label) {
    this.replaceAll((old) => old || label);
  }

  clear() {
    this.replaceAll(() => ERASER);
  }

  undo() {
    this.end();
    if (this.back.length) this.go(UNDO, this.back, this.forth);
    else if (this.undoable) this.model.send({ ask: "undo" }); // of a time before this page was opened
  }

  get undoable() {
    return this.back.length > 0 || this.model.get("undoable");
  }

  redo() {
    this.go(REDO, this.forth, this.back);
  }

  go(way, from, to) {
    this.end();
    const runs = from.pop();
    if (runs === undefined) return;
    to.push(pack(this.labels));
    unpack(runs, this.labels);
    this.edit++;
    this.send(way);
    this.show();
    this.tell();
  }

  remember(runs) {
    this.back.push(runs);
    if (this.back.length > DEPTH) this.back.shift();
    this.forth.length = 0;
  }

  // Talk with the kernel: the page never waits for it

  sendSoon() {
    if (!this.stroke.changed || this.timer !== null) return;
    const wait = Math.max(0, this.sent + PAUSE - performance.now());
    this.timer = setTimeout(() => this.send(CHANGE), wait);
  }

  send(way) {
    clearTimeout(this.timer);
    this.timer = null;
    this.sent = performance.now();
    const { author, edit, seen } = this;
    this.model.set("painted", writeNote({ author, edit, seen, way, runs: pack(this.labels) }));
    this.model.save_changes();
  }

  follow(note) {
    if (note.author === this.author || note.seen < this.seen) return;
    if (note.author === KERNEL && note.seen === this.seen) return; // said again
    const underway = this.stroke;
    if (underway?.changed) this.remember(underway.before);
    const now = pack(this.labels);
    const goesOn = note.author === this.foreign.author && note.edit === this.foreign.edit;
    if (note.way === UNDO && (!this.back.length || same(this.back.at(-1), note.runs))) {
      this.back.pop();
      this.forth.push(now);
    } else if (note.way === REDO && same(this.forth.at(-1), note.runs)) {
      this.forth.pop();
      this.back.push(now);
    } else if (!same(now, note.runs) && !goesOn) {
      this.remember(now);
    }
    this.seen = note.seen;
    this.foreign = note;
    unpack(note.runs, this.labels);
    if (underway) {
      clearTimeout(this.timer);
      this.timer = null;
      this.edit++; // the stroke goes on over the new map, as another edit
      this.stroke = { before: note.runs, changed: false };
    }
    this.show();
    this.tell();
  }

  // What views ask and hear

  shares() {
    const counts = new Array(this.regions + 1).fill(0);
    for (const label of this.labels) counts[label]++;
    return counts.map((count) => count / this.labels.length);
  }

  clip(left, top, right, bottom) {
    return {
      left: Math.max(0, Math.floor(left)), top: Math.max(0, Math.floor(top)),
      right: Math.min(this.width, Math.ceil(right)), bottom: Math.min(this.height, Math.ceil(bottom)),
    };
  }

  show(box = this.clip(0, 0, this.width, this.height)) {
    for (const view of this.views) view.draw(box);
  }

  tell() {
    for (const view of this.views) view.report();
  }
}

// Drawing: a veil of each region's color, with its pattern, and a darker edge

class Veil {
  constructor(session, model, canvas) {
    this.session = session;
    this.context = canvas.getContext("2d");
    this.colors = ["#000000", ...model.get("tints")].map(channels);
    const patterns = model.get("patterns");
    this.patterns = new Uint8Array(patterns.buffer, patterns.byteOffset, patterns.byteLength);
    this.side = Math.sqrt(this.patterns.length / 8);
  }

  draw({ left, top, right, bottom }) {
    const { width, height, labels } = this.session, { side, patterns } = this;
    const box = this.session.clip(left - 1, top - 1, right + 1, bottom + 1); // neighbors get or lose an edge
    if (box.right <= box.left || box.bottom <= box.top) return;
    const image = this.context.createImageData(box.right - box.left, box.bottom - box.top), data = image.data;
    let out = 0;
    for (let y = box.top; y < box.bottom; y++) {
      for (let x = box.left; x < box.right; x++, out += 4) {
        const at = y * width + x, label = labels[at];
        if (!label) continue;
        const edge = (x > 0 && labels[at - 1] !== label) || (x < width - 1 && labels[at + 1] !== label) ||
          (y > 0 && labels[at - width] !== label) || (y < height - 1 && labels[at + width] !== label);
        const shade = edge ? EDGE_SHADE : 1, color = this.colors[label];
        for (let k = 0; k < 3; k++) data[out + k] = color[k] * shade;
        data[out + 3] = edge ? EDGE : patterns[(label * side + (y % side)) * side + (x % side)];
      }
    }
    this.context.putImageData(image, box.left, box.top);
  }
}

// Widths that the slider goes through: each some 12 % more than the last

function widthsUpTo(most) {
  const widths = [1];
  while (widths.at(-1) < most) widths.push(Math.min(most, Math.max(widths.at(-1) + 1, Math.round(widths.at(-1) * 1.12))));
  return widths;
}

function make(kind, className = "", properties = {}, ...children) {
  const element = Object.assign(document.createElement(kind), properties);
  if (className) element.className = className;
  element.append(...children);
  return element;
}

function channels(tint) {
  return [1, 3, 5].map((k) => parseInt(tint.slice(k, k + 2), 16));
}

// Whether a number on a tint is read better in black or in white
function inkOn(tint) {
  const [red, green, blue] = channels(tint);
  return 0.3 * red + 0.59 * green + 0.11 * blue > 140 ? "#000" : "#fff";
}

let views = 0; // for names that the elements of a view give each other

class View {
  constructor(session, model, root) {
    this.session = session;
    this.names = model.get("names");
    this.tints = model.get("tints");
    this.label = 1;
    this.pen = null; // the pointer or the key that is painting
    this.cursor = { x: session.width / 2, y: session.height / 2 };
    this.byKeys = false;
    this.widths = widthsUpTo(Math.max(2, Math.round(Math.max(session.width, session.height) / 2)));
    this.stale = null;
    this.build(model, root, ++views);
    this.veil = new Veil(session, model, this.canvas);
    this.setWidth(this.widths.findIndex((width) => width >= Math.max(session.width, session.height) / 14));
    this.choose(1);
    this.veil.draw(session.clip(0, 0, session.width, session.height));
    this.report();
    this.hideRing();
    session.views.add(this);
  }

  close() {
    if (this.pen !== null) this.lift();
    cancelAnimationFrame(this.frame);
    this.session.views.delete(this);
    URL.revokeObjectURL(this.picture.src);
  }

  // The elements

  build(model, root, number) {
    const { width, height } = this.session, help = `nst-brush-keys-${number}`;
    this.picture = make("img", "nst-brush-picture", { alt: "", draggable: false });
    this.picture.src = URL.createObjectURL(new Blob([model.get("picture")], { type: "image/jpeg" }));
    this.canvas = make("canvas", "nst-brush-canvas", { width, height, tabIndex: 0 });
    this.canvas.setAttribute("role", "application");
    this.canvas.setAttribute("aria-label", "Picture to paint regions on");
    this.canvas.setAttribute("aria-describedby", help);
    this.ring = make("div", "nst-brush-ring", { hidden: true });
    this.stage = make("div", "nst-brush-stage", {}, this.picture, this.canvas, this.ring);
    this.stage.style.aspectRatio = `${width} / ${height}`;
    this.stage.style.maxWidth = `${Math.round(WIDEST * Math.min(1, width / height))}px`;
    this.status = make("div", "nst-brush-status");
    this.status.setAttribute("role", "status");
    root.append(make("div", "nst-brush", {}, this.regionButtons(), this.stage, this.tools(), this.status, this.keyHelp(help)));
    const box = root.lastChild;
    box.setAttribute("role", "group");
    box.setAttribute("aria-label", "Brush for regions");
    // JupyterLab and Notebook 7 have uses of their own for most keys; they look at this attribute of what has the focus.
    box.addEventListener("focusin", (event) => (event.target.dataset.lmSuppressShortcuts = "true"));
    box.addEventListener("keydown", (event) => this.key(event));
    box.addEventListener("keyup", (event) => this.keyUp(event));
    this.listen();
  }

  regionButtons() {
    this.choices = this.names.map((name, k) => {
      const chip = make("span", `nst-brush-chip nst-brush-chip-${k + 1}`, { textContent: k + 1 });
      chip.style.setProperty("--tint", this.tints[k]);
      chip.style.setProperty("--ink", inkOn(this.tints[k]));
      const words = make("span", "nst-brush-name", { textContent: name });
      return this.button([chip, words], () => this.choose(k + 1), `Paint ${name} (key ${k + 1})`);
    });
    const cross = make("span", "nst-brush-chip nst-brush-chip-0", { textContent: "0" });
    this.choices.unshift(this.button([cross, "Eraser"], () => this.choose(ERASER), "Take regions away (key 0 or E)"));
    const row = make("div", "nst-brush-row", {}, ...this.choices.slice(1), this.choices[0]);
    row.setAttribute("role", "group");
    row.setAttribute("aria-label", "What the brush paints");
    return row;
  }

  tools() {
    this.slider = make("input", "nst-brush-slider", { type: "range", min: 0, max: this.widths.length - 1, step: 1 });
    this.slider.title = "Width of the brush (keys [ and ])";
    this.slider.addEventListener("input", () => this.setWidth(Number(this.slider.value)));
    this.slider.addEventListener("blur", () => this.hideRing());
    this.readout = make("output", "nst-brush-readout");
    const size = make("label", "nst-brush-size", {}, "Brush size", this.slider, this.readout);
    const { session } = this;
    this.undoButton = this.button(["Undo"], () => session.undo(), "Take the last change back (Ctrl+Z)");
    this.redoButton = this.button(["Redo"], () => session.redo(), "Make it again (Ctrl+Y)");
    this.fillButton = this.button(["Fill the rest"], () => session.fill(this.label), "Give all that is unpainted to the chosen region");
    this.clearButton = this.button(["Clear"], () => session.clear(), "Take all regions away; Undo brings them back");
    const row = make("div", "nst-brush-row", {}, this.undoButton, this.redoButton, this.fillButton, this.clearButton);
    row.setAttribute("role", "group");
    row.setAttribute("aria-label", "Changes");
    return make("div", "nst-brush-tools", {}, size, row);
  }

  keyHelp(id) {
    const keys = [
      [`1 to ${this.names.length}`, "choose a region"], ["0 or E", "eraser"], ["[ and ]", "smaller and larger brush"],
      ["Ctrl+Z, Ctrl+Y", "undo, redo"], ["arrow keys", "move the brush on the picture; with Shift, by one pixel"],
      ["space", "paint, as long as it is held"], ["Enter", "put the brush down, or lift it"],
    ];
    const rows = keys.map(([key, does]) => make("li", "", {}, make("kbd", "", { textContent: key }), ` ${does}`));
    return make("details", "nst-brush-keys", {}, make("summary", "", { textContent: "Keys" }), make("ul", "", { id }, ...rows));
  }

  button(content, act, title) {
    const button = make("button", "nst-brush-button", { type: "button", title }, ...content);
    button.addEventListener("click", act);
    return button;
  }

  // What is chosen

  choose(label) {
    if (label > this.names.length) return;
    if (this.pen === "key" || this.pen === "toggle") this.lift();
    this.label = label; // a pointer that is down paints its stroke to the end
    this.choices.forEach((button, k) => button.setAttribute("aria-pressed", String(k === label)));
    this.ring.style.setProperty("--tint", label ? this.tints[label - 1] : "transparent");
    this.report();
  }

  setWidth(place) {
    this.place = Math.min(this.widths.length - 1, Math.max(0, place));
    this.slider.value = this.place;
    this.readout.textContent = `${this.brushWidth} px`;
    this.slider.setAttribute("aria-valuetext", `${this.brushWidth} pixels`);
    this.showRing();
  }

  get brushWidth() {
    return this.widths[this.place];
  }

  // The pointer: mouse, pen or finger

  listen() {
    const canvas = this.canvas;
    canvas.addEventListener("pointerdown", (event) => this.pointerDown(event));
    canvas.addEventListener("pointermove", (event) => this.pointerMove(event));
    for (const end of ["pointerup", "pointercancel", "lostpointercapture"]) {
      canvas.addEventListener(end, (event) => this.pen === event.pointerId && this.lift());
    }
    canvas.addEventListener("pointerleave", () => this.pen === null && this.hideRing());
    canvas.addEventListener("blur", () => {
      if (this.pen === "key" || this.pen === "toggle") this.lift();
      if (this.byKeys) this.hideRing();
    });
    canvas.addEventListener("focus", () => canvas.matches(":focus-visible") && this.showCursor());
  }

  placeOf(event) {
    const box = this.canvas.getBoundingClientRect();
    return {
      x: ((event.clientX - box.left) / box.width) * this.session.width,
      y: ((event.clientY - box.top) / box.height) * this.session.height,
    };
  }

  pointerDown(event) {
    const erases = event.button === 5; // the other end of a pen
    if (this.pen !== null || !(event.button === 0 || erases)) return;
    event.preventDefault();
    this.byKeys = false;
    this.canvas.focus({ preventScroll: true });
    this.canvas.setPointerCapture(event.pointerId);
    this.put(event.pointerId, this.placeOf(event), erases ? ERASER : this.label);
    this.showRing();
  }

  pointerMove(event) {
    if (this.pen !== null && this.pen !== event.pointerId) return;
    this.byKeys = false;
    if (this.pen === null) {
      this.cursor = this.placeOf(event);
    } else {
      const steps = event.getCoalescedEvents?.() ?? [];
      for (const step of steps.length ? steps : [event]) this.moveTo(this.placeOf(step));
    }
    this.showRing();
  }

  put(pen, place, label) {
    this.pen = pen;
    this.paints = label;
    this.cursor = place;
    this.session.begin();
    this.session.line(place, place, this.brushWidth / 2, label);
  }

  moveTo(place) {
    const from = this.cursor;
    this.cursor = place;
    if (this.pen === null) return;
    if (!this.session.stroke) this.session.begin(); // another view has ended it
    this.session.line(from, place, this.brushWidth / 2, this.paints);
  }

  lift() {
    this.pen = null;
    this.session.end();
    if (this.byKeys) this.report();
  }

  // The keys

  key(event) {
    const act = this.actionOf(event);
    if (!act) return;
    event.preventDefault();
    event.stopPropagation();
    act();
  }

  actionOf(event) {
    const key = event.key.toLowerCase(), { session } = this;
    if (event.ctrlKey || event.metaKey) {
      if (key === "z") return () => (event.shiftKey ? session.redo() : session.undo());
      return key === "y" ? () => session.redo() : null;
    }
    if (event.altKey) return null;
    if (/^[1-7]$/.test(key)) return () => this.choose(Number(key));
    if (key === "0" || key === "e") return () => this.choose(ERASER);
    if (key === "[" || key === "]") return () => this.setWidth(this.place + (key === "]" ? 1 : -1));
    return event.target === this.canvas ? this.actionOnCanvas(event) : null;
  }

  actionOnCanvas(event) {
    const ways = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    if (event.key in ways) return () => this.step(ways[event.key], event.shiftKey);
    if (event.key === " ") return () => event.repeat || this.penByKey("key");
    if (event.key === "Enter") return () => event.repeat || this.penByKey("toggle");
    return event.key === "Escape" && this.pen !== null ? () => this.lift() : null;
  }

  penByKey(pen) {
    const down = this.pen === null;
    this.showCursor();
    if (down) this.put(pen, this.cursor, this.label);
    else this.lift();
    this.report();
  }

  keyUp(event) {
    if (event.key === " " && this.pen === "key") this.lift();
  }

  step([dx, dy], fine) {
    const { width, height } = this.session, by = fine ? 1 : Math.max(1, Math.round(this.brushWidth / 4));
    const within = (value, most) => Math.min(most - 0.5, Math.max(0.5, Math.floor(value) + 0.5));
    this.moveTo({ x: within(this.cursor.x + by * dx, width), y: within(this.cursor.y + by * dy, height) });
    this.showCursor();
    this.report();
  }

  // What is seen

  draw(box) {
    const old = this.stale;
    this.stale = !old ? { ...box } : {
      left: Math.min(old.left, box.left), top: Math.min(old.top, box.top),
      right: Math.max(old.right, box.right), bottom: Math.max(old.bottom, box.bottom),
    };
    if (old) return;
    this.frame = requestAnimationFrame(() => {
      const stale = this.stale;
      this.stale = null;
      this.veil.draw(stale);
    });
  }

  showCursor() {
    this.byKeys = true;
    this.showRing();
  }

  showRing() {
    const { width, height } = this.session, ring = this.ring;
    ring.hidden = false;
    ring.classList.toggle("nst-brush-cross", this.byKeys);
    ring.style.left = `${(100 * this.cursor.x) / width}%`;
    ring.style.top = `${(100 * this.cursor.y) / height}%`;
    ring.style.width = `${(100 * this.brushWidth) / width}%`;
  }

  hideRing() {
    this.ring.hidden = true;
  }

  report() {
    const { session } = this, [rest, ...shares] = session.shares();
    const said = shares.map((share, k) => `${this.names[k]} ${percent(share)}`);
    const place = this.byKeys ? `${this.pen === null ? "" : "painting "}at ${Math.floor(this.cursor.x)}, ${Math.floor(this.cursor.y)} · ` : "";
    this.status.textContent = `${place}${said.join(" · ")} · unpainted ${percent(rest)}`;
    this.undoButton.disabled = !session.undoable;
    this.redoButton.disabled = !session.forth.length;
    this.fillButton.disabled = !this.label || rest === 0;
    this.clearButton.disabled = rest === 1;
  }
}

// A little is not nothing, and nearly all is not all.
function percent(share) {
  if (share > 0 && share < 0.01) return "under 1 %";
  return `${share < 1 ? Math.min(99, Math.round(100 * share)) : 100} %`;
}

export default () => {
  let session;
  return {
    initialize({ model }) {
      session = new Session(model);
      return () => session.close();
    },
    render({ model, el }) {
      const view = new View(session, model, el);
      return () => view.close();
    },
  };
};
