// A line chart: a figure with a legend that reads the lines off under the pointer. Colours are the style sheet's.

import { duration, figure, made } from "./dom.js";

const SVG = "http://www.w3.org/2000/svg";
const HEIGHT = 148;
const EDGE = { left: 38, right: 10, top: 8, bottom: 22 };

function drawn(tag, attributes, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

// Round numbers, about `count` of them, from 0 to `most` and a little more.
function ticks(most, count) {
  const rough = most / count || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((each) => each * power).find((each) => each >= rough * 0.999);
  return Array.from({ length: Math.ceil(most / step - 1e-9) + 1 }, (_, index) => index * step);
}

const STEPS_S = [5, 10, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400, 28800, 86400, 172800, 604800];

function moment(seconds) {
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  return seconds < 172800 ? `${+(seconds / 3600).toFixed(1)} h` : `${+(seconds / 86400).toFixed(1)} d`;
}

export class Chart {
  constructor() {
    this.legend = made("ul", { className: "legend" });
    this.heading = made("h3");
    this.plot = drawn("svg", { role: "img", tabindex: "0" });
    this.element = made("figure", { className: "chart" }, made("figcaption", {}, this.heading, this.legend), this.plot);
    this.spec = null;
    this.pointed = null; // seconds
    new ResizeObserver(() => this.draw()).observe(this.element);
    this.plot.addEventListener("pointermove", (event) => this.#point(event.offsetX));
    this.plot.addEventListener("pointerleave", () => this.#read(null));
    this.plot.addEventListener("blur", () => this.#read(null));
    this.plot.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (!step || !this.scale) return;
      event.preventDefault();
      const { begin, end } = this.scale;
      this.#read(Math.min(end, Math.max(begin, (this.pointed ?? (step > 0 ? begin : end)) + (step * (end - begin)) / 40)));
    });
  }

  // spec: { key, title, unit, limit, lines: [{ name, points: [[seconds, value], ...] }] }
  show(spec) {
    this.spec = spec;
    this.element.dataset.chart = spec.key;
    this.heading.textContent = spec.title;
    this.draw();
  }

  draw() {
    const { spec, plot } = this;
    const width = this.element.clientWidth;
    if (!spec || !width) return;
    const lines = spec.lines.map((line) => ({ ...line, points: spec.unit === "%" ? line.points.map(([t, v]) => [t, 100 * v]) : line.points }));
    this.lines = lines;
    plot.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
    plot.setAttribute("height", HEIGHT);
    const all = lines.flatMap((line) => line.points);
    plot.setAttribute("aria-label", `${spec.title}: ${lines.map((line) => `${line.name} ${this.#said(line.points.at(-1)[1])}`).join(", ") || "nothing yet"}`);
    if (!all.length) {
      plot.replaceChildren(drawn("text", { class: "nothing", x: width / 2, y: HEIGHT / 2, "text-anchor": "middle" }));
      plot.firstChild.textContent = "nothing yet";
      this.scale = null;
      return this.#read(null);
    }
    const begin = Math.min(...all.map(([t]) => t));
    const end = Math.max(begin + 1, ...all.map(([t]) => t));
    // One spike shall not flatten all the rest: what is above three times the 97th percentile leaves the chart.
    const sorted = all.map(([, v]) => v).sort((a, b) => a - b);
    const usual = sorted[Math.floor(0.97 * (sorted.length - 1))];
    const highest = spec.unit === "%" ? 100 : Math.max(Math.min(sorted.at(-1), 3 * usual) || sorted.at(-1), 1.25 * (spec.limit ?? 0), 1e-9);
    const levels = ticks(highest, 3);
    const most = levels.at(-1);
    const x = (t) => EDGE.left + ((t - begin) / (end - begin)) * (width - EDGE.left - EDGE.right);
    const y = (v) => HEIGHT - EDGE.bottom - (Math.min(v, 1.02 * most) / most) * (HEIGHT - EDGE.top - EDGE.bottom);
    this.scale = { begin, end, x, y, width };
    const parts = levels.flatMap((level) => [
      drawn("line", { class: "grid", x1: EDGE.left, x2: width - EDGE.right, y1: y(level), y2: y(level) }),
      this.#text(figure(level), { x: EDGE.left - 6, y: y(level) + 4, "text-anchor": "end" }),
    ]);
    const step = STEPS_S.find((each) => (end - begin) / each <= width / 80) ?? STEPS_S.at(-1);
    for (let t = Math.ceil(begin / step) * step; t <= end; t += step) {
      if (x(t) < width - 26) parts.push(this.#text(moment(t), { x: x(t), y: HEIGHT - 5, "text-anchor": "middle" }));
    }
    if (spec.limit !== null && spec.limit !== undefined) {
      parts.push(drawn("line", { class: "limit", x1: EDGE.left, x2: width - EDGE.right, y1: y(spec.limit), y2: y(spec.limit) }));
    }
    lines.forEach((line, index) => {
      const path = line.points.map(([t, v], at) => `${at ? "L" : "M"}${x(t).toFixed(1)} ${y(v).toFixed(1)}`).join("");
      parts.push(drawn("path", { class: `line of-${line.tone ?? index}`, d: path }));
      if (line.points.length === 1) parts.push(drawn("circle", { class: `dot of-${line.tone ?? index}`, cx: x(begin), cy: y(line.points[0][1]), r: 3 }));
    });
    this.marker = drawn("g", {});
    plot.replaceChildren(...parts, this.marker);
    this.#read(this.pointed);
  }

  #text(text, attributes) {
    const element = drawn("text", attributes);
    element.textContent = text;
    return element;
  }

  #said(value) {
    const { unit } = this.spec;
    const digits = unit === "%" ? Math.round(value).toString() : figure(value);
    return ["%", "mm", "ms"].includes(unit) ? `${digits} ${unit}` : digits;
  }

  #point(offset) {
    if (!this.scale) return;
    const { begin, end, width } = this.scale;
    const share = (offset - EDGE.left) / (width - EDGE.left - EDGE.right);
    this.#read(begin + Math.min(1, Math.max(0, share)) * (end - begin));
  }

  // The values at a moment; null for the newest.
  #read(t) {
    this.pointed = t;
    const lines = this.lines ?? [];
    const near = ({ points }) => (t === null ? points.at(-1) : points.reduce((a, b) => (Math.abs(b[0] - t) < Math.abs(a[0] - t) ? b : a)));
    this.legend.replaceChildren(
      ...lines.map((line, index) =>
        made("li", { className: `of-${line.tone ?? index}` }, made("i"), `${line.name} `, made("b", {}, this.#said(near(line)[1]))),
      ),
      ...(t === null ? [] : [made("li", { className: "when" }, `at ${duration(Math.max(1, t))}`)]),
    );
    if (!this.marker) return;
    this.marker.replaceChildren();
    if (t === null || !this.scale) return;
    const { x, y } = this.scale;
    this.marker.append(drawn("line", { class: "pointed", x1: x(t), x2: x(t), y1: EDGE.top, y2: HEIGHT - EDGE.bottom }));
    lines.forEach((line, index) => {
      const [at, value] = near(line);
      this.marker.append(drawn("circle", { class: `dot of-${line.tone ?? index}`, cx: x(at), cy: y(value), r: 3.5 }));
    });
  }
}

// Keeps one chart for each key, so that what a person points at stays where it is.
export function showCharts(parent, specs, kept) {
  for (const spec of specs) {
    if (!kept.has(spec.key)) kept.set(spec.key, new Chart());
    const chart = kept.get(spec.key);
    if (chart.element.parentElement !== parent) parent.append(chart.element);
    chart.show(spec);
  }
}
