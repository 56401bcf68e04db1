// The strip of frames below: what to label next, or what is labelled.

import { thumbnailAddress } from "./api.js";

const strip = document.getElementById("strip");

export function showStrip(entries, frame, open) {
  const known = new Map([...strip.children].map((item) => [item.dataset.frame, item]));
  strip.replaceChildren(...entries.map((entry) => known.get(entry.frame) ?? made(entry.frame, open)));
  for (const [index, entry] of entries.entries()) {
    const item = strip.children[index];
    item.dataset.state = entry.state;
    item.dataset.split = entry.split ?? "";
    item.toggleAttribute("aria-current", entry.frame === frame);
    item.firstChild.title = [entry.frame, said(entry), entry.by && `by ${entry.by}`].filter(Boolean).join(" · ");
  }
  strip.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest", inline: "nearest" });
}

function said({ state, split }) {
  if (state === "empty") return "not labelled";
  return `${state === "done" ? "labelled" : "begun"}, ${split === "held_out" ? "held out" : "train"}`;
}

function made(frame, open) {
  const item = document.createElement("li");
  item.dataset.frame = frame;
  const button = document.createElement("button");
  button.setAttribute("aria-label", frame);
  const image = document.createElement("img");
  Object.assign(image, { src: thumbnailAddress(frame), alt: "", loading: "lazy" });
  const number = document.createElement("span");
  number.textContent = String(Number(frame.split("/").at(-1)));
  button.append(image, number);
  button.addEventListener("click", () => open(frame));
  item.append(button);
  return item;
}
