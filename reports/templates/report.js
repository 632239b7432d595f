"use strict";
// Sorts tables by a click on a heading; "#sort=TABLE,COLUMN,descending" in the address does the same.
(() => {
  const key = (row, column) => row.cells[column].dataset.sort;

  const sort = (table, column, direction) => {
    const body = table.tBodies[0];
    const rows = [...body.rows];
    const present = rows.filter((row) => key(row, column));
    const absent = rows.filter((row) => !key(row, column));
    const numeric = present.every((row) => !Number.isNaN(Number(key(row, column))));
    const sign = direction === "descending" ? -1 : 1;
    const text = new Intl.Collator("en", { numeric: true });
    present.sort((a, b) => {
      const [left, right] = [key(a, column), key(b, column)];
      if (!numeric) return sign * text.compare(left, right);
      return left === right ? 0 : sign * (Number(left) < Number(right) ? -1 : 1);
    });
    body.append(...present, ...absent);
    const headings = table.tHead.rows[table.tHead.rows.length - 1].cells;
    for (const heading of headings) heading.removeAttribute("aria-sort");
    headings[column].setAttribute("aria-sort", direction);
    const name = headings[column].textContent.trim();
    document.getElementById("announcement").textContent = `Sorted by ${name}, ${direction}.`;
  };

  const next = (heading) => {
    const current = heading.getAttribute("aria-sort");
    if (!current) return heading.dataset.first || "descending";
    return current === "descending" ? "ascending" : "descending";
  };

  for (const table of document.querySelectorAll("table.sortable")) {
    const headings = [...table.tHead.rows[table.tHead.rows.length - 1].cells];
    headings.forEach((heading, column) => {
      const button = document.createElement("button");
      button.type = "button";
      const label = heading.querySelector(".heading");
      button.append(...(label ? [label] : heading.childNodes));
      heading.prepend(button);
      button.addEventListener("click", () => sort(table, column, next(heading)));
    });
  }

  const follow = () => {
    const [, id, column, direction] = /^#sort=([\w-]+),(\d+),(ascending|descending)$/.exec(location.hash) || [];
    const table = id && document.getElementById(id);
    if (table && table.matches("table.sortable") && column < table.tHead.rows[table.tHead.rows.length - 1].cells.length) {
      sort(table, Number(column), direction);
      table.scrollIntoView();
    }
  };
  addEventListener("hashchange", follow);
  follow();

  if (navigator.clipboard) {
    for (const block of document.querySelectorAll(".command pre")) {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "copy";
      button.textContent = "Copy";
      button.addEventListener("click", async () => {
        try {
          await navigator.clipboard.writeText(block.textContent);
          button.textContent = "Copied";
        } catch {
          button.textContent = "Select and copy it";
        }
      });
      block.before(button);
    }
  }
})();
