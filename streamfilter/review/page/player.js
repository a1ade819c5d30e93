// The event in its video, with the box of its track on a canvas over it. Where the browser cannot play the file, the
// server makes a short piece that it can; `offset` is then where the piece begins.

import { getJson } from "./net.js";
import { clock, visible } from "./words.js";

const LEAD_S = 2;
const CODECS_MISSING = 4; // MediaError.MEDIA_ERR_SRC_NOT_SUPPORTED
const DECODING_FAILED = 3; // MediaError.MEDIA_ERR_DECODE

export class Player extends EventTarget {
  constructor(root) {
    super();
    this.box = root.querySelector("#player");
    this.video = root.querySelector("#video");
    this.still = root.querySelector("#still");
    this.canvas = root.querySelector("#overlay");
    this.notice = root.querySelector("#no-picture");
    this.playButton = root.querySelector("#play");
    this.slider = root.querySelector("#seek");
    this.readout = root.querySelector("#clock");
    this.soundButton = root.querySelector("#sound");
    this.needsPieces = new Set();
    this.known = null;
    this.shown = null;
    this.offset = 0;
    this.time = 0;
    this.listen(root);
  }

  listen(root) {
    const { video } = this;
    video.addEventListener("error", () => this.failed());
    video.addEventListener("loadedmetadata", () => this.ready());
    video.addEventListener("seeked", () => this.pictured());
    video.addEventListener("loadeddata", () => this.pictured());
    video.addEventListener("play", () => this.playing(true));
    video.addEventListener("pause", () => this.playing(false));
    this.playButton.addEventListener("click", () => this.toggle());
    root.querySelector("#back").addEventListener("click", () => this.step(-1));
    root.querySelector("#forward").addEventListener("click", () => this.step(1));
    this.soundButton.addEventListener("click", () => this.toggleSound());
    this.slider.addEventListener("input", () => this.seek(Number(this.slider.value)));
    new ResizeObserver(() => this.draw()).observe(this.box);
    // While it stands, the time is the one that was asked for: a file's first frame may still come in between.
    const tick = (_, frame) => {
      if (!video.paused) this.moved(frame.mediaTime + this.offset);
      video.requestVideoFrameCallback(tick);
    };
    if (video.requestVideoFrameCallback) video.requestVideoFrameCallback(tick);
    else video.addEventListener("timeupdate", () => video.paused || this.moved(video.currentTime + this.offset));
  }

  // Show an event: `source` says whether and how its video can be had.
  show(event, source) {
    this.video.pause();
    this.event = event;
    this.source = source;
    const { start, end } = event;
    this.slider.min = Math.max(0, start - LEAD_S);
    this.slider.max = source.duration_s ? Math.min(source.duration_s, end + LEAD_S) : end + LEAD_S;
    if (source.width && source.height) this.box.style.setProperty("--aspect", source.width / source.height);
    else this.box.style.removeProperty("--aspect");
    this.say(source.video ? "" : `no video: ${source.why}`);
    this.moved(event.best_s);
    if (!source.video) return this.unload();
    this.still.src = `frame/${source.number}?t=${event.best_s.toFixed(4)}`;
    this.still.hidden = false;
    this.load();
  }

  load() {
    const { event, source } = this;
    const [from, to] = this.pieceAround(this.time);
    const piece = this.needsPieces.has(source.number) || !source.playable;
    const url = piece ? `piece/${source.number}?start=${from}&end=${to}` : `video/${source.number}`;
    this.offset = piece ? from : 0;
    this.wanted = this.time;
    if (this.loaded !== url) {
      this.loaded = url;
      this.video.src = url;
      this.video.load();
    } else if (this.video.readyState > 0) {
      this.ready();
    }
    this.event = event;
  }

  // The part of the video, in whole seconds, that a piece would hold: the event, at most half a minute of it.
  pieceAround(time) {
    const longest = 30;
    const first = Math.max(0, Math.floor(this.event.start - LEAD_S)), last = Math.ceil(this.event.end + LEAD_S);
    if (last - first <= longest) return [first, last];
    const from = Math.max(first, Math.min(last - longest, Math.floor(time - longest / 2)));
    return [from, from + longest];
  }

  unload() {
    this.loaded = null;
    this.still.hidden = true;
    this.still.removeAttribute("src");
    this.video.removeAttribute("src");
    this.video.load();
  }

  failed() {
    const { video, source } = this;
    if (!source || !this.loaded || !video.error) return;
    const unplayable = video.error.code === CODECS_MISSING || video.error.code === DECODING_FAILED;
    if (unplayable && !this.loaded.startsWith("piece/")) {
      this.needsPieces.add(source.number);
      this.load();
    } else {
      this.say("this part of the video cannot be shown");
    }
  }

  ready() {
    this.seek(this.wanted);
  }

