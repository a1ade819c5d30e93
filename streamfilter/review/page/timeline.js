// One strip per source with all its events and gaps; the current source has a lane per label and can be zoomed.

import { clock, count, foreign, length, make, visible } from "./words.js";
import { REJECTED } from "./store.js";

const STRIP_PX = 22;
const LANE_PX = 18;
const AXIS_PX = 20;
const MOST_LANES = 12;
const LEAST_SPAN_S = 1;
const MOST_NAMES = 0.3; // of the width, for the names of the lanes
const FONT = "11px system-ui, sans-serif";

export class Timelines extends EventTarget {
  constructor(root, store) {
    super();
    this.root = root;
    this.store = store;
    this.playhead = null;
    this.current = null;
    this.rowsOf = rowsBySource(store);
    this.strips = store.sources.map((source) => this.makeStrip(source));
    root.replaceChildren(...this.strips.map((strip) => strip.root));
    this.seen = new IntersectionObserver((entries) => {
      for (const entry of entries) {
        const strip = this.strips[Number(entry.target.dataset.source)];
        strip.inSight = entry.isIntersecting;
        if (strip.inSight) this.drawStrip(strip);
      }
    }, { root });
    for (const strip of this.strips) this.seen.observe(strip.root);
    new ResizeObserver(() => this.draw()).observe(root);
  }

  makeStrip(source) {
    const canvas = make("canvas", { attrs: { role: "img", "aria-label": `Timeline of ${visible(source.short)}` } });
    const head = make("div", { cls: "strip-head" }, foreign(source.short, "strip-name"),
      make("span", { cls: "quiet", text: this.summary(source) }));
    head.firstChild.title = visible(source.name);
    const zoom = make("span", { cls: "zoom" },
      make("button", { text: "−", title: "Show more time", attrs: { "data-zoom": "2" } }),
      make("button", { text: "+", title: "Show less time", attrs: { "data-zoom": "0.5" } }),
      make("button", { text: "all", title: "Show all of it", attrs: { "data-zoom": "0" } }));
    head.append(zoom);
    const needle = make("i", { cls: "needle" });
    const root = make("div", { cls: "strip", attrs: { "data-source": source.number } }, head,
      make("div", { cls: "strip-body" }, canvas, needle));
    const rows = this.rowsOf[source.number];
    const last = rows.reduce((end, row) => Math.max(end, this.store.end[row]), 0);
    const strip = { source, root, canvas, needle, rows, lanes: null, gutter: 0, inSight: false, from: 0, to: Math.max(source.duration_s ?? 0, last, 1) };
    strip.all = strip.to;
    canvas.addEventListener("click", (event) => this.clicked(strip, event));
    canvas.addEventListener("pointermove", (event) => this.hovered(strip, event));
    canvas.addEventListener("wheel", (event) => this.wheeled(strip, event), { passive: false });
    zoom.addEventListener("click", (event) => this.zoomed(strip, event.target.dataset.zoom));
    return strip;
  }

  summary(source) {
    const rows = this.rowsOf[source.number].length;
    const parts = [`${count(rows)} ${rows === 1 ? "event" : "events"}`];
    if (source.gaps.length) parts.push(`${source.gaps.length} ${source.gaps.length === 1 ? "gap" : "gaps"}`);
    const reasons = source.rejections.map(([reason, n]) => `${count(n)} ${visible(reason)}`);
    if (reasons.length) parts.push(`rejected: ${reasons.join("; ")}`);
    if (source.error) parts.push(visible(source.error));
    return parts.join(" · ");
  }

  show(row) {
    const source = row === null ? null : this.store.source[row];
    if (this.current !== source) {
      this.strips.forEach((strip, i) => strip.root.classList.toggle("current", i === source));
      this.current = source;
      if (source !== null) keepInSight(this.root, this.strips[source].root);
    }
    this.row = row;
    if (row !== null) {
      const strip = this.strips[source];
      const [start, end] = [this.store.start[row], this.store.end[row]];
      if (end < strip.from || start > strip.to) this.setSpan(strip, start - (strip.to - strip.from) / 2, strip.to - strip.from);
    }
    this.draw();
  }

  movePlayhead(time) {
    this.playhead = time;
    if (this.current !== null) this.placeNeedle(this.strips[this.current]);
  }

  placeNeedle(strip) {
    const share = this.playhead === null ? -1 : (this.playhead - strip.from) / (strip.to - strip.from);
    strip.needle.hidden = strip.source.number !== this.current || share < 0 || share > 1;
    const { gutter, canvas } = strip;
    strip.needle.style.left = `${gutter + share * Math.max(0, canvas.clientWidth - gutter)}px`;
  }

