"""The course as a folder of pages: an index, every lesson in every format, starters, a glossary."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from grader.handout import document, pdf, starter
from grader.handout.build import FORMATS, Order, build, file_name, write
from grader.handout.chapter import Link
from grader.handout.pages import Labels, page
from grader.lesson import course, loading
from grader.lesson.loading import Lesson
from grader.text import ENGLISH, Lang, Text, from_toml, languages, numbers
from grader.text.errors import SpecError

Progress = Callable[[int, int], None]


class Term(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One term of the glossary: its definition, and the lessons that explain it."""

    term: Text
    about: Text
    lessons: tuple[str, ...] = ()


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    terms: tuple[Term, ...] = ()


def possible() -> tuple[str, ...]:
    """The formats that can be built: PDF only where a program that prints is installed."""
    return tuple(kind for kind in FORMATS if kind != "pdf" or pdf.engine() is not None)


def site(
    out: Path,
    *,
    formats: Sequence[str] = (),
    execute: bool = True,
    minutes: int | None = None,
    progress: Progress = lambda done, total: None,
) -> Path:
    """Build the whole course into the folder `out`; returns the path of its first page.

    `formats` are those beside the pages themselves, by default all that are possible. `minutes` is
    the length of every lecture, by default what its source states. `progress(done, total)` counts
    lessons in a language. Raises the errors of `build`.
    """
    chosen = tuple(kind for kind in FORMATS if kind == "html" or kind in (formats or possible()))
    found = loading.every()
    langs = _languages(found)
    work = [(one, lang) for one in found for lang in langs if document.exists(one, lang)]
    for done, (lesson, lang) in enumerate(work):
        progress(done, len(work))
        bar = _files(lesson, lang, chosen[1:])
        bar += [
            _link(other, file_name(lesson.name, other, "html"))
            for other in langs
            if other != lang and document.exists(lesson, other)
        ]
        home = f"index.{lang}.html"
        build(Order(lesson, lang, chosen, execute, True, bar, home, minutes), out)
    progress(len(work), len(work))
    for lesson in found:
        write(out / _starter(lesson), starter.archive(lesson))
    for lang in langs:
        others = [other for other in langs if other != lang]
        write(out / f"index.{lang}.html", _index(found, lang, others, chosen).encode("utf-8"))
        write(out / f"glossary.{lang}.html", _glossary(found, lang, others).encode("utf-8"))
    front = page("front.html.j2", Labels(langs[0]), languages=[Labels(lang) for lang in langs])
    return write(out / "index.html", front.encode("utf-8"))


def terms(lang: Lang) -> list[Term]:
    """All terms in the alphabetical order of one language; none where the file is missing.

    Raises SpecError when the file is wrong.
    """
    path = course.assignments() / "glossary.toml"
    if not path.is_file():
        return []
    try:
        found = from_toml(path.read_bytes(), _File).terms
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise SpecError("{path}: {error}.", path=path, error=error) from error
    return sorted(found, key=lambda term: term.term.to(lang).lower().replace("ё", "е"))


def _files(lesson: Lesson, lang: Lang, formats: Sequence[str]) -> list[Link]:
    labels = Labels(lang)
    links = []
    for kind in formats:
        label, download = FORMATS[kind].label, FORMATS[kind].download
        title = labels(label) if label else kind.upper()
        links.append(Link(title, file_name(lesson.name, lang, kind), download=download))
    return [*links, Link(labels("starter"), _starter(lesson), download=True)]


def _languages(found: Sequence[Lesson]) -> list[Lang]:
    """The languages that some lesson has a lecture in; English where none has one."""
    having = [lang for lang in languages() if any(document.exists(one, lang) for one in found)]
    return having or [ENGLISH]


def _link(lang: Lang, href: str) -> Link:
    """A link to the same page in another language, under that language's own name."""
    return Link(numbers.language_name(lang), href, lang)


def _starter(lesson: Lesson) -> str:
    return f"starter.{lesson.name}.zip"


def _index(
    found: Sequence[Lesson], lang: Lang, others: Sequence[Lang], formats: Sequence[str]
) -> str:
    labels = Labels(lang)
    return page(
        "index.html.j2",
        labels,
        lessons=[_entry(one, lang, formats) for one in found],
        links=[
            Link(labels("glossary"), f"glossary.{lang}.html"),
            *(_link(other, f"index.{other}.html") for other in others),
        ],
    )


def _entry(lesson: Lesson, lang: Lang, formats: Sequence[str]) -> dict[str, object]:
    spec, href, labels, gate = lesson.spec, _href(lesson, lang), Labels(lang), ""
    if spec.gate and spec.gate.threshold is not None:
        threshold = numbers.formatted(spec.gate.threshold, "g", lang)
        gate = labels("gate_threshold", metric=spec.gate.metric, threshold=threshold)
    elif spec.gate:
        factor = numbers.formatted(spec.gate.factor, "g", lang)
        gate = labels("gate_factor", metric=spec.gate.metric, factor=factor)
    return {
        "title": spec.title.to(lang),
        "summary": spec.summary.to(lang),
        "href": href,
        "formula": spec.formula,
        "points": numbers.formatted(spec.max_score, "g", lang),
        "gate": gate,
        "files": _files(lesson, lang, formats if href else ()),
    }


def _glossary(found: Sequence[Lesson], lang: Lang, others: Sequence[Lang]) -> str:
    labels = Labels(lang)
    lessons = {
        one.name: {"title": one.spec.title.to(lang).split(":")[0], "href": _href(one, lang)}
        for one in found
    }
    return page(
        "glossary.html.j2",
        labels,
        terms=terms(lang),
        lessons=lessons,
        others={other: numbers.language_name(other) for other in others},
        home=f"index.{lang}.html",
        links=[_link(other, f"glossary.{other}.html") for other in others],
    )


def _href(lesson: Lesson, lang: Lang) -> str:
    """The address of the lesson's page; empty without a handout."""
    return file_name(lesson.name, lang, "html") if document.exists(lesson, lang) else ""
