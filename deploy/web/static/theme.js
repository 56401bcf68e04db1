// Before the page is drawn, so that it never flashes in the other colours.
"use strict";
{
  const root = document.documentElement;
  const kept = localStorage.getItem("s3k-theme");
  if (kept) root.dataset.theme = kept;
  const dark = () => (root.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
  const toggle = () => {
    root.dataset.theme = dark() ? "light" : "dark";
    localStorage.setItem("s3k-theme", root.dataset.theme);
    show();
  };
  const show = () => (document.getElementById("theme").textContent = dark() ? "☾" : "☀");
  document.addEventListener("DOMContentLoaded", () => {
    show();
    document.getElementById("theme").addEventListener("click", toggle);
    document.addEventListener("keydown", (event) => {
      const typing = event.target.closest("input, dialog");
      if (event.key.toLowerCase() === "t" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) toggle();
    });
  });
}
