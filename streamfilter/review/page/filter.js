// What of the events is listed.

import { fileName, visible } from "./words.js";

export class Filter extends EventTarget {
  constructor(form, store) {
    super();
    this.form = form;
    this.store = store;
    this.fill();
    form.addEventListener("input", () => this.dispatchEvent(new Event("changed")));
    form.addEventListener("submit", (event) => event.preventDefault());
  }

  fill() {
    const { label, source } = this.form.elements, { store } = this;
    const labels = store.labels.map((name, number) => [number, number ? name : "unknown"]);
    labels.sort((a, b) => !a[0] - !b[0] || a[1].localeCompare(b[1]));
    refill(label, "all labels", labels);
    refill(source, "all sources", store.sources.map((one) => [one.number, fileName(one.name)]));
  }

  // List everything again, in the order that was chosen.
  clear() {
    const { elements } = this.form, order = elements.order.value;
    this.form.reset();
    elements.order.value = order;
    this.dispatchEvent(new Event("changed"));
  }

  get wanted() {
    const { label, state, order, source, score_from, score_to, length_from, length_to } = this.form.elements;
    return {
      label: chosen(label), state: chosen(state), source: chosen(source), order: order.value,
      scoreFrom: number(score_from, 0), scoreTo: number(score_to, 1),
      lengthFrom: number(length_from, 0), lengthTo: number(length_to, Infinity),
    };
  }
}

function chosen(select) {
  return select.value === "" ? null : Number(select.value);
}

function number(input, fallback) {
  return Number.isFinite(input.valueAsNumber) ? input.valueAsNumber : fallback;
}

function refill(select, all, entries) {
  const before = select.value;
  select.replaceChildren(new Option(all, ""), ...entries.map(([value, text]) => new Option(visible(text).slice(0, 80), value)));
  select.value = before;
}
