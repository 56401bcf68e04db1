// The Label page: one frame at a time on a desk, every change drawn at once, measured by the server, and stored.

import * as api from "./api.js";
import { editKeypoints } from "./keypoints.js";
import { actOf, showHelp } from "./keys.js";
import * as marking from "./marks.js";
import { showFrame, showKeypoints, showProgress, showReadings } from "./panel.js";
import { Saver } from "./saver.js";
import { Stage } from "./stage.js";
import { showStrip } from "./strip.js";

const LOOK_EVERY_MS = 5000;
const STEP_PX = { plain: 1, shift: 10, alt: 0.1 };

const at = (id) => document.getElementById(id);
const mayLabel = document.querySelector("main").dataset.mayLabel === "yes";

// All that the page shows.
const desk = {
  keypoints: [], current: null, frame: null, capturedAt: "", givenBy: null, views: [], activeView: null,
  marks: marking.EMPTY, split: "train", guides: {}, predictions: {},
};
let overview = null;
let shownList = "queue";
let history = new marking.History({ marks: desk.marks, split: desk.split });
let saver = null;
let opening = 0;
const savers = new Set();

const stage = new Stage(at("views"), desk, {
  place: (camera, pixel) => (desk.current ? change(marking.withClick(desk.marks, camera, desk.current, pixel)) : undefined),
  dragged: (camera, name, [du, dv]) => {
    if (!mayLabel) return;
    desk.current = name;
    const [u, v] = marking.clickOf(desk.marks, camera, name);
    desk.marks = marking.withClick(desk.marks, camera, name, inside(camera, [u + du, v + dv]));
    measure();
    show();
  },
  dropped: () => change(desk.marks),
  entered: (camera) => {
    desk.activeView = camera;
    show();
  },
});

// ---- a frame comes and goes

async function open(frame) {
  if (!at("conflict").hidden) return tell("failed", "First choose: this frame has two labels now.");
  const mine = ++opening;
  let found;
  try {
    found = await api.frame(frame);
  } catch (error) {
    return tell("failed", error.message);
  }
  if (mine !== opening) return;
  savers.delete(saver?.idle ? saver : null);
  Object.assign(desk, { frame, capturedAt: found.captured_at, views: found.views, guides: {}, predictions: {} });
  if (!found.views.some(({ camera }) => camera === desk.activeView)) desk.activeView = found.views[0].camera;
  take(found);
  location.hash = frame;
  desk.current = nextOpen() ?? desk.keypoints[0]?.name ?? null;
  show();
  showList();
  stage.show(frame, found.views).catch(() => mine === opening && tell("failed", `An image of frame ${frame} did not arrive.`));
  measure();
  const predicted = await api.predictions(frame).catch(() => ({ views: {} }));
  if (mine !== opening) return;
  desk.predictions = predicted.views;
  show();
}

// A frame's label as the server has it.
function take(found) {
  desk.marks = marking.fromLabel(found.label);
  desk.split = found.split;
  desk.givenBy = found.label;
  history = new marking.History({ marks: desk.marks, split: desk.split });
  const frame = desk.frame;
  saver = new Saver(frame, found.version, {
    tell: (state, text) => tell(state, text),
    conflict: (now, text) => conflict(frame, now, text),
    saved: (state) => saved(frame, state),
  });
  savers.add(saver);
  tell("");
}

function saved(frame, state) {
  if (frame === desk.frame) {
    desk.givenBy = state.label;
    showFrame(desk, mayLabel);
  }
  look();
}

// ---- a person changes something

function change(marks, split = desk.split) {
  if (!mayLabel || !desk.frame) return;
  history.do({ marks, split });
  settle();
}

function settle() {
  Object.assign(desk, history.now);
  saver.save(desk.marks, desk.split);
  measure();
  show();
}

