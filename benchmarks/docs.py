"""Put measured tables into Markdown, between markers that name the command's output."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from grader.handout import measured
from grader.text import Lang, Text, ru_number


@dataclass(frozen=True)
class Table:
    """A table whose words are in both languages; the first column is text, the rest numbers."""

    header: tuple[Text, ...]
    rows: Sequence[tuple[Text, ...]]
    caption: Text

    def to(self, lang: Lang) -> str:
        rule = "|---|" + "---:|" * (len(self.header) - 1)
        lines = [_line(self.header, lang), rule, *(_line(row, lang) for row in self.rows)]
        return "\n".join([*lines, "", self.caption.to(lang)])


def table(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; the first column is text, the others are aligned to the right."""
    rule = [" --- ", *[" ---: "] * (len(heading) - 1)]
    lines = [_row(heading), "|" + "|".join(rule) + "|", *map(_row, rows)]
    return "\n".join(lines)


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
    """The same in both languages."""
    return Text(en=text, ru=text)


def count(number: int) -> Text:
    """A whole number with its thousands apart."""
    return Text(en=f"{number:,}", ru=ru_number(number))


def _line(cells: Sequence[Text], lang: Lang) -> str:
    return _row([cell.to(lang) for cell in cells])


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
