from __future__ import annotations

from pathlib import Path

import pytest

from grader import lesson
from grader.report import class_page, student_page
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
    spec = lesson.load("distillation").spec
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


def fits_a_phone(page: browser.Page) -> bool:
    page.send("Emulation.setDeviceMetricsOverride", width=390, height=844,
              deviceScaleFactor=1, mobile=True)  # fmt: skip
    wide = page.evaluate("document.documentElement.scrollWidth")
    page.send("Emulation.clearDeviceMetricsOverride")
    return bool(wide <= 390)
