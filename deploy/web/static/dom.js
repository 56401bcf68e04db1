// Elements, made in a line; and how times and figures are said.

export const at = (id) => document.getElementById(id);

// made("td", { className: "value", title: "..." }, "text", child, ...)
export function made(tag, given = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(given)) {
    if (name === "data") Object.assign(element.dataset, value);
    else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name in element) element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

export const chip = (text, tone = "", title = "") => made("span", { className: `chip ${tone}`, title }, text);

export function duration(seconds) {
  if (seconds < 0.95) return "now";
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 90 * 60) return `${Math.round(seconds / 60)} min`;
  if (seconds < 36 * 3600) return `${(seconds / 3600).toFixed(1)} h`;
  return `${Math.round(seconds / 86400)} days`;
}

export const ago = (seconds) => (seconds < 0.95 ? "now" : `${duration(seconds)} ago`);
export const date = (seconds) => new Date(1000 * seconds).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
export const clock = (seconds) => new Date(1000 * seconds).toLocaleTimeString(undefined, { hour: "2-digit", minute: "2-digit" });
export const whole = (value) => Math.round(value).toLocaleString("en-GB").replaceAll(",", " ");

export function figure(value) {
  if (typeof value !== "number") return String(value);
  return Math.abs(value) >= 100 ? whole(value) : Number(value.toPrecision(3)).toString();
}

export function bytes(count) {
  if (count < 1e6) return `${Math.round(count / 1e3)} kB`;
  return count < 1e9 ? `${Math.round(count / 1e6)} MB` : `${(count / 1e9).toFixed(count < 1e10 ? 1 : 0)} GB`;
}

// So that a table which is made anew each second leaves the keyboard where it was.
export function replaced(parent, ...children) {
  const held = parent.contains(document.activeElement) ? document.activeElement.dataset.key : null;
  parent.replaceChildren(...children.filter((child) => child !== null && child !== undefined));
  if (held) parent.querySelector(`[data-key="${CSS.escape(held)}"]`)?.focus();
}
