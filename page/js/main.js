// The page: what is pressed, dropped and moved, and what is shown then. Painting is in worker.js, behind painter.js.

import { Camera } from "./camera.js";
import { Pace } from "./pace.js";
import { Painter } from "./painter.js";
import { LARGEST, opened, pixelsOf, save, scaled, shown, sized, thumbnail } from "./pictures.js";
import { Styles } from "./styles.js";
import { mixed, words } from "./words.js";

const SAMPLE = { url: "sample.jpg", name: "village.jpg" };
const LIVE = "camera"; // the name of what it sees
const LOOK = 256; // pixels of the longer side of a painting, as the network learned to look at them
const THUMBNAIL = 176; // pixels a side
const SMALLEST = 256; // pixels: below this a picture that cannot be painted is not tried smaller

const find = (name) => document.getElementById(name);
const [stage, content, painted] = [find("stage"), find("content"), find("painted")];
const pace = new Pace();
const camera = new Camera();
const painter = new Painter(hear);
let styles = null;
let picture = null; // {canvas, width, height, name}: what is painted while the camera is off
let automatic = 512; // the size by itself; known when the painter has measured its speed
let roomFor = LARGEST; // pixels of the longer side that were not too many so far
let place = null; // where it paints: "webgpu" or "wasm"
let lost = ""; // why there is no painter
let seen = null; // {name, shares, strength} of what the painted canvas shows; null while that is nothing
let opening = null; // stands for the picture that is being opened, so that one that comes late is noticed
let wishes = 0; // counts what was to be painted, so that an answer that comes late is noticed
const times = []; // when the last frames of the camera were shown

// What is said

const say = (text) => (find("status").textContent = text);
const complain = (text = lost) => (find("problem").textContent = text);
const busy = (is) => stage.setAttribute("aria-busy", is);

const COMING = ["loading", "fetching"];

function hear(kind, message) {
  const bar = find("loading");
  bar.hidden = !COMING.includes(kind);
  if (COMING.includes(kind)) {
    bar.value = message.share;
    if (find("status").textContent !== words[kind]) say(words[kind]);
  } else if (kind === "fetched") say(words.looking);
  else if (kind === "preparing") say(words.preparing);
  else if (kind === "ready") ready(message);
  else {
    lost = words.unloaded(message.why);
    busy(false);
    say("");
    complain();
  }
}

function ready({ where, pace: each }) {
  if (place === "webgpu" && where === "wasm") complain(words.slower);
  place = where;
  pace.start(each);
  chooseSize();
  if (!camera.isOn) repaint();
}

// The picture

// Once for each picture: one that changes its size by itself while styles are tried would disturb.
function chooseSize() {
  automatic = pace.still();
  find("size").options[0].textContent = words.automatic(automatic);
}

const strength = () => Number(find("strength").value) / 100;
const side = () => Math.min(roomFor, Number(find("size").value) || automatic);

function frame(width, height) {
  stage.style.setProperty("--ratio", Math.min(4, Math.max(0.3, width / height)));
}

function showContent(pixels, name) {
  frame(pixels.width, pixels.height);
  shown(content, pixels);
  content.setAttribute("aria-label", `${name}, as it was`);
}

const wished = () => ({ shares: styles.shares, strength: strength() });
const isNothing = ({ shares }) => !Object.values(shares).some(Boolean);

// What is shown was wished for a while ago; since then, another style may have been chosen.
function showPainted(result, name, wish) {
  shown(painted, result.pixels);
  const how = isNothing(wish) ? "not painted" : `painted in ${mixed(wish.shares)}`;
  painted.setAttribute("aria-label", `${name}, ${how}, strength ${Math.round(100 * wish.strength)} %`);
  nowSeen({ name, ...wish });
}

function told(wish, result, natural) {
  if (isNothing(wish)) return words.nothing;
  return wish.strength ? words.painted(result, natural) : words.untouched(result, natural);
}

// Only what is seen can be saved.
function nowSeen(what) {
  seen = what;
  painted.hidden = !what;
  for (const kind of ["png", "jpeg"]) find(`save-${kind}`).disabled = !what;
}

async function repaint() {
  if (lost) busy(false);
  if (!picture || !styles || lost || opening) return;
  const [wish, wanted, how] = [++wishes, picture, wished()];
  busy(true);
  const { width, height } = wanted.canvas;
  const pixels = pixelsOf(scaled(wanted.canvas, width, height, side()));
  const copy = new ImageData(pixels.data.slice(), pixels.width, pixels.height); // what is sent is gone here
  try {
    const result = await painter.paint(copy, styles.row(how.strength), styles.rows);
    if (!result || wanted !== picture || camera.isOn || opening) return;
    pace.took(result);
    showContent(pixels, wanted.name);
    showPainted(result, wanted.name, how);
    say(told(how, result, wanted));
    if (wish === wishes) busy(false);
  } catch (error) {
    if (wanted !== picture || camera.isOn || opening) return;
    if (error.unfetched) giveUp(error);
    else trySmaller(pixels, error);
  }
}

