// The Models page: versions and decisions at the left, two versions on the same frame at the right.

import { ask, SLOW_MS, thumbnailAddress } from "./api.js";
import { at, chip, clock, date, made, replaced, whole } from "./dom.js";
import { SeenFrame } from "./seen.js";

const EVERY_MS = 3000;
const STATES = { promoted: ["serves", "good"], canary: ["on trial", "other"], candidate: ["candidate", "plain"], replaced: ["replaced", "plain"], rejected: ["rejected", "bad"], "rolled back": ["rolled back", "bad"], damaged: ["damaged", "bad"] };
// Of a manifest: how it is called, its unit, and whether less is better.
const FIGURES = [
  ["rms_px", "RMS in the images", "px", true],
  ["median_mm", "median in space", "mm", true],
  ["p95_mm", "95 of 100 are below", "mm", true],
  ["coverage_90", "truth in the 90 % ellipsoids", "%", null],
  ["frames", "frames", "", null],
];
const mayOperate = document.querySelector("main").dataset.mayOperate === "yes";

let state = null;
let frames = { held_out: [], newest: [], keypoints: [] };
const picked = { a: null, b: null };
const shown = { a: null, b: null }; // what each side's model has answered
let frame = null;
let close = true;
const sides = { a: new SeenFrame(), b: new SeenFrame() };

function tell(text, failed = false) {
  at("told").textContent = text;
  at("told").dataset.state = failed ? "failed" : "";
}

// ---- versions and decisions

const version = (number) => state.versions.find((each) => each.version === number);

function showVersions() {
  const rows = state.versions.map(({ version: number, state: is, reason, at_s: when, metrics }) => {
    const [said, tone] = STATES[is];
    const pick = (side) =>
      made("button", { className: side, "aria-pressed": String(picked[side] === number), data: { key: `${side}${number}` }, title: `Show version ${number} on side ${side.toUpperCase()}`, onclick: () => choose(side, number) }, side.toUpperCase());
    const facts = [metrics.rms_px === undefined ? null : `${metrics.rms_px.toFixed(2)} px`, metrics.median_mm === undefined ? null : `${metrics.median_mm.toFixed(2)} mm`, when && clock(when)];
    return made(
      "li", { className: is === "promoted" ? "serves" : "", data: { version: number }, title: when ? `published ${date(when)}` : "" },
      made("b", {}, `v${number}`), chip(said, tone), is === "damaged" ? made("span") : made("span", { className: "picks" }, pick("a"), pick("b")),
      made("p", {}, facts.filter(Boolean).join(" · "),
        mayOperate && !["promoted", "damaged"].includes(is)
          ? made("button", { className: "quiet small promote", data: { key: `promote ${number}` }, onclick: () => decide(number) }, "Promote…")
          : null),
      reason ? made("p", {}, reason) : null,
    );
  });
  replaced(at("versions"), ...(rows.length ? rows : [made("li", { className: "nothing-here" }, "None is published yet.")]));
  at("roll-back").hidden = !mayOperate || state.before === null;
  at("roll-back").title = state.before === null ? "" : `Let version ${state.before} serve again`;
}

function showEvents() {
  const rows = state.events.map(({ action, version: number, at_s: when, reason, who }) =>
    made(
      "li", { className: action === "promoted" ? "" : "back" },
      action === "promoted" ? made("span", {}, made("b", {}, `v${number}`), " promoted") : made("span", {}, "rolled back to ", made("b", {}, `v${number}`)),
      made("small", {}, `${date(when)}${who ? `, ${who}` : ""}`), reason ? made("q", {}, reason) : null,
    ),
  );
  at("events").replaceChildren(...(rows.length ? rows : [made("li", { className: "nothing-here" }, "Nothing yet.")]));
}

