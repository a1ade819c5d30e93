// Puts the parts together: store and decisions, list, player, timelines, evidence, inbox.

import { Decisions } from "./decisions.js";
import { showFacts } from "./facts.js";
import { Filter } from "./filter.js";
import { Inbox } from "./inbox.js";
import { listenToKeys } from "./keys.js";
import { List } from "./list.js";
import { getJson } from "./net.js";
import { Player } from "./player.js";
import { askForLabel } from "./rename.js";
import { ACCEPTED, OPEN, REJECTED, RENAMED, SKIPPED, Stale, Store } from "./store.js";
import { Timelines } from "./timeline.js";
import { count, make, visible } from "./words.js";

const POLL_MS = 1000;
const $ = (selector) => document.querySelector(selector);

class Page {
  constructor(store) {
    this.store = store;
    this.decisions = new Decisions(store);
    this.list = new List($("#list"), store);
    this.player = new Player(document);
    this.timelines = new Timelines($("#timelines"), store);
    this.inbox = new Inbox($("#view-inbox"), store, this.decisions);
    this.filter = new Filter($("#filter"), store);
    this.facts = null;
    this.connect();
    this.refilter();
    this.list.moveTo(0);
    this.refresh();
  }

  connect() {
    const { list, player, timelines, decisions, store } = this;
    this.filter.addEventListener("changed", () => this.refilter());
    list.addEventListener("moved", () => this.choose());
    list.addEventListener("selected", () => this.showSelection());
    player.addEventListener("moved", () => timelines.movePlayhead(player.time));
    timelines.addEventListener("chosen", ({ detail }) => this.chosenInTime(detail));
    decisions.addEventListener("changed", () => this.refresh());
    decisions.addEventListener("refused", ({ detail }) => this.say(`not saved: ${detail}`));
    store.addEventListener("changed", () => this.refresh());
    this.inbox.addEventListener("told", ({ detail }) => this.say(detail));
    this.inbox.addEventListener("wanted", ({ detail }) => this.goTo(detail));
    store.addEventListener("labels", () => this.filter.fill());
    $("#undo").addEventListener("click", () => this.undo());
    $("#unselect").addEventListener("click", () => list.select([]));
    $("#help-button").addEventListener("click", () => $("#help").showModal());
    for (const name of ["events", "inbox"]) $(`#tab-${name}`).addEventListener("click", () => this.showTab(name));
    const commands = this.commands();
    $("#verdict").addEventListener("click", (event) => {
      const button = event.target.closest("button");
      if (button) commands[button.dataset.key]();
    });
    const everywhere = { u: commands.u, "ctrl+z": commands["ctrl+z"], "?": commands["?"] };
    listenToKeys(() => ($("#view-events").hidden ? everywhere : commands));
  }

  commands() {
    const { list, player } = this;
    const next = () => list.moveTo(list.current + 1), previous = () => list.moveTo(list.current - 1);
    const undo = () => this.undo();
    return {
      a: () => this.decide(ACCEPTED), r: () => this.decide(REJECTED), s: () => this.decide(SKIPPED),
      l: () => this.rename(), n: next, j: next, arrowdown: next, p: previous, k: previous, arrowup: previous,
      u: undo, "ctrl+z": undo, x: () => list.currentRow !== null && list.toggle(list.currentRow),
      "shift+arrowdown": () => list.moveTo(list.current + 1, { extend: true }),
      "shift+arrowup": () => list.moveTo(list.current - 1, { extend: true }),
      "ctrl+a": () => list.select(list.rows), escape: () => list.select([]),
      home: () => list.moveTo(0), end: () => list.moveTo(list.rows.length - 1),
      pagedown: () => list.moveTo(list.current + 8), pageup: () => list.moveTo(list.current - 8),
      space: () => player.toggle(), ",": () => player.step(-1), ".": () => player.step(1), m: () => player.toggleSound(),
      "?": () => $("#help").showModal(),
    };
  }

  decide(state, label = null) {
    const rows = this.list.chosen, several = this.list.selected.size > 0;
    this.decisions.decide(rows, state, label);
    if (several) this.list.select([]);
    else if (this.list.current + 1 < this.list.rows.length) this.list.moveTo(this.list.current + 1);
  }

  async rename() {
    const rows = this.list.chosen;
    if (!rows.length) return;
    const label = await askForLabel(this.store, rows);
    if (label !== null) this.decide(RENAMED, label);
  }

