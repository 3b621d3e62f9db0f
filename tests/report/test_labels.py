from __future__ import annotations

import re
from pathlib import Path
from string import Formatter

import pytest

import grader.report
from grader.lesson import loading
from grader.report import class_page, student_page
from grader.report.labels import UNIT, Labels, catalogue
from grader.text import in_context
from tests.report import factory
from tests.report.markup import Document

FOLDER = Path(grader.report.__file__).parent


def test_both_languages_say_everything_with_the_same_placeholders() -> None:
    def placeholders(text: str) -> set[str | None]:
        return {field for _, field, *_ in Formatter().parse(text)} - {None}

    units = {key: in_context(UNIT, unit) for key, unit in catalogue().units.items()}
    for key, text in (catalogue().page | units).items():
        assert text.to("en").strip(), key
        assert text.to("ru").strip(), key
        assert placeholders(text.to("en")) == placeholders(text.to("ru")), key


def test_every_text_is_used() -> None:
    sources = "".join(
        path.read_text(encoding="utf-8")
        for path in [*FOLDER.rglob("*.py"), *(FOLDER / "templates").glob("*.j2")]
    )
    prefixes = re.compile(
        r"(outcome|says|next|check|gate_passed|gate_missed|figure|profile_part|profile_limit)_"
        r"|profile_(stated|derived|basis_measured)$"
    )
    unused = [
        key
        for key in catalogue().page
        if not re.search(rf"[\"']{key}[\"']", sources) and not prefixes.match(key)
    ]
    assert unused == []


def test_an_unknown_key_is_an_error() -> None:
    with pytest.raises(KeyError):
        Labels("en")("no such key")


def test_no_english_word_is_left_in_a_russian_page() -> None:
    spec, grades = loading.load("distillation").spec, factory.class_of()
    texts: set[str] = set()
    for source in (
        class_page(grades, spec, "ru"),
        *(student_page(grades[index], spec, "ru", grades) for index in (0, 3, 6, 9, 13, 16, 19)),
    ):
        page = Document(source)
        shown = [text for tag, text in page.texts if tag not in ("style", "script", "code")]
        labels = [a[key] for _, a in page.elements for key in ("aria-label", "title") if key in a]
        texts |= {text.strip() for text in [*shown, *labels]}
    units = {key: in_context(UNIT, unit) for key, unit in catalogue().units.items()}
    ours = catalogue().page | units
    english = {text.to("en") for text in ours.values() if text.to("en") != text.to("ru")} - {
        text.to("ru") for text in ours.values()
    }
    whole = {text for text in english if "{" not in text}
    assert whole & texts == set()
    sentences = [text for text in whole if len(text) > 12]
    everything = "\n".join(texts)
    assert [text for text in sentences if text in everything] == []
