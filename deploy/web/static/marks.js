// The marks of one frame as values that never change: every act makes new ones, so that undo is a list of them.

export const EMPTY = Object.freeze({ clicks: {}, points_m: {}, occluded: {}, absent: [] });

export function fromLabel(label) {
  if (label === null) return EMPTY;
  const { clicks, points_m, occluded, absent } = label;
  return { clicks, points_m, occluded, absent };
}

export const clickOf = (marks, camera, name) => marks.clicks[camera]?.[name] ?? null;
export const isOccluded = (marks, camera, name) => (marks.occluded[camera] ?? []).includes(name);
export const isAbsent = (marks, name) => marks.absent.includes(name);
export const clickCount = (marks, name) => Object.values(marks.clicks).filter((each) => name in each).length;
export const isPlaced = (marks, name) => name in marks.points_m || clickCount(marks, name) >= 2;
export const isSettled = (marks, name) => isAbsent(marks, name) || isPlaced(marks, name);

// A click says that the keypoint is there and seen, and more than a point that was given in the world.
export function withClick(marks, camera, name, pixel) {
  return {
    clicks: { ...marks.clicks, [camera]: { ...marks.clicks[camera], [name]: pixel } },
    points_m: without(marks.points_m, name),
    occluded: { ...marks.occluded, [camera]: (marks.occluded[camera] ?? []).filter((each) => each !== name) },
    absent: marks.absent.filter((each) => each !== name),
  };
}

export function withoutClick(marks, camera, name) {
  return { ...marks, clicks: { ...marks.clicks, [camera]: without(marks.clicks[camera] ?? {}, name) } };
}

export function toggleOccluded(marks, camera, name) {
  const hidden = marks.occluded[camera] ?? [];
  const after = hidden.includes(name) ? hidden.filter((each) => each !== name) : [...hidden, name];
  const there = { ...marks, absent: marks.absent.filter((each) => each !== name) };
  return { ...withoutClick(there, camera, name), occluded: { ...marks.occluded, [camera]: after } };
}

export function toggleAbsent(marks, name) {
  if (isAbsent(marks, name)) return { ...marks, absent: marks.absent.filter((each) => each !== name) };
  const cleared = Object.fromEntries(Object.entries(marks.clicks).map(([camera, each]) => [camera, without(each, name)]));
  const seen = Object.fromEntries(
    Object.entries(marks.occluded).map(([camera, each]) => [camera, each.filter((other) => other !== name)]),
  );
  return { clicks: cleared, points_m: without(marks.points_m, name), occluded: seen, absent: [...marks.absent, name] };
}

// Suggestions of these keypoints where nothing is marked yet.
export function withSuggestions(marks, predicted, names) {
  let after = marks;
  for (const [camera, seen] of Object.entries(predicted)) {
    for (const name of names) {
      const free = !clickOf(after, camera, name) && !isOccluded(after, camera, name);
      if (name in seen && free && !isAbsent(marks, name) && !(name in marks.points_m)) {
        after = withClick(after, camera, name, seen[name].slice(0, 2));
      }
    }
  }
  return after;
}

// Whether two say the same: the server leaves out what says nothing, and sorts.
export function same(one, other) {
  return JSON.stringify(plain(one)) === JSON.stringify(plain(other));
}

function plain(marks) {
  const of = (entries) => Object.entries(entries).filter(([, each]) => Object.keys(each).length);
  const sorted = (entries) => entries.sort(([a], [b]) => (a < b ? -1 : 1));
  return [
    sorted(of(marks.clicks)).map(([camera, each]) => [camera, sorted(Object.entries(each))]),
    sorted(Object.entries(marks.points_m)),
    sorted(of(marks.occluded)).map(([camera, each]) => [camera, [...each].sort()]),
    [...marks.absent].sort(),
  ];
}

function without(entries, name) {
  const { [name]: _, ...rest } = entries;
  return rest;
}

export class History {
  constructor(first) {
    this.now = first;
    this.past = [];
    this.future = [];
  }
  do(next) {
    this.past.push(this.now);
    this.future = [];
    this.now = next;
  }
  undo() {
    if (!this.past.length) return false;
    this.future.push(this.now);
    this.now = this.past.pop();
    return true;
  }
  redo() {
    if (!this.future.length) return false;
    this.past.push(this.now);
    this.now = this.future.pop();
    return true;
  }
}