  undo() {
    const rows = this.decisions.undo();
    if (rows.length === 1) this.list.moveToRow(rows[0]);
    else this.list.select(rows);
  }

  refilter() {
    const before = this.list.currentRow;
    this.list.show(this.store.filter(this.filter.wanted));
    if (this.list.current < 0 && this.list.rows.length) this.list.moveTo(0);
    else if (this.list.currentRow !== before) this.choose();
    $("#shown").textContent = `${count(this.list.rows.length)} of ${count(this.store.n)}`;
  }

  async choose() {
    const { store, list } = this, row = list.currentRow;
    this.timelines.show(row);
    showFacts($("#facts"), store, row, null);
    this.facts = null;
    if (row === null) return;
    const id = store.id(row);
    try {
      const facts = await getJson(`api/event/${id}`);
      if (list.currentRow !== row) return;
      this.facts = { row, ...facts };
    } catch (error) {
      this.say(error.message);
      return;
    }
    showFacts($("#facts"), store, row, this.facts);
    const label = store.labelOf(row);
    this.player.show({
      start: store.start[row], end: store.end[row], best_s: this.facts.best_s, track: this.facts.track,
      name: label ? store.labels[label] : "unknown", color: store.colors[label],
    }, store.sources[store.source[row]]);
  }

  // Show an event, whatever is filtered.
  goTo(row) {
    this.showTab("events");
    if (this.list.moveToRow(row)) return;
    this.filter.clear();
    this.list.moveToRow(row);
  }

  chosenInTime({ row, time, source }) {
    if (row !== null) {
      if (!this.list.moveToRow(row)) this.say("that event is not listed: the filter leaves it out");
    } else if (this.player.source?.number === source) {
      this.player.seek(time);
    }
  }

  // After decisions, of this window or another one.
  refresh() {
    const { store, decisions, list } = this;
    list.redraw();
    this.timelines.refresh();
    this.inbox.refresh();
    if (list.currentRow !== null) showFacts($("#facts"), store, list.currentRow, this.facts?.row === list.currentRow ? this.facts : null);
    const counts = store.counts(), judged = store.n - counts[OPEN];
    $("#judged").textContent = `${count(judged)} of ${count(store.n)} judged`;
    $("#progress").firstElementChild.style.width = `${store.n ? (100 * judged) / store.n : 0}%`;
    $("#progress").setAttribute("aria-valuemax", store.n);
    $("#progress").setAttribute("aria-valuenow", judged);
    $("#count-events").textContent = count(store.n - counts[OPEN] ? counts[OPEN] : store.n);
    $("#count-inbox").textContent = this.inbox.size ? count(this.inbox.size) : "";
    $("#undo").disabled = !decisions.canUndo;
    this.showSaved();
  }

  showSaved() {
    const { pending, problem } = this.decisions;
    $("#saved").textContent = pending ? (problem ? `${count(pending)} not saved yet, trying again` : "saving…") : "";
    $("#saved").title = pending && problem ? visible(problem) : "";
    $("#saved").classList.toggle("error", Boolean(pending && problem));
  }

  showSelection() {
    const { size } = this.list.selected;
    $("#selection").hidden = !size;
    $("#selection b").textContent = count(size);
  }

  showTab(name) {
    for (const other of ["events", "inbox"]) {
      $(`#tab-${other}`).setAttribute("aria-selected", String(other === name));
      $(`#view-${other}`).hidden = other !== name;
    }
    if (name === "inbox") this.inbox.open();
    else this.timelines.draw();
  }

  say(text) {
    const note = make("p", { cls: "note", text: visible(text), attrs: { role: "alert" } });
    document.body.append(note);
    setTimeout(() => note.remove(), 6000);
  }

  // Other windows' decisions; a server that comes back serves the same library or another one.
  async follow() {
    for (;;) {
      await new Promise((wake) => setTimeout(wake, POLL_MS));
      if (document.hidden) continue;
      try {
        await this.store.poll();
        document.body.classList.remove("alone");
      } catch (error) {
        if (error instanceof Stale) return location.reload();
        document.body.classList.add("alone");
      }
    }
  }
}

if (location.search) history.replaceState(null, "", location.pathname); // the token is in a cookie by now

const store = new Store();
try {
  await store.load();
  const page = new Page(store);
  document.body.classList.add("loaded");
  performance.mark("ready");
  page.follow();
} catch (error) {
  $("#view-events").replaceChildren(make("p", { cls: "failure", text: visible(error.message) }));
}
