// The camera on the page: opens it on a click, sends a frame to the kernel, shows it painted, and only then sends the
// next. Frames are messages, so that no notebook keeps them.

const QUALITY = 0.9; // of the JPEG that is sent
const OVER = 2000; // milliseconds over which frames per second are counted
const PATIENT = 3000; // milliseconds without an answer, after which the page says that it waits
const GIVES_UP = 60000; // and after which it releases the camera: nobody is there

const words = {
  ready: "Press Start to open the camera. Frames go to this notebook's kernel and nowhere else; none is saved.",
  asking: "The browser asks whether this page may use the camera …",
  running: "The camera is on.",
  stopped: "The camera is off.",
  ended: "The camera was unplugged, or taken away from this page. Press Start to try again.",
  waiting: "The camera is on. Waiting for the kernel: it runs a cell, or is gone.",
  silent: "The kernel has not answered for a minute, so the camera was turned off. Press Start once it is free.",
  insecure:
    "This page may not use a camera: browsers allow it only at addresses that begin with https://, or at localhost. " +
    "Open the notebook at such an address.",
  unable: "This browser gives pages no camera. Use another browser, or another kind of page.",
};

const refusals = {
  NotAllowedError:
    "The browser did not allow the camera. Allow it by the camera's sign in the address bar, or in the settings of the " +
    "browser or the system, then press Start again.",
  NotFoundError: "There is no camera here. Plug one in, then press Start again.",
  NotReadableError: "The camera is in use by another program. Close that, then press Start again.",
};
refusals.SecurityError = refusals.NotAllowedError;
refusals.OverconstrainedError = refusals.NotFoundError;
refusals.AbortError = refusals.NotReadableError;

function make(kind, className = "", properties = {}, ...children) {
  const element = Object.assign(document.createElement(kind), properties);
  if (className) element.className = className;
  element.append(...children);
  return element;
}

