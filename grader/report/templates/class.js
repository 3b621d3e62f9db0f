"use strict";
(() => {
  // A class of any size is held as data; of a long table only the rows in sight are in the page.
  const { rows, plots } = JSON.parse(document.getElementById("data").textContent);
  const board = document.getElementById("board");
  const window_ = document.getElementById("window");
  const body = board.tBodies[0];
  const heads = [...board.tHead.rows[0].cells];
  const badges = [...document.getElementById("badges").content.children];
  const long = window_.classList.contains("long");
  const SPARE = 12; // rows that are drawn beyond the edges of what is seen

  for (const one of document.querySelectorAll(".scripted")) one.hidden = false;
  for (const one of document.querySelectorAll(".unscripted")) one.hidden = true;

  // What a row holds: [rank, name, address, outcome, failed checks, (text, value, note) ...]
  const [RANK, NAME, HREF, OUTCOME, FAILED, CELLS] = [0, 1, 2, 3, 4, 5];
  const collator = new Intl.Collator(document.documentElement.lang, { numeric: true });
  const KEYS = heads.map((_, column) => {
    if (column === 0) return (at) => at;
    if (column === 1) return (at) => rows[at][NAME];
    if (column === 2) return (at) => rows[at][OUTCOME];
    return (at) => rows[at][CELLS + 3 * (column - 3) + 1];
  });
  const spoken = rows.map((row) => row[NAME].toLocaleLowerCase());

  /* Drawing */

  const drawn = [...body.rows].map(numbered);
  const model = body.rows[0].cloneNode(true);
  const above = spacer();
  const below = spacer();
  let order = rows.map((_, at) => at);
  let matching = order;
  let high = 0;

  function numbered(row, at) {
    if (long) row.ariaRowIndex = String(at + 2);
    return row;
  }

  function spacer() {
    const row = document.createElement("tr");
    row.className = "space";
    row.setAttribute("aria-hidden", "true");
    row.append(document.createElement("td"));
    row.cells[0].colSpan = heads.length;
    return row;
  }

  /** The row of one submission; made when it is first seen. */
  function rowOf(at) {
    if (drawn[at]) return drawn[at];
    const [rank, name, href, outcome] = rows[at];
    const row = model.cloneNode(true);
    const isolated = document.createElement("bdi");
    row.cells[0].textContent = rank === null ? "—" : String(rank);
    if (href) {
      const link = document.createElement("a");
      link.href = href;
      link.textContent = name;
      isolated.append(link);
    } else {
      isolated.textContent = name;
    }
    row.cells[1].replaceChildren(isolated);
    row.cells[2].replaceChildren(badges[outcome].cloneNode(true));
    for (let column = 3; column < heads.length; column += 1) {
      const first = CELLS + 3 * (column - 3);
      row.cells[column].textContent = rows[at][first];
      if (rows[at][first + 2]) {
        const note = document.createElement("small");
        note.textContent = rows[at][first + 2];
        row.cells[column].append(" ", note);
      }
    }
    drawn[at] = row;
    return row;
  }

  /** Rows from `first` to before `last` of those that match, and empty room for the others. */
  function place(first, last) {
    const held = document.activeElement?.closest?.("#board tbody tr");
    const shown = [];
    for (let at = first; at < last; at += 1) shown.push(numbered(rowOf(matching[at]), at));
    above.cells[0].style.height = `${first * high}px`;
    below.cells[0].style.height = `${(matching.length - last) * high}px`;
    const wanted = [...(first ? [above] : []), ...shown,
      ...(last < matching.length ? [below] : [])];
    // What stays is not taken out: it may have the focus.
    const keeps = new Set(wanted);
    for (const row of [...body.rows]) if (!keeps.has(row)) row.remove();
    wanted.forEach((row, at) => {
      if (body.rows[at] !== row) body.insertBefore(row, body.rows[at] ?? null);
    });
    if (held && !held.isConnected) window_.focus({ preventScroll: true });
  }

  function draw() {
    if (!long) return place(0, matching.length);
    high ||= body.rows[0]?.getBoundingClientRect().height || 36;
    const seen = Math.ceil(window_.clientHeight / high);
    const top = Math.max(0, Math.floor(window_.scrollTop / high) - SPARE);
    const first = Math.min(top, Math.max(0, matching.length - seen - 2 * SPARE));
    place(first, Math.min(matching.length, first + seen + 2 * SPARE));
  }

  /** As the rest of the page writes numbers: by thin spaces. */
  function grouped(count) {
    return String(count).replace(/\B(?=(\d{3})+$)/g, "\u202f");
  }

  /* Sorting */

  let sorted = [0, "ascending"];

  function sort(column, direction) {
    const sign = direction === "ascending" ? 1 : -1;
    const key = KEYS[column];
    order = rows.map((_, at) => at).sort((a, b) => {
      const [one, other] = [key(a), key(b)];
      // What was not measured stays at the end in both directions.
      if (one === null || other === null) return (one === null) - (other === null) || a - b;
      const by = typeof one === "number" ? one - other : collator.compare(one, other);
      return sign * by || a - b;
    });
    heads.forEach((head, at) => {
      if (at === column) head.setAttribute("aria-sort", direction);
      else head.removeAttribute("aria-sort");
    });
    sorted = [column, direction];
    filter();
  }

  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const now = head.getAttribute("aria-sort");
      const other = now === "ascending" ? "descending" : "ascending";
      sort(column, now ? other : head.dataset.first);
      keep();
    });
  });

  /* Filtering */

  const input = document.getElementById("filter");
  const byOutcome = document.getElementById("by-outcome");
  const byCheck = document.getElementById("by-check");
  const clear = document.getElementById("clear");
  const shown = document.getElementById("shown");
  const fields = [input, byOutcome, byCheck].filter(Boolean);

  function filter() {
    const wanted = input.value.trim().toLocaleLowerCase();
    const outcome = byOutcome.value === "" ? null : Number(byOutcome.value);
    const check = byCheck?.value ? Number(byCheck.value) : null;
    const all = !wanted && outcome === null && check === null;
    matching = all ? order : order.filter((at) =>
      spoken[at].includes(wanted) &&
      (outcome === null || rows[at][OUTCOME] === outcome) &&
      (check === null || rows[at][FAILED].includes(check)));
    const text = matching.length ? shown.dataset.text : shown.dataset.none;
    shown.textContent = all ? "" : text.replace("#", grouped(matching.length));
    clear.hidden = all;
    if (long) board.ariaRowCount = String(matching.length + 1);
    window_.scrollTop = 0;
    draw();
    for (const plot of pictures) plot.mark(all ? [] : matching);
  }

  function choose(field, value) {
    field.value = value;
    filter();
    keep();
    document.getElementById("leaderboard").scrollIntoView();
    window_.focus({ preventScroll: true });
  }

  /** A number on the page becomes the button that shows whom it counts. */
  function leads(element, label, field, value) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "leads";
    button.append(...element.childNodes);
    if (label) button.title = label;
    element.append(button);
    button.addEventListener("click", () => choose(field, value));
  }

  for (const field of fields) {
    field.addEventListener("input", () => { filter(); keep(); });
  }
  clear.addEventListener("click", () => {
    for (const field of fields) field.value = "";
    filter();
    keep();
    input.focus();
  });
  for (const one of document.querySelectorAll(".tally li")) {
    const option = byOutcome.querySelector(`[data-kind="${one.dataset.outcome}"]`);
    leads(one, "", byOutcome, option.value);
  }
  for (const one of document.querySelectorAll("[data-check]")) {
    leads(one, one.dataset.label, byCheck, one.dataset.check);
  }

  /* What is chosen stands in the address: going back from a report finds it again. */

  function keep() {
    const state = new URLSearchParams();
    if (input.value) state.set("name", input.value);
    if (byOutcome.value) state.set("outcome", byOutcome.selectedOptions[0].dataset.kind);
    if (byCheck?.value) state.set("check", byCheck.value);
    if (sorted[0] || sorted[1] !== "ascending") state.set("sort", sorted.join("."));
    const chosen = state.toString();
    history.replaceState(null, "", chosen ? `#${chosen}` : location.pathname + location.search);
  }

  function restore() {
    const state = new URLSearchParams(location.hash.slice(1));
    input.value = state.get("name") ?? "";
    const kind = [...byOutcome.options].find((one) => one.dataset.kind === state.get("outcome"));
    byOutcome.value = kind?.value ?? "";
    if (byCheck) byCheck.value = state.get("check") ?? "";
    const [column, direction] = (state.get("sort") ?? "").split(".");
    if (["ascending", "descending"].includes(direction) && heads[Number(column)]) {
      sort(Number(column), direction);
    } else {
      filter();
    }
  }

  /* Crowded plots: the nearest dot says who it is and leads there; those that match stand out. */

  const NEAR = 12;
  const SVG = "http://www.w3.org/2000/svg";
  const make = (tag, kind) => {
    const element = document.createElementNS(SVG, tag);
    element.setAttribute("class", kind);
    return element;
  };

  const pictures = [...document.querySelectorAll("svg.crowded")].map((svg, at) => {
    const places = plots[at];
    const hits = make("path", "cloud hits");
    const ring = make("circle", "ring");
    const label = make("text", "name near");
    ring.setAttribute("r", "7");
    svg.insertBefore(hits, svg.querySelector(".line.front"));
    svg.append(ring, label);
    let found = null;

    function nearest(event) {
      const box = svg.getBoundingClientRect();
      const scale = svg.viewBox.baseVal.width / box.width;
      const [x, y] = [(event.clientX - box.left) * scale, (event.clientY - box.top) * scale];
      let best = NEAR * NEAR * Math.max(1, scale * scale);
      let who = null;
      for (const row of matching) {
        const place_ = places[row];
        if (!place_) continue;
        const far = (place_[0] - x) ** 2 + (place_[1] - y) ** 2;
        if (far < best) [best, who] = [far, row];
      }
      return who;
    }

    function say(who) {
      found = who;
      svg.classList.toggle("found", who !== null);
      if (who === null) return;
      const [x, y] = places[who];
      ring.setAttribute("cx", x);
      ring.setAttribute("cy", y);
      const right = x > svg.viewBox.baseVal.width / 2;
      label.setAttribute("x", right ? x - 11 : x + 11);
      label.setAttribute("y", y - 9);
      label.setAttribute("text-anchor", right ? "end" : "start");
      label.textContent = rows[who][NAME];
    }

    svg.addEventListener("pointermove", (event) => say(nearest(event)));
    svg.addEventListener("pointerleave", () => say(null));
    svg.addEventListener("click", (event) => {
      if (event.target.closest("a")) return;
      say(nearest(event));
      if (found !== null && rows[found][HREF]) location.href = rows[found][HREF];
    });
    return {
      mark(matches) {
        const dots = matches.map((row) => places[row]).filter(Boolean);
        hits.setAttribute("d", dots.map(([x, y]) => `M${x} ${y}h0`).join(""));
      },
    };
  });

  window_.addEventListener("scroll", draw, { passive: true });
  addEventListener("resize", draw);
  addEventListener("hashchange", restore);
  // On paper nothing scrolls: all that match are printed.
  addEventListener("beforeprint", () => place(0, matching.length));
  addEventListener("afterprint", draw);
  restore();
})();
