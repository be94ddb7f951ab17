// The painter's own thread: the page stays quick while it works. What is asked is done in turn.

import { bestPlace, looked, open, openAny, painted, paintedAny, Unfetched } from "./runtime.js";

const TRIAL = 160; // pixels a side of the picture on which speed is measured
let engine = null;
let any = null; // what paints in the style of a painting, from the first one on
let sizes = null;
let styles = 0;

const now = () => performance.now() / 1000;
const tell = (kind, more = {}, transferred = []) => postMessage({ kind, ...more }, transferred);

async function timed(rgba, width, height, shares, rows = []) {
  const paintings = shares.slice(styles).some(Boolean);
  if (paintings) await readyForAny();
  const start = now();
  const pixels = paintings
    ? await paintedAny(any, rgba, width, height, shares, rows)
    : await painted(engine, rgba, width, height, shares.slice(0, styles));
  return { pixels, seconds: now() - start };
}

async function readyForAny() {
  if (!engine) throw new Error("the painter is not here");
  if (any) return;
  any = await openAny(engine, sizes, (share) => tell("fetching", { share }));
  tell("fetched");
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
  any = null;
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

// On the processor if the graphics processor was lost, or has too little memory.
async function orSlower(act) {
  try {
    return await act();
  } catch (error) {
    if (!engine || engine.where === "wasm" || error instanceof Unfetched) throw error;
    await start("wasm");
    return await act();
  }
}

const paint = ({ rgba, width, height, shares, rows }) => orSlower(() => timed(rgba, width, height, shares, rows));

const look = ({ rgba, width, height }) =>
  orSlower(async () => {
    await readyForAny();
    return await looked(any, rgba, width, height);
  });

const why = (error) => String(error?.message ?? error).split("\n")[0].slice(0, 160);

let last = Promise.resolve();
onmessage = ({ data }) => (last = last.then(() => answer(data)));

async function answer({ kind, ...request }) {
  if (kind === "look") {
    await look(request).then(
      (row) => tell("looked", { row }),
      (error) => tell("unlooked", { why: why(error) }),
    );
  }
  if (kind === "load") await load(request).catch((error) => tell("unloaded", { why: why(error) }));
  if (kind === "paint") {
    try {
      const { pixels, seconds } = await paint(request);
      tell("painted", { rgba: pixels, seconds, where: engine.where }, [pixels.buffer]);
    } catch (error) {
      tell("unpainted", { why: why(error), unfetched: error instanceof Unfetched });
    }
  }
}
