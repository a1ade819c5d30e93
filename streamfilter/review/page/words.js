// Values as people read them. Labels and file names come from a log that anyone may have written.

const UNSEEN = /[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;

// Characters that are not seen, break lines or turn the direction of writing are spelled out.
export function visible(text) {
  return String(text).replace(UNSEEN, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

export function clock(seconds, digits = 2) {
  const sign = seconds < 0 ? "−" : "";
  const all = Math.round(Math.abs(seconds) * 10 ** digits) / 10 ** digits;
  const hours = Math.floor(all / 3600);
  const minutes = Math.floor((all % 3600) / 60);
  const rest = (all % 60).toFixed(digits).padStart(digits ? digits + 3 : 2, "0");
  const head = hours ? `${hours}:${String(minutes).padStart(2, "0")}` : `${minutes}`;
  return `${sign}${head}:${rest}`;
}

export function length(seconds) {
  return seconds < 100 ? `${seconds.toFixed(1)} s` : clock(seconds, 0);
}

export function count(number) {
  return number.toLocaleString("en");
}

export function fileName(path) {
  return path.slice(Math.max(path.lastIndexOf("/"), path.lastIndexOf("\\")) + 1) || path;
}

// An element with a class, text and children. Text stays text: nothing here is parsed as markup.
export function make(tag, { cls, text, title, attrs = {} } = {}, ...children) {
  const element = document.createElement(tag);
  if (cls) element.className = cls;
  if (text !== undefined) element.textContent = text;
  if (title) element.title = title;
  for (const [name, value] of Object.entries(attrs)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

// Text of a log, cut off from the direction of writing around it.
export function foreign(text, cls = "") {
  const element = document.createElement("bdi");
  element.className = cls;
  element.textContent = visible(text);
  return element;
}