function giveUp(error) {
  busy(false);
  find("loading").hidden = true;
  complain(words.unpainted(error.message));
}

function trySmaller(pixels, error) {
  const longest = Math.max(pixels.width, pixels.height);
  if (longest <= SMALLEST) return giveUp(error);
  roomFor = Math.max(SMALLEST, Math.floor(longest / 2));
  complain(words.smaller(roomFor));
  repaint();
}

function use(found) {
  picture = found;
  if (place) chooseSize();
  nowSeen(null);
  showContent(pixelsOf(scaled(found.canvas, found.canvas.width, found.canvas.height, side())), found.name);
  repaint();
}

async function openFile(file) {
  if (!file) return;
  const mine = (opening = {});
  complain();
  stopCamera();
  busy(true);
  say(words.opening);
  try {
    const found = await opened(file);
    if (mine !== opening) return;
    opening = null;
    use({ ...found, name: file.name || "picture" });
  } catch {
    if (mine !== opening) return;
    opening = null;
    complain(words.unpicture(file.name || "This"));
    say("");
    repaint();
  }
}

function openOneOf(files) {
  const file = [...files].find(({ type }) => type.startsWith("image/")) ?? files[0];
  openFile(file);
  if (files.length > 1) complain(words.several(file.name));
}

function openDropped({ files, items }) {
  const folder = [...items].map((item) => item.webkitGetAsEntry?.()).find((entry) => entry?.isDirectory);
  if (!files.length) complain(words.unfile);
  else if (folder && files.length === 1) complain(words.folder(folder.name));
  else openOneOf(files);
}

function openPasted({ files, types }) {
  if (files.length) openOneOf(files);
  else if (types.length) complain(words.unpasted);
}

function changed() {
  find("strength-shown").textContent = `${find("strength").value} %`;
  find("strength").setAttribute("aria-valuetext", `${find("strength").value} %`);
  if (!camera.isOn) repaint();
}

// A style of one's own

async function addOwn(file) {
  if (!file) return;
  complain();
  if (lost) return;
  busy(true);
  say(words.opening);
  try {
    const { canvas } = await opened(file);
    await lookAt(canvas, file.name || "painting");
  } catch {
    complain(words.unpicture(file.name || "This"));
  }
  find("loading").hidden = true;
  if (camera.isOn) say(words.camera);
  else repaint();
}

async function lookAt(canvas, name) {
  say(words.looking);
  try {
    const row = await painter.look(pixelsOf(sized(canvas, LOOK)));
    styles.add(name, thumbnail(canvas, THUMBNAIL), row);
  } catch (error) {
    complain(words.unlooked(error.message));
  }
}

// The camera

async function startCamera() {
  complain();
  say(words.asking);
  opening = null;
  try {
    if (!(await camera.start(cameraEnded))) return;
  } catch (error) {
    complain(error.message);
    showCamera(false);
    say("");
    repaint();
    return;
  }
  showCamera(true);
  say(words.camera);
  const turn = camera.turn;
  const others = await camera.others();
  if (turn !== camera.turn) return;
  find("turn").hidden = !others;
  await live().catch((error) => {
    stopCamera();
    complain(words.unpainted(error.message));
    repaint();
  });
}

// Frame by frame: the next is taken when the last has been painted, at the size that the pace allows.
async function live() {
  let last = null;
  const turn = camera.turn;
  while (turn === camera.turn) {
    const now = await camera.frame(pace.frame(last));
    if (!now) return;
    const pixels = pixelsOf(now.canvas);
    const copy = new ImageData(pixels.data.slice(), pixels.width, pixels.height);
    const how = wished();
    last = await painter.paint(copy, styles.row(how.strength), styles.rows);
    if (!last || turn !== camera.turn) continue;
    showContent(pixels, LIVE);
    showPainted(last, LIVE, how);
    busy(false);
    showRate(last);
  }
}

function showRate(last) {
  times.push(performance.now() / 1000);
  if (times.length > 10) times.shift();
  if (times.length > 2) find("rate").textContent = words.rate(last, (times.at(-1) - times[0]) / (times.length - 1));
}

function stopCamera() {
  if (!camera.isOn) return camera.stop();
  camera.stop();
  showCamera(false);
  say(words.off);
}

