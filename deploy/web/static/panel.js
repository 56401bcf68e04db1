// What stands beside the views: the keypoints, the chosen one's residuals, the frame, the progress.

import { clickCount, clickOf, isAbsent, isOccluded, isPlaced } from "./marks.js";

const at = (id) => document.getElementById(id);
const MM = 1000;

export function showKeypoints(desk, choose) {
  at("keypoints").replaceChildren(
    ...desk.keypoints.map(({ name, colour }, index) => {
      const row = document.createElement("li");
      const button = document.createElement("button");
      button.dataset.keypoint = name;
      button.setAttribute("aria-pressed", String(name === desk.current));
      const swatch = document.createElement("i");
      swatch.className = "swatch";
      swatch.style.background = colour;
      const said = document.createElement("span");
      said.textContent = name;
      const state = document.createElement("small");
      state.textContent = stateOf(desk, name);
      const settled = isPlaced(desk.marks, name) || isAbsent(desk.marks, name);
      state.className = desk.guides[name]?.warning ? "doubtful" : settled ? "settled" : "";
      const key = document.createElement("kbd");
      key.textContent = index < 9 ? index + 1 : "";
      button.append(swatch, said, state, key);
      button.addEventListener("click", () => choose(name));
      row.append(button);
      return row;
    }),
  );
}

function stateOf({ marks, guides }, name) {
  if (isAbsent(marks, name)) return "absent";
  if (guides[name]?.warning) return "look again";
  if (name in marks.points_m) return "given";
  const count = clickCount(marks, name);
  return count ? `${count} view${count > 1 ? "s" : ""}` : "";
}

export function showReadings(desk, mayLabel) {
  const { current, marks, guides, views, activeView, predictions } = desk;
  const keypoint = desk.keypoints.find((each) => each.name === current);
  at("current").textContent = current ?? "No keypoint";
  at("swatch").style.background = keypoint?.colour ?? "transparent";
  const guide = current ? guides[current] : undefined;
  at("point").textContent = pointOf(guide, marks, current);
  at("readings").tBodies[0].replaceChildren(...views.map(({ camera }) => reading(desk, camera)));
  at("warning").hidden = !guide?.warning;
  at("warning").textContent = guide?.warning ?? "";
  const suggested = (name) =>
    views.some(({ camera }) => predictions[camera]?.[name] && !clickOf(marks, camera, name) && !isOccluded(marks, camera, name)) &&
    !isAbsent(marks, name) && !(name in marks.points_m);
  const none = !current || !mayLabel;
  at("accept").disabled = none || !suggested(current);
  at("accept-all").disabled = none || !desk.keypoints.some(({ name }) => suggested(name));
  at("occluded").disabled = at("absent").disabled = none;
  at("remove").disabled = none || !clickOf(marks, activeView, current);
  at("occluded").setAttribute("aria-pressed", String(Boolean(current) && isOccluded(marks, activeView, current)));
  at("absent").setAttribute("aria-pressed", String(Boolean(current) && isAbsent(marks, current)));
}

function pointOf(guide, marks, name) {
  if (!name) return "";
  if (isAbsent(marks, name)) return "Nowhere on this frame.";
  if (!guide?.point_m) {
    return clickCount(marks, name) ? "One more view gives the point: look along the line." : "Click it in two views or more.";
  }
  const [x, y, z] = guide.point_m.map((metres) => (metres * MM).toFixed(1));
  const spread = guide.spread_mm === null ? "" : ` ± ${guide.spread_mm.toFixed(1)}`;
  return `${x}, ${y}, ${z} mm${spread}`;
}

function reading(desk, camera) {
  const { current, marks, guides, activeView, predictions } = desk;
  const row = document.createElement("tr");
  row.className = camera === activeView ? "active" : "";
  const seen = current ? guides[current]?.views?.[camera] : undefined;
  const what = !current
    ? ""
    : clickOf(marks, camera, current)
      ? "clicked"
      : isOccluded(marks, camera, current)
        ? "occluded"
        : predictions[camera]?.[current] && !isAbsent(marks, current)
          ? "suggested"
          : "";
  const number = (value) => (value === undefined ? "" : value.toFixed(1));
  for (const text of [camera, what, number(seen?.residual_px), number(seen?.residual_mm)]) {
    row.insertCell().textContent = text;
  }
  return row;
}

export function showFrame(desk, mayLabel) {
  at("frame-name").textContent = desk.frame ?? "No frame";
  const { by, at: when } = desk.givenBy ?? {};
  const date = (text) => new Date(text).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
  at("frame-time").textContent = by ? `by ${by}${when ? `, ${date(when)}` : ""}` : desk.capturedAt && date(desk.capturedAt);
  for (const split of ["train", "held_out"]) {
    at(split).setAttribute("aria-pressed", String(desk.split === split));
    at(split).disabled = !mayLabel || !desk.frame;
  }
}

export function showProgress(overview) {
  const { labelled, begun, split, taken_over: takenOver } = overview;
  const given = split.train + split.held_out;
  const share = given ? split.held_out / given : 0;
  at("labelled").textContent = labelled;
  at("begun").textContent = begun ? ` · ${begun} begun` : "";
  at("share-train").style.width = given ? `${100 * (1 - share)}%` : "0";
  at("share-held").style.width = `${100 * share}%`;
  const more = takenOver ? ` ${takenOver} more frames of still scenes took labels over.` : "";
  at("share-said").textContent = given
    ? `${split.train} to train on, ${split.held_out} held out (${Math.round(100 * share)} %).${more}`
    : "Every fifth frame is held out, to judge models by.";
  const { queue_by: by, model, frames } = overview;
  at("queue-said").textContent = by
    ? `where model ${by} is least sure`
    : `evenly over ${frames} frames${model ? `, until model ${model} has looked through them` : ": there is no model yet"}`;
}
