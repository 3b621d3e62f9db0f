from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from grader.lesson import loading
from grader.lesson.grades import Grade
from grader.report import class_page, student_page
from grader.text import Lang, languages
from tests.handout.test_browser import axe_source, size, violations
from tests.report import browser, factory

pytestmark = pytest.mark.skipif(
    browser.executable() is None, reason="no Chromium here: the pages are not tried in a browser"
)

ORDER = "[...document.querySelectorAll('#board tbody tr:not([hidden]) th')].map(h => h.innerText)"
COLUMN = (
    "[...document.querySelectorAll('#board tbody tr')]"
    ".map(r => parseFloat(r.cells[4].innerText)).filter(v => !isNaN(v))"
)


def test_the_pages_work_in_a_browser_and_ask_for_nothing(tmp_path: Path) -> None:
    spec = loading.load("distillation").spec
    grades = [*factory.class_of(), factory.hostile("".join(factory.HOSTILE[:6]))]
    index, report = tmp_path / "index.html", tmp_path / "report.html"
    index.write_text(class_page(grades, spec, "en"), encoding="utf-8")
    report.write_text(student_page(grades[-1], spec, "ru", grades), encoding="utf-8")
    with browser.page() as page:
        page.open(report)
        assert page.requests == [report.as_uri()]
        assert page.problems == []
        assert fits_a_phone(page)

        page.open(index)
        assert page.requests == [index.as_uri()]
        ranked = page.evaluate(ORDER)

        focus = "document.querySelectorAll('#board thead button')[4]"
        page.evaluate(f"{focus}.focus()")
        page.press("Enter", "\r")
        assert page.evaluate(f"{focus}.parentElement.ariaSort") == "descending"
        column = page.evaluate(COLUMN)
        assert column == sorted(column, reverse=True)
        assert page.evaluate(ORDER) != ranked
        page.evaluate(f"{focus}.click()")
        column = page.evaluate(COLUMN)
        assert column == sorted(column)
        assert len(page.evaluate("[...document.querySelectorAll('[aria-sort]')]")) == 1
        page.evaluate("document.querySelectorAll('#board thead button')[0].click()")
        assert page.evaluate(ORDER) == ranked

        page.evaluate("document.getElementById('filter').focus()")
        page.type("КИ")
        shown = page.evaluate(ORDER)
        assert shown
        assert all("ки" in name.lower() for name in shown)
        assert page.evaluate("document.getElementById('shown').textContent") == (
            f"{len(shown)} of {len(grades)} shown"
        )
        page.evaluate("document.getElementById('clear').click()")
        assert page.evaluate(ORDER) == ranked
        assert page.problems == []
        assert fits_a_phone(page)


@pytest.mark.parametrize("lang", languages())
def test_names_in_a_trade_off_do_not_overlap(tmp_path: Path, lang: Lang) -> None:
    spec = loading.load("distillation").spec
    index, report = tmp_path / "index.html", tmp_path / "report.html"
    grades = [on_the_front(at) for at in range(12)]
    index.write_text(class_page(grades, spec, lang), encoding="utf-8")
    report.write_text(student_page(grades[0], spec, lang, grades), encoding="utf-8")
    with browser.page() as page:
        for path in (index, report):
            page.open(path)
            assert page.evaluate("document.querySelectorAll('.plot.wide .name').length") > 3
            for width in (1200, 700, 390):
                assert browser.overlaps(page, width) == []


@pytest.mark.parametrize("lang", languages())
def test_axe_finds_no_violation(tmp_path: Path, lang: Lang) -> None:
    axe = axe_source()
    if axe is None:
        pytest.skip("axe-core is not here: pip install axe-core-python")
    spec = loading.load("distillation").spec
    index = tmp_path / "index.html"
    index.write_text(class_page(factory.class_of(), spec, lang), encoding="utf-8")
    with browser.page() as page:
        for width, dark in ((1280, False), (390, True)):
            size(page, width, 844, dark=dark)
            page.open(index)
            assert violations(page, axe) == []


def on_the_front(at: int) -> Grade:
    """One of a class in which nobody beats anybody: less accurate for fewer MACs and bytes."""
    grade = factory.graded(f"Student With A Long Name {at}")
    measured = dict(grade.measurements)
    for name, value in (
        ("au_fa_fr", 2e-5 * 1.2**at),
        ("macs", 9e5 / 1.2**at),
        ("bytes", 9e4 / 1.3**at),
    ):
        measured[name] = msgspec.structs.replace(measured[name], value=value)
    return msgspec.structs.replace(grade, measurements=measured)


def fits_a_phone(page: browser.Page) -> bool:
    page.send("Emulation.setDeviceMetricsOverride", width=390, height=844,
              deviceScaleFactor=1, mobile=True)  # fmt: skip
    wide = page.evaluate("document.documentElement.scrollWidth")
    page.send("Emulation.clearDeviceMetricsOverride")
    return bool(wide <= 390)
