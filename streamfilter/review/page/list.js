// A list of any length in two dozen elements: only the rows in sight exist.

import { clock, foreign, length, make } from "./words.js";
import { STATES } from "./store.js";

export const ROW_PX = 64;
const SPARE_ROWS = 4;
const REST_MS = 90;

export class List extends EventTarget {
  constructor(box, store) {
    super();
    this.box = box;
    this.inner = box.firstElementChild;
    this.store = store;
    this.rows = new Uint32Array(0);
    this.current = -1;
    this.selected = new Set();
    this.anchor = -1;
    this.made = new Map();
    this.spare = [];
    this.isMoving = false;
    this.timer = 0;
    box.addEventListener("scroll", () => this.scrolled(), { passive: true });
    new ResizeObserver(() => this.draw()).observe(box);
    this.inner.addEventListener("click", (event) => this.clicked(event));
  }

  show(rows) {
    const row = this.currentRow;
    this.rows = rows;
    this.inner.style.height = `${rows.length * ROW_PX}px`;
    this.anchor = -1;
    this.current = row === null ? -1 : rows.indexOf(row);
    this.box.scrollTop = Math.max(0, this.current * ROW_PX - this.box.clientHeight / 3);
    this.redraw();
  }

  get currentRow() {
    return this.current >= 0 && this.current < this.rows.length ? this.rows[this.current] : null;
  }

  // The rows that a decision is about: the selected ones, else the current one.
  get chosen() {
    if (this.selected.size) return [...this.selected];
    return this.currentRow === null ? [] : [this.currentRow];
  }

  moveTo(index, { extend = false } = {}) {
    if (!this.rows.length) return;
    const before = this.current;
    this.current = Math.min(this.rows.length - 1, Math.max(0, index));
    if (extend) this.extendFrom(before < 0 ? this.current : before);
    const top = this.current * ROW_PX, box = this.box;
    if (top < box.scrollTop) box.scrollTop = top;
    else if (top + ROW_PX > box.scrollTop + box.clientHeight) box.scrollTop = top + ROW_PX - box.clientHeight;
    this.redraw();
    this.dispatchEvent(new Event("moved"));
  }

  moveToRow(row) {
    const index = this.rows.indexOf(row);
    if (index >= 0) this.moveTo(index);
    return index >= 0;
  }

  extendFrom(index) {
    if (this.anchor < 0) this.anchor = index;
    const [from, to] = [Math.min(this.anchor, this.current), Math.max(this.anchor, this.current)];
    for (let i = from; i <= to; i++) this.selected.add(this.rows[i]);
    this.dispatchEvent(new Event("selected"));
  }

  toggle(row) {
    if (!this.selected.delete(row)) this.selected.add(row);
    this.anchor = this.current;
    this.selectionChanged();
  }

  select(rows) {
    this.selected = new Set(rows);
    this.anchor = -1;
    this.selectionChanged();
  }

  selectionChanged() {
    this.redraw();
    this.dispatchEvent(new Event("selected"));
  }

  clicked(event) {
    const element = event.target.closest("[data-index]");
    if (!element) return;
    const index = Number(element.dataset.index);
    if (event.target.matches("input") || event.ctrlKey || event.metaKey) {
      this.current = index;
      this.toggle(this.rows[index]);
      this.dispatchEvent(new Event("moved"));
    } else {
      if (event.shiftKey) event.preventDefault();
      this.moveTo(index, { extend: event.shiftKey });
    }
  }

  scrolled() {
    this.isMoving = true;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.isMoving = false;
      for (const element of this.made.values()) this.loadThumb(element);
    }, REST_MS);
    this.draw();
  }

  redraw() {
    for (const [index, element] of this.made) this.retire(index, element);
    this.draw();
  }

  draw() {
    const first = Math.max(0, Math.floor(this.box.scrollTop / ROW_PX) - SPARE_ROWS);
    const last = Math.min(this.rows.length, Math.ceil((this.box.scrollTop + this.box.clientHeight) / ROW_PX) + SPARE_ROWS);
    for (const [index, element] of this.made) if (index < first || index >= last) this.retire(index, element);
    for (let index = first; index < last; index++) if (!this.made.has(index)) this.place(index);
    const id = this.made.has(this.current) ? `row-${this.current}` : "";
    if (id) this.box.setAttribute("aria-activedescendant", id);
    else this.box.removeAttribute("aria-activedescendant");
  }

  retire(index, element) {
    this.made.delete(index);
    element.hidden = true;
    this.spare.push(element);
  }

  place(index) {
    const element = this.spare.pop() ?? this.newRow();
    element.hidden = false;
    this.made.set(index, element);
    this.fill(element, index);
    if (!this.isMoving) this.loadThumb(element);
  }

  newRow() {
    const image = make("img", { attrs: { alt: "", width: 80, height: 56 } });
    image.addEventListener("load", () => image.classList.add("there"));
    const parts = {
      box: make("input", { attrs: { type: "checkbox", tabindex: "-1", "aria-label": "select" } }),
      image,
      name: make("div", { cls: "name" }),
      where: make("div", { cls: "where quiet" }),
      score: make("div", { cls: "score" }),
      state: make("div", { cls: "state" }),
    };
    const element = make("div", { cls: "event", attrs: { role: "option" } }, parts.box,
      make("div", { cls: "thumb" }, image), make("div", { cls: "text" }, parts.name, parts.where),
      make("div", { cls: "right" }, parts.score, parts.state));
    element.parts = parts;
    this.inner.append(element);
    return element;
  }

  fill(element, index) {
    const { store } = this, row = this.rows[index], { parts } = element;
    const label = store.labelOf(row), state = store.state[row];
    element.id = `row-${index}`;
    element.dataset.index = index;
    element.style.transform = `translateY(${index * ROW_PX}px)`;
    element.classList.toggle("current", index === this.current);
    element.setAttribute("aria-selected", String(this.selected.has(row) || index === this.current));
    element.setAttribute("aria-posinset", index + 1);
    element.setAttribute("aria-setsize", this.rows.length);
    element.dataset.state = STATES[state];
    parts.box.checked = this.selected.has(row);
    const dot = make("i", { cls: "dot" });
    dot.style.background = store.colors[label];
    parts.name.replaceChildren(dot, label ? foreign(store.labels[label]) : make("em", { text: "unknown" }));
    parts.where.replaceChildren(`${clock(store.start[row])} · ${length(store.end[row] - store.start[row])} · `,
      foreign(store.sources[store.source[row]].short));
    parts.score.textContent = Number.isNaN(store.score[row]) ? "" : store.score[row].toFixed(2);
    parts.state.textContent = state ? STATES[state] : "";
    const wanted = store.sources[store.source[row]].video ? `thumb/${store.id(row)}` : "";
    if (element.wanted !== wanted) {
      element.wanted = wanted;
      parts.image.classList.remove("there");
      parts.image.removeAttribute("src");
    }
  }

  loadThumb(element) {
    const { image } = element.parts;
    if (!element.hidden && element.wanted && image.getAttribute("src") !== element.wanted) image.src = element.wanted;
  }
}
