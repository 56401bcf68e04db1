// One cell of the Live page: what it sees, how it does, and what an operator may ask of it.

import { ask, SLOW_MS } from "./api.js";
import { ago, chip, figure, made, replaced, whole } from "./dom.js";
import { SeenFrame } from "./seen.js";

const OUTCOMES = { success: "success", failure: "no success", false: "claimed, and was none" };

export class CellCard {
  // acts: { mayOperate, wish(name, wish), stop(name), tones }
  constructor(name, acts) {
    Object.assign(this, { name, acts, frames: 0 });
    this.seen = new SeenFrame();
    this.head = made("header");
    this.facts = made("p", { className: "facts" });
    this.names = made("ul", { className: "keypoint-names" });
    this.outcomes = made("div", { className: "outcomes" });
    this.empty = made("div", { className: "unseen" }, "No frame has come yet.");
    this.element = made("article", { className: "panel cell", data: { cell: name } }, this.head, this.empty, this.seen.element, this.names, this.facts, this.outcomes);
  }

  async see(close) {
    const found = await ask(`/live/cells/${encodeURIComponent(this.name)}/seen`, "GET", undefined, SLOW_MS);
    this.found = found;
    this.seen.close = close;
    await this.seen.show(found, found.keypoints);
    this.element.dataset.version = found.version ?? "";
    const marked = found.version === null ? [] : found.keypoints;
    this.names.replaceChildren(
      ...marked.map(({ name, colour }) => {
        const swatch = made("i", { className: "swatch" });
        swatch.style.background = colour;
        return made("li", {}, swatch, name);
      }),
      made("li", {}, found.version === null ? "no model has looked at it" : `as model v${found.version} sees them, 90 of 100 within the ellipses`),
    );
  }

  show(cell, { now_s: now, run }) {
    this.frames = cell.frames;
    this.empty.hidden = cell.frames > 0;
    this.#showHead(cell, run);
    const figures = cell.part?.figures ?? {};
    const facts = [];
    if ("model" in figures) facts.push(["model", `v${figures.model}`]);
    if ("policy" in figures) facts.push(["policy", `v${figures.policy}`]);
    if ("steps/min" in figures && run.state === "running") facts.push(["rate", `${figure(figures["steps/min"])} steps/min`]);
    if (cell.captured_at_s) facts.push(["image", ago(now - cell.captured_at_s)]);
    if ("episodes" in figures) facts.push(["episodes", figures.episodes]);
    else facts.push(["frames", whole(cell.frames)]);
    if (cell.part?.restarts) facts.push(["restarts", cell.part.restarts]);
    this.facts.replaceChildren(...facts.map(([name, value]) => made("span", {}, `${name} `, made("b", {}, String(value)))));
    const good = cell.outcomes.filter((each) => each === "success").length;
    this.outcomes.hidden = !cell.outcomes.length;
    this.outcomes.title = "the newest on the right; bright: success, pale: none, orange: claimed, and was none";
    this.outcomes.replaceChildren(
      `${good} of its last ${cell.outcomes.length}`,
      made("ol", {}, ...cell.outcomes.map((each) => made("li", { className: each, title: OUTCOMES[each] }))),
    );
  }

  #showHead(cell, run) {
    const { mayOperate, tones, wish, stop } = this.acts;
    const going = run.state === "running";
    const [said, tone] = !cell.part ? ["not begun", "plain"] : going ? [cell.part.state, tones[cell.part.state]] : ["ended", "plain"];
    const drained = cell.wish === "drain";
    // Asked for and not there yet, in either direction.
    const onItsWay = drained && !["drained", "draining"].includes(cell.part?.state) && going;
    const button = !cell.wish || !mayOperate
      ? null
      : made("button", { data: { key: `${cell.name} wish` }, title: drained ? "Let it take part again" : "It ends its episode, then rests until it is let run again", onclick: () => wish(cell.name, drained ? "run" : "drain") }, drained ? "Run again" : "Drain");
    const stopping = cell.robot && mayOperate
      ? made("button", { className: "danger", data: { key: `${cell.name} stop` }, title: `Stop its robot, at ${cell.robot}`, onclick: () => stop(cell.name) }, "Stop")
      : null;
    const signature = JSON.stringify([said, onItsWay, drained, cell.kind, cell.robot, cell.wish, cell.waits]);
    if (this.signature === signature) return; // so that a button is not made anew under the pointer
    this.signature = signature;
    replaced(
      this.head, made("h2", {}, cell.name), chip(onItsWay ? "is to be drained" : !going && drained ? "drained" : said, onItsWay ? "other" : tone),
      cell.kind ? made("span", { className: "hint" }, cell.kind) : null, made("span", { className: "space" }), button, stopping,
    );
  }
}
