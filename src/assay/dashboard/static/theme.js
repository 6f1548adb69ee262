// Before the first paint: the theme that was chosen last.
(() => {
  const chosen = /(?:^|; )assay_theme=(light|dark)/.exec(document.cookie)?.[1];
  if (chosen) document.documentElement.dataset.theme = chosen;
  addEventListener("DOMContentLoaded", () => {
    const select = document.getElementById("theme");
    if (select && chosen) select.value = chosen;
  });
})();
