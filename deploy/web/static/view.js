// One camera's image on a canvas: zoomed, panned, clicked on. It knows pixels and screen points, and nothing of labels.

const GRAB_PX = 12; // on the screen: how near a mark is grabbed
const PAN_PX = 4; // farther than this with the button down is no click
const MOST = 96; // screen points a pixel
const MARGIN = 0.9; // a view that is zoomed out farther than this share of fitting shows nothing more

export class View {
  // on: place(pixel), grab(pixel) -> key or null, drag(key, pixel), drop(), enter(), move(pixel or null), paint(pen, view)
  constructor({ camera, width, height }, on) {
    Object.assign(this, { camera, width, height, on });
    this.scale = 1;
    this.left = 0;
    this.top = 0;
    this.fitted = true;
    this.image = null;
    this.#build();
  }

  #build() {
    this.element = document.createElement("figure");
    this.element.className = "view";
    this.element.dataset.camera = this.camera;
    this.canvas = document.createElement("canvas");
    this.canvas.setAttribute("aria-label", `view of ${this.camera}`);
    this.title = document.createElement("figcaption");
    this.title.textContent = this.camera;
    this.note = document.createElement("span");
    this.note.className = "note";
    this.where = document.createElement("span");
    this.where.className = "where";
    this.element.append(this.canvas, this.title, this.note, this.where);
    this.pen = this.canvas.getContext("2d");
    this.canvas.addEventListener("pointerdown", (event) => this.#down(event));
    this.canvas.addEventListener("pointermove", (event) => this.#move(event));
    this.canvas.addEventListener("pointerup", (event) => this.#up(event));
    this.canvas.addEventListener("pointercancel", () => this.#cancel());
    this.canvas.addEventListener("pointerenter", () => this.on.enter());
    this.canvas.addEventListener("pointerleave", () => this.#point(null));
    this.canvas.addEventListener("contextmenu", (event) => event.preventDefault());
    this.canvas.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    new ResizeObserver(() => this.#resized()).observe(this.canvas);
  }

  async load(address) {
    const image = new Image();
    image.src = address;
    this.image = null;
    this.wanted = image;
    await image.decode();
    if (this.wanted !== image) return; // another frame was opened meanwhile
    this.image = image;
    this.draw();
  }

  // Screen points of a pixel; the centre of the top-left pixel is (0, 0).
  toScreen([u, v]) {
    return [this.left + (u + 0.5) * this.scale, this.top + (v + 0.5) * this.scale];
  }

  toPixel([x, y]) {
    return [(x - this.left) / this.scale - 0.5, (y - this.top) / this.scale - 0.5];
  }

  contains([u, v]) {
    return u >= -0.5 && v >= -0.5 && u <= this.width - 0.5 && v <= this.height - 0.5;
  }

  get fitting() {
    return Math.min(this.canvas.clientWidth / this.width, this.canvas.clientHeight / this.height);
  }

  fit() {
    this.fitted = true;
    this.scale = this.fitting;
    this.left = (this.canvas.clientWidth - this.width * this.scale) / 2;
    this.top = (this.canvas.clientHeight - this.height * this.scale) / 2;
    this.draw();
  }

  zoomTo(pixel, factor) {
    this.#zoom(this.fitting * factor, [this.canvas.clientWidth / 2, this.canvas.clientHeight / 2], pixel);
  }

  zoomBy(factor, point = [this.canvas.clientWidth / 2, this.canvas.clientHeight / 2]) {
    this.#zoom(this.scale * factor, point, this.toPixel(point));
  }

  // So that `pixel` is at the screen point.
  #zoom(scale, [x, y], [u, v]) {
    if (scale <= this.fitting * MARGIN) return this.fit();
    this.scale = Math.min(scale, Math.max(MOST, this.fitting));
    this.fitted = false;
    this.left = x - (u + 0.5) * this.scale;
    this.top = y - (v + 0.5) * this.scale;
    this.draw();
  }

  draw() {
    if (this.waiting) return;
    this.waiting = true;
    requestAnimationFrame(() => {
      this.waiting = false;
      this.#paint();
    });
  }

  #paint() {
    const { pen, canvas } = this;
    const dense = devicePixelRatio;
    pen.setTransform(dense, 0, 0, dense, 0, 0);
    pen.clearRect(0, 0, canvas.clientWidth, canvas.clientHeight);
    // A magnified pixel is a square: smoothing would invent what the camera has not seen.
    pen.imageSmoothingEnabled = this.scale * dense < 1;
    if (this.image) {
      pen.drawImage(this.image, this.left, this.top, this.width * this.scale, this.height * this.scale);
      pen.save();
      pen.beginPath();
      pen.rect(this.left, this.top, this.width * this.scale, this.height * this.scale);
      pen.clip();
      this.on.paint(pen, this);
      pen.restore();
    }
    Object.assign(canvas.dataset, { scale: this.scale, left: this.left, top: this.top, drawn: this.image ? "yes" : "no" });
  }

  #resized() {
    this.canvas.width = Math.round(this.canvas.clientWidth * devicePixelRatio);
    this.canvas.height = Math.round(this.canvas.clientHeight * devicePixelRatio);
    if (this.fitted) this.fit();
    else this.draw();
  }

  #down(event) {
    event.preventDefault();
    this.canvas.setPointerCapture(event.pointerId);
    const at = [event.offsetX, event.offsetY];
    const grabbed = event.button === 0 ? this.on.grab(this.toPixel(at), GRAB_PX / this.scale) : null;
    this.held = { from: at, at, button: event.button, grabbed, moved: false };
  }

  #move(event) {
    const at = [event.offsetX, event.offsetY];
    this.#point(this.toPixel(at));
    const { held } = this;
    if (!held) return;
    const far = Math.hypot(at[0] - held.from[0], at[1] - held.from[1]) > PAN_PX;
    held.moved ||= far;
    if (held.moved && held.grabbed) {
      // By how far the pointer moved, so that a mark that was grabbed beside its middle does not jump.
      const before = this.toPixel(held.at);
      const now = this.toPixel(at);
      this.on.drag(held.grabbed, [now[0] - before[0], now[1] - before[1]]);
      held.at = at;
    } else if (held.moved) {
      this.left += at[0] - held.at[0];
      this.top += at[1] - held.at[1];
      this.fitted = false;
      held.at = at;
      this.draw();
    }
  }

  #up(event) {
    const { held } = this;
    this.held = null;
    if (!held) return;
    if (held.grabbed && held.moved) this.on.drop();
    else if (!held.moved && !held.grabbed && held.button === 0) {
      const pixel = this.toPixel([event.offsetX, event.offsetY]);
      // Nobody can mean a place in an image that is not there yet.
      if (this.image && this.contains(pixel)) this.on.place(pixel);
    }
  }

  #cancel() {
    if (this.held?.grabbed && this.held.moved) this.on.drop();
    this.held = null;
  }

  #wheel(event) {
    if (this.on.scrolls && !event.ctrlKey) return; // the page is longer than the window: the wheel is its own
    event.preventDefault();
    this.zoomBy(Math.exp(-event.deltaY * 0.002), [event.offsetX, event.offsetY]);
  }

  #point(pixel) {
    const inside = pixel && this.contains(pixel);
    this.where.textContent = inside ? `${pixel[0].toFixed(1)}, ${pixel[1].toFixed(1)}` : "";
    this.on.move(inside ? pixel : null);
  }
}
