// The camera: asked for on a click, released on another, and painted frame by frame as fast as the painter follows.

import { scaled } from "./pictures.js";
import { refusal, words } from "./words.js";

const WANTED = { width: { ideal: 1280 }, height: { ideal: 720 } };

export class Camera {
  #video = Object.assign(document.createElement("video"), { muted: true, playsInline: true });
  #stream = null;
  #release = () => {};
  #turn = 0;
  #device; // whom to ask for, where cameras do not say which way they look
  mirrored = true;
  facing = "user";

  // Changes when the camera is stopped or started: frames of an earlier turn are nobody's any more.
  get turn() {
    return this.#turn;
  }

  get isOn() {
    return this.#stream !== null;
  }

  // Opens the camera, or throws an Error in plain words. `ended` is called when it is taken away.
  async start(ended) {
    this.stop();
    const turn = this.#turn;
    if (!window.isSecureContext) throw new Error(words.insecure);
    if (!navigator.mediaDevices?.getUserMedia) throw new Error(words.uncamera);
    const wish = { video: { ...WANTED, facingMode: this.facing, deviceId: this.#device }, audio: false };
    const stream = await navigator.mediaDevices.getUserMedia(wish).catch((error) => {
      throw new Error(refusal(error));
    });
    if (turn !== this.#turn) {
      stop(stream);
      return false;
    }
    this.#stream = stream;
    for (const track of stream.getTracks()) track.addEventListener("ended", ended);
    this.#video.srcObject = stream;
    await this.#video.play().catch(() => {}); // a stop while it begins
    return this.isOn;
  }

  stop() {
    this.#turn += 1;
    if (this.#stream) stop(this.#stream);
    this.#stream = this.#video.srcObject = null;
    this.#release();
  }

  // The next frame that the camera has, at a size; null when it was turned off meanwhile.
  async frame(longest) {
    await this.#fresh();
    return this.isOn ? this.still(longest) : null;
  }

  // What it sees now: {canvas, width, height}, as `opened` gives it of a file.
  still(longest) {
    const { videoWidth: width, videoHeight: height } = this.#video;
    return { canvas: scaled(this.#video, width, height, longest, this.mirrored), width, height };
  }

  async others() {
    return (await cameras()).length > 1;
  }

  // The next start opens the camera that looks the other way, or, if this one does not say where it looks, the next one.
  async chooseNext() {
    if (!this.isOn) return;
    const { facingMode, deviceId } = this.#stream.getVideoTracks()[0].getSettings();
    if (facingMode) {
      this.facing = facingMode === "user" ? "environment" : "user";
      this.mirrored = this.facing === "user";
      return;
    }
    const ids = (await cameras()).map((camera) => camera.deviceId);
    this.#device = ids[(ids.indexOf(deviceId) + 1) % ids.length];
  }

  // Waits for a frame that was not there before. A hidden page gets none, so it paints nothing.
  #fresh() {
    const video = this.#video;
    return new Promise((go) => {
      this.#release = go; // a camera that is stopped gives no more
      if (video.requestVideoFrameCallback) video.requestVideoFrameCallback(go);
      else requestAnimationFrame(go);
    });
  }
}

async function cameras() {
  const devices = await navigator.mediaDevices.enumerateDevices().catch(() => []);
  return devices.filter((device) => device.kind === "videoinput");
}

const stop = (stream) => stream.getTracks().forEach((track) => track.stop());
