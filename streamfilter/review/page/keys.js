// Keys that work wherever nobody is typing. `commandsNow` gives those of what is shown.

const TYPING = "input:not([type=checkbox]):not([type=range]), select, textarea, dialog[open] *";

export function listenToKeys(commandsNow) {
  document.addEventListener("keydown", (event) => {
    if (document.querySelector("dialog[open]") || event.target.matches?.(TYPING)) return;
    const name = nameOf(event);
    const command = commandsNow()[name];
    if (!command) return;
    if (event.target.matches?.("button") && (name === "space" || name === "enter")) return;
    event.preventDefault();
    command();
  });
}

function nameOf(event) {
  let key = event.key === " " ? "space" : event.key.toLowerCase();
  // On keyboards of other scripts letters are where they would be on a Latin one.
  if (/^[^\u0000-\u024f]$/u.test(key) && /^Key[A-Z]$/.test(event.code)) key = event.code[3].toLowerCase();
  if (event.altKey) return `alt+${key}`;
  if (event.ctrlKey || event.metaKey) return `ctrl+${key}`;
  return event.shiftKey && key.length > 1 ? `shift+${key}` : key;
}
