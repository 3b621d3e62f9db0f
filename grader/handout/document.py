"""A source as a lecture: sections and slides with their blocks and anchors, and its links."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

from grader.handout import blocks as markdown
from grader.handout.blocks import Block, wrong
from grader.handout.measured import Table, tables
from grader.handout.values import Values
from grader.lesson import course
from grader.lesson.loading import Lesson
from grader.text import Lang, Text
from grader.text.errors import SpecError, UsageError

MINUTES = 90
"""Length of a lecture whose source does not state it."""
_HANDOUT = re.compile(r"handout\.(en|ru)\.md")


@dataclass(frozen=True)
class Source:
    """One Markdown file in one language. Lines of `text` are those of the file."""

    lesson: Lesson
    lang: Lang
    path: Path
    text: str
    tables: Mapping[str, Table]


@dataclass
class Slide:
    """One `###` with its blocks."""

    heading: Block
    anchor: str
    blocks: list[Block] = field(default_factory=list)


@dataclass
class Section:
    """One `##`; `blocks` are those before its first slide."""

    heading: Block
    anchor: str
    blocks: list[Block] = field(default_factory=list)
    slides: list[Slide] = field(default_factory=list)


@dataclass
class Document:
    """One `#`; `blocks` are those before its first section."""

    source: Source
    heading: Block
    blocks: list[Block] = field(default_factory=list)
    sections: list[Section] = field(default_factory=list)
    footnotes: Block | None = None
    strict: bool = True
    """Whether it must follow the rules of a handout; other pages of the course need not."""
    named: set[str] = field(default_factory=set)
    """Anchors other than those of sections and slides."""
    minutes: int = MINUTES
    """Length of the lecture in minutes."""

    def error(self, line: int, why: Text) -> SpecError:
        """The error for a line of the page."""
        return wrong(self.source.path, line, why)

    def anchors(self) -> set[str]:
        """The targets of links within the page."""
        return {one.anchor for one in self.headed()} | self.named

    def headed(self) -> Iterator[Section | Slide]:
        """Sections, each followed by its slides."""
        for section in self.sections:
            yield section
            yield from section.slides


@dataclass
class Links:
    """Links of the pages that are written together.

    `companions` collects the linked Markdown files, which become pages too, by the name of the
    page. With `alone`, relative links become plain text, since a PDF has no pages beside it.
    """

    alone: bool = False
    site: bool = False
    """Whether the other lessons' handouts lie in the same folder."""
    companions: dict[str, Path] = field(default_factory=dict)

    def resolve(self, href: str, document: Document, line: int) -> str | None:
        """The link's target from the page; None when the target will not be beside the page.

        Raises SpecError for a target that does not exist.
        """
        parts = urlsplit(href)
        if parts.scheme in ("http", "https", "mailto"):
            if parts.scheme != "mailto" and "." not in parts.netloc:
                raise _nowhere(document, line, href)
            return href
        if not parts.path:
            if unquote(parts.fragment) not in document.anchors():
                raise _nowhere(document, line, href)
            return href
        target = (document.source.path.parent / unquote(parts.path)).resolve()
        if not target.is_file():
            trees = (course.assignments(), course.student_template(), course.reference_solutions())
            if any(target.is_relative_to(tree.resolve()) for tree in trees):
                raise _nowhere(document, line, href)
            return None  # a wheel has the lessons, but not the rest of the repository
        if self.alone or target.suffix != ".md":
            return None
        fragment = f"#{parts.fragment}" if parts.fragment else ""
        if (found := _HANDOUT.fullmatch(target.name)) is not None:
            return f"{target.parent.name}.{found[1]}.html{fragment}" if self.site else None
        name = page_name(target)
        self.companions[name] = target
        return name + fragment


def exists(lesson: Lesson, lang: Lang, stem: str = "handout") -> bool:
    """Whether the lesson has this source."""
    return (lesson.folder / f"{stem}.{lang}.md").is_file()


def read(lesson: Lesson, lang: Lang, stem: str = "handout") -> Source:
    """The source `STEM.LANG.md` of a lesson, values filled in.

    Raises UsageError when there is none, SpecError for a value that does not exist.
    """
    path = lesson.folder / f"{stem}.{lang}.md"
    if not path.is_file():
        raise UsageError(
            "The lesson {name} has no {path_name} yet; docs/handouts.md says what belongs into it.",
            name=lesson.name,
            path_name=path.name,
        )
    try:
        raw = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise SpecError(
            "{path} is not UTF-8: {reason} at byte {start}.",
            path=path,
            reason=error.reason,
            start=error.start,
        ) from error
    found = tables(raw, lang)
    return Source(lesson, lang, path, Values(lesson, lang, found).fill(raw, path), found)


def document(source: Source) -> Document:
    """The lecture in a source. Raises SpecError naming the line of a violated rule."""
    found = markdown.parse(source.text, source.path)
    if not found or _level(found[0]) != 1:
        raise wrong(source.path, 1, Text("begin with `# Title`."))
    result = Document(source, found[0])
    result.minutes = _minutes(result)
    for block in found[1:]:
        if block.kind == "footnotes":
            result.footnotes = block
        else:
            _place(result, block)
    _unique(result)
    return result


def page_name(path: Path) -> str:
    """The name of a Markdown file's page: the last two folders and the file's name."""
    folders = [one.name for one in list(path.parents)[: 1 if path.parent.name == "docs" else 2]]
    return ".".join([*filter(None, reversed(folders)), path.stem, "html"])


def _minutes(result: Document) -> int:
    """The length in minutes that `{minutes=60}` above the title states."""
    stated = str(result.heading.tokens[0].attrs.get("minutes", MINUTES))
    if not stated.isascii() or not stated.isdigit() or int(stated) == 0:
        raise result.error(
            result.heading.line,
            Text(
                "minutes={stated} is no length of a lecture; write `{{minutes=60}}`.", stated=stated
            ),
        )
    return int(stated)


def _place(result: Document, block: Block) -> None:
    level = _level(block)
    sections = result.sections
    if level == 0:
        *_, holder = (result, *result.headed())
        holder.blocks.append(block)
    elif level == 2:
        anchor = block.tokens[0].attrs.get("id", f"s{len(sections) + 1}")
        sections.append(Section(block, str(anchor)))
    elif level == 3 and sections:
        slides = sections[-1].slides
        anchor = block.tokens[0].attrs.get("id", f"s{len(sections)}-{len(slides) + 1}")
        slides.append(Slide(block, str(anchor)))
    else:
        raise result.error(
            block.line,
            Text(
                "after `# Title` come `##` sections with `###` slides in them, and nothing deeper."
            ),
        )


def _level(block: Block) -> int:
    return int(block.tokens[0].tag[1]) if block.kind == "heading" else 0


def _unique(result: Document) -> None:
    seen: dict[str, int] = {}
    for one in result.headed():
        if one.anchor in seen:
            raise result.error(
                one.heading.line,
                Text(
                    "the anchor {anchor} is that of line {seen} already.",
                    anchor=one.anchor,
                    seen=seen[one.anchor],
                ),
            )
        seen[one.anchor] = one.heading.line


def _nowhere(document: Document, line: int, href: str) -> SpecError:
    return document.error(line, Text("the link {href} leads nowhere.", href=href))
