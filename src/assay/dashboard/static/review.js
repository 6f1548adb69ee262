// Reviewing one run by the keyboard: fields that know what they were, the place in the document, verdicts by single keys.

const form = document.getElementById("verdict");
const pages = document.querySelector(".rv-document .pages");
const said = document.getElementById("said");
const changes = [];
const TRAIL = "assay_review_trail";
let submitting = false;

const say = (text) => { said.textContent = ""; requestAnimationFrame(() => { said.textContent = text; }); };
const control = (event) => event.target.closest?.("[data-pointer]");
const plain = (text) => text.replace(/\r\n?/g, "\n");
const stored = (key, value) => {
  try {
    if (value === undefined) return localStorage.getItem(key);
    localStorage.setItem(key, value);
  } catch { /* private windows may keep nothing */ }
  return null;
};

// Fields: what differs from the output is marked, and every change can be undone.
function mark(input) {
  const changed = plain(input.value) !== plain(input.dataset.was ?? "");
  const place = input.closest(".rv-field, td");
  place?.classList.toggle("changed", changed);
  const was = place?.querySelector(".rv-was");
  if (was) was.hidden = !changed;
}

document.addEventListener("focusin", (event) => {
  const input = control(event);
  if (!input) return;
  input.dataset.before = input.value;
  highlight(input);
});
document.addEventListener("input", (event) => { const input = control(event); if (input) mark(input); });
document.addEventListener("change", (event) => {
  const input = control(event);
  if (!input) return;
  changes.push([input, input.dataset.before ?? input.dataset.was ?? ""]);
  input.dataset.before = input.value;
  mark(input);
});

function undo() {
  const last = changes.pop();
  if (last) {
    const [input, before] = last;
    input.value = before;
    mark(input);
    input.focus();
    say("Change undone.");
    return;
  }
  document.getElementById("undo")?.requestSubmit();
}

// Lines that are missing.
for (const button of document.querySelectorAll("[data-add-row]")) {
  button.hidden = false;
  button.addEventListener("click", () => {
    const pointer = button.dataset.addRow;
    const table = [...document.querySelectorAll("[data-table]")].find((one) => one.dataset.table === pointer);
    const template = [...document.querySelectorAll("template[data-row]")].find((one) => one.dataset.row === pointer);
    const place = Number(table.dataset.next);
    table.dataset.next = place + 1;
    const row = template.content.cloneNode(true);
    row.querySelector("th").textContent = place + 1;
    for (const input of row.querySelectorAll("[data-column]")) {
      input.name = `v:${pointer}/${place}/${input.dataset.column}`;
      input.setAttribute("aria-label", `${input.dataset.label}, line ${place + 1}`);
    }
    table.tBodies[0].append(row);
    table.tBodies[0].rows[place].querySelector("[data-column]")?.focus();
  });
}

// The place in the document that a value comes from.
function highlight(input) {
  for (const box of document.querySelectorAll(".rv-box")) box.remove();
  if (!pages) return;
  if (!input.dataset.box) { lookUp(input); }
  if (input.dataset.page === undefined) return;
  const sheet = pages.children[Number(input.dataset.page)];
  const picture = sheet?.querySelector("img");
  if (!picture) return;
  sheet.scrollIntoView({ block: "nearest" });
  if (!input.dataset.box) return;
  const draw = () => {
    const [x0, y0, x1, y1] = input.dataset.box.split(" ").map(Number);
    // Pictures of pages have 1.5 pixels a point unless they were asked for larger.
    const scale = Number(new URL(picture.src).searchParams.get("scale") ?? 1.5);
    const [width, height] = input.dataset.sheet?.split(" ").map(Number) ?? [picture.naturalWidth / scale, picture.naturalHeight / scale];
    if (!width || !height) return;
    const box = document.createElement("div");
    box.className = "rv-box";
    Object.assign(box.style, {
      left: `calc(${(100 * x0) / width}% - 3px)`,
      top: `calc(${(100 * y0) / height}% - 3px)`,
      width: `calc(${(100 * (x1 - x0)) / width}% + 6px)`,
      height: `calc(${(100 * (y1 - y0)) / height}% + 6px)`,
    });
    for (const old of document.querySelectorAll(".rv-box")) old.remove();
    sheet.append(box);
    const top = sheet.offsetTop + (sheet.clientHeight * y0) / height;
    pages.scrollTo({ top: top - pages.clientHeight / 3, left: sheet.clientWidth * (x0 / width) - pages.clientWidth / 3 });
  };
  if (picture.complete && picture.naturalWidth) draw();
  else {
    picture.loading = "eager";
    picture.addEventListener("load", () => { if (document.activeElement === input) draw(); }, { once: true });
  }
}

// Where no step noted a box, the words of the document are searched for the value, once.
async function lookUp(input) {
  const text = input.dataset.text || input.dataset.was;
  if (!text || text.length > 500 || input.dataset.asked || input.dataset.kind === "choice") return;
  input.dataset.asked = "1";
  const query = new URLSearchParams({ text });
  if (input.dataset.page !== undefined) query.set("page", input.dataset.page);
  const answer = await fetch(`${form.dataset.place}?${query}`).catch(() => null);
  const found = answer?.ok ? await answer.json() : null;
  if (!found) return;
  Object.assign(input.dataset, { page: found.page, box: found.box, sheet: found.sheet });
  if (document.activeElement === input) highlight(input);
}

