// The Live page: asks how the run is every second or two, while somebody looks.

import { ask, SLOW_MS } from "./api.js";
import { CellCard } from "./cell.js";
import { showCharts } from "./chart.js";
import { ago, at, bytes, chip, clock, duration, figure, made, replaced, whole } from "./dom.js";

const EVERY_MS = { state: 1500, charts: 5000, seen: 2000 };
const WHEN_OVER = 4; // times as seldom: nothing changes any more, but somebody may go on with the run
const mayOperate = document.querySelector("main").dataset.mayOperate === "yes";

let state = null;
let close = false;
const cards = new Map();
const charts = new Map();

const TONES = { running: "good", "backing off": "bad", refused: "bad", drained: "plain", draining: "other", waiting: "other", starting: "other" };
const RUN = {
  running: ["runs", "good"],
  over: ["over", "plain"],
  silent: ["silent", "bad"],
  "no status": ["no status yet", "other"],
};

function tell(text, failed = false) {
  at("told").textContent = text;
  at("told").dataset.state = failed ? "failed" : "";
}

// ---- asking, each thing at its own pace, and never twice at once

function repeat(what, work) {
  const again = async () => {
    if (!document.hidden) {
      try {
        await work();
        if (at("told").dataset.from === what) {
          tell("");
          at("told").dataset.from = "";
        }
      } catch (error) {
        tell(error.status ? error.message : "The server does not answer.", true);
        at("told").dataset.from = what;
      }
    }
    setTimeout(again, EVERY_MS[what] * (state?.run.state === "over" ? WHEN_OVER : 1));
  };
  return again();
}

async function look() {
  state = await ask("/live/state");
  showRun();
  showCells();
  showAlarms();
  showFilling();
  showParts();
}

const see = () => Promise.all([...cards.values()].filter((card) => card.frames).map((card) => card.see(close)));

async function command(path, method, body, said) {
  try {
    await ask(path, method, body, SLOW_MS);
    tell(said);
    await look();
  } catch (error) {
    tell(error.message, true);
  }
}

const cellPath = (name) => `/live/cells/${encodeURIComponent(name)}`;
const wish = (name, wished) => command(`${cellPath(name)}/wish`, "PUT", { wish: wished }, `${name} ${wished === "run" ? "runs again" : "ends its episode, then rests"}.`);

function stop(name) {
  at("stop-cell").textContent = name;
  at("stop-reason").value = "";
  const dialog = at("stop-dialog");
  dialog.returnValue = "";
  dialog.onclose = () =>
    dialog.returnValue === "stop" && command(`${cellPath(name)}/stop`, "POST", { reason: at("stop-reason").value }, `The robot of ${name} was told to stop.`);
  dialog.showModal();
  at("stop-now").focus();
}

// ---- showing

function showRun() {
  const { run, now_s: now, replay, serving } = state;
  const [said, tone] = RUN[run.state];
  at("run-state").replaceChildren(chip(said, tone));
  at("run-state").dataset.state = run.state;
  at("phase").textContent = run.phase;
  const facts = Object.entries(run.figures).map(([name, value]) => [name, figure(value)]);
  if (serving !== null) facts.push(["model", `v${serving}`]);
  if (replay.policy_lag !== null) facts.push(["policy lag", figure(replay.policy_lag)]);
  if (run.at_s !== null) facts.push([run.state === "over" ? "over since" : "said", run.state === "over" ? duration(now - run.at_s) : ago(now - run.at_s)]);
  at("run-facts").replaceChildren(...facts.map(([name, value]) => made("span", {}, `${name} `, made("b", {}, value))));
}

function showCells() {
  const there = new Set(state.cells.map(({ name }) => name));
  for (const [name, card] of cards) {
    if (there.has(name)) continue;
    card.element.remove();
    cards.delete(name);
  }
  for (const cell of state.cells) {
    if (!cards.has(cell.name)) {
      const card = new CellCard(cell.name, { mayOperate, wish, stop, tones: TONES });
      cards.set(cell.name, card);
      at("cells").append(card.element);
      if (cell.frames) card.see(close).catch(() => {});
    }
    cards.get(cell.name).show(cell, state);
  }
  if (!state.cells.length) at("cells").replaceChildren(made("p", { className: "panel nothing-here" }, "This run has no cells yet."));
  else at("cells").querySelector(":scope > .nothing-here")?.remove();
}

