"use strict";
const words = JSON.parse(document.getElementById("words").textContent);
const slides = [...document.querySelectorAll(".slide")];
const panel = document.getElementById("panel");
const smallest = 0.5;
let now = 0, started = null, speaker = null;

// Type shrinks, slide by slide, until everything is inside. Proportions do not depend on the window.
function fit() {
  document.body.classList.add("measuring");
  for (const slide of slides) {
    const body = slide.querySelector(".body");
    const over = () => body.scrollHeight > body.clientHeight + 1 || body.scrollWidth > body.clientWidth + 1 ||
      [...body.querySelectorAll("pre.code, .scroll, .formula, figure")].some(one => one.scrollWidth > one.clientWidth + 1);
    let size = 1;
    body.style.setProperty("--fit", size);
    while (size > smallest && over()) {
      size = Math.round((size - 0.04) * 100) / 100;
      body.style.setProperty("--fit", size);
    }
    slide.dataset.fit = size;
    slide.dataset.over = over();
  }
  document.body.classList.remove("measuring");
}

function show(index, moved = true) {
  now = Math.max(0, Math.min(slides.length - 1, index));
  slides.forEach((slide, number) => {
    const here = number === now;
    slide.classList.toggle("now", here);
    slide.inert = !here && !all();
    if (here) slide.setAttribute("aria-current", "true"); else slide.removeAttribute("aria-current");
  });
  if (moved && now > 0 && started === null) started = Date.now();
  try { history.replaceState(null, "", "#" + slides[now].id); } catch { /* some browsers forbid it on files */ }
  document.getElementById("where").textContent = `${now + 1} / ${slides.length}`;
  document.getElementById("where").setAttribute("aria-label", words.slide_of.replace("{n}", now + 1).replace("{total}", slides.length) + ": " + title(now));
  document.querySelector("#progress span").style.width = `${100 * now / (slides.length - 1 || 1)}%`;
  panel.replaceChildren(...notes(now, document));
  panel.scrollTop = 0;
  tell();
}
const all = () => document.body.classList.contains("all");
const title = index => slides[index]?.querySelector("h1, h2, h3").textContent.trim() ?? "";

function notes(index, into) {
  const kept = [...slides[index].querySelector(".notes").children].map(one => into.importNode(one, true));
  if (kept.length) return kept;
  const none = into.createElement("p");
  none.textContent = words.no_notes;
  return [none];
}

function overview(on = !all()) {
  document.body.classList.toggle("all", on);
  press("overview", on);
  slides.forEach(slide => { slide.tabIndex = on ? 0 : -1; if (on) slide.inert = false; else slide.removeAttribute("tabindex"); });
  show(now, false);
  if (on) { slides[now].scrollIntoView({ block: "center" }); slides[now].focus({ preventScroll: true }); }
}
function press(what, on) { document.querySelector(`[data-do=${what}]`).setAttribute("aria-pressed", on); }

function showNotes(on = panel.hidden) {
  panel.hidden = !on;
  document.body.classList.toggle("noted", on);
  press("notes", on);
}

