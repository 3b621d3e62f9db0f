"""Files of one lesson: each format that was asked for, and the pages it links to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from grader.handout import document as source
from grader.handout.chapter import Link, chapter, companion
from grader.handout.document import Document, document
from grader.handout.links import Links
from grader.handout.notebook import notebook
from grader.handout.pdf import pdf
from grader.handout.slides import slides
from grader.lesson.grades import write_atomically
from grader.lesson.loading import Lesson
from grader.text import Lang, Text
from grader.text.errors import UsageError

Format = Literal["html", "slides", "pdf", "ipynb"]
FORMATS: tuple[Format, ...] = get_args(Format)
_SUFFIXES: dict[Format, str] = {
    "html": "html", "slides": "slides.html", "pdf": "pdf", "ipynb": "ipynb"
}  # fmt: skip


@dataclass(frozen=True)
class Order:
    """What to build of one lesson in one language. `bar` and `home` lead through a site."""

    lesson: Lesson
    lang: Lang
    formats: Sequence[Format]
    execute: bool = True
    site: bool = False
    bar: Sequence[Link] = ()
    home: str = ""
    minutes: int | None = None
    """Of the lecture, if not what its source says."""


def file_name(lesson: str, lang: Lang, kind: Format) -> str:
    """What the file of one format is called."""
    return f"{lesson}.{lang}.{_SUFFIXES[kind]}"


def build(order: Order, out: Path) -> list[Path]:
    """Write the formats into the folder `out`; their paths, then those of companion pages.

    Raises UsageError where there is no handout or no program that prints, SpecError for a source
    that is wrong.
    """
    handout = document(source.read(order.lesson, order.lang))
    links = Links(site=order.site)
    written = [
        write(
            out / file_name(order.lesson.name, order.lang, kind),
            _content(kind, handout, links, order),
        )
        for kind in order.formats
    ]
    for name, path in sorted(links.companions.items()):
        page = companion(path, order.lesson, order.home)
        written.append(write(out / name, page.encode("utf-8")))
    return written


def write(path: Path, content: bytes) -> Path:
    """Write a file and the folder it lies in. Raises UsageError where that is impossible."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, content)
    except OSError as error:
        raise UsageError(
            Text(
                en=f"{path} cannot be written ({error.strerror}); choose another --out.",
                ru=f"Не удаётся записать {path} ({error.strerror}); выберите другое --out.",
            )
        ) from error
    return path


def _content(kind: Format, handout: Document, links: Links, order: Order) -> bytes:
    match kind:
        case "html":
            return chapter(handout, links, order.bar, order.home).encode("utf-8")
        case "slides":
            return slides(handout, links, order.minutes).encode("utf-8")
        case "pdf":
            page = chapter(handout, Links(alone=True), answers=True)
            return pdf(page, f"{order.lesson.name}.{order.lang}")
        case "ipynb":
            return notebook(_seminar(handout, order), execute=order.execute)


def _seminar(handout: Document, order: Order) -> Document:
    """The lesson's own seminar where it has one, else the handout."""
    if source.exists(order.lesson, order.lang, "seminar"):
        return document(source.read(order.lesson, order.lang, "seminar"))
    return handout