function showPolicy() {
  const rows = state.policy.map(({ name, at_s: when, policy_version: number, env_steps: steps, success, episodes }) =>
    made(
      "tr", { title: `${name}, ${date(when)}` }, made("td", {}, clock(when)), made("td", { className: "number" }, number === null ? "" : `v${number}`),
      made("td", { className: "number" }, steps === null ? "" : whole(steps)),
      made("td", { className: "number", title: `of the last ${episodes} episodes` }, success === null ? "" : `${Math.round(100 * success)} %`),
    ),
  );
  at("policy").tBodies[0].replaceChildren(...(rows.length ? rows : [made("tr", {}, made("td", { className: "muted", colSpan: 4 }, "No checkpoint yet."))]));
}

async function look() {
  state = await ask("/models/state");
  const readable = state.versions.filter((each) => each.state !== "damaged").map((each) => each.version);
  if (picked.b === null && readable.length) {
    picked.b = state.serving ?? readable[0];
    picked.a = readable.find((each) => each < picked.b) ?? readable.find((each) => each !== picked.b) ?? picked.b;
  }
  showVersions();
  showEvents();
  showPolicy();
  showTables();
}

function decide(promoted) {
  const back = promoted === null;
  const serving = state.serving;
  at("decision-title").textContent = back ? `Roll back version ${serving}` : `Promote version ${promoted}`;
  at("decision-said").textContent = back
    ? `Version ${state.before} serves again, as before. The service takes it up by itself within seconds.`
    : `It serves instead of ${serving === null ? "none" : `version ${serving}`}. The service takes it up by itself within seconds, and the policy's experience is made anew with it.`;
  at("decide").textContent = back ? "Roll back" : "Promote";
  at("reason").value = "";
  at("decision-fault").textContent = "";
  at("decision").querySelector("form").onsubmit = async (event) => {
    event.preventDefault();
    const reason = at("reason").value;
    at("decide").disabled = true;
    try {
      if (back) await ask("/models/roll_back", "POST", { withdraw: serving, reason }, SLOW_MS);
      else await ask("/models/promote", "POST", { version: promoted, instead_of: serving, reason }, SLOW_MS);
      at("decision").close();
      await look();
      tell(`Version ${state.serving} serves.`);
    } catch (error) {
      at("decision-fault").textContent = error.message;
    } finally {
      at("decide").disabled = false;
    }
  };
  at("decision").showModal();
}

// ---- side by side

function choose(side, number) {
  picked[side] = number;
  showVersions();
  see(side);
}

function showFrames() {
  const all = [...frames.held_out.map((name) => [name, "held out"]), ...frames.newest.map((name) => [name, "newest"])];
  replaced(
    at("frames"),
    ...all.map(([name, kind], index) =>
      made(
        "li", { className: index === frames.held_out.length && index ? "first-new" : "", title: name, ...(name === frame ? { "aria-current": "true" } : {}) },
        made("button", { data: { key: name, frame: name }, onclick: () => open(name) }, made("img", { src: thumbnailAddress(name), alt: "", width: 58, height: 58 }), made("small", {}, kind)),
      ),
    ),
  );
}

function open(name) {
  frame = name;
  showFrames();
  at("frames").querySelector("[aria-current]")?.scrollIntoView({ block: "nearest", inline: "nearest" });
  see("a");
  see("b");
}

async function see(side) {
  const element = at(`side-${side}`);
  const number = picked[side];
  element.querySelector("h3").textContent = number === null ? "no version" : `version ${number}`;
  element.querySelector(".hint").textContent = number === null ? "" : STATES[version(number)?.state ?? "candidate"][0];
  if (number === null || frame === null) return;
  const wanted = frame;
  shown[side] = null;
  sides[side].element.classList.add("waiting");
  try {
    const found = await ask(`/models/${number}/frames/${frame.split("/").map(encodeURIComponent).join("/")}`, "GET", undefined, SLOW_MS);
    if (wanted !== frame || number !== picked[side]) return;
    shown[side] = found;
    sides[side].close = close;
    element.querySelector(".refused")?.remove();
    if (!sides[side].element.isConnected) element.append(sides[side].element);
    await sides[side].show(found, frames.keypoints);
    element.dataset.shown = `${number} ${frame}`;
  } catch (error) {
    if (wanted !== frame || number !== picked[side]) return;
    element.querySelector(".refused")?.remove();
    sides[side].element.remove();
    element.append(made("p", { className: "refused" }, error.message));
  } finally {
    sides[side].element.classList.remove("waiting");
  }
  showTables();
}

