// The reason behind a badge or a note's mark, shown when it is pointed at and when it has the focus; Escape closes it.
// Without scripts the reason is the element's title, and its link leads to the note. The titles of a matrix's squares,
// their intervals and counts, are written below the numbers by a button.
(() => {
  const hint = document.createElement("div");
  Object.assign(hint, { id: "hint", className: "hint", hidden: true });
  hint.setAttribute("role", "tooltip");
  document.body.append(hint);

  const close = () => {
    hint.hidden = true;
    for (const mark of document.querySelectorAll("[aria-describedby='hint']")) mark.removeAttribute("aria-describedby");
  };
  const open = (mark) => {
    close();
    hint.textContent = mark.dataset.reason;
    hint.hidden = false;
    mark.setAttribute("aria-describedby", "hint");
    place(mark);
  };
  const place = (mark) => {
    const [at, own] = [mark.getBoundingClientRect(), hint.getBoundingClientRect()];
    const below = at.bottom + own.height + 4 < innerHeight;
    hint.style.left = `${Math.max(4, Math.min(at.left, innerWidth - own.width - 4))}px`;
    hint.style.top = `${below ? at.bottom + 2 : Math.max(4, at.top - own.height - 2)}px`;
  };

  for (const mark of document.querySelectorAll(".badge, .mark")) {
    mark.dataset.reason = mark.title;
    mark.removeAttribute("title");
  }
  const marked = (event) => event.target instanceof Element && event.target.closest(".badge, .mark");
  document.addEventListener("focusin", (event) => (marked(event) ? open(marked(event)) : close()));
  document.addEventListener("pointerover", (event) => {
    if (marked(event)) open(marked(event));
    else if (!hint.contains(event.target) && !marked({ target: document.activeElement })) close();
  });
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") close(); });
  // Focus may scroll its mark into view: the hint goes along; one under the pointer has lost it.
  const follow = () => {
    const mark = document.querySelector("[aria-describedby='hint']");
    if (mark && mark === document.activeElement) place(mark);
    else close();
  };
  addEventListener("scroll", follow, { capture: true, passive: true });

  for (const section of document.querySelectorAll("section")) {
    if (!section.querySelector("td.square[title]")) continue;
    const button = document.createElement("button");
    Object.assign(button, { type: "button", className: "tool", textContent: "Show details" });
    button.setAttribute("aria-pressed", "false");
    button.addEventListener("click", () => {
      button.setAttribute("aria-pressed", String(section.classList.toggle("intervals")));
    });
    const tools = document.createElement("div");
    tools.className = "tools";
    tools.append(button);
    let words = section.querySelector("p");
    while (words.nextElementSibling.matches("p")) words = words.nextElementSibling;
    words.after(tools);
  }
})();
