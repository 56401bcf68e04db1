// What a model sees, drawn into the views of a frame: where each keypoint is, and the ellipse that should hold it.

import { viewAddress } from "./api.js";
import { made } from "./dom.js";
import * as markers from "./markers.js";
import { View } from "./view.js";

const SURE = 0.5; // below, a detection is drawn faint
const CLOSE_MARGIN = 1.5; // of the window around the keypoints, as a share of what they span
const SMALLEST = 0.14; // of the image: what a close-up shows at least

export class SeenFrame {
  constructor(className = "seen") {
    this.element = made("div", { className });
    this.views = [];
    this.marks = {};
    this.truth = {};
    this.keypoints = [];
    this.close = false;
  }

  // found: { frame, views, marks, truth }
  async show(found, keypoints) {
    const layout = (each) => JSON.stringify(each.map(({ camera, width, height }) => [camera, width, height]));
    if (layout(found.views) !== layout(this.views)) {
      this.views = found.views.map((each) => this.#view(each));
      this.element.replaceChildren(...this.views.map((view) => view.element));
    }
    if (this.frame !== found.frame) {
      this.frame = found.frame;
      await Promise.all(this.views.map((view) => view.load(viewAddress(found.frame, view.camera)).catch(() => {})));
      if (this.frame !== found.frame) return; // the next one is on its way
    }
    Object.assign(this, { marks: found.marks, truth: found.truth ?? {}, keypoints });
    this.element.dataset.frame = found.frame;
    this.look(this.close);
  }

  // Whole images, or a window around the keypoints.
  look(close) {
    this.close = close;
    for (const view of this.views) {
      const seen = Object.values(this.marks[view.camera] ?? {}).flatMap((mark) => [mark.pixel ?? mark.detected ?? []]);
      const inside = seen.filter((pixel) => pixel.length && view.contains(pixel));
      if (!close || !inside.length) {
        view.fit();
        continue;
      }
      const [us, vs] = [inside.map(([u]) => u), inside.map(([, v]) => v)];
      const middle = (all) => (Math.min(...all) + Math.max(...all)) / 2;
      const span = Math.max(...[us, vs].map((all) => Math.max(...all) - Math.min(...all)), (SMALLEST * view.width) / CLOSE_MARGIN);
      view.zoomTo([middle(us), middle(vs)], Math.max(1, view.width / (CLOSE_MARGIN * span)));
    }
  }

  #view(given) {
    const view = new View(given, {
      scrolls: true, place: () => {}, grab: () => null, drag: () => {}, drop: () => {}, enter: () => {}, move: () => {},
      paint: (pen, painted) => this.#paint(pen, painted),
    });
    view.element.style.aspectRatio = `${given.width} / ${given.height}`;
    new ResizeObserver(() => this.close && this.look(true)).observe(view.canvas);
    return view;
  }

  #paint(pen, view) {
    for (const { name, colour } of this.keypoints) {
      const mark = this.marks[view.camera]?.[name];
      const truth = this.truth[view.camera]?.[name];
      if (truth) label(pen, ...view.toScreen(truth), view.scale);
      if (mark) paintMark(pen, view, mark, colour);
    }
  }
}

// What a person clicked: a white square around it.
function label(pen, x, y, scale) {
  const half = Math.max(5, Math.min(9, scale));
  markers.twice(pen, "#ffffff", 1, () => pen.rect(x - half, y - half, 2 * half, 2 * half));
}

function paintMark(pen, view, { pixel, detected, ellipse, confidence }, colour) {
  pen.globalAlpha = confidence !== null && confidence < SURE ? 0.55 : 1;
  if (detected) {
    const [x, y] = view.toScreen(detected);
    markers.twice(pen, colour, 1.2, () => {
      pen.moveTo(x - 3, y);
      pen.lineTo(x + 3, y);
      pen.moveTo(x, y - 3);
      pen.lineTo(x, y + 3);
    });
  }
  if (pixel && ellipse) {
    const [x, y] = view.toScreen(pixel);
    const [along, across, turn] = ellipse;
    // One that is smaller than a pen is shown as a ring that can be seen; a close-up shows it as it is.
    const size = (half) => Math.max(3, half * view.scale);
    markers.twice(pen, colour, 1.5, () => pen.ellipse(x, y, size(along), size(across), (turn * Math.PI) / 180, 0, 2 * Math.PI));
  }
  pen.globalAlpha = 1;
}
