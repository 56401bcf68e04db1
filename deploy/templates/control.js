"use strict";
// Shares of the twist limits: x, y, z, then rotation about x, y, z; as the cell takes them.
const AXES = {
  d: [0, 1], a: [0, -1], w: [1, 1], s: [1, -1], q: [2, 1], e: [2, -1],
  k: [3, 1], i: [3, -1], l: [4, 1], j: [4, -1], u: [5, 1], o: [5, -1],
};
const ARROWS = { arrowright: "d", arrowleft: "a", arrowup: "w", arrowdown: "s" };
const SHOWN = [["d", "a"], ["w", "s"], ["q", "e"]]; // what points along world x, y, z
const SLOW = 0.25, DEAD_ZONE = 0.12;
const TAP_MS = 260; // a tap moves for one control step, however short it is
const DRIVING_MS = 60, WATCHING_MS = 120, HIDDEN_MS = 1000, PATIENCE_MS = 1000;
const token = new URLSearchParams(location.search).get("token") || "";
const page = Array.from(crypto.getRandomValues(new Uint8Array(8)), (b) => b.toString(16).padStart(2, "0")).join("");
const $ = (id) => document.getElementById(id);
const down = new Map(); // key -> since when
const until = new Map(); // key -> a tap goes on until then
let count = 0, state = null, answered = performance.now(), refused = "", shown = "", drawing = false;

const held = (key) => down.has(key) || (until.get(key) || 0) > performance.now();
const address = (path, more = "") => `${path}?token=${encodeURIComponent(token)}${more}`;
const pause = (ms) => new Promise((resume) => setTimeout(resume, ms));

function press(key) {
  if (down.has(key)) return;
  down.set(key, performance.now());
  if (key in AXES) until.set(key, performance.now() + TAP_MS);
  light();
}
function release(key) { down.delete(key); setTimeout(light, TAP_MS); light(); }
function letGo() { down.clear(); until.clear(); light(); }

function gamepad() { return Array.from(navigator.getGamepads ? navigator.getGamepads() : []).find((pad) => pad && pad.connected); }

// Six shares, or null while nothing is held. A gamepad needs its shoulder button: a stick that drifts must not drive.
function twist() {
  const share = [0, 0, 0, 0, 0, 0], speed = held("shift") ? SLOW : 1;
  let holds = held(" ");
  for (const [key, [axis, sign]] of Object.entries(AXES)) if (held(key)) { share[axis] += sign * speed; holds = true; }
  const pad = gamepad();
  if (pad && (pad.buttons[5]?.pressed || pad.buttons[4]?.pressed)) {
    holds = true;
    const slow = pad.buttons[4]?.pressed ? SLOW : 1;
    const stick = (index) => {
      const value = pad.axes[index] || 0, size = Math.abs(value);
      return size < DEAD_ZONE ? 0 : slow * Math.sign(value) * ((size - DEAD_ZONE) / (1 - DEAD_ZONE)) ** 2;
    };
    const trigger = (index) => slow * (pad.buttons[index]?.value || 0);
    share[0] += stick(0); share[1] -= stick(1);
    share[2] += trigger(7) - trigger(6);
    share[4] += stick(2); share[3] += stick(3);
    share[5] += trigger(14) - trigger(15);
  }
  return holds ? share.map((value) => Math.max(-1, Math.min(1, value))) : null;
}

