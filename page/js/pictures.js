// Pictures in and out: a file to an upright, opaque canvas; a canvas at a size; a canvas to a file.

export const LARGEST = 1536; // pixels of the longer side that are kept of a photograph: the largest that is painted
const PAPER = "#fff"; // what shows through where a picture is transparent, as in nstlib

export class NotAPicture extends Error {}

// A canvas that is read often stays in memory, not on the graphics processor.
export function canvasOf(width, height) {
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  Object.assign(context, { imageSmoothingQuality: "high", fillStyle: PAPER });
  return [canvas, context];
}

export function fitted(width, height, longest) {
  const scale = Math.min(1, longest / Math.max(width, height));
  return [Math.max(1, Math.round(scale * width)), Math.max(1, Math.round(scale * height))];
}

// {canvas, width, height}: the canvas has at most LARGEST pixels a side; width and height are the picture's own.
export async function opened(blob) {
  const url = URL.createObjectURL(blob);
  try {
    const image = new Image(); // turns the picture upright as its EXIF data say, and knows colors and SVG
    image.src = url;
    await image.decode();
    const { naturalWidth: width, naturalHeight: height } = image;
    if (!width || !height) throw new NotAPicture();
    const canvas = scaled(image, width, height, LARGEST);
    canvas.getContext("2d").getImageData(0, 0, 1, 1); // throws where the browser hides it: of an SVG with a page in it
    return { canvas, width, height };
  } catch {
    throw new NotAPicture();
  } finally {
    URL.revokeObjectURL(url);
  }
}

// Whatever can be drawn, on white, with at most `longest` pixels a side; in halves, since one large step skips pixels.
export function scaled(source, width, height, longest, mirrored = false) {
  const [toWidth, toHeight] = fitted(width, height, longest);
  while (width >= 2 * toWidth && height >= 2 * toHeight && Math.max(width, height) <= 8 * LARGEST) {
    [width, height] = [Math.ceil(width / 2), Math.ceil(height / 2)];
    const [half, context] = canvasOf(width, height);
    context.drawImage(source, 0, 0, width, height);
    source = half;
  }
  const [canvas, context] = canvasOf(toWidth, toHeight);
  context.fillRect(0, 0, toWidth, toHeight);
  if (mirrored) context.setTransform(-1, 0, 0, 1, toWidth, 0);
  context.drawImage(source, 0, 0, toWidth, toHeight);
  return canvas;
}

// Of exactly so many pixels on the longer side, larger or smaller.
export function sized(canvas, longest) {
  const { width, height } = canvas;
  if (Math.max(width, height) >= longest) return scaled(canvas, width, height, longest);
  const scale = longest / Math.max(width, height);
  const [larger, context] = canvasOf(Math.max(1, Math.round(scale * width)), Math.max(1, Math.round(scale * height)));
  context.drawImage(canvas, 0, 0, larger.width, larger.height);
  return larger;
}

// The middle of a picture, as an address that an <img> can have.
export function thumbnail(canvas, side) {
  const least = Math.min(canvas.width, canvas.height);
  const [square, context] = canvasOf(side, side);
  const [left, top] = [(canvas.width - least) / 2, (canvas.height - least) / 2];
  context.drawImage(canvas, left, top, least, least, 0, 0, side, side);
  return square.toDataURL("image/jpeg", 0.85);
}

export const pixelsOf = (canvas) => canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);

export function shown(onto, pixels) {
  Object.assign(onto, { width: pixels.width, height: pixels.height });
  onto.getContext("2d").putImageData(pixels, 0, 0);
}

// Gives the browser a file to save; false where it cannot make one.
export async function save(canvas, name, type) {
  const blob = await new Promise((give) => canvas.toBlob(give, type, 0.93));
  if (!blob) return false;
  const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
  return true;
}
