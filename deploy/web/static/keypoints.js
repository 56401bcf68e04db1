// The dialog that names the project's keypoints and gives them colours.

import { defineKeypoints } from "./api.js";

// They keep apart for every kind of colour vision, on wood and on steel.
const COLOURS = ["#ffe14d", "#4fd2ff", "#ff7ad9", "#7dff8a", "#ff9a4d", "#b9a2ff", "#ffffff", "#ff5d5d"];

const dialog = document.getElementById("keypoint-dialog");
const rows = document.getElementById("keypoint-rows");
const fault = document.getElementById("keypoint-fault");

export function editKeypoints(keypoints, done) {
  fault.textContent = "";
  rows.replaceChildren();
  for (const each of keypoints.length ? keypoints : [{ name: "", colour: COLOURS[0] }]) addRow(each.name, each.colour, each.name);
  document.getElementById("add-keypoint").onclick = () => {
    const used = [...rows.querySelectorAll("input[type=color]")].map((each) => each.value);
    addRow("", COLOURS.find((each) => !used.includes(each)) ?? COLOURS[0], "").focus();
  };
  document.getElementById("cancel-keypoints").onclick = () => dialog.close();
  dialog.querySelector("form").onsubmit = async (event) => {
    event.preventDefault();
    const entries = [...rows.children].map((row) => ({
      name: row.querySelector("input[type=text]").value.trim(),
      colour: row.querySelector("input[type=color]").value,
      was: row.dataset.was || null,
    }));
    try {
      await defineKeypoints(entries.filter((each) => each.name || each.was));
      dialog.close();
      done();
    } catch (error) {
      fault.textContent = error.message;
    }
  };
  dialog.showModal();
  rows.querySelector("input[type=text]").focus();
}

function addRow(name, colour, was) {
  const row = document.createElement("li");
  row.dataset.was = was;
  const shade = Object.assign(document.createElement("input"), { type: "color", value: colour, ariaLabel: "Colour" });
  const text = Object.assign(document.createElement("input"), {
    type: "text", value: name, maxLength: 64, placeholder: "plug_tip", ariaLabel: "Name", required: true,
  });
  const gone = Object.assign(document.createElement("button"), { type: "button", textContent: "×", className: "quiet", title: "Remove" });
  gone.addEventListener("click", () => row.remove());
  row.append(shade, text, gone);
  rows.append(row);
  return text;
}