const acts = {
  choose: (event) => choose(desk.keypoints[Number(event.key) - 1]?.name),
  nextKeypoint: () => step(desk.keypoints.map(({ name }) => name), desk.current, 1, choose),
  previousKeypoint: () => step(desk.keypoints.map(({ name }) => name), desk.current, -1, choose),
  nextFrame: () => step(frames(), desk.frame, 1, open),
  previousFrame: () => step(frames(), desk.frame, -1, open),
  nextView: (event) => step(desk.views.map(({ camera }) => camera), desk.activeView, event.shiftKey ? -1 : 1, enter),
  nudge: (event) => nudge(event),
  placeAtCursor: () => {
    if (stage.cursor?.camera !== desk.activeView || !desk.current) return;
    const { pixel } = stage.cursor;
    stage.cursor = null;
    change(marking.withClick(desk.marks, desk.activeView, desk.current, pixel));
  },
  accept: (event) => accept(event.shiftKey ? desk.keypoints.map(({ name }) => name) : [desk.current]),
  occluded: () => desk.current && change(marking.toggleOccluded(desk.marks, desk.activeView, desk.current)),
  absent: () => desk.current && change(marking.toggleAbsent(desk.marks, desk.current)),
  remove: () => {
    if (!marking.clickOf(desk.marks, desk.activeView, desk.current)) return;
    change(marking.withoutClick(desk.marks, desk.activeView, desk.current));
  },
  split: () => change(desk.marks, desk.split === "train" ? "held_out" : "train"),
  undo: () => mayLabel && history.undo() && settle(),
  redo: () => mayLabel && history.redo() && settle(),
  zoomToPoint: () => desk.current && stage.zoomToPoint(desk.current),
  fit: () => stage.fit(),
  zoomIn: () => stage.view(desk.activeView)?.zoomBy(1.5),
  zoomOut: () => stage.view(desk.activeView)?.zoomBy(1 / 1.5),
  help: () => at("help-dialog").showModal(),
};

function accept(names) {
  const after = marking.withSuggestions(desk.marks, desk.predictions, names.filter(Boolean));
  if (!marking.same(after, desk.marks)) change(after);
}

function nudge(event) {
  const size = event.shiftKey ? STEP_PX.shift : event.altKey ? STEP_PX.alt : STEP_PX.plain;
  const [du, dv] = { arrowleft: [-1, 0], arrowright: [1, 0], arrowup: [0, -1], arrowdown: [0, 1] }[event.key.toLowerCase()];
  const move = ([u, v]) => inside(desk.activeView, [u + du * size, v + dv * size]);
  const click = desk.current && marking.clickOf(desk.marks, desk.activeView, desk.current);
  if (click) return change(marking.withClick(desk.marks, desk.activeView, desk.current, move(click)));
  const view = stage.view(desk.activeView);
  if (!view) return undefined;
  const begin = stage.placeOf(desk.activeView, desk.current) ?? [(view.width - 1) / 2, (view.height - 1) / 2];
  const held = stage.cursor?.camera === desk.activeView;
  stage.cursor = { camera: desk.activeView, pixel: held ? move(stage.cursor.pixel) : inside(desk.activeView, begin) };
  return show();
}

function inside(camera, [u, v]) {
  const { width, height } = stage.view(camera);
  const bound = (value, size) => Math.min(Math.max(value, -0.5), size - 0.5);
  return [bound(u, width), bound(v, height)];
}

function choose(name) {
  if (!name) return;
  desk.current = name;
  show();
}

function enter(camera) {
  desk.activeView = camera;
  show();
}

const nextOpen = () => desk.keypoints.find(({ name }) => !marking.isSettled(desk.marks, name))?.name;
const frames = () => (overview?.[shownList] ?? []).map((each) => each.frame);

function step(all, from, by, go) {
  if (!all.length) return;
  const index = all.indexOf(from);
  go(all[index < 0 ? 0 : (index + by + all.length) % all.length]);
}

// ---- the server measures: one question at a time, and always the newest

let asking = false;
let unasked = false;

async function measure() {
  if (asking) {
    unasked = true;
    return;
  }
  asking = true;
  do {
    unasked = false;
    const frame = desk.frame;
    const found = await api.guides(frame, desk.marks).catch(() => null);
    if (found && frame === desk.frame) {
      desk.guides = found;
      show();
    }
  } while (unasked);
  asking = false;
}

// ---- showing

function show() {
  showKeypoints(desk, choose);
  showReadings(desk, mayLabel);
  showFrame(desk, mayLabel);
  stage.draw();
  at("undo").disabled = !mayLabel || !history.past.length;
  at("redo").disabled = !mayLabel || !history.future.length;
  at("advice").textContent = advice();
}