  // Labels may have changed.
  refresh() {
    for (const strip of this.strips) strip.lanes = null;
    this.draw();
  }

  draw() {
    for (const strip of this.strips) if (strip.inSight) this.drawStrip(strip);
  }

  drawStrip(strip) {
    const { canvas, source } = strip;
    const isCurrent = source.number === this.current;
    const lanes = isCurrent ? this.lanes(strip) : null;
    const height = isCurrent ? lanes.size * LANE_PX + AXIS_PX : STRIP_PX;
    const width = canvas.clientWidth, scale = devicePixelRatio;
    if (!width) return;
    canvas.style.height = `${height}px`;
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
    const context = canvas.getContext("2d");
    context.scale(scale, scale);
    const style = getComputedStyle(this.root);
    const look = { text: style.getPropertyValue("--quiet"), line: style.getPropertyValue("--line"), ink: style.getPropertyValue("--ink") };
    context.font = FONT;
    strip.gutter = isCurrent ? this.drawNames(context, lanes, { width, look }) : 0;
    const room = Math.max(1, width - strip.gutter);
    const x = (time) => strip.gutter + ((time - strip.from) / (strip.to - strip.from)) * room;
    context.save();
    context.beginPath();
    context.rect(strip.gutter, 0, room, height);
    context.clip();
    this.drawGaps(context, strip, x, { height: isCurrent ? height - AXIS_PX : height, look });
    this.drawEvents(context, strip, x, { lanes, width });
    context.restore();
    if (isCurrent) drawAxis(context, strip, x, { width, height, look });
    this.placeNeedle(strip);
  }

  // Which lane each label has; the last lane holds all that are left.
  lanes(strip) {
    if (strip.lanes) return strip.lanes;
    const of = new Map();
    for (const row of strip.rows) {
      const label = this.store.labelOf(row);
      if (!of.has(label)) of.set(label, Math.min(of.size, MOST_LANES - 1));
    }
    const { store } = this, shared = of.size - MOST_LANES + 1;
    const names = [...of.keys()].slice(0, MOST_LANES).map((label) => (label ? visible(store.labels[label]) : "unknown"));
    if (shared > 1) names[MOST_LANES - 1] = `${shared} more`;
    strip.lanes = { of, names, size: Math.max(1, Math.min(of.size, MOST_LANES)) };
    return strip.lanes;
  }

  // What each lane shows, at its left; returns how wide that is.
  drawNames(context, lanes, { width, look }) {
    const widest = Math.max(0, ...lanes.names.map((name) => context.measureText(name).width));
    const gutter = lanes.names.length ? Math.min(MOST_NAMES * width, widest + 14) : 0;
    context.fillStyle = look.text;
    lanes.names.forEach((name, lane) => {
      context.fillText(shortened(context, name, gutter - 12), 4, (lane + 0.5) * LANE_PX + 4);
    });
    return Math.round(gutter);
  }

  drawGaps(context, strip, x, { height, look }) {
    context.fillStyle = look.line;
    for (const [from, to] of strip.source.gaps) {
      const left = x(from), wide = Math.max(2, x(to) - left);
      for (let stripe = 0; stripe < wide; stripe += 4) context.fillRect(left + stripe, 0, Math.min(2, wide - stripe), height);
    }
  }

  drawEvents(context, strip, x, { lanes, width }) {
    const { store } = this;
    let colour = null;
    for (const row of strip.rows) {
      const left = x(store.start[row]), right = x(store.end[row]);
      if (right < strip.gutter || left > width) continue;
      const label = store.labelOf(row), fill = store.colors[label];
      if (fill !== colour) context.fillStyle = colour = fill;
      const lane = lanes ? lanes.of.get(label) : 0;
      const top = lanes ? lane * LANE_PX + 2 : 3, tall = (lanes ? LANE_PX : STRIP_PX) - (lanes ? 4 : 6);
      context.globalAlpha = store.state[row] === REJECTED ? 0.25 : 0.9;
      context.fillRect(left, top, Math.max(1.5, right - left), tall);
      if (row === this.row) {
        context.globalAlpha = 1;
        context.strokeStyle = getComputedStyle(this.root).getPropertyValue("--ink");
        context.lineWidth = 2;
        context.strokeRect(left - 1, top - 1, Math.max(3.5, right - left + 2), tall + 2);
      }
    }
    context.globalAlpha = 1;
  }

