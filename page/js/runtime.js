// The networks in the worker: their files, where they can run, and one pass of each.

const NAMES = { webgpu: "ort-webgpu", wasm: "ort-wasm" };
const FOLDER = new URL("../", import.meta.url);

// Where to paint: on a graphics processor if there is a real one; one that is only imitated is slower than wasm.
export async function bestPlace() {
  try {
    const adapter = await navigator.gpu?.requestAdapter({ powerPreference: "high-performance" });
    return adapter && !(adapter.info?.isFallbackAdapter ?? adapter.isFallbackAdapter) ? "webgpu" : "wasm";
  } catch {
    return "wasm";
  }
}

// A session of onnxruntime with the network. `tell` hears which share of the bytes has come.
export async function open(where, sizes, tell) {
  const [network, wasm] = await all(["styles.onnx", `vendor/${NAMES[where]}.bin`], sizes, tell);
  const ort = await import(new URL(`vendor/${NAMES[where]}.js`, FOLDER));
  ort.env.logLevel = "error";
  ort.env.wasm.numThreads = 1; // more need headers that plain hosts, such as GitHub Pages, do not send
  ort.env.wasm.wasmBinary = await unpacked(wasm);
  ort.env.wasm.wasmPaths = { mjs: new URL(`vendor/${NAMES[where]}-glue.js`, FOLDER).href };
  return { ort, session: await session(ort, where, network), where };
}

// Two sessions more, for paintings: one looks at them, one paints. With them, the rows of the styles that both know.
export async function openAny({ ort, where }, sizes, tell) {
  const [look, network, rows] = await all(["look.onnx", "any.onnx", "rows.bin"], sizes, tell);
  const sessions = { look: await session(ort, where, look), session: await session(ort, where, network) };
  return { ort, ...sessions, rows: new Float32Array(rows.buffer) };
}

const session = (ort, where, network) =>
  ort.InferenceSession.create(network, { executionProviders: [where], logSeverityLevel: 3 });

async function all(names, sizes, tell) {
  const total = names.reduce((sum, name) => sum + sizes[name], 0);
  let [here, failed] = [0, false];
  const count = (bytes) => failed || tell((here += bytes) / total); // of what is under way yet, nobody wants to hear then
  const files = names.map((name) => fetched(new URL(name, FOLDER), count));
  return Promise.all(files).catch((error) => {
    failed = true;
    throw error;
  });
}

// RGBA of a picture, painted, in the same form. Shares are in the order of the network's styles.
export function painted({ ort, session }, rgba, width, height, shares) {
  const feeds = { pictures: pictures(ort, rgba, width, height), shares: line(ort, shares) };
  return run(session, feeds, "painted").then(rgbaOf);
}

// The same in the style of paintings, too: their rows follow those of the styles, and so do their shares.
export function paintedAny({ ort, session, rows: known }, rgba, width, height, shares, rows) {
  const all = Float32Array.from([...known, ...rows.flatMap((row) => [...row])]);
  const feeds = {
    pictures: pictures(ort, rgba, width, height),
    rows: new ort.Tensor("float32", all, [shares.length, all.length / shares.length]),
    shares: line(ort, shares),
  };
  return run(session, feeds, "painted").then(rgbaOf);
}

// The row of a painting.
export const looked = ({ ort, look }, rgba, width, height) =>
  run(look, { paintings: pictures(ort, rgba, width, height) }, "rows");

const pictures = (ort, rgba, width, height) => new ort.Tensor("float32", planes(rgba), [1, 3, height, width]);
const line = (ort, numbers) => new ort.Tensor("float32", Float32Array.from(numbers), [1, numbers.length]);

async function run(session, feeds, name) {
  const results = await session.run(feeds);
  const values = results[name].data.slice();
  for (const tensor of [...Object.values(feeds), ...Object.values(results)]) tensor.dispose();
  return values;
}

function planes(rgba) {
  const area = rgba.length / 4;
  const values = new Float32Array(3 * area);
  for (let pixel = 0; pixel < area; pixel++) {
    for (let color = 0; color < 3; color++) values[color * area + pixel] = rgba[4 * pixel + color] / 255;
  }
  return values;
}

function rgbaOf(values) {
  const area = values.length / 3;
  const rgba = new Uint8ClampedArray(4 * area).fill(255); // it rounds, and cuts off what is not in 0 to 255
  for (let pixel = 0; pixel < area; pixel++) {
    for (let color = 0; color < 3; color++) rgba[4 * pixel + color] = 255 * values[color * area + pixel];
  }
  return rgba;
}

// What has not come: another place to paint would not help.
export class Unfetched extends Error {}

const fetched = (url, count) =>
  bytesOf(url, count).catch((error) => {
    throw new Unfetched(error.message, { cause: error });
  });

async function bytesOf(url, count) {
  const answer = await fetch(url);
  if (!answer.ok) throw new Error(`${url.pathname.split("/").at(-1)}: ${answer.status}`);
  const parts = [];
  const reader = answer.body.getReader();
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    parts.push(part.value);
    count(part.value.length);
  }
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}

// Packed by gzip when the page was built, since not every host packs such files. A host may have unpacked it already.
async function unpacked(bytes) {
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes;
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}
