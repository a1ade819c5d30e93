// Logos that nobody has named: regions that were rejected but stood still long enough, grouped by how they look.

import { getJson, postJson } from "./net.js";
import { OPEN, REJECTED, RENAMED, SKIPPED } from "./store.js";
import { askForLabel } from "./rename.js";
import { clock, count, foreign, length, make } from "./words.js";

const MOST_PICTURES = 8;

export class Inbox extends EventTarget {
  constructor(root, store, decisions) {
    super();
    this.root = root;
    this.store = store;
    this.decisions = decisions;
    this.clusters = null;
    this.leftOut = new Set();
    this.unfolded = new Set();
    this.rows = [];
    for (let row = 0; row < store.n; row++) if (store.label[row] === 0) this.rows.push(row);
  }

  // How many unknown regions wait for a name.
  get size() {
    return this.rows.reduce((n, row) => n + (this.store.state[row] === OPEN), 0);
  }

  async open() {
    if (!this.rows.length) this.clusters = [];
    if (!this.clusters) {
      const { clusters } = await getJson("api/clusters");
      this.clusters = clusters.map((ids) => ids.map((id) => this.store.rowOfId.get(id)).filter((row) => row !== undefined));
    }
    this.refresh();
  }

  refresh() {
    if (!this.clusters || this.root.hidden) return;
    const open = this.clusters.map((rows) => rows.filter((row) => this.store.state[row] === OPEN || this.store.state[row] === SKIPPED));
    const seen = open.filter((rows) => rows.length).sort((a, b) => this.seconds(b) - this.seconds(a));
    const cards = seen.map((rows) => this.card(rows));
    const named = this.rows.length - open.reduce((n, rows) => n + rows.length, 0);
    const head = make("p", { cls: "quiet", text: this.rows.length
      ? `${count(cards.length)} unknown ${cards.length === 1 ? "logo" : "logos"}; ${count(named)} of ${count(this.rows.length)} regions are settled. A picture that is something else: click it to leave it out.`
      : "Nothing here. What was rejected and yet stayed in its place is logged by a run with --set smoother.unknowns=true." });
    this.root.replaceChildren(head, make("div", { cls: "cards" }, ...cards));
  }

  seconds(rows) {
    return rows.reduce((sum, row) => sum + this.store.end[row] - this.store.start[row], 0);
  }

  card(rows) {
    const { store } = this;
    const sources = [...new Set(rows.map((row) => store.source[row]))];
    const longest = [...rows].sort((a, b) => store.end[b] - store.start[b] - store.end[a] + store.start[a]);
    const first = store.id(longest[0]), shown = this.unfolded.has(first) ? longest : longest.slice(0, MOST_PICTURES);
    const pictures = shown.map((row) => this.picture(row));
    const chosen = () => rows.filter((row) => !this.leftOut.has(row));
    const where = sources.slice(0, 3).map((source) => make("li", {}, foreign(store.sources[source].short),
      make("span", { cls: "quiet", text: ` at ${this.times(rows, source)}` })));
    if (sources.length > 3) where.push(make("li", { cls: "quiet", text: `and ${count(sources.length - 3)} more` }));
    const name = make("button", { cls: "accept", text: "Name it" });
    const no = make("button", { cls: "reject", text: "No logo" });
    const see = make("button", { text: "See it", title: "Show it in its video" });
    name.addEventListener("click", () => this.name(chosen()));
    no.addEventListener("click", () => this.decide(chosen(), REJECTED));
    see.addEventListener("click", () => this.dispatchEvent(new CustomEvent("wanted", { detail: longest[0] })));
    const rest = longest.length - shown.length;
    const more = make("button", { cls: "more", text: `${count(rest)} more`, title: "Show all pictures" });
    more.addEventListener("click", () => { this.unfolded.add(first); this.refresh(); });
    const out = rows.length - chosen().length;
    for (const button of [name, no]) button.disabled = out === rows.length;
    return make("article", { cls: "card", attrs: { "data-first": first } },
      make("div", { cls: "pictures" }, ...pictures, ...(rest ? [more] : [])),
      make("p", {}, make("b", { text: length(this.seconds(rows)) }), ` in ${count(rows.length)} ${rows.length === 1 ? "appearance" : "appearances"}`,
        make("span", { cls: "quiet", text: out ? `; ${count(out)} left out` : "" })),
      make("ul", { cls: "where" }, ...where), make("div", { cls: "row" }, see, no, name));
  }

  // When it was seen in a source: the first few times.
  times(rows, source) {
    const { store } = this;
    const all = [...new Set(rows.filter((row) => store.source[row] === source).map((row) => clock(store.start[row], 0)))];
    return all.slice(0, 4).join(", ") + (all.length > 4 ? ", …" : "");
  }

  // A picture that can be left out of what is decided about its card, for what looks alike may not be the same.
  picture(row) {
    const { store } = this, isOut = this.leftOut.has(row), when = clock(store.start[row]);
    const button = make("button", {
      cls: "picture", title: `${when}: ${isOut ? "left out; take it in again" : "leave it out"}`,
      attrs: { "aria-pressed": String(!isOut), "aria-label": `Appearance at ${when}`, "data-row": row },
    });
    if (store.sources[store.source[row]].video) button.append(make("img", { attrs: { src: `thumb/${store.id(row)}`, alt: "", loading: "lazy" } }));
    else button.textContent = clock(store.start[row], 0);
    button.addEventListener("click", () => {
      if (!this.leftOut.delete(row)) this.leftOut.add(row);
      this.refresh();
      this.root.querySelector(`[data-row="${row}"]`)?.focus();
    });
    return button;
  }

  // What was left out is a card of its own from then on.
  decide(rows, state, label = null) {
    this.leftOut.clear();
    this.decisions.decide(rows, state, label);
  }

  async name(rows) {
    const label = await askForLabel(this.store, rows);
    if (label === null) return;
    this.decide(rows, RENAMED, label);
    if (this.store.facts.collects) await this.collect(rows);
  }

  // A name makes a label: its pictures go to where a model can be taught from.
  async collect(rows) {
    await this.decisions.settled();
    try {
      const ids = rows.map((row) => this.store.id(row));
      const { pictures, data } = await postJson("api/collect", { library: this.store.facts.library, ids });
      this.say(`${count(pictures)} pictures of it are in ${data}: enroll or train takes it from there`);
    } catch (error) {
      this.say(`no pictures were taken: ${error.message}`);
    }
  }

  say(text) {
    this.dispatchEvent(new CustomEvent("told", { detail: text }));
  }
}