// Zoom.
const STEPS = [0.5, 0.75, 1, 1.25, 1.5, 2, 3];
let zoom = STEPS.includes(Number(stored("assay_review_zoom"))) ? Number(stored("assay_review_zoom")) : 1;
function zoomTo(value) {
  zoom = value;
  stored("assay_review_zoom", String(zoom));
  pages.style.setProperty("--zoom", zoom);
  document.getElementById("zoom").textContent = `${zoom * 100} %`;
  if (zoom > 1.25) for (const picture of pages.querySelectorAll("img")) {
    const url = new URL(picture.src);
    if (url.searchParams.get("scale") === "3") continue;
    url.searchParams.set("scale", "3");
    picture.src = url;
  }
  const active = document.activeElement?.closest?.("[data-pointer]");
  if (active) highlight(active);
}
const step = (by) => pages && zoomTo(STEPS[Math.min(STEPS.length - 1, Math.max(0, STEPS.indexOf(zoom) + by))]);
if (pages && document.querySelector(".rv-zoom")) {
  document.querySelector(".rv-zoom").hidden = false;
  for (const button of document.querySelectorAll("[data-zoom]")) button.addEventListener("click", () => step(Number(button.dataset.zoom)));
  zoomTo(zoom);
}

// What is kept between items: whether to go on by itself, whether single keys are on.
for (const [id, key] of [["advance", "assay_review_advance"], ["keys-on", "assay_review_keys"]]) {
  const box = document.getElementById(id);
  if (stored(key) !== null) box.checked = stored(key) === "1";
  box.addEventListener("change", () => stored(key, box.checked ? "1" : "0"));
}

// The way back: items of this window in their order.
const here = location.pathname.split("/")[2];
let trail = [];
try { trail = JSON.parse(sessionStorage.getItem(TRAIL)) ?? []; } catch { trail = []; }
if (!trail.includes(here)) trail = [...trail, here].slice(-200);
try { sessionStorage.setItem(TRAIL, JSON.stringify(trail)); } catch { /* then there is no way back */ }
const place = trail.indexOf(here);
const earlier = document.getElementById("earlier");
const later = document.getElementById("later");
const to = (item) => `/review/${item}${form.action.includes("?") ? form.action.slice(form.action.indexOf("?")) : ""}`;
if (place > 0) { earlier.href = to(trail[place - 1]); earlier.hidden = false; }
if (place >= 0 && place < trail.length - 1) later.href = to(trail[place + 1]);

// Time: of this item, and of the lease, which is renewed while somebody works here.
const begun = Date.now();
let active = Date.now();
for (const kind of ["keydown", "pointerdown", "scroll"]) addEventListener(kind, () => { active = Date.now(); }, { passive: true, capture: true });
const timer = document.getElementById("timer");
setInterval(() => {
  const seconds = Math.floor((Date.now() - begun) / 1000);
  timer.textContent = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}, 1000);
setInterval(() => {
  const lease = document.getElementById("lease");
  if (!lease?.dataset.renew || document.hidden || Date.now() - active > 600_000) return;
  if (new Date(lease.dataset.until) - Date.now() < 600_000) window.htmx.ajax("POST", lease.dataset.renew, { target: "#lease", swap: "outerHTML" });
}, 60_000);

// JSON, which becomes an editor when it is opened (editor.js).
const rawBox = document.getElementById("raw-box");
function toggleRaw() {
  if (!rawBox) return;
  rawBox.open = !rawBox.open;
  if (!rawBox.open) return;
  rawBox.scrollIntoView({ block: "nearest" });
  (rawBox.querySelector(".cm-content") ?? document.getElementById("raw")).focus();
}

// To the first field that should be looked at, then on from one to the next.
function edit() {
  const inputs = [...form.querySelectorAll("[data-pointer]")];
  const doubtful = inputs.filter((one) => one.closest(".doubtful"));
  (doubtful[0] ?? inputs[0] ?? document.getElementById("raw"))?.focus();
}

const focus = (id) => { const one = document.getElementById(id); one?.scrollIntoView({ block: "nearest" }); one?.focus(); };
const judge = (rating) => form.querySelector(`.rv-verdict button[value="${rating}"]`).click();
const KEYS = {
  1: () => judge("pass"), 2: () => judge("fail"), 3: () => judge("partial"),
  e: edit, r: toggleRaw, n: () => focus("note"), s: () => focus("skip-reason"), z: undo,
  t: () => (document.querySelector(".rv-tags input") ?? document.getElementById("new-tag")).focus(),
  u: () => { focus("corrected-file"); document.getElementById("corrected-file").click(); },
  p: () => { const box = document.getElementById("promote"); box.checked = !box.checked; say(box.checked ? "Will be promoted with the verdict." : "Will not be promoted."); },
  j: () => later.click(), k: () => (earlier.hidden ? say("This is the first one.") : earlier.click()),
  "+": () => step(1), "-": () => step(-1),
  "?": () => document.getElementById("sheet").showModal(),
};
const typing = (target) => target.closest("input:not([type='checkbox']), select, textarea, [contenteditable='true'], dialog");
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && !event.defaultPrevented && typing(event.target) && !event.target.closest("dialog")) {
    event.target.blur();
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || typing(event.target)) return;
  const action = KEYS[event.key] ?? KEYS[event.key.toLowerCase()];
  if (!action || (event.key !== "?" && !document.getElementById("keys-on").checked)) return;
  event.preventDefault();
  action();
});

// Said once, however often the key is hit; and what was typed is not lost by accident.
form.addEventListener("submit", (event) => {
  if (submitting) event.preventDefault();
  submitting = true;
});
addEventListener("pageshow", () => { submitting = false; });
addEventListener("beforeunload", (event) => {
  if (!submitting && form.querySelector(".changed [data-pointer]") && changes.length) event.preventDefault();
});
document.getElementById("undo")?.addEventListener("submit", () => { submitting = true; });
document.getElementById("skip")?.addEventListener("submit", () => { submitting = true; });
document.addEventListener("change", (event) => {
  if (event.target.id === "corrected-file" && event.target.files.length) event.target.form.requestSubmit();
});