  // The video shows what was asked for: the still picture before it has done its work.
  pictured() {
    if (this.video.readyState < 2 || this.video.seeking) return;
    if (Math.abs(this.video.currentTime + this.offset - this.wanted) > 0.5 && this.video.paused) return;
    this.still.hidden = true;
    this.dispatchEvent(new Event("pictured"));
  }

  seek(time) {
    this.wanted = time;
    this.moved(time);
    if (!this.source?.video || this.video.readyState < 1) return;
    const local = time - this.offset;
    if (this.loaded.startsWith("piece/") && (local < 0 || local > this.video.duration + 0.1)) return this.load();
    this.video.currentTime = Math.max(0, local);
  }

  // To the middle of a frame's time, so that rounding never shows its neighbour. The file itself says when its frames
  // are shown, which need not be at a fixed rate.
  async step(frames) {
    this.video.pause();
    const { source } = this;
    const known = source?.video ? await this.framesAround(this.time) : null;
    if (source !== this.source) return;
    const rate = source?.rate_hz || 25, times = known?.times ?? [];
    const now = times.findLastIndex((time) => time <= this.time + 1e-4), wanted = times[now + frames];
    if (now < 0 || wanted === undefined) return this.seek(Math.max(0, (Math.floor(this.time * rate + 1e-3) + frames + 0.5) / rate));
    this.seek(wanted + Math.min(0.5 / rate, ((times[now + frames + 1] ?? Infinity) - wanted) / 2));
  }

  // Frame times of the source, asked for once for some seconds; null where they cannot be had.
  async framesAround(time) {
    const { known, source } = this;
    const inside = known?.source === source && Math.abs(time - known.around) < known.reach / 2;
    if (inside) return known.answer;
    const next = { source, around: time, reach: 4, answer: null };
    next.answer = getJson(`api/frames/${source.number}?t=${time.toFixed(4)}`).catch(() => null);
    this.known = next;
    const answer = await next.answer;
    if (answer) next.reach = answer.reach_s;
    return answer;
  }

  toggle() {
    const { video, event } = this;
    if (!event || !this.loaded) return;
    if (!video.paused) return video.pause();
    if (this.time >= event.end - 0.05 || this.time < event.start - LEAD_S) this.seek(Math.max(0, event.start - 0.5));
    video.play().catch((error) => error.name === "AbortError" || this.say("this browser does not play it"));
  }

  toggleSound() {
    this.video.muted = !this.video.muted;
    this.soundButton.setAttribute("aria-pressed", String(!this.video.muted));
  }

  playing(is) {
    this.playButton.textContent = is ? "Pause" : "Play";
    if (is) this.still.hidden = true;
  }

  moved(time) {
    this.time = time;
    this.slider.value = time;
    const rate = this.source?.rate_hz;
    this.readout.textContent = clock(time) + (rate ? ` · frame ${Math.floor(time * rate + 1e-3)}` : "");
    if (this.event && !this.video.paused && time > this.event.end + LEAD_S) this.video.pause();
    this.draw();
    this.dispatchEvent(new Event("moved"));
  }

  say(text) {
    this.notice.textContent = visible(text);
    this.notice.hidden = !text;
  }

  draw() {
    const { canvas, event, time } = this;
    const scale = devicePixelRatio, width = canvas.clientWidth, height = canvas.clientHeight;
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
    const context = canvas.getContext("2d");
    if (!event || time < event.start || time >= event.end) return;
    const box = boxAt(event.track, time);
    if (!box) return;
    context.scale(scale, scale);
    const [x, y, w, h] = [box[0] * width, box[1] * height, box[2] * width, box[3] * height];
    context.lineJoin = "round";
    for (const [line, color] of [[5, "rgb(0 0 0 / 60%)"], [2.5, event.color]]) {
      context.lineWidth = line;
      context.strokeStyle = color;
      context.strokeRect(x, y, w, h);
    }
    drawName(context, event, x, y, width);
  }
}

function drawName(context, event, x, y, width) {
  context.font = "600 13px system-ui, sans-serif";
  const text = visible(event.name).slice(0, 60);
  const wide = Math.min(width, context.measureText(text).width + 12);
  const left = Math.max(0, Math.min(x, width - wide)), top = y >= 24 ? y - 23 : y + 3;
  context.fillStyle = "rgb(0 0 0 / 75%)";
  context.fillRect(left, top, wide, 20);
  context.fillStyle = "#fff";
  context.fillText(text, left + 6, top + 14.5, wide - 12);
}

// The box at a time: straight between the track's points, held before the first and after the last.
export function boxAt(track, time) {
  if (!track.length) return null;
  let low = 0, high = track.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (track[middle][0] <= time) low = middle + 1;
    else high = middle;
  }
  if (low === 0) return track[0].slice(1, 5);
  if (low === track.length) return track[low - 1].slice(1, 5);
  const [a, b] = [track[low - 1], track[low]];
  const share = (time - a[0]) / (b[0] - a[0]);
  return [1, 2, 3, 4].map((k) => a[k] + (b[k] - a[k]) * share);
}
