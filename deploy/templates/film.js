"use strict";
// Plays the insertion: one picture a step of the robot, in real time, with a rest on the last. It does not start by
// itself where the person asked the system for less motion.
(() => {
  const { frames, limit_mm } = JSON.parse(document.getElementById("film-data").textContent);
  const by = (id) => document.getElementById("film-" + id);
  const STEP_MS = 250, REST_MS = 1800;
  let now = 0, timer = null;

  const distances = frames.map((frame) => frame.distance_mm);
  const known = distances.filter((value) => value !== null);
  const top = Math.max(...known, 1.2 * limit_mm);
  const x = (index) => (frames.length > 1 ? (300 * index) / (frames.length - 1) : 0);
  const y = (distance) => 116 - (110 * distance) / top;
  const add = (parent, tag, attributes) => {
    const element = document.createElementNS(parent.namespaceURI, tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    return parent.appendChild(element);
  };
  let cursor = null;
  if (known.length) {
    const points = distances.map((d, i) => (d === null ? null : `${x(i).toFixed(1)} ${y(d).toFixed(1)}`)).filter(Boolean);
    add(by("curve"), "path", { d: "M0 116H300", class: "axis" });
    add(by("curve"), "path", { d: `M0 ${y(limit_mm)}H300`, class: "limit" });
    add(by("curve"), "path", { d: "M" + points.join("L") });
    cursor = add(by("curve"), "circle", { r: 6 });
  }

  function show(index) {
    now = index;
    const frame = frames[index];
    by("picture").setAttribute("href", frame.picture);
    by("marks").replaceChildren();
    for (const mark of frame.marks)
      add(by("marks"), "use", { href: "#detected", class: "k" + (mark.keypoint % 3), transform: `translate(${mark.x} ${mark.y}) scale(7)` });
    by("time").textContent = frame.t_s.toFixed(2) + " s";
    by("distance").textContent = frame.distance_mm === null ? "–" : frame.distance_mm.toFixed(0) + " mm";
    by("depth").textContent = frame.depth === null ? "–" : (100 * frame.depth).toFixed(0) + "%";
    by("claimed").textContent = frame.claimed ? "yes" : "not yet";
    by("slider").value = index;
    by("slider").setAttribute("aria-valuetext", frame.t_s.toFixed(2) + " seconds");
    if (cursor && frame.distance_mm !== null) {
      cursor.setAttribute("cx", x(index));
      cursor.setAttribute("cy", y(frame.distance_mm));
    }
  }
  function step() {
    const last = now === frames.length - 1;
    timer = setTimeout(() => { show(last ? 0 : now + 1); step(); }, last ? REST_MS : STEP_MS);
  }
  function play(on) {
    clearTimeout(timer);
    timer = null;
    if (on) step();
    by("play").textContent = on ? "Pause" : "Play";
  }
  by("play").addEventListener("click", () => play(timer === null));
  by("slider").addEventListener("input", (event) => { play(false); show(Number(event.target.value)); });
  document.querySelector(".controls").hidden = false;
  show(0);
  play(!matchMedia("(prefers-reduced-motion: reduce)").matches);
})();
