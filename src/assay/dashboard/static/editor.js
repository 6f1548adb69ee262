// Text areas that hold code become CodeMirror after the first paint: <textarea data-editor="json" data-library data-nonce>.
// The area stays what the form sends. data-check="URL" sends the text there and marks the lines of what comes back, a list of
// issues or a part of the page for the element data-said.

const csrf = document.querySelector('meta[name="csrf"]')?.content;

function highlighting(cm) {
  const t = cm.tags;
  return cm.syntaxHighlighting(cm.HighlightStyle.define([
    { tag: [t.propertyName, t.definition(t.propertyName)], class: "code-name" },
    { tag: [t.string, t.content], class: "code-text" },
    { tag: [t.number, t.bool, t.null, t.atom], class: "code-value" },
    { tag: [t.keyword, t.typeName], class: "code-keyword" },
    { tag: [t.comment, t.meta], class: "code-comment" },
  ]));
}

function language(cm, name) {
  if (name === "python") return cm.python();
  if (name === "javascript" || name === "typescript") return cm.javascript({ typescript: name === "typescript" });
  return name === "yaml" ? cm.yaml() : cm.json();
}

function marks(doc, issues) {
  return issues.filter((issue) => issue.line).map((issue) => {
    const line = doc.line(Math.min(issue.line, doc.lines));
    const from = Math.min(line.from + Math.max((issue.column || 1) - 1, 0), line.to);
    return { from, to: Math.max(from, line.to), severity: issue.severity, message: issue.message };
  });
}

// A part of the page that lists what was found: it is shown, and its lines are what is marked.
function told(area, html) {
  const said = document.getElementById(area.dataset.said);
  if (said.innerHTML !== html) said.innerHTML = html;
  return [...said.querySelectorAll("[data-line]")].map(({ dataset }) => ({
    line: Number(dataset.line), column: Number(dataset.column), severity: dataset.severity, message: dataset.message,
  }));
}

async function check(cm, view, area, turn) {
  const body = new FormData();
  body.set("yaml", view.state.doc.toString());
  const answer = await fetch(area.dataset.check, { method: "POST", body, headers: { "X-CSRF-Token": csrf } });
  if (!answer.ok || turn !== area.turn) return;
  const isPart = answer.headers.get("content-type")?.includes("html");
  const content = await (isPart ? answer.text() : answer.json());
  if (turn !== area.turn) return;
  const issues = isPart ? told(area, content) : content;
  view.dispatch(cm.setDiagnostics(view.state, marks(view.state.doc, issues)));
  if (isPart) return;
  const said = document.getElementById(area.dataset.said);
  const text = issues.length ? `${issues.length} to mend. ${issues[0].message}` : "Valid.";
  if (said && said.textContent !== text) said.textContent = text;
}

function mount(cm, area) {
  const label = document.querySelector(`label[for="${CSS.escape(area.id)}"]`);
  const box = document.createElement("div");
  box.className = "editor";
  area.before(box);
  area.turn = 0;
  let pending = 0;
  const look = (view) => { if (area.dataset.check) check(cm, view, area, ++area.turn); };
  const described = area.getAttribute("aria-describedby");
  const view = new cm.EditorView({
    parent: box,
    doc: area.value,
    extensions: [
      cm.EditorView.cspNonce.of(area.dataset.nonce),
      cm.lineNumbers(), cm.history(), cm.foldGutter(), cm.drawSelection(), cm.indentOnInput(), cm.bracketMatching(),
      cm.highlightSelectionMatches(), highlighting(cm), cm.indentUnit.of("  "), language(cm, area.dataset.editor),
      area.dataset.check ? cm.lintGutter() : [],
      cm.keymap.of([...cm.defaultKeymap, ...cm.historyKeymap, ...cm.searchKeymap, ...cm.foldKeymap, ...cm.lintKeymap]),
      cm.EditorView.lineWrapping,
      cm.EditorState.readOnly.of(area.readOnly),
      cm.EditorView.contentAttributes.of({
        "aria-label": label?.textContent ?? area.name,
        ...(described ? { "aria-describedby": described } : {}),
        ...(area.getAttribute("aria-invalid") ? { "aria-invalid": "true" } : {}),
      }),
      cm.EditorView.updateListener.of((update) => {
        if (!update.docChanged) return;
        area.value = update.state.doc.toString();
        clearTimeout(pending);
        pending = setTimeout(() => look(update.view), 500);
      }),
    ],
  });
  view.scrollDOM.tabIndex = 0;  // a keyboard scrolls it, too
  if (document.activeElement === area) view.focus();
  area.hidden = true;
  area.required = false;
  label?.addEventListener("click", (event) => { event.preventDefault(); view.focus(); });
  look(view);
}

function start() {
  const seen = async (area) => {
    const cm = await import(area.dataset.library);
    if (area.isConnected && !area.hidden) mount(cm, area);
  };
  for (const area of document.querySelectorAll("textarea[data-editor]")) {
    const closed = area.closest("details:not([open])");
    if (closed) closed.addEventListener("toggle", () => seen(area), { once: true });
    else seen(area);
  }
}

requestAnimationFrame(() => setTimeout(start));
