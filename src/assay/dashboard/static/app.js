// What every page does: local times, theme, toasts, one live stream, and the token that htmx sends along.

const root = document.documentElement;
const csrf = document.querySelector('meta[name="csrf"]')?.content;

function localTimes(within) {
  const now = new Date();
  for (const element of within.querySelectorAll("time[datetime]")) {
    const moment = new Date(element.dateTime);
    if (Number.isNaN(moment.valueOf())) continue;
    const sameDay = moment.toDateString() === now.toDateString();
    const short = sameDay ? { timeStyle: "medium" } : { dateStyle: "medium", timeStyle: "short" };
    element.textContent = new Intl.DateTimeFormat(undefined, short).format(moment);
    element.title = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "long" }).format(moment);
  }
}

export function toast(text, kind = "") {
  const box = document.getElementById("toasts");
  const item = document.createElement("div");
  item.className = `toast ${kind}`;
  item.textContent = text;
  box.append(item);
  setTimeout(() => item.remove(), 6000);
}

document.addEventListener("htmx:configRequest", (event) => {
  if (csrf) event.detail.headers["X-CSRF-Token"] = csrf;
});
document.addEventListener("htmx:afterSettle", (event) => localTimes(event.target));
document.addEventListener("htmx:responseError", (event) => {
  const text = event.detail.xhr.getResponseHeader("X-Assay-Problem");
  toast(text ? decodeURIComponent(text) : `That did not work (${event.detail.xhr.status}).`, "bad");
});
document.addEventListener("htmx:sendError", () => toast("The server does not answer.", "bad"));

document.addEventListener("change", (event) => {
  const choice = event.target.closest("[data-theme-choice]");
  if (!choice) return;
  if (choice.value) root.dataset.theme = choice.value;
  else delete root.dataset.theme;
  document.cookie = `assay_theme=${choice.value}; path=/; max-age=31536000; samesite=lax`;
});

document.addEventListener("click", (event) => {
  const opener = event.target.closest("[data-opens]");
  if (opener) document.getElementById(opener.dataset.opens)?.showModal();
  const closer = event.target.closest("[data-closes]");
  if (closer) closer.closest("dialog")?.close();
  const copier = event.target.closest("[data-copy]");
  if (copier) navigator.clipboard.writeText(copier.dataset.copy).then(() => toast("Copied."));
});

document.addEventListener("submit", (event) => {
  const question = event.target.dataset.confirm;
  if (question && !window.confirm(question)) event.preventDefault();
});

// One stream a tab; closed while nobody looks. Parts listen with hx-trigger="live:<topic> from:body".
if (document.body.dataset.live) {
  let stream = null;
  const tell = (topic) => document.body.dispatchEvent(new CustomEvent(`live:${topic}`));
  const open = () => {
    if (stream || document.hidden) return;
    stream = new EventSource(`/live?topics=${encodeURIComponent(document.body.dataset.live)}`);
    // What happened since the page was made, or while it was hidden, nobody has told it.
    stream.onopen = () => document.body.dataset.live.split(",").forEach(tell);
    stream.onmessage = (event) => tell(event.data);
  };
  const close = () => { stream?.close(); stream = null; };
  document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));
  addEventListener("pagehide", close);
  open();
}

localTimes(document);
