"""Pages in a browser: nothing overflows, keys and notes work, and axe finds nothing to say."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from grader.handout.site import site
from grader.text import Lang
from tests.handout.conftest import LECTURES
from tests.report import browser

pytestmark = pytest.mark.skipif(
    browser.executable() is None, reason="no Chromium here: the pages are not tried in a browser"
)
LEAST = 0.6
"""Type on a slide shrinks to this at most."""
OVER = """
JSON.stringify([...document.querySelectorAll('.slide')].map(slide => {
  const body = slide.querySelector('.body');
  const box = slide.querySelector('.in').getBoundingClientRect();
  const wider = one => one.scrollWidth > one.clientWidth + 1;
  const inner = [...slide.querySelectorAll('.in > *, .body > *, pre, table, svg, math, li')]
    .map(one => one.getBoundingClientRect()).filter(one => one.width);
  return {id: slide.id, fit: Number(slide.dataset.fit),
    over: body.scrollHeight > body.clientHeight + 1 || wider(body) ||
      [...slide.querySelectorAll('pre, .scroll, .formula')].some(wider) ||
      inner.some(one => one.right > box.right + 1 || one.bottom > box.bottom + 1 ||
        one.left < box.left - 1)};
}))
"""
AXE = """
axe.run(document, {resultTypes: ['violations'], %s}).then(found =>
  JSON.stringify(found.violations.flatMap(rule => rule.nodes.map(node =>
    [rule.id, node.target.join(' '), node.failureSummary.slice(0, 300)]))))