function showAlarms() {
  const { alarms, past_alarms: past, now_s: now, alarms_stay: stay } = state;
  const entry = (alarm) => {
    const when = alarm.over_s !== null ? `${clock(alarm.at_s)}, over after ${duration(Math.max(1, alarm.over_s - alarm.at_s))}` : stay ? `${clock(alarm.at_s)}, still on when the run ended` : `for ${duration(Math.max(1, now - alarm.at_s))}`;
    return made("li", { className: alarm.over_s === null ? "on" : "over" }, made("b", {}, alarm.cell), ` ${alarm.text}`, made("small", {}, when));
  };
  at("alarm-count").replaceChildren(alarms.length ? chip(`${alarms.length} on`, "bad") : chip("none", "good"));
  replaced(at("alarms"), ...alarms.map(entry), ...past.map(entry));
}

function meter(name, said, share, title = "") {
  const bar = made("div", { className: "meter", title });
  if (share !== null) {
    const fill = made("i");
    fill.style.width = `${100 * Math.min(1, share)}%`;
    bar.append(fill);
  }
  return made("div", {}, made("p", {}, made("span", {}, name), made("b", {}, said)), share === null ? null : bar);
}

function showFilling() {
  const { stream, replay } = state;
  const room = stream.max_bytes === null ? `, ${bytes(stream.free_bytes)} free` : ` of ${bytes(stream.max_bytes)}`;
  const most = stream.max_bytes ?? stream.bytes + stream.free_bytes;
  const rows = [meter("stream", `${bytes(stream.bytes)}${room}`, stream.bytes / most), meter("frames", whole(stream.frames), null)];
  if (replay.own !== null) {
    rows.push(meter("replay", `${whole(replay.own)} transitions`, null));
    const stored = replay.own + (replay.demonstrations ?? 0);
    if (replay.drawable !== null && stored) rows.push(meter("ready to be drawn", `${Math.round((100 * Math.min(stored, replay.drawable)) / stored)} %`, replay.drawable / stored, "the others wait until they are made anew by the promoted model"));
  }
  if (replay.demonstrations !== null) {
    const max = replay.max_demonstrations;
    rows.push(meter("demonstrations", `${whole(replay.demonstrations)}${max ? ` of ${whole(max)}` : ""}`, max ? replay.demonstrations / max : null));
  }
  at("filling").replaceChildren(...rows);
}

function showParts() {
  const rows = state.parts.map((part) => {
    const figures = Object.entries(part.figures).map(([name, value]) => `${name} ${figure(value)}`).join(" · ");
    const stale = state.run.state === "over" || state.run.state === "silent";
    return made(
      "li", { data: { part: part.name } }, made("b", {}, part.name), chip(stale ? "ended" : part.state, stale ? "plain" : TONES[part.state]),
      figures ? made("small", {}, figures) : null,
      part.last_error && part.state !== "running" ? made("small", { className: "fault" }, part.last_error) : null,
    );
  });
  replaced(at("parts"), ...(rows.length ? rows : [made("li", { className: "nothing-here" }, "None has begun.")]));
}

// ---- beginning

function closeUp() {
  close = !close;
  at("close-up").setAttribute("aria-pressed", String(close));
  for (const card of cards.values()) card.seen.look(close);
}

at("close-up").addEventListener("click", closeUp);
document.addEventListener("keydown", (event) => {
  if (event.target.closest("input, textarea, dialog[open]") || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key.toLowerCase() === "z") closeUp();
});
await repeat("state", look);
repeat("charts", async () => showCharts(at("charts"), await ask("/live/charts"), charts));
repeat("seen", see);
document.querySelector("main").dataset.ready = "yes";