function marked(element, attributes) {
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

class View {
  constructor(model, root) {
    this.model = model;
    this.name = `${Date.now()}-${Math.random()}`; // among the views of all pages, each with a camera of its own
    this.stream = null;
    this.turn = 0; // counts starts and stops, so that what comes late is noticed
    this.number = 0; // of the last frame
    this.waiting = false;
    this.times = []; // when the last painted frames came
    this.canvas = make("canvas"); // on which a frame is scaled
    this.build(root);
    this.hear = (message, buffers) => this.listen(message, buffers);
    model.on("msg:custom", this.hear);
  }

  close() {
    this.model.off("msg:custom", this.hear);
    this.stop("");
  }

  // The elements

  build(root) {
    this.video = make("video", "nst-camera-video", { muted: true, playsInline: true, autoplay: true });
    marked(this.video, { "aria-label": "What the camera sees" });
    this.painted = make("canvas", "nst-camera-painted", { width: 4, height: 3 });
    marked(this.painted, { role: "img", "aria-label": "The painted picture: none yet" });
    this.caption = make("figcaption", "", { textContent: "painted" });
    const stage = make(
      "div", "nst-camera-stage", {},
      make("figure", "", {}, this.painted, this.caption),
      make("figure", "", {}, this.video, make("figcaption", "", { textContent: "camera" })),
    );
    this.toggle = this.button("Start", () => (this.on ? this.stop() : this.start()), "Turn the camera on or off");
    this.saveButton = this.button("Save picture", () => this.save(), "Save the painted picture as a PNG file");
    this.saveButton.disabled = true;
    this.mirror = make("input", "", { type: "checkbox", checked: this.model.get("mirror") });
    this.mirror.addEventListener("change", () => this.turnAround());
    // Not an <output>, whose changes would be read aloud.
    this.rate = make("span", "nst-camera-rate", { title: "Painted pictures in a second" });
    const tools = make(
      "div", "nst-camera-tools", {},
      this.toggle, this.saveButton, make("label", "", {}, this.mirror, "Mirror"), this.rate,
    );
    this.status = marked(make("div", "nst-camera-status"), { role: "status" });
    this.problem = marked(make("div", "nst-camera-problem"), { role: "alert" });
    this.box = make("div", "nst-camera", {}, stage, tools, this.status, this.problem);
    marked(this.box, { role: "group", "aria-label": "Camera, painted" });
    // JupyterLab and Notebook 7 have uses of their own for most keys; they look at this attribute of what has the focus.
    this.box.addEventListener("focusin", (event) => (event.target.dataset.lmSuppressShortcuts = "true"));
    root.append(this.box);
    this.turnAround();
    this.say(words.ready);
  }

  button(label, act, title) {
    const button = make("button", "nst-camera-button", { type: "button", title, textContent: label });
    button.addEventListener("click", act);
    return button;
  }

  turnAround() {
    this.video.classList.toggle("nst-camera-mirrored", this.mirror.checked);
  }

  say(said, problem = "") {
    if (this.status.textContent !== said) this.status.textContent = said;
    if (this.problem.textContent !== problem) this.problem.textContent = problem;
  }

  // Start and stop

  get on() {
    return this.turn % 2 === 1;
  }

  async start() {
    const turn = ++this.turn;
    this.toggle.textContent = "Stop";
    this.say(words.asking);
    try {
      if (!window.isSecureContext) throw new Error(words.insecure);
      if (!navigator.mediaDevices?.getUserMedia) throw new Error(words.unable);
      const wanted = { facingMode: "user", width: { ideal: Math.max(640, this.model.get("size")) } };
      const stream = await navigator.mediaDevices.getUserMedia({ video: wanted, audio: false });
      if (turn !== this.turn) return release(stream); // stopped meanwhile
      this.stream = stream;
      for (const track of stream.getTracks()) track.addEventListener("ended", () => turn === this.turn && this.fail(words.ended));
      this.video.srcObject = stream;
      await this.video.play();
      if (turn !== this.turn) return;
      this.say(words.running);
      this.next(turn);
    } catch (error) {
      if (turn === this.turn) this.fail(refusals[error.name] ?? error.message);
    }
  }

  stop(said = words.stopped) {
    if (this.on) this.turn++;
    if (this.stream) release(this.stream);
    this.stream = this.video.srcObject = null;
    this.waiting = false;
    this.times = [];
    clearTimeout(this.timer);
    this.toggle.textContent = "Start";
    this.rate.textContent = "";
    this.say(said);
  }

  fail(problem) {
    this.stop(words.stopped);
    this.say(words.stopped, problem);
  }

  // A frame goes out, and comes back painted

  next(turn) {
    // A page that nobody sees draws no frames, so none is sent.
    requestAnimationFrame(() => turn === this.turn && this.send(turn).catch((error) => this.fail(error.message)));
  }

  async send(turn) {
    const { videoWidth: width, videoHeight: height } = this.video;
    if (this.waiting || !this.on) return;
    if (!width || this.video.readyState < 2) return this.next(turn);
    const scale = this.model.get("size") / Math.max(width, height);
    this.canvas.width = Math.max(1, Math.round(width * scale));
    this.canvas.height = Math.max(1, Math.round(height * scale));
    const context = this.canvas.getContext("2d");
    context.imageSmoothingQuality = "high";
    if (this.mirror.checked) context.setTransform(-1, 0, 0, 1, this.canvas.width, 0);
    context.drawImage(this.video, 0, 0, this.canvas.width, this.canvas.height);
    this.waiting = true;
    const file = await new Promise((done) => this.canvas.toBlob(done, "image/jpeg", QUALITY));
    const frame = await file.arrayBuffer();
    if (turn !== this.turn) return;
    this.model.send({ kind: "frame", view: this.name, number: ++this.number }, undefined, [frame]);
    this.wait(turn);
  }

  wait(turn) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.say(words.waiting);
      this.timer = setTimeout(() => turn === this.turn && this.fail(words.silent), GIVES_UP - PATIENT);
    }, PATIENT);
  }

  listen(message, buffers) {
    if (message.kind === "stop" && this.on) this.stop();
    const mine = message.view === this.name;
    if (message.kind === "failed" && mine && this.on) this.fail(message.said);
    if (message.kind !== "painted") return;
    if (!message.view) this.show(message, buffers[0]); // painted once more
    else if (mine && this.on && message.number === this.number) this.go(message, buffers[0]);
  }

  async go(message, file) {
    const turn = this.turn;
    clearTimeout(this.timer);
    await this.show(message, file);
    if (turn !== this.turn) return;
    this.waiting = false;
    this.say(words.running);
    this.count();
    this.next(turn);
  }

  async show(message, file) {
    const picture = await createImageBitmap(new Blob([file], { type: "image/jpeg" }));
    const { painted } = this;
    if (painted.width !== picture.width || painted.height !== picture.height) {
      painted.width = picture.width;
      painted.height = picture.height;
    }
    painted.getContext("2d").drawImage(picture, 0, 0);
    picture.close();
    this.saveButton.disabled = false;
    if (this.caption.textContent === message.said) return;
    this.caption.textContent = message.said;
    painted.setAttribute("aria-label", `The painted picture: ${message.said}`);
  }

  count() {
    const now = performance.now();
    this.times = [...this.times.filter((time) => now - time < OVER), now];
    const seconds = (now - this.times[0]) / 1000;
    if (seconds > 0.5) this.rate.textContent = `${((this.times.length - 1) / seconds).toFixed(1)} frames/s`;
  }

  save() {
    const name = `camera-${new Date().toISOString().slice(0, 19).replaceAll(":", "-")}.png`;
    this.painted.toBlob((file) => {
      const link = make("a", "", { href: URL.createObjectURL(file), download: name });
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 10000);
    }, "image/png");
  }
}

function release(stream) {
  for (const track of stream.getTracks()) track.stop();
}

export default {
  render({ model, el }) {
    const view = new View(model, el);
    return () => view.close();
  },
};