function pair(said, a, b, unit, lessIsBetter, digits = 2) {
  const cell = (mine, other) => {
    if (mine === undefined || mine === null) return made("td", { className: "number" }, "");
    const better = lessIsBetter && other !== undefined && mine < 0.98 * other;
    return made("td", { className: `number ${better ? "better" : ""}` }, `${mine.toFixed(digits)}${unit ? ` ${unit}` : ""}`);
  };
  return made("tr", {}, made("td", {}, ...said), cell(a, b), cell(b, a));
}

function showTables() {
  const [a, b] = [version(picked.a)?.metrics ?? {}, version(picked.b)?.metrics ?? {}];
  const rows = FIGURES.filter(([name]) => name in a || name in b).map(([name, said, unit, less]) => {
    const scale = unit === "%" ? 100 : 1;
    const value = (metrics) => (metrics[name] === undefined ? undefined : scale * metrics[name]);
    return pair([said], value(a), value(b), unit, less, name === "frames" || unit === "%" ? 0 : 2);
  });
  const named = (name, colour) => {
    const swatch = made("i", { className: "swatch" });
    swatch.style.background = colour;
    return [swatch, name];
  };
  for (const { name, colour } of frames.keypoints) {
    const key = `median_mm/${name}`;
    if (key in a || key in b) rows.push(pair(named(`${name}, median`, colour), a[key], b[key], "mm", true));
  }
  at("figures").tBodies[0].replaceChildren(...rows);
  const errors = frames.keypoints.flatMap(({ name, colour }) => {
    const [mine, other] = [shown.a?.errors[name], shown.b?.errors[name]];
    if (!mine && !other) return [];
    return ["px", "mm"].filter((unit) => mine?.[unit] !== undefined || other?.[unit] !== undefined).map((unit, index) => pair(index ? [made("span", { className: "muted" }, "in space")] : named(name, colour), mine?.[unit], other?.[unit], unit, true));
  });
  const none = made("tr", {}, made("td", { className: "muted", colSpan: 3 }, "This frame has no label: look where the ellipses lie."));
  at("errors").tBodies[0].replaceChildren(...(errors.length ? errors : [none]));
}

// ---- beginning

function step(by) {
  const all = [...frames.held_out, ...frames.newest];
  if (all.length) open(all[(all.indexOf(frame) + by + all.length) % all.length]);
}

function closeUp() {
  close = !close;
  at("close-up").setAttribute("aria-pressed", String(close));
  for (const side of Object.values(sides)) side.look(close);
}

at("close-up").addEventListener("click", closeUp);
at("previous").addEventListener("click", () => step(-1));
at("next").addEventListener("click", () => step(1));
at("roll-back").addEventListener("click", () => decide(null));
at("cancel-decision").addEventListener("click", () => at("decision").close());
document.addEventListener("keydown", (event) => {
  if (event.target.closest("input, textarea, dialog[open]") || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key.toLowerCase() === "z") closeUp();
  if (event.key === "ArrowLeft") step(-1);
  if (event.key === "ArrowRight") step(1);
});

try {
  [frames] = await Promise.all([ask("/models/frames"), look()]);
  showFrames();
  const first = frames.held_out[0] ?? frames.newest[0];
  if (first) open(first);
  else at("frames").replaceChildren(made("li", { className: "nothing-here" }, "There are no frames yet."));
  showTables();
} catch (error) {
  tell(error.status ? error.message : "The server does not answer.", true);
}
setInterval(async () => {
  if (document.hidden) return;
  try {
    await look();
    if (at("told").dataset.state === "failed") tell("");
  } catch (error) {
    tell(error.status ? error.message : "The server does not answer.", true);
  }
}, EVERY_MS);
document.querySelector("main").dataset.ready = "yes";
