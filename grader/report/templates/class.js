"use strict";
(() => {
  const board = document.getElementById("board");
  if (!board) return;
  for (const element of document.querySelectorAll(".scripted")) element.hidden = false;

  const heads = [...board.tHead.rows[0].cells];
  const body = board.tBodies[0];
  const rows = [...body.rows];
  const collator = new Intl.Collator(document.documentElement.lang, { numeric: true });

  const value = (row, column) => {
    const cell = row.cells[column];
    if (cell.dataset.v === undefined) return cell.textContent.trim();
    return cell.dataset.v === "" ? null : Number(cell.dataset.v);
  };

  const sort = (column, direction) => {
    const sign = direction === "ascending" ? 1 : -1;
    const keyed = rows.map((row, index) => ({ row, index, key: value(row, column) }));
    keyed.sort((a, b) => {
      // What was not measured stays at the end in both directions.
      if (a.key === null || b.key === null)
        return (a.key === null) - (b.key === null) || a.index - b.index;
      const order = typeof a.key === "number" ? a.key - b.key : collator.compare(a.key, b.key);
      return sign * order || a.index - b.index;
    });
    body.append(...keyed.map((entry) => entry.row));
    heads.forEach((head, index) => {
      if (index === column) head.setAttribute("aria-sort", direction);
      else head.removeAttribute("aria-sort");
    });
  };

  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const now = head.getAttribute("aria-sort");
      const other = now === "ascending" ? "descending" : "ascending";
      sort(column, now ? other : head.dataset.first);
    });
  });

  const input = document.getElementById("filter");
  const shown = document.getElementById("shown");
  const texts = rows.map((row) =>
    `${row.cells[1].textContent} ${row.cells[2].textContent}`.toLocaleLowerCase());
  input.addEventListener("input", () => {
    const wanted = input.value.trim().toLocaleLowerCase();
    let count = 0;
    rows.forEach((row, index) => {
      row.hidden = !texts[index].includes(wanted);
      count += row.hidden ? 0 : 1;
    });
    shown.textContent = wanted ? shown.dataset.text.replace("#", count) : "";
  });
})();
