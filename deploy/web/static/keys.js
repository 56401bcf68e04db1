// The keys, once: what they do and what the help says of them.

export const KEYS = [
  { keys: ["1 … 9"], says: "choose a keypoint", match: (key) => /^[1-9]$/.test(key), act: "choose" },
  { keys: ["E", "Q"], says: "next, previous keypoint" },
  { match: (key) => key === "e", act: "nextKeypoint" },
  { match: (key) => key === "q", act: "previousKeypoint" },
  { keys: ["D", "A"], says: "next, previous frame" },
  { match: (key) => key === "d" || key === "pagedown", act: "nextFrame" },
  { match: (key) => key === "a" || key === "pageup", act: "previousFrame" },
  { keys: ["V", "⇧ V"], says: "next, previous view", match: (key) => key === "v", act: "nextView" },
  { keys: ["← ↑ ↓ →"], says: "move the click, or the cursor, by 1 px; ⇧ by 10, Alt by 0.1", match: (key) => key.startsWith("arrow"), act: "nudge" },
  { keys: ["Enter"], says: "click at the cursor", match: (key) => key === "enter", act: "placeAtCursor" },
  { keys: ["Space"], says: "accept the suggestion for this keypoint; ⇧ for all", match: (key) => key === " ", act: "accept" },
  { keys: ["O"], says: "hidden in this view", match: (key) => key === "o", act: "occluded" },
  { keys: ["N"], says: "nowhere on this frame", match: (key) => key === "n", act: "absent" },
  { keys: ["X"], says: "take the click in this view away", match: (key) => key === "x" || key === "delete" || key === "backspace", act: "remove" },
  { keys: ["H"], says: "train on this frame, or hold it out", match: (key) => key === "h", act: "split" },
  { keys: ["Ctrl Z", "Ctrl Y"], says: "undo, redo" },
  { ctrl: true, match: (key, shift) => key === "z" && !shift, act: "undo" },
  { ctrl: true, match: (key, shift) => key === "y" || (key === "z" && shift), act: "redo" },
  { keys: ["Z"], says: "zoom in on the keypoint in all views", match: (key) => key === "z", act: "zoomToPoint" },
  { keys: ["F"], says: "show whole images", match: (key) => key === "f", act: "fit" },
  { keys: ["+", "−"], says: "zoom this view; so does the wheel" },
  { match: (key) => key === "+" || key === "=", act: "zoomIn" },
  { match: (key) => key === "-", act: "zoomOut" },
  { keys: ["Drag"], says: "on a mark moves it; elsewhere moves the image" },
  { keys: ["T"], says: "light or dark" },
  { keys: ["?"], says: "this list", match: (key) => key === "?", act: "help" },
];

// What a key does, or null. Shift and Alt are left to the act.
export function actOf(event) {
  const key = event.key.toLowerCase();
  const ctrl = event.ctrlKey || event.metaKey;
  const found = KEYS.find((each) => each.match && Boolean(each.ctrl) === ctrl && each.match(key, event.shiftKey));
  return found?.act ?? null;
}

export function showHelp(list) {
  for (const { keys, says } of KEYS.filter((each) => each.says)) {
    const term = document.createElement("dt");
    for (const key of keys) {
      const cap = document.createElement("kbd");
      cap.textContent = key;
      term.append(cap, " ");
    }
    const meaning = document.createElement("dd");
    meaning.textContent = says;
    list.append(term, meaning);
  }
}
