// The painter's own thread: the page stays quick while it works. One request at a time; painter.js sees to that.

import { bestPlace, open, painted } from "./runtime.js";

const TRIAL = 160; // pixels a side of the picture on which speed is measured
let engine = null;
let sizes = null;
let styles = 0;

const now = () => performance.now() / 1000;
const tell = (kind, more = {}, transferred = []) => postMessage({ kind, ...more }, transferred);

async function timed(rgba, width, height, shares) {
  const start = now();
  const pixels = await painted(engine, rgba, width, height, shares);
  return { pixels, seconds: now() - start };
}

// Seconds a pixel. The first pass also prepares what later ones find ready.
async function tried() {
  const gray = new Uint8ClampedArray(4 * TRIAL * TRIAL).fill(128);
  const shares = Array(styles).fill(1 / styles);
  await timed(gray, TRIAL, TRIAL, shares);
  const { seconds } = await timed(gray, TRIAL, TRIAL, shares);
  return seconds / TRIAL ** 2;
}

async function start(where) {
  engine = await open(where, sizes, (share) => tell("loading", { share }));
  tell("preparing");
  tell("ready", { where, pace: await tried() });
}

async function load({ wanted, ...more }) {
  ({ sizes, styles } = more);
  const where = wanted ?? (await bestPlace());
  try {
    await start(where);
  } catch (error) {
    if (where === "wasm") throw error;
    await start("wasm");
  }
}

async function paint({ rgba, width, height, shares }) {
  try {
    return await timed(rgba, width, height, shares);
  } catch (error) {
    if (engine.where === "wasm") throw error;
    await start("wasm"); // the graphics processor was lost, or has too little memory
    return await timed(rgba, width, height, shares);
  }
}

const why = (error) => String(error?.message ?? error).split("\n")[0].slice(0, 160);

onmessage = async ({ data: { kind, ...request } }) => {
  if (kind === "load") await load(request).catch((error) => tell("unloaded", { why: why(error) }));
  if (kind === "paint") {
    try {
      const { pixels, seconds } = await paint(request);
      tell("painted", { rgba: pixels, seconds, where: engine.where }, [pixels.buffer]);
    } catch (error) {
      tell("unpainted", { why: why(error) });
    }
  }
};