async function ask(path, body) {
  const options = { signal: AbortSignal.timeout(PATIENCE_MS), cache: "no-store" };
  if (body) Object.assign(options, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
  const answer = await fetch(path, options);
  const value = await answer.json();
  if (!answer.ok) { const error = new Error(value.error); error.refused = true; throw error; }
  return value;
}

async function converse() {
  let drove = false;
  for (;;) {
    const share = twist();
    try {
      // Letting go is said once, so that control goes back at once and not when the last command has aged.
      if (share || drove) state = await ask(address("/command"), { page, count: ++count, twist: share });
      else state = await ask(address("/state", `&page=${page}`));
      answered = performance.now();
      refused = "";
    } catch (error) {
      if (error.refused) { refused = error.message; answered = performance.now(); try { state = await ask(address("/state", `&page=${page}`)); } catch { /* shown as lost */ } }
    }
    drove = share !== null;
    show();
    await pause(document.hidden ? HIDDEN_MS : share ? DRIVING_MS : WATCHING_MS);
  }
}

async function decide(decision) {
  if (!state || !state.records || !state.episode) return;
  try { await ask(address("/decision"), { decision, episode: state.episode }); refused = ""; }
  catch (error) { refused = error.refused ? error.message : "no answer: try again"; }
  show();
}

function line() {
  const silent = performance.now() - answered;
  if (silent > 600) return ["lost", state && state.phase === "finished" ? "Finished" : "No connection", "the robot holds still, or goes on by itself"];
  if (!state || state.phase === "starting") return ["calm", "Waiting for the cell", ""];
  if (state.phase === "finished") return ["calm", "Finished", "you can close this page"];
  if (state.age_s > 2) return ["lost", "The cell is busy", `nothing new for ${state.age_s.toFixed(0)} s`];
  if (state.phase === "ready") return ["calm", "Ready", "your first command begins the episode"];
  if (state.phase === "recording") return ["recording", "Recording", state.driver === "nobody" ? "nobody drives: the robot holds still" : ""];
  if (state.phase === "full") return ["lost", "Full", "a minute is recorded: keep or discard it"];
  if (state.phase === "closed") return ["calm", "Watching", "this episode is not learned from: nobody can take over"];
  if (state.driver === "policy") return ["policy", "The policy drives", "hold a key to take over"];
  return ["you", state.driver === "you" ? "You drive" : "Another page drives", "kept as a demonstration"];
}

function show() {
  const [tone, phase, hint] = line();
  document.body.dataset.tone = tone;
  $("phase").textContent = phase;
  $("hint").textContent = hint;
  if (!state || !state.picture) return;
  const figure = (value) => value.toFixed(1).padStart(7);
  $("driver").textContent = state.driver;
  $("step").textContent = state.step;
  $("time").textContent = `${state.time_s.toFixed(2)} s`;
  $("position").textContent = state.position_mm.map(figure).join("").trimStart();
  $("rotation").textContent = state.rotation_deg.map(figure).join("").trimStart();
  $("speed").textContent = state.speed_mm_s.toFixed(0);
  $("decisions").hidden = !state.records;
  $("keep").disabled = !state.step;
  const wanted = state.wanted ? ` of ${state.wanted}` : "";
  $("tally").innerHTML = state.records ? `<b></b> · episode <b>${Number(state.episode)}</b> · kept <b>${Number(state.kept)}${wanted}</b>` : `<b></b> · episode <b>${Number(state.episode)}</b>`;
  $("tally").firstChild.textContent = state.cell;
  $("note").textContent = refused || state.note;
  $("takeover").textContent = state.records ? "" : "Space alone takes over and keeps the robot still; letting go of everything gives it back.";
  const pad = gamepad();
  if (pad) $("pad").textContent = "Gamepad: hold the right shoulder button to drive, the left one to drive slowly; sticks move and tilt, triggers lift and lower, the cross turns.";
  document.title = `${phase} – ${state.cell}`;
  draw();
}

async function draw() {
  if (drawing || state.picture === shown) return;
  drawing = true;
  const name = state.picture, views = state.views;
  try {
    const answer = await fetch(address("/picture"), { signal: AbortSignal.timeout(PATIENCE_MS), cache: "no-store" });
    if (!answer.ok) return;
    const picture = await createImageBitmap(await answer.blob());
    build(views);
    const width = picture.width / views.length;
    document.querySelectorAll(".view canvas").forEach((canvas, index) => {
      canvas.width = width; canvas.height = picture.height;
      canvas.getContext("2d").drawImage(picture, index * width, 0, width, picture.height, 0, 0, width, picture.height);
    });
    picture.close();
    shown = name;
  } catch { /* the next one */ } finally { drawing = false; }
}

// One box for each camera, with a compass of the keys.
function build(views) {
  const box = $("views");
  if (box.childElementCount === views.length) return;
  box.replaceChildren(...views.map((view) => {
    const each = document.createElement("div");
    each.className = "view";
    // Behind them all a dark outline; what points the other way shows only while its key is down.
    const path = ([x, y]) => `<path d="M50 50 L${(50 + 36 * x).toFixed(1)} ${(50 + 36 * y).toFixed(1)}"/>`;
    const arrow = ([x, y], key, kind) => {
      const short = Math.hypot(x, y) < 0.3; // it points at the camera, or away
      const name = short ? "" : `<text x="${(50 + 49 * x).toFixed(1)}" y="${(50 + 49 * y).toFixed(1)}">${key.toUpperCase()}</text>`;
      return `<g class="${kind}" data-arrow="${key}">${path([x, y])}${name}</g>`;
    };
    const outlines = view.axes.map((axis) => `<g class="halo">${path(axis)}</g>`);
    const arrows = view.axes.map((axis, index) => arrow(axis, SHOWN[index][0], "plus") + arrow([-axis[0], -axis[1]], SHOWN[index][1], "minus"));
    each.innerHTML = `<canvas width="1" height="1"></canvas><svg viewBox="0 0 100 100" aria-hidden="true">${outlines.join("")}${arrows.join("")}</svg><span></span>`;
    each.querySelector("span").textContent = view.name;
    return each;
  }));
}

function light() {
  document.querySelectorAll("[data-key]").forEach((button) => button.classList.toggle("down", held(button.dataset.key)));
  document.querySelectorAll("[data-arrow]").forEach((arrow) => arrow.classList.toggle("live", held(arrow.dataset.arrow)));
}

addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const name = event.key.toLowerCase(), key = ARROWS[name] || name;
  if (key in AXES || key === " " || key === "shift") { press(key); event.preventDefault(); return; }
  if (event.repeat || event.target.closest?.("button")) return;
  if (key === "enter") { decide("keep"); event.preventDefault(); }
  if (key === "backspace") { decide("discard"); event.preventDefault(); }
});
addEventListener("keyup", (event) => {
  const name = event.key.toLowerCase(), key = ARROWS[name] || name;
  if (key in AXES || key === " " || key === "shift") { release(key); event.preventDefault(); }
});
// A hand that is elsewhere does not hold the dead-man.
addEventListener("blur", letGo);
addEventListener("pagehide", letGo);
document.addEventListener("visibilitychange", () => { if (document.hidden) letGo(); });
document.querySelectorAll("[data-key]").forEach((button) => {
  button.tabIndex = -1;
  button.addEventListener("pointerdown", (event) => { button.setPointerCapture(event.pointerId); press(button.dataset.key); event.preventDefault(); });
  for (const over of ["pointerup", "pointercancel", "lostpointercapture"]) button.addEventListener(over, () => release(button.dataset.key));
});
for (const decision of ["keep", "discard", "reset", "finish"]) {
  // Blurred, or the space bar would press it again.
  $(decision).addEventListener("click", () => { decide(decision); $(decision).blur(); });
}
converse();
