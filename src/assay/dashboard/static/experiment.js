// An example that was chosen in the grid: marked in its row, kept in the URL, shown where it can be seen.

const box = document.getElementById("case");
const wide = matchMedia("(min-width: 1100px)");

document.addEventListener("htmx:afterSwap", (event) => {
  if (event.target !== box) return;
  const link = event.detail.requestConfig.elt;
  if (!link?.href) return;
  document.querySelector('.grid a[aria-current="true"]')?.removeAttribute("aria-current");
  document.getElementById(link.id)?.setAttribute("aria-current", "true");
  history.replaceState(null, "", link.href);
  if (wide.matches) box.scrollTo(0, 0);
  else {
    box.scrollIntoView({ block: "start" });
    box.focus({ preventScroll: true });
  }
});

// A live change of the grid forgets which row was chosen.
document.addEventListener("htmx:oobAfterSwap", (event) => {
  const chosen = new URLSearchParams(location.search).get("example");
  if (chosen && event.target.id === "grid-table") document.getElementById(`row-${chosen}`)?.setAttribute("aria-current", "true");
});
