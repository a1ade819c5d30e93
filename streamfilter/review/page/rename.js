// Asks for a label.

import { count, make, visible } from "./words.js";

const NOT_IN_A_LABEL = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/;

export function askForLabel(store, rows) {
  const dialog = document.querySelector("#rename"), input = dialog.querySelector("#rename-label");
  const error = dialog.querySelector("#rename-error");
  const now = store.labelOf(rows[0]);
  dialog.querySelector("#known-labels").replaceChildren(
    ...store.labels.slice(1).map((label) => make("option", { attrs: { value: label } })));
  dialog.querySelector("#rename-what").textContent = rows.length > 1
    ? `For ${count(rows.length)} events.` : now ? `Now it is called ${visible(store.labels[now])}.` : "";
  input.value = "";
  error.textContent = "";
  dialog.showModal();
  return new Promise((answer) => {
    // Closed and answered at once: a browser left to itself does so later than the next key may come.
    const submitted = (event) => {
      if (event.submitter?.value === "cancel") return;
      event.preventDefault();
      error.textContent = problem(input.value);
      if (error.textContent) return;
      dialog.close();
      input.blur();
      answer(input.value.trim());
    };
    const closed = () => {
      dialog.removeEventListener("submit", submitted);
      answer(null);
    };
    dialog.addEventListener("submit", submitted);
    dialog.addEventListener("close", closed, { once: true });
    input.onkeydown = (event) => {
      if (event.key !== "Enter") return;
      event.preventDefault();
      dialog.querySelector("#rename-ok").click();
    };
  });
}

function problem(text) {
  if (!text.trim()) return "Type the name of the logo.";
  if (NOT_IN_A_LABEL.test(text)) return "A label is one line of text.";
  return "";
}
