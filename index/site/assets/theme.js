// Light or dark: what the reader chose, else what the system says.
"use strict";
(function () {
  const root = document.documentElement;
  root.classList.add("has-script");
  let chosen = null;
  try { chosen = localStorage.getItem("theme"); } catch { chosen = null; }
  if (chosen === "dark" || chosen === "light") root.dataset.theme = chosen;

  document.addEventListener("DOMContentLoaded", () => {
    const button = document.querySelector("[data-theme-switch]");
    button.hidden = false;
    button.addEventListener("click", () => {
      const isDark = root.dataset.theme ? root.dataset.theme === "dark"
        : matchMedia("(prefers-color-scheme: dark)").matches;
      root.dataset.theme = isDark ? "light" : "dark";
      try { localStorage.setItem("theme", root.dataset.theme); } catch { /* not kept */ }
    });
  });

  document.addEventListener("keydown", (event) => {
    const isTyping = /^(?:INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName);
    if (event.key !== "/" || isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    const box = document.getElementById("q");
    if (box) box.focus();
    else location.href = `${root.dataset.root}index.html#q=`;
  });
})();
