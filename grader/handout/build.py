"""The files of one lesson's handout, one for each format, and the pages that they link to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from grader.lesson.grades import write_atomically
from grader.lesson.loading import Lesson
from grader.text import Lang
from grader.text.errors import UsageError

if TYPE_CHECKING:
    from grader.handout.chapter import Link
    from grader.handout.document import Document, Links


@dataclass(frozen=True)
class Order:
    """What to build of one lesson in one language. `bar` and `home` are links of a site."""

    lesson: Lesson
    lang: Lang
    formats: Sequence[str]
    execute: bool = True
    site: bool = False
    bar: Sequence[Link] = ()
    home: str = ""
    minutes: int | None = None
    """Length of the lecture; without, the length that its source states."""


@dataclass(frozen=True)
class Format:
    """One format of handouts."""

    suffix: str
    """The end of its file names."""
    make: Callable[[Document, Links, Order], bytes]
    label: str = ""
    """Key of its name in `labels.toml`; without, its name in capitals."""
    download: bool = False


def build(order: Order, out: Path) -> list[Path]:
    """Write the formats into the folder `out`; returns their paths, then those of linked pages.

    Raises UsageError when there is no handout or no program that prints, SpecError for a source
    that is wrong.
    """
    from grader.handout import document
    from grader.handout.chapter import companion

    handout = document.document(document.read(order.lesson, order.lang))
    links = document.Links(site=order.site)
    written = []
    for name in order.formats:
        content = FORMATS[name].make(handout, links, order)
        written.append(write(out / file_name(order.lesson.name, order.lang, name), content))
    for name, path in sorted(links.companions.items()):
        page = companion(path, order.lesson, order.home).encode("utf-8")
        written.append(write(out / name, page))
    return written


def file_name(lesson: str, lang: Lang, format_name: str) -> str:
    """The name of the file of one format."""
    return f"{lesson}.{lang}.{FORMATS[format_name].suffix}"


def write(path: Path, content: bytes) -> Path:
    """Write a file and the folder it lies in. Raises UsageError when that is impossible."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, content)
    except OSError as error:
        raise UsageError(
            "{path} cannot be written ({strerror}); choose another --out.",
            path=path,
            strerror=error.strerror,
        ) from error
    return path


# Imports are inside the functions: the table of formats is needed for `grader handout --help`.


def _chapter(handout: Document, links: Links, order: Order) -> bytes:
    from grader.handout.chapter import chapter

    return chapter(handout, links, order.bar, order.home).encode("utf-8")


def _slides(handout: Document, links: Links, order: Order) -> bytes:
    from grader.handout.slides import slides

    return slides(handout, links, order.minutes).encode("utf-8")


def _pdf(handout: Document, links: Links, order: Order) -> bytes:
    from grader.handout.chapter import chapter
    from grader.handout.document import Links
    from grader.handout.pdf import pdf

    page = chapter(handout, Links(alone=True), answers=True)
    return pdf(page, f"{order.lesson.name}.{order.lang}")


def _notebook(handout: Document, links: Links, order: Order) -> bytes:
    """The lesson's own seminar when there is one, else the handout."""
    from grader.handout import document
    from grader.handout.notebook import notebook

    if document.exists(order.lesson, order.lang, "seminar"):
        handout = document.document(document.read(order.lesson, order.lang, "seminar"))
    return notebook(handout, execute=order.execute)


FORMATS: dict[str, Format] = {
    "html": Format("html", _chapter, "chapter"),
    "slides": Format("slides.html", _slides, "slides"),
    "pdf": Format("pdf", _pdf, download=True),
    "ipynb": Format("ipynb", _notebook, "notebook", download=True),
}
"""All formats by the name that `grader handout --format` takes; a new one goes here."""
