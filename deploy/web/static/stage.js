// All views of one moment, and what is drawn into each: clicks, suggestions, guide lines, the point seen again.

import { viewAddress } from "./api.js";
import { clickOf, isAbsent } from "./marks.js";
import * as markers from "./markers.js";
import { View } from "./view.js";

const NEAR = 6; // times the fitting size, when zooming to a keypoint

export class Stage {
  // desk: what is marked and chosen; acts: place(camera, pixel), dragged(camera, name, pixel), dropped(), entered(camera)
  constructor(element, desk, acts) {
    Object.assign(this, { element, desk, acts });
    this.views = [];
    this.cursor = null; // of the keyboard: { camera, pixel }
    new ResizeObserver(() => this.arrange()).observe(element);
  }

  async show(frame, views) {
    const layout = (each) => JSON.stringify(each.map(({ camera, width, height }) => [camera, width, height]));
    if (layout(views) !== layout(this.views)) {
      this.views = views.map((each) => this.#view(each));
      this.element.replaceChildren(...this.views.map((view) => view.element));
      this.arrange();
    }
    this.cursor = null;
    for (const view of this.views) view.fit();
    await Promise.all(this.views.map((view) => view.load(viewAddress(frame, view.camera))));
  }

  view(camera) {
    return this.views.find((view) => view.camera === camera);
  }

  // As many columns as make the images largest.
  arrange() {
    if (!this.views.length) return;
    const { clientWidth, clientHeight } = this.element;
    const { width, height } = this.views[0];
    const size = (columns) => {
      const rows = Math.ceil(this.views.length / columns);
      return Math.min(clientWidth / columns / width, clientHeight / rows / height);
    };
    const best = this.views.map((_, index) => index + 1).reduce((a, b) => (size(b) > size(a) * 1.001 ? b : a));
    this.element.dataset.columns = best;
    this.element.style.gridTemplateColumns = `repeat(${best}, minmax(0, 1fr))`;
  }

  draw() {
    const { marks, current, activeView, guides } = this.desk;
    for (const view of this.views) {
      view.element.classList.toggle("active", view.camera === activeView);
      view.element.classList.toggle("hidden-here", Boolean(current && marks.occluded[view.camera]?.includes(current)));
      const click = current && clickOf(marks, view.camera, current);
      const px = current && guides[current]?.views?.[view.camera]?.residual_px;
      view.note.textContent = !current
        ? ""
        : isAbsent(marks, current)
          ? "absent"
          : marks.occluded[view.camera]?.includes(current)
            ? "occluded"
            : click && px !== undefined
              ? `${px.toFixed(1)} px off`
              : "";
      view.draw();
    }
  }

  fit() {
    for (const view of this.views) view.fit();
  }

  zoomToPoint(name) {
    for (const view of this.views) {
      const pixel = this.placeOf(view.camera, name);
      if (pixel) view.zoomTo(pixel, NEAR);
    }
  }

  // Where a keypoint is in a view, by the best that is known.
  placeOf(camera, name) {
    const { marks, guides, predictions } = this.desk;
    return (
      clickOf(marks, camera, name) ??
      guides[name]?.views?.[camera]?.pixel ??
      predictions[camera]?.[name]?.slice(0, 2) ??
      null
    );
  }

  #view(given) {
    const { camera } = given;
    return new View(given, {
      place: (pixel) => this.acts.place(camera, pixel),
      grab: (pixel, reach) => this.#nearest(camera, pixel, reach),
      drag: (name, by) => this.acts.dragged(camera, name, by),
      drop: () => this.acts.dropped(),
      enter: () => this.acts.entered(camera),
      move: () => {},
      paint: (pen, view) => this.#paint(pen, view),
    });
  }

  #nearest(camera, [u, v], reach) {
    const clicks = Object.entries(this.desk.marks.clicks[camera] ?? {});
    const distance = (name, at) => Math.hypot(at[0] - u, at[1] - v) - (name === this.desk.current ? reach / 2 : 0);
    const near = clicks.filter(([, at]) => Math.hypot(at[0] - u, at[1] - v) <= reach);
    near.sort(([a, one], [b, other]) => distance(a, one) - distance(b, other));
    return near[0]?.[0] ?? null;
  }

  #paint(pen, view) {
    const { keypoints, current } = this.desk;
    const last = keypoints.filter((each) => each.name === current);
    for (const each of [...keypoints.filter((other) => other.name !== current), ...last]) this.#paintKeypoint(pen, view, each);
    if (this.cursor?.camera === view.camera) {
      const colour = last[0]?.colour ?? "#ffffff";
      markers.cursor(pen, ...view.toScreen(this.cursor.pixel), colour);
    }
  }

  #paintKeypoint(pen, view, { name, colour }) {
    const { marks, guides, predictions, current } = this.desk;
    const chosen = name === current;
    const click = clickOf(marks, view.camera, name);
    const guide = guides[name];
    if (chosen && guide?.curves?.[view.camera]) {
      markers.curve(pen, guide.curves[view.camera].map((point) => view.toScreen(point)), colour);
    }
    const at = click && view.toScreen(click);
    const again = guide?.views?.[view.camera];
    if (again && (chosen || !click)) markers.reprojection(pen, ...view.toScreen(again.pixel), colour, chosen, at);
    const hidden = marks.occluded[view.camera]?.includes(name) || isAbsent(marks, name) || name in marks.points_m;
    const seen = predictions[view.camera]?.[name];
    if (seen && !click && !hidden) markers.suggestion(pen, ...view.toScreen(seen), colour, chosen);
    if (at) markers.click(pen, ...at, colour, chosen);
    if (at && chosen) markers.name(pen, ...at, name, colour);
  }
}
