// How large a picture may be for the time that it may take: learned from those that were painted.

const STILLS = [384, 512, 768, 1024, 1536];
const LEAST = 512; // of those sizes, unless a smaller one is chosen: strokes look coarse in small pictures
const FRAMES = [128, 160, 192, 256, 320, 384, 512, 640];
const STILL = 3; // seconds that a picture may take by itself
const FRAME = 0.25; // and a frame of the camera
const MARGIN = 1.25; // how much room there must be before frames grow, so that their size does not swing
const WEIGHT = 0.3; // of the newest measurement

export class Pace {
  #each = null; // seconds a pixel
  #frame = null;
  #fresh = true; // the first picture of a new size also pays for preparations

  get sides() {
    return STILLS;
  }

  start(each) {
    this.#each = each;
  }

  took({ width, height, seconds }) {
    const each = seconds / (width * height);
    this.#each = this.#each === null ? each : (1 - WEIGHT) * this.#each + WEIGHT * each;
  }

  still() {
    return Math.max(LEAST, this.#largest(STILLS, STILL));
  }

  // The side of the next frame, when the last one took so long; one size up or down at a time.
  frame(last = null) {
    this.#frame ??= this.#largest(FRAMES, FRAME);
    if (last && !this.#fresh) this.took(last);
    this.#fresh = false;
    if (!last) return this.#frame;
    const place = FRAMES.indexOf(this.#frame);
    const fits = (side) => this.#each * 0.75 * side ** 2 <= FRAME;
    let next = place;
    if (!fits(this.#frame)) next = Math.max(0, place - 1);
    else if (place + 1 < FRAMES.length && fits(MARGIN * FRAMES[place + 1])) next = place + 1;
    this.#fresh = next !== place;
    return (this.#frame = FRAMES[next]);
  }

  // Photographs and cameras mostly have sides of 4 to 3.
  #largest(sides, seconds) {
    const fits = sides.filter((side) => this.#each * 0.75 * side ** 2 <= seconds);
    return fits.at(-1) ?? sides[0];
  }
}
