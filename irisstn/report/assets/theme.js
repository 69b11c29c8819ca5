"use strict";
// The button that makes the page light or dark; without it the page follows the system.
(() => {
  const themes = ["system", "light", "dark"];
  const button = document.getElementById("theme");
  let theme = "system";
  try {
    theme = localStorage.getItem("irisstn-theme") || theme;
  } catch { /* a browser may keep nothing for files */ }
  function show() {
    if (theme === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    button.textContent = `colours: ${theme}`;
  }
  button.addEventListener("click", () => {
    theme = themes[(themes.indexOf(theme) + 1) % themes.length];
    try {
      localStorage.setItem("irisstn-theme", theme);
    } catch { /* as above */ }
    show();
  });
  if (!themes.includes(theme)) theme = "system";
  if (location.hash === "#dark" || location.hash === "#light") theme = location.hash.slice(1);
  button.hidden = false;
  show();
})();
