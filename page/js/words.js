// What the page says: in one place, in plain words.

export const pixels = (width, height) => `${width} × ${height} pixels`;

export function seconds(value) {
  const thousandths = Math.max(1, Math.round(1000 * value));
  if (value < 0.095) return `${thousandths} ${thousandths === 1 ? "thousandth" : "thousandths"} of a second`;
  const digits = value < 9.95 ? 1 : 0;
  return value.toFixed(digits) === "1.0" ? "1 second" : `${value.toFixed(digits)} seconds`;
}

export const titled = (name) => {
  const spaced = name.replaceAll("_", " ");
  return spaced[0].toUpperCase() + spaced.slice(1);
};

const NAMES = { webgpu: "WebGPU", wasm: "WebAssembly" };
const PLACES = {
  webgpu: `${NAMES.webgpu}, on this computer's graphics processor`,
  wasm: `${NAMES.wasm}, on this computer's processor`,
};

function sized(width, height, natural) {
  const smaller = Math.max(width, height) < Math.max(natural.width, natural.height);
  return pixels(width, height) + (smaller ? `, made smaller from ${natural.width} × ${natural.height}` : "");
}

export const words = {
  loading: "Loading the painter, once: a few megabytes …",
  preparing: "The painter is here. It tries its brushes …",
  opening: "Opening the picture …",
  painted: ({ width, height, seconds: took, where }, natural) => {
    return `Painted in ${seconds(took)} by ${PLACES[where]}: ${sized(width, height, natural)}.`;
  },
  untouched: ({ width, height }, natural) =>
    `At strength 0 this is the picture itself: ${sized(width, height, natural)}.`,
  fetching: "Loading what looks at paintings, once: nine megabytes …",
  looking: "Looking at the painting …",
  unlooked: (why) =>
    `The painting could not be looked at (${why}). Check the connection, then add it again. The other styles still paint.`,
  camera: "The camera is on. Its frames are painted here and kept nowhere.",
  asking: "The browser asks whether this page may use the camera …",
  off: "The camera is off.",
  rate: ({ width, height, where }, each) =>
    `${(1 / each).toFixed(each < 0.1 ? 0 : 1)} pictures a second, ${pixels(width, height)}, by ${NAMES[where]}. The size follows what this computer can do.`,
  nothing: "All shares are 0, so this is the picture itself. Give a style a share.",
  smaller: (side) => `This computer has no room for a picture of that size. It is painted ${side} pixels long instead.`,
  slower: "WebGPU failed here, so the picture is painted by the processor.",
  automatic: (side) => `Automatic: ${side} pixels`,
  size: (side) => `${side} pixels`,
  unloaded: (why) =>
    /WebAssembly|backend/.test(why)
      ? `This browser cannot run the painter (${why}). Allow WebAssembly in its settings, or try a newer browser.`
      : `The painter could not be loaded (${why}). Check the connection, then reload the page. If it stays so, try a newer browser.`,
  unpainted: (why) => `The picture could not be painted (${why}). Reload the page, or try another picture.`,
  unsaved: "This browser gave no file to save. Try a smaller size.",
  unpicture: (name) =>
    `${name} is no picture that this browser can read. Choose a JPEG, PNG or WebP.` +
    (/\.hei[cf]$/i.test(name) ? " Phones can save HEIC pictures as JPEG." : ""),
  several: (name) => `One picture at a time: this is ${name}.`,
  unfile: "What was dropped is no file. Save the picture first, then drop it here.",
  unpasted: "What was pasted is no picture. Copy a picture, or the file of one, then paste it here.",
  folder: (name) => `${name} is a folder. Open it, then drop one of its pictures here.`,
  ended: "The camera was unplugged, or taken away from this page.",
  insecure: "Browsers give a camera only to pages at addresses that begin with https://, or at localhost.",
  uncamera: "This browser gives pages no camera. You can choose a picture instead.",
};

const REFUSALS = {
  NotAllowedError:
    "The browser did not allow the camera. Allow it by the sign in the address bar, or in the settings of the browser or the system, then try again.",
  NotFoundError: "There is no camera here. Plug one in, or choose a picture instead.",
  NotReadableError: "The camera is in use by another program. Close that, then try again.",
};
REFUSALS.SecurityError = REFUSALS.NotAllowedError;
REFUSALS.OverconstrainedError = REFUSALS.NotFoundError;
REFUSALS.AbortError = REFUSALS.NotReadableError;

export const refusal = (error) => REFUSALS[error.name] ?? `The camera gives no picture (${error.message}).`;

// "swirls 70 %, mosaic 30 %"
export function mixed(shares) {
  const names = Object.keys(shares).map((name) => name.replaceAll("_", " "));
  if (names.length < 2) return names.join("");
  return Object.values(shares)
    .map((share, place) => `${names[place]} ${Math.round(100 * share)} %`)
    .join(", ");
}
