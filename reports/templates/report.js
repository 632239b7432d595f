"use strict";
// Tables that can be sorted, searched, filtered and saved. The view stands in the address, so that it can be sent.
// Everything here is an extra: without scripts the page shows every row and column.
(() => {
  const sortKey = (row, column) => row.cells[column].dataset.sort;
  const text = new Intl.Collator("en", { numeric: true });
  const say = (words) => { document.getElementById("announcement").textContent = words; };
  const make = (tag, settings = {}, ...children) => {
    const made = Object.assign(document.createElement(tag), settings);
    made.append(...children);
    return made;
  };

  // One column against another: what is absent comes last, whatever the direction.
  const comparison = (rows, [column, direction]) => {
    const sign = direction === "descending" ? -1 : 1;
    const numeric = rows.every((row) => !Number.isNaN(Number(sortKey(row, column))));
    return (a, b) => {
      const [left, right] = [sortKey(a, column), sortKey(b, column)];
      if (!left || !right) return left ? -1 : right ? 1 : 0;
      if (!numeric) return sign * text.compare(left, right);
      return left === right ? 0 : sign * (Number(left) < Number(right) ? -1 : 1);
    };
  };

  // ---------------------------------------------------------------------------------------------- one table's view
  const views = new Map();

  class View {
    constructor(table) {
      this.table = table;
      this.rows = [...table.tBodies[0].rows].filter((row) => row.cells.length > 1);
      this.headings = [...table.tHead.rows[table.tHead.rows.length - 1].cells];
      this.groups = [...table.querySelectorAll("th.group")];
      this.controls = {};
      this.clear();
      this.headings.forEach((heading, column) => {
        const label = heading.querySelector(".heading");
        const button = make("button", { type: "button", title: heading.title }, ...(label ? [label] : heading.childNodes));
        heading.prepend(button);
        button.addEventListener("click", (event) => this.turn(column, event.shiftKey));
      });
    }

    clear() {
      this.sorts = [];
      this.chosen = {};
      this.hidden = new Set();
    }

    turn(column, also) {
      const before = this.sorts.find(([other]) => other === column);
      const first = this.headings[column].dataset.first || "descending";
      const next = !before ? first : before[1] === "descending" ? "ascending" : "descending";
      if (!also) this.sorts = [[column, next]];
      else if (before) before[1] = next;
      else this.sorts.push([column, next]);
      this.show();
      const order = this.sorts.map(([at, way]) => `${this.title(at)}, ${way}`).join("; then ");
      say(`Sorted by ${order}.`);
      remember();
    }

    title(column) {
      const heading = this.headings[column];
      return (heading.querySelector(".heading") || heading.querySelector("button")).textContent.trim();
    }

    // "pgd@2/255 (Linf): macro": what a column is called outside the table.
    fullTitle(column) {
      const group = this.headings[column].dataset.group;
      return group ? `${group}: ${this.title(column)}` : this.title(column);
    }

    show() {
      const comparisons = this.sorts.map((sort) => comparison(this.rows.filter((row) => sortKey(row, sort[0])), sort));
      const ordered = [...this.rows].sort((a, b) => {
        for (const compare of comparisons) {
          const order = compare(a, b);
          if (order) return order;
        }
        return 0;
      });
      this.table.tBodies[0].append(...ordered);
      this.headings.forEach((heading, column) => {
        const place = this.sorts.findIndex(([other]) => other === column);
        if (place < 0) heading.removeAttribute("aria-sort");
        else heading.setAttribute("aria-sort", this.sorts[place][1]);
        heading.dataset.order = this.sorts.length > 1 && place >= 0 ? String(place + 1) : "";
      });
      const words = (this.chosen.find || "").toLowerCase().split(/\s+/).filter(Boolean);
      for (const row of this.rows) {
        const named = (row.querySelector("th") || row).textContent.toLowerCase();
        const fits = ["task", "family", "defended"].every((name) => !this.chosen[name] || row.dataset[name] === this.chosen[name]);
        row.hidden = !fits || !words.every((word) => named.includes(word));
      }
      this.headings.forEach((heading, column) => {
        const gone = !this.shows(column);
        heading.hidden = gone;
        for (const row of this.rows) row.cells[column].hidden = gone;
      });
      let column = 2;
      for (const group of this.groups) {
        const own = this.headings.slice(column, column + Number(group.dataset.span));
        column += own.length;
        const left = own.filter((heading) => !heading.hidden).length;
        group.hidden = !left;
        if (left) group.colSpan = left;
      }
      for (const [name, control] of Object.entries(this.controls)) control.value = this.chosen[name] || "";
      if (this.boxes) this.boxes.forEach((box, at) => { if (box) box.checked = !this.hidden.has(at); });
      if (this.count) this.count.textContent = `${this.visible().length} of ${this.rows.length} models`;
    }

    shows(column) {
      const threat = this.headings[column].dataset.threat;
      const wanted = this.chosen.threat;
      const fits = !threat || !wanted || threat === wanted || wanted.startsWith(`${threat}@`);
      return fits && !this.hidden.has(column);
    }

    visible() {
      return [...this.table.tBodies[0].rows].filter((row) => !row.hidden && row.cells.length > 1);
    }

    // ------------------------------------------------------------------------------------------ address
    write(into) {
      const id = this.table.id;
      if (this.sorts.length) into.set(`${id}.sort`, this.sorts.map(([column, way]) => `${column}.${way}`).join("~"));
      for (const [name, value] of Object.entries(this.chosen)) if (value) into.set(`${id}.${name}`, value);
      if (this.hidden.size) into.set(`${id}.hide`, [...this.hidden].sort((a, b) => a - b).join("."));
    }

    read(from) {
      const id = this.table.id;
      this.clear();
      for (const part of (from.get(`${id}.sort`) || "").split("~")) {
        const [, column, way] = /^(\d+)\.(ascending|descending)$/.exec(part) || [];
        if (way && Number(column) < this.headings.length) this.sorts.push([Number(column), way]);
      }
      for (const name of ["find", "task", "family", "defended", "threat"]) {
        const value = from.get(`${id}.${name}`);
        const control = this.controls[name];
        const known = control && (name === "find" || [...control.options].some((option) => option.value === value));
        if (value && known) this.chosen[name] = value;
      }
      for (const at of (from.get(`${id}.hide`) || "").split(".")) {
        if (/^\d+$/.test(at) && Number(at) > 1 && Number(at) < this.headings.length) this.hidden.add(Number(at));
      }
      this.show();
    }

    // ----------------------------------------------------------------------------------------- controls
    addControls() {
      const tools = make("div", { className: "tools" });
      const change = (name, value) => {
        this.chosen[name] = value;
        this.show();
        say(this.count.textContent);
        remember();
      };
      const search = make("input", { type: "search", placeholder: "name, title, family" });
      search.addEventListener("input", () => change("find", search.value));
      this.controls.find = search;
      tools.append(make("label", {}, "Search ", search));
      const facets = ["task", "family", "defended"].map((name) => [name, this.rows.map((row) => row.dataset[name])]);
      facets.push(["threat", this.headings.map((heading) => heading.dataset.threat || "").filter((threat) => threat.includes("@"))]);
      for (const [name, all] of facets) {
        const values = [...new Set(all)].filter(Boolean);
        if (name !== "threat") values.sort(text.compare);
        if (values.length < 2) continue;
        const options = values.map((value) => make("option", { value }, value));
        const select = make("select", {}, make("option", { value: "" }, "all"), ...options);
        select.addEventListener("change", () => change(name, select.value));
        this.controls[name] = select;
        tools.append(make("label", {}, `${name} `, select));
      }
      this.boxes = this.headings.map((heading, column) => {
        if (column < 2) return null;
        const box = make("input", { type: "checkbox", checked: true });
        box.addEventListener("change", () => {
          if (box.checked) this.hidden.delete(column);
          else this.hidden.add(column);
          this.show();
          remember();
        });
        return box;
      });
      const boxes = this.boxes.map((box, column) => box && make("label", {}, box, ` ${this.fullTitle(column)}`));
      tools.append(make("details", { className: "columns" }, make("summary", {}, "Columns"), make("div", {}, ...boxes.filter(Boolean))));
      const button = (label, action) => {
        const made = make("button", { type: "button", className: "tool" }, label);
        made.addEventListener("click", () => action(made));
        tools.append(made);
      };
      button("CSV", () => save(this, "csv"));
      button("JSON", () => save(this, "json"));
      button("LaTeX", () => save(this, "tex"));
      if (navigator.clipboard) button("Copy link to this view", (made) => copy(made, address()));
      button("Reset", () => { this.clear(); this.show(); remember(); });
      this.count = make("span", { className: "count" });
      tools.append(this.count);
      this.table.closest(".scroller").before(tools);
    }
  }

  // ------------------------------------------------------------------------------------------------------- files
  const content = {
    csv: (titles, rows) => [titles, ...rows.map((row) => row.map(([exact]) => exact))]
      .map((line) => line.map((cell) => (/[",\n\r]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell)).join(",")).join("\n") + "\n",
    json: (titles, rows) => JSON.stringify(rows.map((row) => Object.fromEntries(row.map(([exact, , name], at) => {
      const number = name ? exact : exact === "" ? null : Number(exact);
      return [titles[at], Number.isFinite(number) || name || number === null ? number : "infinite"];
    }))), null, 1) + "\n",
    tex: (titles, rows) => {
      const escaped = (words) => words.replace(/[\\{}$&#_%~^]/g, (sign) => (
        { "\\": "\\textbackslash{}", "~": "\\textasciitilde{}", "^": "\\textasciicircum{}" }[sign] || `\\${sign}`
      )).replaceAll("∞", "$\\infty$");
      const lines = [titles, ...rows.map((row) => row.map(([, shown]) => shown))].map((line) => `${line.map(escaped).join(" & ")} \\\\`);
      const [head, ...body] = lines;
      const columns = titles.map((_, at) => (at === 1 ? "l" : "r")).join("");
      return ["% needs \\usepackage{booktabs}", `\\begin{tabular}{${columns}}`, "\\toprule", head, "\\midrule", ...body, "\\bottomrule", "\\end{tabular}", ""].join("\n");
    },
  };

  const save = (view, kind) => {
    const columns = view.headings.map((_, column) => column).filter((column) => view.shows(column));
    const rows = view.visible().map((row) => columns.map((column) => {
      const cell = row.cells[column];
      const name = column === 1;
      const shown = name ? cell.dataset.sort : (cell.querySelector(".value") || cell).textContent.trim();
      return [cell.dataset.sort, shown, name];
    }));
    const made = new Blob([content[kind](columns.map((column) => view.fullTitle(column)), rows)], { type: "text/plain;charset=utf-8" });
    const link = make("a", { href: URL.createObjectURL(made), download: `leaderboard.${kind}` });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  };

  // ----------------------------------------------------------------------------------------------------- address
  let data = "";
  const sections = [...document.querySelectorAll("section[data-board]")];
  const choose = (value) => {
    data = sections.some((section) => section.dataset.board === value) ? value : "";
    for (const section of sections) section.hidden = Boolean(data) && section.dataset.board !== data;
    const select = document.getElementById("choose-data");
    if (select) select.value = data;
  };
  const address = () => {
    const state = new URLSearchParams();
    if (data) state.set("data", data);
    for (const view of views.values()) view.write(state);
    return `${location.href.split("#")[0]}${String(state) ? `#${state}` : ""}`;
  };
  const remember = () => history.replaceState(null, "", address());
  const follow = () => {
    const hash = location.hash.slice(1);
    if (hash && !hash.includes("=")) return; // a place on the page, not a view
    const state = new URLSearchParams(hash);
    choose(state.get("data") || "");
    for (const view of views.values()) view.read(state);
    const [first] = [...state.keys()].map((key) => document.getElementById(key.split(".")[0])).filter(Boolean);
    if (first) (first.closest("section") || first).scrollIntoView();
  };

  const copy = async (button, words) => {
    const label = button.textContent;
    try {
      await navigator.clipboard.writeText(words);
      button.textContent = "Copied";
    } catch {
      button.textContent = "Select and copy it";
    }
    setTimeout(() => { button.textContent = label; }, 2000);
  };

  for (const table of document.querySelectorAll("table.sortable")) views.set(table.id, new View(table));
  for (const view of views.values()) if (view.table.matches(".board")) view.addControls();
  if (sections.length > 1) {
    const names = sections.map((section) => make("option", { value: section.dataset.board }, section.dataset.board));
    const select = make("select", { id: "choose-data" }, make("option", { value: "" }, "all"), ...names);
    select.addEventListener("change", () => { choose(select.value); remember(); });
    sections[0].before(make("div", { className: "tools" }, make("label", {}, "Data of the leaderboards ", select)));
  }
  addEventListener("hashchange", follow);
  follow();

  if (navigator.clipboard) {
    for (const block of document.querySelectorAll(".command pre")) {
      const button = make("button", { type: "button", className: "copy" }, "Copy");
      button.addEventListener("click", () => copy(button, block.textContent));
      block.before(button);
    }
  }
})();