function showCamera(isOn) {
  find("camera").textContent = isOn ? "Stop the camera" : "Use the camera";
  for (const name of ["take", "mirroring", "rate"]) find(name).hidden = !isOn;
  find("choose").classList.toggle("main", !isOn);
  find("turn").hidden = true;
  find("mirror").checked = camera.mirrored;
  find("rate").textContent = "";
  times.length = 0;
}

function cameraEnded() {
  stopCamera();
  complain(words.ended);
  repaint();
}

function toggleCamera() {
  if (!camera.isOn) return startCamera();
  stopCamera();
  repaint();
}

function takePicture() {
  const found = { ...camera.still(LARGEST), name: `${LIVE}.jpg` };
  stopCamera();
  find("camera").focus(); // the button that was pressed is gone
  use(found);
}

async function turnCamera() {
  await camera.chooseNext();
  startCamera();
}

// Saving

async function saveAs(kind) {
  const name = seen.name.replace(/\.\w+$/, "");
  const used = Object.entries(seen.shares).filter(([, share]) => share);
  const file = [name, ...used.map(([style]) => style)].join("-");
  const saved = await save(painted, `${file}.${kind === "png" ? "png" : "jpg"}`, `image/${kind}`);
  complain(saved ? lost : words.unsaved);
}

// What is pressed, dropped and pasted

const on = (name, event, act) => find(name).addEventListener(event, act);

function listen() {
  on("choose", "click", () => find("file").click());
  on("file", "change", ({ target }) => {
    openFile(target.files[0]);
    target.value = ""; // so that the same file can be chosen again
  });
  on("own", "click", () => find("own-file").click());
  on("own-file", "change", ({ target }) => {
    addOwn(target.files[0]);
    target.value = "";
  });
  on("camera", "click", toggleCamera);
  on("take", "click", takePicture);
  on("turn", "click", turnCamera);
  on("mirror", "change", ({ target }) => (camera.mirrored = target.checked));
  on("strength", "input", changed);
  on("size", "change", repaint);
  on("compare", "input", ({ target }) => compare(target.value));
  on("painted", "pointerdown", () => compare("100"));
  for (const event of ["pointerup", "pointercancel"]) addEventListener(event, () => compare(find("compare").value));
  on("save-png", "click", () => saveAs("png"));
  on("save-jpeg", "click", () => saveAs("jpeg"));
  addEventListener("paste", ({ clipboardData }) => openPasted(clipboardData));
  addEventListener("pagehide", stopCamera);
  addEventListener("pageshow", ({ persisted }) => persisted && repaint()); // a page that is gone back to
  document.addEventListener("visibilitychange", () => (times.length = 0)); // a hidden page shows no frames
  listenToDrops();
}

function compare(percent) {
  stage.style.setProperty("--split", `${percent}%`);
  find("compare").setAttribute("aria-valuetext", `${percent} % as it was`);
  find("divider").hidden = percent === "0" || percent === "100";
}

function listenToDrops() {
  const veil = (is) => (find("veil").hidden = !is);
  const isFile = (event) => event.dataTransfer?.types.includes("Files");
  addEventListener("dragover", (event) => {
    event.preventDefault(); // or the browser leaves the page to show what is dropped
    veil(isFile(event));
  });
  addEventListener("dragleave", (event) => event.relatedTarget || veil(false));
  addEventListener("drop", (event) => {
    event.preventDefault();
    veil(false);
    openDropped(event.dataTransfer);
  });
}

async function answered(name) {
  const answer = await fetch(name);
  if (!answer.ok) throw new Error(`${name}: ${answer.status}`);
  return answer;
}

function offerSizes() {
  const option = (text, value) => new Option(text, value);
  const sides = pace.sides.map((size) => option(words.size(size), size));
  find("size").append(option(words.automatic(automatic), ""), ...sides);
}

async function begin() {
  say(words.loading);
  compare(find("compare").value); // browsers remember sliders of a page that is loaded again
  offerSizes();
  listen();
  const about = await (await answered("about.json")).json();
  const parts = { group: find("styles"), shares: find("shares"), mix: find("mix") };
  find("mix").checked = false;
  styles = new Styles(parts, about.styles, changed);
  find("own").disabled = false;
  changed();
  const wanted = new URLSearchParams(location.search).get("on"); // ?on=wasm where a graphics processor misbehaves
  painter.load({ wanted, sizes: about.sizes, styles: about.styles.length });
  const sample = { ...(await opened(await (await answered(SAMPLE.url)).blob())), name: SAMPLE.name };
  if (picture) return;
  if (opening || camera.isOn) picture = sample; // for later: what is opened or seen then goes first
  else use(sample);
}

begin().catch((error) => hear("unloaded", { why: error.message }));
