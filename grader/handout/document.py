"""A source as a lecture: sections, slides and their blocks, each with an anchor."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from grader.errors import SpecError
from grader.handout import blocks as markdown
from grader.handout.blocks import Block, Misplaced
from grader.handout.errors import wrong
from grader.handout.source import Source


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
    for block in found[1:]:
        if block.kind == "footnotes":
            result.footnotes = block
        else:
            _place(result, block)
    _unique(result)
    return result


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
