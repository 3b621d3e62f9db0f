"""The class page of 5,000: nothing is drawn that is not seen, and everything is found."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from grader.lesson import loading, scoring
from grader.lesson.grades import Grade, Status
from grader.report import class_page
from grader.report.labels import outcome
from grader.report.leaderboard import MOST_WRITTEN
from tests.handout.test_browser import axe_source, violations
from tests.report import browser, factory
from tests.report.markup import sound
from tests.report.test_browser import fits_a_phone

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(browser.executable() is None, reason="no Chromium here"),
]
COUNT = 5_000
MOST_ROWS = 80
"""Rows in the page at once, whatever is asked of it: those in sight and some beyond."""
MOST_ELEMENTS = 4_000
SPEC = loading.load("distillation").spec
NAMES = "[...document.querySelectorAll('#board tbody tr:not(.space) th')].map(h => h.innerText)"
SEEN = """
(() => {
  const box = document.getElementById('window').getBoundingClientRect();
  const head = document.querySelector('#board thead').getBoundingClientRect();
  return [...document.querySelectorAll('#board tbody tr:not(.space)')].filter(row => {
    const at = row.getBoundingClientRect();
    return at.bottom > head.bottom + 1 && at.top < box.bottom - 1;
  }).map(row => row.cells[1].innerText);
})()
"""
PAINTED = "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"


@pytest.fixture(scope="module")
def grades() -> list[Grade]:
    found = factory.class_of(COUNT)
    return sorted(found, key=lambda grade: scoring.rank_key(grade, SPEC))


@pytest.fixture(scope="module")
def source(grades: list[Grade]) -> str:
    names = [grade.submission.name for grade in grades]
    return class_page(grades, SPEC, "en", {name: f"reports/{quote(name)}.html" for name in names})


@pytest.fixture(scope="module")
def tab() -> Iterator[browser.Page]:
    with browser.page() as one:
        yield one


@pytest.fixture
def page(tab: browser.Page, source: str, tmp_path: Path) -> browser.Page:
    path = tmp_path / "index.html"
    path.write_text(source, encoding="utf-8")
    tab.send("Emulation.setDeviceMetricsOverride", width=1280, height=900, deviceScaleFactor=1,
             mobile=False)  # fmt: skip
    tab.open(path)
    return tab


def painted(page: browser.Page) -> None:
    page.send("Runtime.evaluate", expression=PAINTED, awaitPromise=True)


def shown(page: browser.Page) -> list[str]:
    """Names in the page, after checking that they are few."""
    names: list[str] = page.evaluate(NAMES)
    assert len(names) <= MOST_ROWS
    assert page.evaluate("document.querySelectorAll('*').length") <= MOST_ELEMENTS
    return names


def choose(page: browser.Page, field: str, value: object) -> None:
    page.evaluate(
        f"(() => {{ const field = document.getElementById('{field}'); field.value = '{value}';"
        " field.dispatchEvent(new Event('input', {bubbles: true})); })()"
    )
    painted(page)


def said(page: browser.Page) -> str:
    text: str = page.evaluate("document.getElementById('shown').textContent")
    return text.replace("\u202f", " ").replace("\xa0", " ")


def test_the_page_is_small_and_asks_for_nothing(page: browser.Page, source: str) -> None:
    assert len(source.encode()) < 400 * COUNT
    assert page.problems == []
    assert len(page.requests) == 1
    shown(page)
    assert fits_a_phone(page)


def test_without_a_script_the_first_are_there(source: str, grades: list[Grade]) -> None:
    page = sound(source)
    listed = source[
        source.index('<table id="board"') : source.index("</table>", source.index('id="board"'))
    ]
    assert listed.count('<th scope="row">') == MOST_WRITTEN
    assert grades[0].submission.name in listed
    assert "These are the first 300 of 5,000" in page.words


def test_scrolling_shows_every_row_once_and_in_order(
    page: browser.Page, grades: list[Grade]
) -> None:
    names = [grade.submission.name for grade in grades]
    for share in (0.0, 0.1, 0.5001, 0.9, 1.0):
        page.evaluate(
            "(() => { const box = document.getElementById('window');"
            f" box.scrollTop = {share} * (box.scrollHeight - box.clientHeight); }})()"
        )
        painted(page)
        assert is_part(shown(page), names)
        seen = page.evaluate(SEEN)
        assert is_part(seen, names)
        assert len(seen) > 10
        if share in (0.0, 1.0):
            assert seen == (names[: len(seen)] if share == 0 else names[-len(seen) :])


def is_part(part: list[str], whole: list[str]) -> bool:
    start = whole.index(part[0])
    return whole[start : start + len(part)] == part


def test_a_key_does_a_bounded_amount_of_work(page: browser.Page) -> None:
    page.evaluate(
        "var work = 0; new MutationObserver(all => all.forEach(one =>"
        " work += one.addedNodes.length + one.removedNodes.length))"
        ".observe(document.getElementById('board'), {childList: true, subtree: true})"
    )
    page.evaluate("document.getElementById('filter').focus()")
    for letter in "student-1":
        page.evaluate("work = 0")
        page.type(letter)
        painted(page)
        assert page.evaluate("work") <= 4 * MOST_ROWS
    for column in range(9):
        page.evaluate(
            f"work = 0; document.querySelectorAll('#board thead button')[{column}].click()"
        )
        painted(page)
        assert page.evaluate("work") <= 4 * MOST_ROWS
    page.evaluate("work = 0; document.getElementById('window').scrollTop += 3000")
    painted(page)
    assert 0 < page.evaluate("work") <= 4 * MOST_ROWS
    shown(page)


def test_search_outcome_and_check_filter_the_rows(page: browser.Page, grades: list[Grade]) -> None:
    failed = [
        grade for grade in grades
        if grade.status is Status.GRADED
        and any(one.name == "experiments" and not one.passed for one in grade.checks)
    ]  # fmt: skip
    asked = (
        "[...document.getElementById('by-check').options].find(o => o.text.includes('Three')).value"
    )
    choose(page, "by-check", page.evaluate(asked))
    assert said(page) == f"{len(failed)} of 5,000 shown"
    assert is_part(shown(page), [grade.submission.name for grade in failed])

    kind = "document.querySelector('#by-outcome [data-kind=below]').value"
    choose(page, "by-outcome", page.evaluate(kind))
    both = [grade for grade in failed if outcome(grade) == "below"]
    assert said(page) == f"{len(both)} of 5,000 shown"

    choose(page, "filter", "T-12")
    named = [grade.submission.name for grade in both if "t-12" in grade.submission.name]
    assert shown(page) == named != []

    choose(page, "filter", "nobody is called that")
    assert shown(page) == []
    assert "Nobody matches" in said(page)
    page.evaluate("document.getElementById('clear').click()")
    painted(page)
    assert said(page) == ""
    assert shown(page)[0] == grades[0].submission.name


def test_counts_link_to_the_rows_that_they_count(page: browser.Page, grades: list[Grade]) -> None:
    page.evaluate("document.querySelector('[data-outcome=timed_out] button').click()")
    painted(page)
    late = [one.submission.name for one in grades if one.status is Status.TIMED_OUT]
    assert is_part(shown(page), late)
    page.evaluate("document.getElementById('clear').click()")
    page.evaluate("document.querySelector('[data-check] button').click()")
    painted(page)
    assert said(page).startswith(
        page.evaluate("document.querySelector('[data-check] strong').innerText")
    )


def test_every_column_sorts_all_rows(page: browser.Page, grades: list[Grade]) -> None:
    for index, column in enumerate(SPEC.report.columns):
        page.evaluate(f"document.querySelectorAll('#board thead button')[{4 + index}].click()")
        painted(page)
        values = sorted(
            (v for grade in grades if (v := grade.value(column.name)) is not None),
            reverse=column.better == "higher",
        )
        by_name = {grade.submission.name: grade for grade in grades}
        top = [by_name[name].value(column.name) for name in shown(page)]
        assert top == values[: len(top)]
    page.evaluate("document.querySelectorAll('#board thead button')[3].click()")
    page.evaluate("document.querySelectorAll('#board thead button')[3].click()")
    painted(page)
    worst = sorted(grade.score for grade in grades if grade.status is not Status.GRADER_FAULT)
    top = [by_name[name].score for name in shown(page)]
    assert top == worst[: len(top)]


def test_the_choice_stands_in_the_address(page: browser.Page) -> None:
    choose(page, "filter", "student-22")
    page.evaluate("document.querySelectorAll('#board thead button')[1].click()")
    painted(page)
    before = shown(page)
    address = page.evaluate("location.href")
    page.evaluate("document.getElementById('clear').click()")
    page.evaluate(f"location.href = {address!r}")
    painted(page)
    assert shown(page) == before
    assert page.evaluate("document.getElementById('filter').value") == "student-22"


def test_keys_reach_every_row(page: browser.Page, grades: list[Grade]) -> None:
    page.evaluate("document.getElementById('window').focus()")
    page.press("End")
    for _ in range(60):  # a browser may scroll there smoothly
        painted(page)
    assert page.evaluate(SEEN)[-1] == grades[-1].submission.name

    page.evaluate("document.getElementById('window').scrollTop = 0")
    painted(page)
    page.evaluate("document.querySelector('#board tbody a').focus()")
    names = [grade.submission.name for grade in grades]
    for expected in names[:70]:
        assert page.evaluate("document.activeElement.innerText") == expected
        page.press("Tab")
        painted(page)
    shown(page)

    page.evaluate("document.getElementById('window').scrollTop = 1e6")
    painted(page)
    assert page.evaluate("document.activeElement.id") == "window"


def test_the_nearest_point_of_a_crowd_says_who_it_is(page: browser.Page) -> None:
    assert page.evaluate("document.querySelectorAll('svg.crowded a').length") < 100
    found: Any = page.evaluate("""
      (() => {
        const plot = document.querySelector('svg.crowded'), box = plot.getBoundingClientRect();
        const {rows, plots} = JSON.parse(document.getElementById('data').textContent);
        const at = plots[0].findIndex((one, row) => one && row > 1000);
        const scale = box.width / plot.viewBox.baseVal.width;
        plot.dispatchEvent(new PointerEvent('pointermove', {bubbles: true,
          clientX: box.left + plots[0][at][0] * scale,
          clientY: box.top + plots[0][at][1] * scale}));
        const said = plot.querySelector('.near').textContent;
        const who = rows.findIndex(row => row[1] === said);
        const shown = getComputedStyle(plot.querySelector('.near')).visibility;
        return [plots[0][at], plots[0][who], shown];
      })()
    """)
    place, named, visibility = found
    assert visibility == "visible"
    assert abs(place[0] - named[0]) + abs(place[1] - named[1]) < 2


def test_paper_gets_all_that_match(page: browser.Page, tmp_path: Path, grades: list[Grade]) -> None:
    choose(page, "filter", "student-4")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    matching = [one.submission.name for one in grades if "student-4" in one.submission.name]
    assert page.evaluate(NAMES) == matching
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    shown(page)
    page.pdf(tmp_path / "some.pdf")
    some = (tmp_path / "some.pdf").read_bytes().count(b"/Type /Page\n")
    assert len(matching) / 60 < some < len(matching) / 12
    shown(page)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_axe_finds_no_violation(page: browser.Page, dark: bool) -> None:
    axe = axe_source()
    if axe is None:
        pytest.skip("axe-core is not here: pip install axe-core-python")
    value = "dark" if dark else "light"
    features = [{"name": "prefers-color-scheme", "value": value}]
    page.send("Emulation.setEmulatedMedia", features=features)
    assert violations(page, axe) == []
    choose(page, "filter", "student-4")
    assert violations(page, axe) == []
    page.send("Emulation.setEmulatedMedia", features=[])
