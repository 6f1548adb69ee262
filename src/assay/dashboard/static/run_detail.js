// The page of a run: which step is selected, and the way to it.

document.addEventListener("htmx:afterSwap", (event) => {
  if (event.target.id !== "step") return;
  const chosen = event.detail.requestConfig.elt;
  document.querySelector('.waterfall-table a[aria-current="true"]')?.removeAttribute("aria-current");
  chosen.setAttribute("aria-current", "true");
  if (!matchMedia("(min-width: 1100px)").matches) event.target.scrollIntoView({ block: "start" });
});