"""
RULES = "runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'best-practice']"
ALL_BUT_COLORS = f"{RULES}, rules: {{'color-contrast': {{enabled: false}}}}"
COLORS = "runOnly: {type: 'rule', values: ['color-contrast']}"


@pytest.fixture(scope="module")
def page() -> Iterator[browser.Page]:
    with browser.page() as one:
        yield one


def size(page: browser.Page, width: int, height: int, *, dark: bool = False) -> None:
    page.send("Emulation.setDeviceMetricsOverride", width=width, height=height,
              deviceScaleFactor=1, mobile=width < 600)  # fmt: skip
    value = "dark" if dark else "light"
    features = [{"name": "prefers-color-scheme", "value": value}]
    page.send("Emulation.setEmulatedMedia", features=features)


def axe_source() -> str | None:
    """axe.min.js of a package that carries it, the newest that is installed."""
    for package in ("axe_playwright_python", "axe_core_python"):
        found = importlib.util.find_spec(package)
        for folder in (found.submodule_search_locations or []) if found else []:
            if (path := Path(folder) / "axe.min.js").is_file():
                return path.read_text(encoding="utf-8")
    return None


def violations(page: browser.Page, axe: str, rules: str = RULES) -> list[Any]:
    page.evaluate(axe)
    answer = page.send(
        "Runtime.evaluate", expression=AXE % rules, returnByValue=True, awaitPromise=True
    )
    found: list[Any] = json.loads(answer["result"]["value"])
    return found


@pytest.mark.parametrize(("name", "lang"), LECTURES)
def test_no_slide_overflows(
    name: str, lang: Lang, page: browser.Page, pages: dict[tuple[str, Lang, str], Path]
) -> None:
    size(page, 1280, 762)
    page.open(pages[name, lang, "slides"])
    found = json.loads(page.evaluate(OVER))
    assert len(found) > 10
    assert [one["id"] for one in found if one["over"]] == []
    assert [(one["id"], one["fit"]) for one in found if one["fit"] < LEAST] == []
    assert page.problems == []


@pytest.mark.parametrize(("name", "lang"), LECTURES)
def test_a_chapter_fits_a_phone_and_asks_for_nothing(
    name: str, lang: Lang, page: browser.Page, pages: dict[tuple[str, Lang, str], Path]
) -> None:
    size(page, 390, 844)
    for kind in ("html", "slides"):
        page.open(pages[name, lang, kind])
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        assert page.requests == [pages[name, lang, kind].as_uri()]
        assert page.problems == []


@pytest.mark.slow
@pytest.mark.parametrize(("name", "lang"), LECTURES)
def test_axe_finds_no_violation(
    name: str, lang: Lang, page: browser.Page, pages: dict[tuple[str, Lang, str], Path]
) -> None:
    """Colors do not depend on the language, and the other rules not on light and dark; slides are
    made of the same document as the chapter."""
    axe = axe_source()
    if axe is None:
        pytest.skip("axe-core is not here: pip install axe-core-python")
    size(page, 1280, 800)
    page.open(pages[name, lang, "html"])
    if lang != "en":
        assert violations(page, axe, ALL_BUT_COLORS) == []
        return
    assert violations(page, axe) == []
    size(page, 1280, 800, dark=True)
    assert violations(page, axe, COLORS) == []
    page.open(pages[name, lang, "slides"])
    page.evaluate("overview(true)")  # all slides at once: none is hidden
    assert violations(page, axe, COLORS) == []
    size(page, 1280, 800)
    assert violations(page, axe) == []


def test_axe_finds_a_planted_violation(tmp_path: Path, page: browser.Page) -> None:
    axe = axe_source()
    if axe is None:
        pytest.skip("axe-core is not here: pip install axe-core-python")
    bad = tmp_path / "bad.html"
    bad.write_text(
        "<!doctype html><title>x</title><h3>x</h3><img src='data:,'>"
        "<p style='color:#aaa;background:#fff'>pale</p>",
        encoding="utf-8",
    )
    page.open(bad)
    assert {"image-alt", "color-contrast", "html-has-lang"} <= {
        rule for rule, *_ in violations(page, axe)
    }


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("site")
    site(out, formats=["slides"])
    return out


@pytest.mark.slow
def test_the_other_pages_of_the_site_are_in_order(built: Path, page: browser.Page) -> None:
    names = {path.name.split(".slides")[0] for path in built.glob("*.html")}
    others = [n for n in sorted(names) if not any(n.startswith(f"{one}.") for one, _ in LECTURES)]
    assert {"index.html", "index.ru.html", "glossary.en.html"} <= set(others)
    for name in others:
        for width, dark in ((1280, False), (390, True)):
            size(page, width, 844, dark=dark)
            page.open(built / name)
            assert page.problems == []
            assert page.evaluate("document.documentElement.scrollWidth") <= width, name
            if axe := axe_source():
                assert violations(page, axe) == [], name


@pytest.fixture
def deck(page: browser.Page, pages: dict[tuple[str, Lang, str], Path]) -> browser.Page:
    size(page, 1280, 762)
    name, lang = LECTURES[0]
    page.open(pages[name, lang, "slides"])
    return page


HERE = "slides.findIndex(one => one.classList.contains('now'))"


def test_slides_are_turned_by_keys_and_keep_their_place_in_the_address(
    deck: browser.Page,
) -> None:
    last = deck.evaluate("slides.length") - 1
    seen = []
    for key in ("ArrowRight", "PageDown", "ArrowRight", "ArrowLeft", "End", "ArrowRight", "Home"):
        deck.press(key)
        seen.append(deck.evaluate(HERE))
    assert seen == [1, 2, 3, 2, last, last, 0]
    deck.press("ArrowRight")
    assert deck.evaluate("location.hash") == "#" + deck.evaluate("slides[1].id")
    deck.evaluate("location.hash = '#' + slides[5].id")
    deck.evaluate("new Promise(done => setTimeout(done, 50))")
    assert deck.evaluate(HERE) == 5
    assert (
        deck.evaluate("slides.filter(one => getComputedStyle(one).visibility === 'visible').length")
        == 1
    )
    assert deck.evaluate("slides[4].inert && !slides[5].inert")


def test_the_overview_shows_all_and_leads_to_one(deck: browser.Page) -> None:
    deck.press("o")
    assert deck.evaluate("slides.every(one => getComputedStyle(one).visibility === 'visible')")
    deck.press("ArrowRight")
    deck.press("ArrowRight")
    deck.press("Enter", "\r")
    assert deck.evaluate(HERE) == 2
    assert not deck.evaluate("document.body.classList.contains('all')")
    deck.press("Escape")
    deck.evaluate("slides[7].click()")
    assert deck.evaluate(HERE) == 7


def test_notes_are_shown_below_the_slide(deck: browser.Page) -> None:
    assert deck.evaluate("panel.hidden")
    noted = deck.evaluate("slides.findIndex(one => one.querySelector('.notes').children.length)")
    deck.evaluate(f"show({noted})")
    deck.press("n")
    assert not deck.evaluate("panel.hidden")
    said = deck.evaluate("panel.innerText").split()
    kept = deck.evaluate(
        f"[...slides[{noted}].querySelector('.notes').children].map(o => o.textContent).join(' ')"
    )
    assert said == kept.split() != []
    deck.press("n")
    assert deck.evaluate("panel.hidden")


def test_the_speaker_window_has_notes_time_and_the_next_slide(deck: browser.Page) -> None:
    # A browser without a window opens one for a real key only.
    deck.evaluate("document.body.focus()")
    deck.press("s", "s")
    deck.evaluate("new Promise(done => setTimeout(done, 200))")
    assert deck.evaluate("!!speaker && !speaker.closed")
    deck.press("ArrowRight")
    deck.evaluate("tick()")
    read = "speaker.document.getElementById({!r}).textContent".format
    assert deck.evaluate(read("number")).startswith("2 / ")
    assert deck.evaluate(read("title")) == deck.evaluate("title(1)")
    assert deck.evaluate("title(2)") in deck.evaluate(read("coming"))
    assert "/ 90:00" in deck.evaluate(read("timer"))
    deck.evaluate("speaker.close()")


def test_the_timer_is_made_longer_and_shorter_by_keys(deck: browser.Page) -> None:
    shown = "document.getElementById('timer').textContent"
    assert deck.evaluate(shown).endswith("/ 90:00")
    deck.press("+")
    assert deck.evaluate(shown).endswith("/ 95:00")
    for _ in range(3):
        deck.press("-")
    assert deck.evaluate(shown).endswith("/ 80:00")


def test_a_swipe_turns_the_slide(deck: browser.Page) -> None:
    def swipe(start: int, end: int) -> None:
        deck.send("Input.dispatchTouchEvent", type="touchStart",
                  touchPoints=[{"x": start, "y": 300}])  # fmt: skip
        deck.send("Input.dispatchTouchEvent", type="touchMove", touchPoints=[{"x": end, "y": 305}])
        deck.send("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])

    swipe(900, 500)
    assert deck.evaluate(HERE) == 1
    swipe(500, 900)
    assert deck.evaluate(HERE) == 0


def test_light_and_dark_are_changed_by_a_key(deck: browser.Page) -> None:
    colour = "getComputedStyle(slides[0]).backgroundColor"
    light = deck.evaluate(colour)
    deck.press("d")
    dark = deck.evaluate(colour)
    deck.press("d")
    assert deck.evaluate(colour) == light != dark


def test_printing_gives_a_page_a_slide(deck: browser.Page, tmp_path: Path) -> None:
    deck.pdf(tmp_path / "slides.pdf")
    printed = (tmp_path / "slides.pdf").read_bytes()
    assert printed.count(b"/Type /Page\n") == deck.evaluate("slides.length")


def test_the_contents_fold_on_a_phone_and_stand_beside_the_text(
    page: browser.Page, pages: dict[tuple[str, Lang, str], Path]
) -> None:
    name, lang = LECTURES[0]
    for width, opened in ((1280, True), (390, False)):
        size(page, width, 844)
        page.open(pages[name, lang, "html"])
        assert page.evaluate("document.querySelector('.contents details').open") is opened
