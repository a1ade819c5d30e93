// What the reviewer decides, on its way to the disk. Until the server has written it, it waits in this window's own
// storage, so neither a reload nor a server that is gone loses it.

import { postJson } from "./net.js";

const RETRY_MS = 1500;
const LARGEST_POST = 5000;

export class Decisions extends EventTarget {
  constructor(store) {
    super();
    this.store = store;
    this.key = `streamfilter:${store.facts.library}`;
    this.waiting = this.read("waiting");
    this.done = this.read("done");
    this.problem = null;
    this.isSending = false;
    this.isKept = true;
    store.addEventListener("changed", () => this.showWaiting());
    // A tab that is closed takes its storage with it: while anything waits, the browser asks before it does.
    window.addEventListener("beforeunload", (event) => {
      if (this.waiting.length && (this.problem || !this.isKept)) event.preventDefault();
    });
    this.showWaiting();
    if (this.waiting.length) this.send();
  }

  get pending() {
    return this.waiting.length;
  }

  get canUndo() {
    return this.done.length > 0;
  }

  // Give rows a state (and a label, when it is RENAMED); one step for undo, however many rows.
  decide(rows, state, label = null) {
    const step = [];
    for (const row of rows) {
      const before = this.store.decision(row);
      if (before.state === state && before.label === label) continue;
      step.push({ id: this.store.id(row), before, after: { state, label } });
    }
    if (!step.length) return;
    this.done.push(step);
    this.queue(step.map(({ id, after }) => ({ id, ...after })));
  }

  // Take the last step back, where nobody has decided otherwise since. Returns the rows that it was about.
  undo() {
    const step = this.done.pop();
    if (!step) return [];
    this.queue(step.map(({ id, before, after }) => ({ id, ...before, if: after })));
    return step.map(({ id }) => this.store.rowOfId.get(id)).filter((row) => row !== undefined);
  }

  queue(changes) {
    for (const change of changes) this.show(change.id, change);
    this.waiting.push(...changes);
    this.write("waiting", this.waiting);
    this.write("done", this.done);
    this.dispatchEvent(new Event("changed"));
    this.send();
  }

  // What waits is shown as if it were written: news of the server are older.
  showWaiting() {
    for (const change of this.waiting) this.show(change.id, change);
  }

  show(id, { state, label, if: expected }) {
    const row = this.store.rowOfId.get(id);
    if (row === undefined) return;
    const now = this.store.decision(row);
    if (expected && (expected.state !== now.state || expected.label !== now.label)) return;
    this.store.apply(row, { state, label });
  }

  async send() {
    if (this.isSending) return;
    this.isSending = true;
    while (this.waiting.length) {
      const part = this.waiting.slice(0, LARGEST_POST);
      try {
        await postJson("api/decide", { library: this.store.facts.library, changes: part });
        this.problem = null;
        this.drop(part.length);
      } catch (error) {
        this.problem = error.message;
        if (error.isRefusal) {
          this.drop(part.length);
          this.dispatchEvent(new CustomEvent("refused", { detail: error.message }));
          continue;
        }
        this.dispatchEvent(new Event("changed"));
        await new Promise((wake) => setTimeout(wake, RETRY_MS));
      }
    }
    this.isSending = false;
    this.dispatchEvent(new Event("changed"));
  }

  // Once all is on the disk.
  async settled() {
    while (this.waiting.length) await new Promise((wake) => setTimeout(wake, 50));
  }

  drop(sent) {
    this.waiting.splice(0, sent);
    this.write("waiting", this.waiting);
  }

  read(name) {
    try {
      return JSON.parse(sessionStorage.getItem(`${this.key}:${name}`)) ?? [];
    } catch {
      return [];
    }
  }

  write(name, value) {
    try {
      sessionStorage.setItem(`${this.key}:${name}`, JSON.stringify(value));
      if (name === "waiting") this.isKept = true;
    } catch {
      sessionStorage.removeItem(`${this.key}:${name}`); // more than a browser keeps: it stays in memory alone
      if (name === "waiting") this.isKept = false;
    }
  }
}
