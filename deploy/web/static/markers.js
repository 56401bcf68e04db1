// How keypoints look on an image: every line over a dark one, so that it shows on wood, steel and skin alike.

export const DARK = "#101216";
const RING = 8;

export function twice(pen, colour, width, path) {
  for (const [style, wide] of [[DARK, width + 2], [colour, width]]) {
    pen.strokeStyle = style;
    pen.lineWidth = wide;
    pen.beginPath();
    path();
    pen.stroke();
  }
}

// A click: a ring with four ticks and nothing in its middle, where the person looks.
export function click(pen, x, y, colour, chosen) {
  const radius = chosen ? RING : RING - 2;
  twice(pen, colour, chosen ? 2 : 1.5, () => {
    pen.arc(x, y, radius, 0, 2 * Math.PI);
    for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
      pen.moveTo(x + dx * radius, y + dy * radius);
      pen.lineTo(x + dx * (radius + (chosen ? 6 : 3)), y + dy * (radius + (chosen ? 6 : 3)));
    }
  });
  pen.fillStyle = colour;
  pen.fillRect(x - 0.75, y - 0.75, 1.5, 1.5);
}

// A suggestion: a dashed, hollow ring.
export function suggestion(pen, x, y, colour, chosen) {
  pen.setLineDash([3, 3]);
  pen.globalAlpha = chosen ? 1 : 0.75;
  twice(pen, colour, 1.5, () => pen.arc(x, y, chosen ? RING + 2 : RING - 1, 0, 2 * Math.PI));
  pen.globalAlpha = 1;
  pen.setLineDash([]);
}

// The triangulated point, as this view would see it: a small slanted cross, tied to the click.
export function reprojection(pen, x, y, colour, chosen, from) {
  const arm = chosen ? 5 : 3.5;
  if (from && Math.hypot(from[0] - x, from[1] - y) > 1) {
    pen.globalAlpha = 0.8;
    twice(pen, colour, 1, () => {
      pen.moveTo(...from);
      pen.lineTo(x, y);
    });
    pen.globalAlpha = 1;
  }
  twice(pen, "#ffffff", 1.5, () => {
    pen.moveTo(x - arm, y - arm);
    pen.lineTo(x + arm, y + arm);
    pen.moveTo(x + arm, y - arm);
    pen.lineTo(x - arm, y + arm);
  });
}

export function curve(pen, points, colour) {
  if (points.length < 2) return;
  twice(pen, colour, 1.5, () => {
    pen.moveTo(...points[0]);
    for (const point of points.slice(1)) pen.lineTo(...point);
  });
}

export function name(pen, x, y, text, colour) {
  pen.font = "600 12px system-ui, sans-serif";
  pen.lineJoin = "round";
  pen.lineWidth = 4;
  pen.strokeStyle = DARK;
  pen.strokeText(text, x + RING + 8, y - RING);
  pen.fillStyle = colour;
  pen.fillText(text, x + RING + 8, y - RING);
}

export function cursor(pen, x, y, colour) {
  pen.setLineDash([2, 3]);
  twice(pen, colour, 1.5, () => {
    pen.moveTo(x - 16, y);
    pen.lineTo(x + 16, y);
    pen.moveTo(x, y - 16);
    pen.lineTo(x, y + 16);
  });
  pen.setLineDash([]);
}
