from __future__ import annotations

from urllib.parse import quote

import pytest

from grader.lesson import loading
from grader.lesson.spec import LessonSpec
from grader.report import class_page, student_page
from grader.text.untrusted import name
from tests.report import factory
from tests.report.markup import sound


@pytest.fixture(scope="module")
def spec() -> LessonSpec:
    return loading.load("distillation").spec


@pytest.mark.parametrize("text", factory.HOSTILE, ids=range(len(factory.HOSTILE)))
def test_hostile_text_is_shown_and_does_nothing(spec: LessonSpec, text: str) -> None:
    grade, harmless = factory.hostile(text), factory.hostile("harmless")
    source = student_page(grade, spec, "en", [grade])
    page, plain = sound(source), sound(student_page(harmless, spec, "en", [harmless]))
    assert page.tags <= plain.tags
    assert page.all("script") == []
    assert name(text, 80).strip() in "".join(said for _, said in page.texts)
    assert_readable(source)


def test_a_class_of_hostile_names_has_a_sound_page(spec: LessonSpec) -> None:
    grades = [factory.hostile(text) for text in factory.HOSTILE]
    hrefs = {
        text: f"reports/{quote(text.encode('utf-8', 'replace')[:60])}.html"
        for text in factory.HOSTILE
    }
    source = class_page(grades, spec, "ru", hrefs)
    assert sound(source).all("script") == [{"type": "application/json", "id": "data"}, {}]
    assert_readable(source)
    assert len(source) < 400_000


def assert_readable(source: str) -> None:
    source.encode("utf-8")
    for hidden in "\x00\x07\x1b\u202e\u2066\u200b\ufeff\ud800\ufffe":
        assert hidden not in source
    assert "<script>alert" not in source
    assert "L" * 2001 not in source.partition('class="log"')[0]
    assert "49" not in source.partition("<h1>")[2].partition("</h1>")[0]