function advice() {
  if (!mayLabel) return "You may look. Labelling needs the role labeller.";
  if (!desk.keypoints.length) return "Name the keypoints first: what the robot shall attend to.";
  const next = nextOpen();
  if (!next) return "All keypoints are settled. D goes to the next frame.";
  const count = marking.clickCount(desk.marks, desk.current);
  const suggested = marking.withSuggestions(desk.marks, desk.predictions, [desk.current]);
  if (!count && !marking.same(suggested, desk.marks)) return "Dashed rings are the model's suggestion: Space takes it, a click overrules it.";
  if (count === 1) return "The line in each other view is where it must be.";
  if (desk.current !== next && marking.isSettled(desk.marks, desk.current)) return `E goes on to the next keypoint, ${next} is open.`;
  return "Click the keypoint in two views or more. Wheel zooms, drag moves, Z goes close.";
}

function tell(state, text = "") {
  const words = { saving: "Storing…", saved: "Stored", failed: text };
  at("saved").textContent = words[state] ?? "";
  at("saved").dataset.state = state;
}

function conflict(frame, now, text) {
  if (frame !== desk.frame) return tell("failed", `Frame ${frame}: ${text}. What you changed there is not stored.`);
  const stopped = saver;
  at("conflict-said").textContent = `${now.label?.by || "Someone"} has changed this frame while you were at it.`;
  at("conflict").hidden = false;
  at("take-theirs").onclick = () => {
    at("conflict").hidden = true;
    stopped.resume(now.version, false);
    take(now);
    tell("saved");
    measure();
    show();
  };
  at("keep-mine").onclick = () => {
    at("conflict").hidden = true;
    stopped.resume(now.version, true);
  };
  return undefined;
}

function showList() {
  at("tab-queue").setAttribute("aria-selected", String(shownList === "queue"));
  at("tab-done").setAttribute("aria-selected", String(shownList === "done"));
  at("queue-said").hidden = shownList !== "queue";
  if (overview) showStrip(overview[shownList], desk.frame, open);
}

function list(name) {
  shownList = name;
  showList();
}

async function look() {
  try {
    overview = await api.project();
  } catch (error) {
    return tell("failed", error.message);
  }
  desk.keypoints = overview.keypoints;
  if (!desk.keypoints.some(({ name }) => name === desk.current)) desk.current = desk.keypoints[0]?.name ?? null;
  showProgress(overview);
  showList();
  return show();
}

// ---- beginning

const define = () => editKeypoints(desk.keypoints, look);

function listen() {
  for (const [id, act] of Object.entries({ undo: "undo", redo: "redo", help: "help", occluded: "occluded", absent: "absent", remove: "remove", next: "nextFrame", previous: "previousFrame" })) {
    at(id).addEventListener("click", (event) => acts[act](event));
  }
  at("accept").addEventListener("click", () => accept([desk.current]));
  at("accept-all").addEventListener("click", () => accept(desk.keypoints.map(({ name }) => name)));
  for (const split of ["train", "held_out"]) at(split).addEventListener("click", () => change(desk.marks, split));
  at("tab-queue").addEventListener("click", () => list("queue"));
  at("tab-done").addEventListener("click", () => list("done"));
  at("define").addEventListener("click", define);
  document.addEventListener("keydown", (event) => {
    if (event.target.closest("input, dialog[open]")) return;
    const act = actOf(event);
    if (!act || (event.target.closest("button") && [" ", "Enter"].includes(event.key))) return;
    event.preventDefault();
    acts[act](event);
  });
  // A button that the mouse pressed keeps no focus: the next Space is a key of the page, not another press.
  document.addEventListener("click", (event) => event.detail && event.target.closest("button")?.blur());
  addEventListener("hashchange", () => {
    const frame = decodeURIComponent(location.hash.slice(1));
    if (frame && frame !== desk.frame) open(frame);
  });
  addEventListener("beforeunload", (event) => {
    if ([...savers].some((each) => !each.idle)) event.preventDefault();
  });
  setInterval(() => document.hidden || look(), LOOK_EVERY_MS);
}

showHelp(at("keys"));
listen();
await look();
if (overview) {
  const asked = decodeURIComponent(location.hash.slice(1));
  const first = asked || overview.queue.find(({ state }) => state !== "done")?.frame || overview.done[0]?.frame;
  if (first) await open(first);
  if (mayLabel && !desk.keypoints.length) define();
}
document.querySelector("main").dataset.ready = "yes";
