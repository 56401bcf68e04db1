// The Runs page: all runs of a folder, and two of them beside each other.

import { ask, SLOW_MS } from "./api.js";
import { showCharts } from "./chart.js";
import { at, chip, date, duration, made, replaced } from "./dom.js";

const EVERY_MS = 10000;
const NOTABLE = 0.05; // a smaller share of a figure is neither better nor worse: runs differ by as much
const STATES = { finished: "good", runs: "other", stopped: "plain" };
const own = document.querySelector("main").dataset.own;

let runs = [];
const picked = { a: null, b: null };
const details = { a: null, b: null };
const charts = new Map();

function tell(text) {
  at("told").textContent = text;
  at("told").dataset.state = text ? "failed" : "";
}

const address = (name) => `/runs/of/${encodeURIComponent(name)}`;

function showRuns() {
  const rows = runs.map((run) => {
    const pick = (side) =>
      made("button", { className: side, "aria-pressed": String(picked[side] === run.name), data: { key: `${side} ${run.name}` }, title: `Show ${run.name} as ${side.toUpperCase()}`, onclick: () => choose(side, run.name) }, side.toUpperCase());
    const success = run.success !== null ? `${Math.round(run.success)} %` : run.live_success !== null ? made("span", { className: "muted", title: "in training; not evaluated" }, run.live_success.replace("%", " %")) : "";
    return made(
      "tr", { className: run.name === own ? "chosen" : "", data: { run: run.name } },
      made("td", {}, made("span", { className: "picks" }, pick("a"), pick("b"))), made("td", { className: "name" }, run.name),
      made("td", {}, run.preset), made("td", { className: "muted" }, date(run.at_s)), made("td", {}, chip(run.state, STATES[run.state], run.phase)),
      made("td", { className: "number" }, success), made("td", { className: "number" }, run.error_mm === null ? "" : `${run.error_mm.toFixed(2)} mm`),
      made("td", { className: "number" }, run.wall_s === null ? "" : duration(run.wall_s)),
      made("td", {}, run.report ? made("a", { href: `${address(run.name)}/report`, target: "_blank", rel: "noopener", data: { key: `report ${run.name}` } }, "Report") : ""),
    );
  });
  replaced(at("runs").tBodies[0], ...(rows.length ? rows : [made("tr", {}, made("td", { colSpan: 9, className: "muted" }, "There are no runs here."))]));
}

async function look() {
  runs = await ask("/runs/list");
  if (picked.a === null && runs.length) {
    picked.b = (runs.find(({ name }) => name === own) ?? runs[0]).name;
    picked.a = runs.find(({ name, state }) => name !== picked.b && state === "finished")?.name ?? runs.find(({ name }) => name !== picked.b)?.name ?? null;
  }
  showRuns();
}

function choose(side, name) {
  picked[side] = picked[side] === name ? null : name;
  showRuns();
  compare();
}

async function compare() {
  const wanted = { ...picked };
  const found = await Promise.all(["a", "b"].map((side) => (wanted[side] === null ? null : ask(address(wanted[side]), "GET", undefined, SLOW_MS).catch((error) => (tell(error.message), null)))));
  if (wanted.a !== picked.a || wanted.b !== picked.b) return;
  [details.a, details.b] = found;
  showFigures();
  showCurves();
  document.querySelector("main").dataset.compared = JSON.stringify([picked.a, picked.b]);
}

function showFigures() {
  const sides = [details.a, details.b];
  const names = (sides[0] ?? sides[1])?.figures ?? [];
  const rows = names.flatMap(({ name, unit, digits, better }, index) => {
    const [a, b] = sides.map((side) => side?.figures[index].value ?? null);
    if (a === null && b === null) return [];
    const said = (value) => (value === null ? "" : `${value.toFixed(digits)}${unit ? ` ${unit}` : ""}`);
    const change = a === null || b === null ? null : Number((b - a).toFixed(digits));
    const tone = !change || !better || Math.abs(b - a) < NOTABLE * Math.max(Math.abs(a), Math.abs(b)) ? "muted" : change > 0 === (better === "high") ? "better" : "worse";
    const sign = change === null ? "" : change === 0 ? "=" : `${change > 0 ? "+" : "−"}${Math.abs(change).toFixed(digits)}`;
    return [made("tr", {}, made("td", {}, name), made("td", { className: "number" }, said(a)), made("td", { className: "number" }, said(b)), made("td", { className: `number ${tone}` }, sign))];
  });
  at("figures").tBodies[0].replaceChildren(...(rows.length ? rows : [made("tr", {}, made("td", { colSpan: 4, className: "muted" }, "Neither has a summary yet."))]));
}

// Both runs in one chart: its first line of each, A and B in their colours.
function showCurves() {
  const specs = (details.a ?? details.b)?.charts ?? [];
  const drawn = specs.map((spec) => {
    const lines = ["a", "b"].flatMap((side, tone) => {
      const line = details[side]?.charts.find(({ key }) => key === spec.key)?.lines[0];
      return line ? [{ name: `${side.toUpperCase()}, ${line.name}`, points: line.points, tone }] : [];
    });
    return { ...spec, lines };
  });
  showCharts(at("charts"), drawn, charts);
}

try {
  await look();
  await compare();
} catch (error) {
  tell(error.status ? error.message : "The server does not answer.");
}
setInterval(async () => {
  if (document.hidden) return;
  try {
    await look();
    if (["a", "b"].some((side) => runs.find(({ name }) => name === picked[side])?.state === "runs")) await compare();
    tell("");
  } catch (error) {
    tell(error.status ? error.message : "The server does not answer.");
  }
}, EVERY_MS);
document.querySelector("main").dataset.ready = "yes";
