// One for each panel on the page: passes keys and picks on to Python, hides the panel's still picture.
function render({ model, el }) {
  const stop = new AbortController();
  const { signal } = stop;

  // A page without a kernel (an exported notebook): the still picture stays, the dead panel goes.
  const isStill = document.querySelector(
    'script[type="application/vnd.jupyter.widget-state+json"]'
  ) && !model.widget_manager?.kernel;

  function listen(root) {
    if (isStill) {
      root.style.display = "none";
      return;
    }
    const style = document.createElement("style");
    style.textContent = `.curalab-still-${model.get("still")} { display: none !important; }`;
    el.append(style);
    root.tabIndex = 0;
    root.setAttribute("role", "region");
    root.setAttribute("aria-label", model.get("title"));
    // On the window and first of all: JupyterLab's own shortcuts (d d deletes a cell) listen there.
    window.addEventListener("keydown", (event) => {
      const { target, key } = event;
      if (!root.contains(target) || event.ctrlKey || event.metaKey || event.altKey) return;
      if (target.closest("input, textarea, select, [contenteditable=true]")) return;
      const name = key.length === 1 ? key.toLowerCase() : key;
      if (!model.get("wanted").includes(name)) return;
      event.preventDefault();
      event.stopImmediatePropagation();
      if (!event.repeat) model.send({ key: name });
    }, { capture: true, signal });
    root.addEventListener("click", (event) => {
      const picked = event.target.closest("[data-pick]");
      if (!picked) return;
      model.send({ pick: picked.dataset.pick });
      // Tiles are made anew by what they do, and would take the focus with them.
      if (picked.matches(".curalab-tile")) root.focus({ preventScroll: true });
    }, { signal });
    // Wherever in the panel one clicks, its keys work afterwards; plots keep the focus away.
    root.addEventListener("pointerdown", () => {
      if (!root.contains(document.activeElement)) root.focus({ preventScroll: true });
    }, { capture: true, signal });
  }

  (function find() {
    const root = el.closest(".curalab-panel");
    if (root) listen(root);
    else if (!signal.aborted) requestAnimationFrame(find);
  })();
  return () => stop.abort();
}

export default { render };
