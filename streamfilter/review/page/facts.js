// What is known of the current event, in plain words that the server wrote.

import { clock, foreign, length, make } from "./words.js";
import { STATES } from "./store.js";

export function showFacts(root, store, row, facts) {
  if (row === null) {
    root.replaceChildren(make("p", { cls: "quiet", text: "No event is chosen." }));
    return;
  }
  const label = store.labelOf(row), state = store.state[row];
  const dot = make("i", { cls: "dot" });
  dot.style.background = store.colors[label];
  const title = make("h2", {}, dot, label ? foreign(store.labels[label]) : make("em", { text: "unknown logo" }));
  const badge = make("span", { cls: "badge", text: STATES[state], attrs: { "data-state": STATES[state] } });
  const was = state === 3 && store.label[row] !== label
    ? make("p", { cls: "quiet" }, "the log says ", store.label[row] ? foreign(store.labels[store.label[row]]) : "unknown") : "";
  const seconds = store.end[row] - store.start[row];
  const when = make("p", { text: `${clock(store.start[row])} to ${clock(store.end[row])}, ${length(seconds)}` });
  const where = make("p", { cls: "quiet" }, foreign(store.sources[store.source[row]].name));
  const words = (facts?.words ?? []).map((word) => make("li", {}, foreign(word.replace(/(\d) %/g, "$1\u00a0%"))));
  root.replaceChildren(make("div", { cls: "title" }, title, badge), was, when, where, make("ul", {}, ...words));
}
