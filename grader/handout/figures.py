"""What the scripts in `assignments/<lesson>/figures/` use: projects to import, tables to write.

A script measures something and writes a Markdown table into the handout, between two markers that
name the table.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

from grader.handout import measured
from grader.text import Lang, Text, add_catalogs, languages, numbers


def project(folder: Path, *names: str) -> SimpleNamespace:
    """The modules `names` of the project in `folder`, imported as its own scripts import them.

    Projects of several lessons have modules of the same names. So modules of that name which are
    loaded already are put aside, and put back afterwards in place of this project's.
    """
    own = {path.stem for path in folder.glob("*.py")}
    others = {name: sys.modules.pop(name) for name in own if name in sys.modules}
    sys.path.insert(0, str(folder))
    try:
        return SimpleNamespace(**{name: importlib.import_module(name) for name in names})
    finally:
        sys.path.remove(str(folder))
        for name in own:
            sys.modules.pop(name, None)
        sys.modules.update(others)


@dataclass(frozen=True)
class Table:
    """A table whose words are in both languages; the first column is text, the rest numbers."""

    header: tuple[Text, ...]
    rows: Sequence[tuple[Text, ...]]
    caption: Text

    def to(self, lang: Lang) -> str:
        rule = "|---|" + "---:|" * (len(self.header) - 1)
        header, *rows = (_row([cell.to(lang) for cell in one]) for one in (self.header, *self.rows))
        return "\n".join([header, rule, *rows, "", self.caption.to(lang)])


def table(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; the first column is text, the others are aligned to the right."""
    rule = [" --- ", *[" ---: "] * (len(heading) - 1)]
    lines = [_row(heading), "|" + "|".join(rule) + "|", *map(_row, rows)]
    return "\n".join(lines)


def publish(lesson: Path, name: str, found: Table, *, write: bool) -> None:
    """Print a table in English and, with `write`, put it into the lesson's handouts."""
    add_catalogs(lesson / "locale")
    print(f"{name}\n\n{found.to('en')}\n", flush=True)
    for lang in languages() if write else ():
        write_between(lesson / f"handout.{lang}.md", name, found.to(lang))


def write_between(page: Path, name: str, text: str) -> None:
    """Replace what stands between `<!-- begin: name -->` and `<!-- end: name -->`.

    A table of a handout is kept in `figures/measured.json` beside it as well. Raises ValueError
    unless there is exactly one such pair.
    """
    filled = fill(page.read_text(encoding="utf-8"), name, text)
    page.write_text(filled, encoding="utf-8", newline="\n")
    measured.keep(page, name)


def fill(page: str, name: str, text: str) -> str:
    """`page` with the text between the markers of `name` replaced. Raises ValueError unless
    there is exactly one pair of them."""
    begin, end = f"<!-- begin: {name} -->", f"<!-- end: {name} -->"
    if page.count(begin) != 1 or page.count(end) != 1:
        raise ValueError(f"the page needs exactly one pair of markers {begin} {end}")
    before, rest = page.split(begin)
    return f"{before}{begin}\n{text}\n{end}{rest.split(end)[1]}"


def plain(text: str) -> Text:
    """Words that are the same in every language; numbers in them follow the language."""
    return Text.in_languages({lang: numbers.rewritten(text, lang) for lang in languages()})


def count(number: int) -> Text:
    """A whole number with its thousands apart."""
    return Text("{count:,}", count=number)


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
