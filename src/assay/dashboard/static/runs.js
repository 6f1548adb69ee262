// The list of runs: a run opens beside the list where there is room, J and K move, Enter opens its page.

const pane = document.getElementById("pane");
const wide = matchMedia("(min-width: 1100px)");
const links = () => [...document.querySelectorAll("#runs a[data-run]")];
const selected = () => document.querySelector('#runs a[aria-current="true"]');
let waiting = 0;

function select(link, load = true) {
  selected()?.removeAttribute("aria-current");
  link.setAttribute("aria-current", "true");
  const url = new URL(location.href);
  url.searchParams.set("run", link.dataset.run);
  history.replaceState(null, "", url);
  if (!load || !wide.matches) return;
  clearTimeout(waiting);
  waiting = setTimeout(() => {
    htmx.ajax("GET", `/runs/${encodeURIComponent(link.dataset.run)}/pane`, { target: "#pane", swap: "innerHTML" })
      .then(() => pane.scrollTo(0, 0));
  }, 120);
}

function move(step) {
  const all = links();
  if (!all.length) return;
  const place = all.indexOf(selected());
  const next = all[place < 0 ? 0 : Math.min(Math.max(place + step, 0), all.length - 1)];
  next.focus({ preventScroll: true });
  next.scrollIntoView({ block: "nearest" });
  select(next);
}

if (pane) {
  document.getElementById("runs").addEventListener("click", (event) => {
    const link = event.target.closest("a[data-run]");
    if (!link || !wide.matches || event.metaKey || event.ctrlKey || event.shiftKey || event.button) return;
    if (link === selected() && pane.querySelector(`[data-pane="${CSS.escape(link.dataset.run)}"]`)) return;
    event.preventDefault();
    select(link);
  });
  document.addEventListener("keydown", (event) => {
    if (event.metaKey || event.ctrlKey || event.altKey || event.target.closest("input, select, textarea, dialog")) return;
    if (event.key === "j" || event.key === "k") {
      event.preventDefault();
      move(event.key === "j" ? 1 : -1);
    }
    const link = event.target.closest("a[data-run]");
    if (event.key === "Enter" && link) {
      event.preventDefault();
      location.assign(link.href);
    }
  });
}
