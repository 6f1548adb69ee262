// The form of a run: files can be dropped, JSON is checked before it is sent, and a run is started once.

for (const area of document.querySelectorAll("[data-drop]")) {
  const input = area.querySelector("input");
  const over = (event) => {
    event.preventDefault();
    area.classList.toggle("over", event.type === "dragover");
  };
  area.addEventListener("dragover", over);
  area.addEventListener("dragleave", over);
  area.addEventListener("drop", (event) => {
    over(event);
    const dropped = new DataTransfer();
    for (const file of [...event.dataTransfer.files].slice(0, input.multiple ? undefined : 1)) dropped.items.add(file);
    if (dropped.files.length) input.files = dropped.files;
  });
}

for (const field of document.querySelectorAll("[data-json]")) {
  field.addEventListener("input", () => {
    try {
      if (field.value.trim()) JSON.parse(field.value);
      field.setCustomValidity("");
    } catch (error) {
      field.setCustomValidity(`This is no JSON: ${error.message}`);
    }
  });
}

document.querySelector("[data-run-form]").addEventListener("submit", (event) => {
  const button = event.target.querySelector("button.primary");
  if (button.getAttribute("aria-disabled")) event.preventDefault();
  button.setAttribute("aria-disabled", "true");
});
addEventListener("pageshow", () => document.querySelector("[data-run-form] button.primary").removeAttribute("aria-disabled"));
