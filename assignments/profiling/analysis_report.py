"""Checks of `report.md`: five sections, long enough and in the student's own words."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import combinations

from grader.intake import Submission
from grader.text import Text
from grader.text.errors import Rejected

from .names import instead_of, text_of

FILE = "report.md"
MOST_ALIKE = 0.8
"""Share of common word triples above which two sections count as one text pasted twice."""


@dataclass(frozen=True)
class Section:
    """One of the five sections, and the beginnings of words by which its heading is recognized."""

    title: Text
    stems: tuple[str, ...]


SECTIONS = {
    "bottlenecks": Section(Text("Bottlenecks"), ("bottleneck", "узк", "проблем")),
    "trade_offs": Section(Text("Trade-offs"), ("trade", "компромисс")),
    "methods": Section(
        Text("Methods"),
        ("method", "hypothes", "speed", "метод", "гипотез", "ускор"),
    ),
    "analysis": Section(Text("Analysis"), ("analy", "анализ", "аналит")),
    "model": Section(Text("The model"), ("model", "network", "модел", "сет")),
}
"""Patterns in the order of matching: `Methods of speeding the model up` is a heading of methods."""
ORDER = ("model", "analysis", "bottlenecks", "methods", "trade_offs")
"""Parts in the order of a report."""

_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
_FENCE = re.compile(r"^(```|~~~).*?^\1[^\n]*$", re.DOTALL | re.MULTILINE)
_HEADING = re.compile(r"^(#{1,6})[ \t]+(.+)$", re.MULTILINE)
_WORD = re.compile(r"\w+")


def read(submission: Submission) -> str:
    """Read the report. Raises Rejected with one sentence when it is missing or has another name or
    encoding."""
    if not submission.has(FILE):
        raise Rejected(instead_of(FILE, submission))
    return text_of(submission, FILE)


def problems(text: str, template: str, *, least_words: int, most_copied: float) -> list[Text]:
    """Problems of a report, one sentence each; none for a complete report.

    A section is copied when more than `most_copied` of its word triples (three words in a row,
    without case and punctuation) stand in the template: prose on the same subject shares few,
    and a hint with a few words changed shares most.
    """
    found = sections(text)
    shared = triples(template)
    said = []
    for name in ORDER:
        section = SECTIONS[name]
        if name not in found:
            said.append(_missing(section))
            continue
        words, own = len(_WORD.findall(found[name])), triples(found[name])
        copied = len(own & shared) / len(own) if own else 0.0
        if copied > most_copied:
            said.append(_copied(section, copied, most_copied))
        elif words < least_words:
            said.append(_short(section, words, least_words))
    return [*said, *_pasted(found)]


def sections(text: str) -> dict[str, str]:
    """The text below each recognized heading, without comments."""
    plain = _COMMENT.sub("", text)
    hidden = _FENCE.sub(lambda block: " " * len(block[0]), plain)
    headings = list(_HEADING.finditer(hidden))
    first = [one for one in headings if len(one[1]) == 1]
    if len(first) == 1 and len(headings) > 1:
        headings.remove(first[0])  # the report's own title
    found: dict[str, list[str]] = {}
    name = None
    for at, heading in enumerate(headings):
        end = headings[at + 1].start() if at + 1 < len(headings) else len(plain)
        name = _name(heading[2]) or name
        if name is not None:
            found.setdefault(name, []).append(plain[heading.end() : end])
    return {name: "\n".join(parts) for name, parts in found.items()}


def triples(text: str) -> frozenset[tuple[str, str, str]]:
    """Every three consecutive words, without case and punctuation."""
    words = _WORD.findall(text.casefold())
    return frozenset(zip(words, words[1:], words[2:], strict=False))


def _name(heading: str) -> str | None:
    words = _WORD.findall(heading.casefold())
    for name, section in SECTIONS.items():
        if any(word.startswith(section.stems) for word in words):
            return name
    return None


def _pasted(found: Mapping[str, str]) -> Iterable[Text]:
    for one, other in combinations(found, 2):
        a, b = triples(found[one]), triples(found[other])
        if a and b and len(a & b) > MOST_ALIKE * min(len(a), len(b)):
            first, second = SECTIONS[one].title, SECTIONS[other].title
            yield Text("the sections {first} and {second} say the same", first=first, second=second)


def _missing(section: Section) -> Text:
    return Text("there is no section ## {title}", title=section.title)


def _short(section: Section, words: int, least: int) -> Text:
    if not words:
        return Text("the section {title} is empty", title=section.title)
    return Text(
        "the section {title} has {words} words of at least {least}",
        title=section.title,
        words=words,
        least=least,
    )


def _copied(section: Section, share: float, most: float) -> Text:
    return Text(
        "{share:.0%} of the section {title} is the template's text, at most {most:.0%} may be",
        share=share,
        title=section.title,
        most=most,
    )
