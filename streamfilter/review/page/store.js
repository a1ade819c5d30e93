// All events as columns, one typed array each: a hundred thousand of them are filtered in a few milliseconds.

import { getBytes, getJson } from "./net.js";

export const OPEN = 0, ACCEPTED = 1, REJECTED = 2, RENAMED = 3, SKIPPED = 4;
export const STATES = ["open", "accepted", "rejected", "renamed", "skipped"];
export const NO_LABEL = 0;
const ID_BYTES = 12;

export class Store extends EventTarget {
  async load() {
    const facts = await getJson("api/library");
    const bytes = await getBytes("api/events");
    const n = facts.count;
    this.facts = facts;
    this.session = null;
    this.revision = 0;
    this.n = n;
    this.labels = [...facts.labels];
    this.colors = [...facts.colors];
    this.labelNumber = new Map(this.labels.map((label, i) => [label, i]));
    this.sources = facts.sources;
    let at = 0;
    const column = (Type, width = 1) => {
      const part = new Type(bytes, at, n * width);
      at += part.byteLength;
      return part;
    };
    this.start = column(Float64Array);
    this.end = column(Float64Array);
    this.score = column(Float32Array);
    this.label = column(Uint32Array);
    this.source = column(Uint32Array);
    this.ids = column(Uint8Array, ID_BYTES);
    this.state = new Uint8Array(n);
    this.given = new Uint32Array(n);
    this.rowOfId = new Map();
    for (let i = 0; i < n; i++) this.rowOfId.set(this.id(i), i);
    await this.poll();
  }

  id(row) {
    let text = "";
    for (let k = row * ID_BYTES, end = k + ID_BYTES; k < end; k++) text += HEX[this.ids[k]];
    return text;
  }

  // The label as it stands: a reviewer's where one was given. 0: none.
  labelOf(row) {
    return this.state[row] === RENAMED ? this.given[row] : this.label[row];
  }

  numberOf(label) {
    let number = this.labelNumber.get(label);
    if (number === undefined) {
      number = this.labels.length;
      this.labels.push(label);
      this.colors.push(this.facts.spare_colors[(number - 1) % this.facts.spare_colors.length]);
      this.labelNumber.set(label, number);
      this.dispatchEvent(new Event("labels"));
    }
    return number;
  }

  decision(row) {
    const state = this.state[row];
    return { state, label: state === RENAMED ? this.labels[this.given[row]] : null };
  }

  apply(row, { state, label }) {
    this.state[row] = state;
    this.given[row] = state === RENAMED ? this.numberOf(label) : 0;
  }

  counts() {
    const counts = [0, 0, 0, 0, 0];
    for (let i = 0; i < this.n; i++) counts[this.state[i]]++;
    return counts;
  }

  // Rows that pass, in the wanted order.
  filter(wanted) {
    const { start, end, score, source, state } = this;
    const rows = new Uint32Array(this.n);
    let kept = 0;
    for (let i = 0; i < this.n; i++) {
      if (wanted.label !== null && this.labelOf(i) !== wanted.label) continue;
      if (wanted.state !== null && state[i] !== wanted.state) continue;
      if (wanted.source !== null && source[i] !== wanted.source) continue;
      if (score[i] < wanted.scoreFrom || score[i] > wanted.scoreTo) continue;
      const seconds = end[i] - start[i];
      if (seconds < wanted.lengthFrom || seconds > wanted.lengthTo) continue;
      rows[kept++] = i;
    }
    return sorted(rows.subarray(0, kept), this.key(wanted.order));
  }

  // What rows are ordered by; rows come by source and time already.
  key(order) {
    if (order === "score") return (i) => this.score[i];
    if (order === "length") return (i) => this.end[i] - this.start[i];
    if (order === "label") return (i) => this.labelOf(i);
    return null;
  }

  async poll() {
    const news = await getJson(`api/changes?after=${this.revision}&session=${this.session}`);
    if (news.library !== this.facts.library) throw new Stale();
    for (const [id, state, label] of news.changes) {
      const row = this.rowOfId.get(id);
      if (row !== undefined) this.apply(row, { state, label });
    }
    this.revision = news.revision;
    this.session = news.session;
    if (news.changes.length) this.dispatchEvent(new Event("changed"));
    return news;
  }
}

export class Stale extends Error {}

const HEX = Array.from({ length: 256 }, (_, i) => i.toString(16).padStart(2, "0"));

// Sorts numbers, not through a comparison of rows: keys are looked up once each.
function sorted(rows, key) {
  if (key === null) return rows;
  const keys = new Float64Array(rows.length);
  for (let i = 0; i < rows.length; i++) keys[i] = key(rows[i]);
  const order = Uint32Array.from(rows, (_, i) => i);
  order.sort((a, b) => keys[a] - keys[b] || a - b);
  return order.map((i) => rows[i]);
}