  // The share of a strip's span, 0 to 1, at which a pointer is.
  share(strip, event) {
    const box = strip.canvas.getBoundingClientRect();
    return Math.max(0, event.clientX - box.left - strip.gutter) / Math.max(1, box.width - strip.gutter);
  }

  at(strip, event) {
    const box = strip.canvas.getBoundingClientRect();
    const time = strip.from + this.share(strip, event) * (strip.to - strip.from);
    const slack = (4 / box.width) * (strip.to - strip.from);
    const lanes = strip.source.number === this.current ? this.lanes(strip) : null;
    const lane = lanes ? Math.floor((event.clientY - box.top) / LANE_PX) : null;
    let best = null, least = Infinity;
    for (const row of strip.rows) {
      if (lanes && lane < lanes.size && lanes.of.get(this.store.labelOf(row)) !== lane) continue;
      const away = Math.max(this.store.start[row] - time, time - this.store.end[row], 0);
      if (away < least) [best, least] = [row, away];
    }
    return { time, row: least <= slack ? best : null };
  }

  clicked(strip, event) {
    const { time, row } = this.at(strip, event);
    this.dispatchEvent(new CustomEvent("chosen", { detail: { time, row, source: strip.source.number } }));
  }

  hovered(strip, event) {
    const { time, row } = this.at(strip, event);
    const { store } = this;
    const label = row === null ? null : store.labelOf(row);
    const gap = strip.source.gaps.find(([from, to]) => from <= time && time <= to);
    strip.canvas.title = row !== null
      ? `${label ? visible(store.labels[label]) : "unknown"}, ${clock(store.start[row])} for ${length(store.end[row] - store.start[row])}`
      : gap ? `gap of ${length(gap[1] - gap[0])}: ${visible(gap[2])}` : clock(time);
  }

  wheeled(strip, event) {
    if (!event.ctrlKey && strip.source.number !== this.current) return;
    if (!event.ctrlKey && !event.deltaX) return;
    event.preventDefault();
    const span = strip.to - strip.from;
    if (event.ctrlKey) this.setSpan(strip, this.at(strip, event).time, span * Math.exp(event.deltaY / 300), event);
    else this.setSpan(strip, strip.from + (event.deltaX / strip.canvas.clientWidth) * span, span);
  }

  zoomed(strip, factor) {
    if (factor === undefined) return;
    const span = Number(factor) ? (strip.to - strip.from) * Number(factor) : strip.all;
    const middle = this.row !== null && this.row !== undefined && this.store.source[this.row] === strip.source.number
      ? (this.store.start[this.row] + this.store.end[this.row]) / 2 : (strip.from + strip.to) / 2;
    this.setSpan(strip, middle - span / 2, span);
  }

  setSpan(strip, from, span, event = null) {
    span = Math.min(strip.all, Math.max(LEAST_SPAN_S, span));
    if (event) from -= this.share(strip, event) * span;
    strip.from = Math.min(Math.max(0, from), strip.all - span);
    strip.to = strip.from + span;
    this.drawStrip(strip);
  }
}

function rowsBySource(store) {
  const rows = store.sources.map(() => []);
  for (let i = 0; i < store.n; i++) rows[store.source[i]].push(i);
  return rows;
}

function drawAxis(context, strip, x, { width, height, look }) {
  const span = strip.to - strip.from;
  const wanted = span / Math.max(2, (width - strip.gutter) / 110);
  const step = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600, 7200, 14400].find((s) => s >= wanted) ?? 28800;
  context.fillStyle = look.line;
  context.fillRect(strip.gutter, height - AXIS_PX + 1, width - strip.gutter, 1);
  context.fillStyle = look.text;
  for (let time = Math.ceil(strip.from / step) * step; time <= strip.to; time += step) {
    context.fillRect(x(time), height - AXIS_PX + 1, 1, 4);
    const text = clock(time, step < 1 ? 1 : 0), wide = context.measureText(text).width;
    context.fillText(text, Math.min(width - wide, Math.max(strip.gutter, x(time) - wide / 2)), height - 4);
  }
}

// As much of a text as fits, with an ellipsis.
function shortened(context, text, width) {
  if (context.measureText(text).width <= width) return text;
  let length = Math.min(text.length, 80);
  while (length > 0 && context.measureText(`${text.slice(0, length)}…`).width > width) length--;
  return `${text.slice(0, length)}…`;
}

function keepInSight(root, element) {
  const top = element.offsetTop - root.offsetTop;
  if (top < root.scrollTop || top + element.offsetHeight > root.scrollTop + root.clientHeight) root.scrollTop = top - 4;
}