const clock = seconds => `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;
function tick() {
  const elapsed = started === null ? 0 : (Date.now() - started) / 1000;
  const planned = 60 * words.minutes * now / (slides.length - 1 || 1);
  const text = `${clock(elapsed)} / ${words.minutes}:00`;
  document.getElementById("timer").textContent = text;
  if (speaker && !speaker.closed) {
    speaker.document.getElementById("timer").textContent = text;
    speaker.document.getElementById("planned").textContent = `${words.planned}: ${clock(planned)}`;
    speaker.document.getElementById("clock").textContent = new Date().toLocaleTimeString(document.documentElement.lang, { hour: "2-digit", minute: "2-digit" });
  }
}

// The speaker's window is a blank page of this one's: it works from a file, too.
function openSpeaker() {
  if (speaker && !speaker.closed) { speaker.focus(); return; }
  speaker = open("", "", "width=960,height=680");
  if (!speaker) { say(words.blocked); showNotes(true); return; }
  const page = speaker.document;
  page.documentElement.lang = document.documentElement.lang;
  page.title = words.speaker;
  page.head.append(page.importNode(document.querySelector("style"), true));
  const style = page.createElement("style");
  style.textContent = "html,body{height:auto!important;overflow:auto!important}body{padding:1.2rem 1.6rem;font-size:1.25rem;line-height:1.5}" +
    "#top{display:flex;gap:2rem;align-items:baseline;color:var(--soft);border-bottom:1px solid var(--line);padding-bottom:.7rem;font-variant-numeric:tabular-nums}" +
    "#timer{margin:0;color:var(--ink);font-size:1.8rem;font-weight:650}#clock{margin-left:auto}#said{margin-top:1rem}#said>*+*{margin-top:.7rem}#said ul,#said ol{padding-left:1.4rem}" +
    "#coming{margin-top:1.4rem;padding-top:.7rem;border-top:1px solid var(--line);color:var(--soft)}h1{font-size:1.5rem;margin-top:.8rem}";
  page.head.append(style);
  page.body.className = "";
  for (const [tag, parent, id] of [["div", null, "top"], ["span", "top", "timer"], ["span", "top", "planned"], ["span", "top", "number"], ["span", "top", "clock"],
      ["h1", null, "title"], ["div", null, "said"], ["p", null, "coming"]]) {
    const element = page.createElement(tag);
    element.id = id;
    (parent ? page.getElementById(parent) : page.body).append(element);
  }
  page.addEventListener("keydown", key);
  tell();
  tick();
}
function tell() {
  if (!speaker || speaker.closed) return;
  const page = speaker.document;
  page.getElementById("number").textContent = `${now + 1} / ${slides.length}`;
  page.getElementById("title").textContent = title(now);
  page.getElementById("said").replaceChildren(...notes(now, page));
  page.getElementById("coming").textContent = now + 1 < slides.length ? `${words.coming}: ${title(now + 1)}` : words.last;
  speaker.scrollTo(0, 0);
}

const keysBox = document.getElementById("keys");
function say(text) {
  keysBox.textContent = text;
  keysBox.hidden = !text;
  document.querySelector("[data-do=keys]").setAttribute("aria-expanded", !keysBox.hidden);
}
function theme() {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
}
function fullScreen() {
  if (document.fullscreenElement) document.exitFullscreen(); else document.documentElement.requestFullscreen?.().catch(() => {});
}

const actions = {
  previous: () => show(now - 1), next: () => show(now + 1), first: () => show(0), last: () => show(slides.length - 1),
  overview: () => overview(), notes: () => showNotes(), speaker: openSpeaker, restart: () => { started = Date.now(); tick(); },
  theme, full: fullScreen, keys: () => say(keysBox.hidden ? words.keys_list : ""), row: () => show(now + columns()), back: () => show(now - columns()),
};
const byKey = {
  ArrowRight: "next", ArrowLeft: "previous", PageDown: "next", PageUp: "previous", " ": "next", Home: "first", End: "last",
  o: "overview", Escape: "overview", n: "notes", s: "speaker", t: "restart", d: "theme", f: "full", "?": "keys",
  "щ": "overview", "т": "notes", "ы": "speaker", "е": "restart", "в": "theme", "а": "full",
};
function columns() { return all() ? slides.filter(one => one.offsetTop === slides[0].offsetTop).length : 1; }

function key(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const pressed = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const button = event.target.closest?.("button, a, summary, #panel");
  if (button && ["Enter", " ", "ArrowUp", "ArrowDown"].includes(pressed)) return;
  let action = byKey[pressed];
  if (pressed === " " && event.shiftKey) action = "previous";
  if (pressed === "ArrowDown") action = "row";
  if (pressed === "ArrowUp") action = "back";
  if (pressed === "Escape" && !keysBox.hidden) action = "keys";
  if (pressed === "Enter" && all()) {
    const chosen = slides.indexOf(event.target.closest?.(".slide"));
    overview(false);
    if (chosen >= 0) show(chosen);
    return;
  }
  if (!action) return;
  event.preventDefault();
  actions[action]();
  if (all() && slides[now]) { slides[now].focus({ preventScroll: true }); slides[now].scrollIntoView({ block: "nearest" }); }
}
document.addEventListener("keydown", key);
document.getElementById("bar").addEventListener("click", event => {
  const button = event.target.closest("button");
  if (button) actions[button.dataset.do]();
});
document.getElementById("deck").addEventListener("click", event => {
  const slide = event.target.closest(".slide");
  if (all() && slide) { overview(false); show(slides.indexOf(slide)); }
});

let touched = null;
document.addEventListener("touchstart", event => { touched = event.touches.length === 1 ? event.touches[0] : null; }, { passive: true });
document.addEventListener("touchend", event => {
  if (!touched || all() || event.target.closest("#bar, #panel, .formula, .scroll, pre")) return;
  const x = event.changedTouches[0].clientX - touched.clientX, y = event.changedTouches[0].clientY - touched.clientY;
  if (Math.abs(x) > 45 && Math.abs(x) > 2 * Math.abs(y)) show(now + (x < 0 ? 1 : -1));
}, { passive: true });

function fromHash() {
  const id = decodeURIComponent(location.hash.slice(1));
  const index = slides.findIndex(slide => slide.id === id);
  show(index < 0 ? 0 : index, false);
}
addEventListener("hashchange", fromHash);
addEventListener("pagehide", () => speaker?.close());
setInterval(tick, 500);
fit();
document.fonts?.ready.then(fit);
fromHash();
tick();
document.documentElement.dataset.ready = "true";
