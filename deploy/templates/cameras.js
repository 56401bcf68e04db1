"use strict";
const EVERY_MS = 120, HIDDEN_MS = 1000, PATIENCE_MS = 3000;
const token = new URLSearchParams(location.search).get("token") || "";
const $ = (id) => document.getElementById(id);
const address = (path) => `${path}?token=${encodeURIComponent(token)}`;
const pause = (ms) => new Promise((resume) => setTimeout(resume, ms));
let shown = -1, rate = 0, last = null;

async function ask(path, options = {}) {
  const answer = await fetch(address(path), { signal: AbortSignal.timeout(PATIENCE_MS), cache: "no-store", ...options });
  if (!answer.ok) { const error = new Error((await answer.json()).error); error.refused = true; throw error; }
  return answer;
}

function say(tone, phase, hint) {
  document.body.dataset.tone = tone;
  $("phase").textContent = phase;
  $("hint").textContent = hint;
}

function show(state) {
  const missing = Object.keys(state.missing), there = state.cameras - missing.length;
  if (!state.sets) say("calm", "Waiting for the cameras", "");
  else if (!missing.length) say("good", `${there} cameras`, "all there, of one trigger");
  else say("lost", `${there} of ${state.cameras} cameras`, `missing: ${missing.join(", ")}`);
  const now = performance.now();
  if (last && state.sets > last.sets && now > last.at) {
    const latest = (1000 * (state.sets - last.sets)) / (now - last.at);
    rate = rate ? 0.9 * rate + 0.1 * latest : latest;
  }
  last = { sets: state.sets, at: now };
  const count = state.counts;
  const parts = [["a second", rate.toFixed(1)], ["complete", count.complete], ["partial", count.partial], ["too few views", count.too_few], ["not of one trigger", count.unpaired]];
  $("tally").replaceChildren(...parts.flatMap(([name, value], index) => {
    const number = document.createElement("b");
    number.textContent = value;
    return [...(index ? [" · "] : []), number, ` ${name}`];
  }));
  $("focus").hidden = !state.focus;
  document.title = missing.length ? `${there} of ${state.cameras} cameras` : "Cameras";
}

async function draw() {
  const picture = await createImageBitmap(await (await ask("/picture")).blob());
  const canvas = $("mosaic");
  canvas.width = picture.width; canvas.height = picture.height;
  canvas.getContext("2d").drawImage(picture, 0, 0);
  picture.close();
}

async function look() {
  for (;;) {
    try {
      const state = await (await ask("/state")).json();
      show(state);
      if (state.sets !== shown) { await draw(); shown = state.sets; }
    } catch (error) {
      say("lost", error.refused ? "Refused" : "No connection", error.refused ? error.message : "has the command ended?");
    }
    await pause(document.hidden ? HIDDEN_MS : EVERY_MS);
  }
}

$("reset").addEventListener("click", () => ask("/reset", { method: "POST", headers: { "Content-Type": "application/json" }, body: "{}" }).catch(() => {}));
look();
