"""A source as a lecture: sections, slides and their blocks, each with an anchor."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from grader.handout import blocks as markdown
from grader.handout.blocks import Block, Misplaced
from grader.handout.measured import Table, tables
from grader.handout.values import Values, wrong
from grader.lesson.loading import Lesson
from grader.text import Lang, Text
from grader.text.errors import SpecError, UsageError

# A source on disk: the lesson's Markdown with its values put in.


@dataclass(frozen=True)
class Source:
    """One Markdown file in one language. Lines of `text` are those of the file."""

    lesson: Lesson
    lang: Lang
    path: Path
    text: str
    tables: Mapping[str, Table]


def exists(lesson: Lesson, lang: Lang, stem: str = "handout") -> bool:
    """Whether the lesson has this source."""
    return _path(lesson, lang, stem).is_file()


def read(lesson: Lesson, lang: Lang, stem: str = "handout") -> Source:
    """The source `STEM.LANG.md` of a lesson, values filled in.

    Raises UsageError when there is none, SpecError for a value that does not exist.
    """
    path = _path(lesson, lang, stem)
    if not path.is_file():
        raise UsageError(
            Text(
                en=f"The lesson {lesson.name} has no {path.name} yet; docs/handouts.md says what "
                "belongs into it.",
                ru=f"В занятии {lesson.name} ещё нет {path.name}; что в нём должно быть, сказано в "
                "docs/handouts.md.",
            )
        )
    try:
        raw = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise SpecError(f"{path} is not UTF-8: {error.reason} at byte {error.start}.") from error
    found = tables(raw)
    return Source(lesson, lang, path, Values(lesson, lang, found).fill(raw, path), found)


def text(lesson: Lesson, lang: Lang) -> str:
    """The handout as students read it: its Markdown with every value filled in."""
    return read(lesson, lang).text


def _path(lesson: Lesson, lang: Lang, stem: str) -> Path:
    return lesson.folder / f"{stem}.{lang}.md"


MINUTES = 90
"""Of a lecture that does not say how long it is."""


@dataclass
class Slide:
    """One `###`."""

    heading: Block
    anchor: str
    blocks: list[Block] = field(default_factory=list)


@dataclass
class Section:
    """One `##`; `blocks` stand before its first slide."""

    heading: Block
    anchor: str
    blocks: list[Block] = field(default_factory=list)
    slides: list[Slide] = field(default_factory=list)


@dataclass
class Document:
    """One `#`; `blocks` stand before its first section."""

    source: Source
    heading: Block
    blocks: list[Block] = field(default_factory=list)
    sections: list[Section] = field(default_factory=list)
    footnotes: Block | None = None
    strict: bool = True
    """Whether it keeps the rules of a handout; other pages of the course have their own."""
    named: set[str] = field(default_factory=set)
    """Anchors beside those of sections and slides."""
    minutes: int = MINUTES
    """Length of the lecture."""

    def error(self, line: int, en: str, ru: str) -> SpecError:
        return wrong(self.source.path, line, en, ru)

    def all_blocks(self) -> Iterator[Block]:
        """Every block, in order, headings left out."""
        yield from self.blocks
        for section in self.sections:
            yield from section.blocks
            for slide in section.slides:
                yield from slide.blocks

    def anchors(self) -> set[str]:
        """What a link within the page may name."""
        own = {section.anchor for section in self.sections}
        slides = {slide.anchor for section in self.sections for slide in section.slides}
        return own | slides | self.named


def document(source: Source) -> Document:
    """The lecture in a source. Raises SpecError naming the line of what is out of order."""
    try:
        found = markdown.parse(source.text)
    except Misplaced as error:
        raise wrong(source.path, error.line, error.en, error.ru) from error
    if not found or _level(found[0]) != 1:
        raise wrong(source.path, 1, "begin with `# Title`.", "начните с `# Название`.")
    result = Document(source, found[0])
    result.minutes = _minutes(result)
    for block in found[1:]:
        if block.kind == "footnotes":
            result.footnotes = block
        else:
            _place(result, block)
    _unique(result)
    return result


def _minutes(result: Document) -> int:
    """The length that `{minutes=60}` above the title states."""
    stated = str(result.heading.tokens[0].attrs.get("minutes", MINUTES))
    if not stated.isascii() or not stated.isdigit() or int(stated) == 0:
        raise result.error(
            result.heading.line,
            f"minutes={stated} is no length of a lecture; write `{{minutes=60}}`.",
            f"minutes={stated} — не длина лекции; напишите `{{minutes=60}}`.",
        )
    return int(stated)


def _place(result: Document, block: Block) -> None:
    level = _level(block)
    sections = result.sections
    if level == 0:
        holder = result if not sections else sections[-1]
        if isinstance(holder, Section) and holder.slides:
            holder.slides[-1].blocks.append(block)
        else:
            holder.blocks.append(block)
    elif level == 2:
        sections.append(Section(block, _anchor(block, f"s{len(sections) + 1}")))
    elif level == 3 and sections:
        section = sections[-1]
        default = f"s{len(sections)}-{len(section.slides) + 1}"
        section.slides.append(Slide(block, _anchor(block, default)))
    else:
        raise result.error(
            block.line,
            "after `# Title` come `##` sections with `###` slides in them, and nothing deeper.",
            "после `# Название` идут разделы `##` со слайдами `###` внутри и ничего глубже.",
        )


def _level(block: Block) -> int:
    return int(block.tokens[0].tag[1]) if block.kind == "heading" else 0


def _anchor(block: Block, default: str) -> str:
    return str(block.tokens[0].attrs.get("id", default))


def _unique(result: Document) -> None:
    seen: dict[str, int] = {}
    for section in result.sections:
        both: list[Section | Slide] = [section, *section.slides]
        for one in both:
            if one.anchor in seen:
                raise result.error(
                    one.heading.line,
                    f"the anchor {one.anchor} is that of line {seen[one.anchor]} already.",
                    f"якорь {one.anchor} уже есть в строке {seen[one.anchor]}.",
                )
            seen[one.anchor] = one.heading.line
