"use strict";
// What can be scrolled sideways can be reached by keyboard; what fits needs no stop.
const scrolled = "pre.code, .scroll, .formula, .view";
function reachable() {
  for (const box of document.querySelectorAll(scrolled)) {
    if (box.scrollWidth > box.clientWidth + 1) {
      box.tabIndex = 0;
      box.setAttribute("role", "group");
      box.setAttribute("aria-label", box.matches("pre") ? WORDS.wide_code : box.matches(".formula") ? WORDS.wide_formula : box.matches(".view") ? WORDS.wide_picture : WORDS.wide_table);
    } else {
      for (const name of ["tabindex", "role", "aria-label"]) box.removeAttribute(name);
    }
  }
}
const WORDS = { wide_code: "Code", wide_table: "Table", wide_formula: "Formula", wide_picture: "Figure" };
if (document.documentElement.lang === "ru") Object.assign(WORDS, { wide_code: "Код", wide_table: "Таблица", wide_formula: "Формула", wide_picture: "Рисунок" });
addEventListener("resize", reachable);
reachable();

// The contents stand open beside the text, and fold above it.
const contents = document.querySelector(".contents details");
if (contents) {
  const wide = matchMedia("(min-width: 60.01rem)");
  const fold = () => { contents.open = wide.matches; };
  wide.addEventListener("change", fold);
  fold();
  const links = new Map([...contents.querySelectorAll("a")].map(link => [link.hash.slice(1), link]));
  const headings = [...links.keys()].map(id => document.getElementById(decodeURIComponent(id))).filter(Boolean);
  const mark = () => {
    const passed = headings.filter(heading => heading.getBoundingClientRect().top < 120);
    const here = passed.length ? passed[passed.length - 1].id : "";
    for (const [id, link] of links) {
      if (decodeURIComponent(id) === here) link.setAttribute("aria-current", "location"); else link.removeAttribute("aria-current");
    }
  };
  addEventListener("scroll", mark, { passive: true });
  mark();
}

// A sheet of paper cannot be unfolded.
const folded = [...document.querySelectorAll("main details")];
let before = [];
addEventListener("beforeprint", () => { before = folded.map(one => one.open); folded.forEach(one => { one.open = true; }); });
addEventListener("afterprint", () => folded.forEach((one, index) => { one.open = before[index]; }));
