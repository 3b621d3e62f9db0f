"""A document as one page to read: the chapter of a lesson, or another Markdown file."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from markupsafe import Markup

from grader.handout import blocks as markdown
from grader.handout.blocks import Block
from grader.handout.document import Document, Links, Source
from grader.handout.pages import Labels, page
from grader.handout.render import Renderer
from grader.handout.values import Values
from grader.lesson.loading import Lesson
from grader.text import Lang
from grader.text.errors import SpecError

_ANCHOR = Markup(
    '<{tag} id="{id}">{title}<a class="here" href="#{id}" aria-label="{said}">#</a></{tag}>\n'
)


@dataclass(frozen=True)
class Link:
    """A link in the bar of a page."""

    title: str
    href: str
    lang: str = ""
    download: bool = False


def chapter(
    document: Document,
    links: Links,
    bar: Sequence[Link] = (),
    home: str = "",
    *,
    answers: bool = False,
) -> str:
    """The page as HTML.

    `bar` are links to the other formats, `home` is the address of the course's page. With `answers`
    the answers are unfolded.
    """
    labels = Labels(document.source.lang)
    renderer = Renderer(document, links)
    title = renderer.heading(document.heading)
    return page(
        "chapter.html.j2",
        labels,
        title=title,
        page_title=title.striptags(),
        links=bar,
        home=home,
        contents=document.sections,
        titled=lambda one: Markup(re.sub(r"</?a\b[^>]*>", "", renderer.heading(one.heading))),
        body=Markup("").join(_body(document, renderer, labels, answers)),
    )


def companion(path: Path, lesson: Lesson, home: str = "") -> str:
    """The page of another Markdown file, such as a README or a page of docs/. Raises SpecError."""
    lang: Lang = "ru" if path.name.endswith(".ru.md") else "en"
    text = Values(lesson, lang).fill(path.read_text(encoding="utf-8"), path)
    found = markdown.parse(text, path)
    if not found or found[0].kind != "heading":
        raise SpecError("{path}:1: begin with `# Title`.", path=path)
    document = Document(Source(lesson, lang, path, text, {}), found[0], strict=False)
    document.blocks = found[1:]
    for block in document.blocks:
        if block.kind == "heading":
            words = re.sub(r"[^\w\- ]", "", block.tokens[1].content.lower()).replace(" ", "-")
            document.named.add(str(block.tokens[0].attrs.setdefault("id", words)))
    return chapter(document, Links(alone=True), home=home)


def _body(
    document: Document, renderer: Renderer, labels: Labels, answers: bool
) -> Iterator[Markup]:
    def shown(blocks: Sequence[Block]) -> Markup:
        kept = [one for one in blocks if one.kind not in ("slide", "notes") and one.tokens]
        return renderer.blocks([_unmarked(one) for one in kept], answers=answers)

    yield shown(document.blocks)
    for one in document.headed():
        tag, title = one.heading.tokens[0].tag, renderer.heading(one.heading)
        yield _ANCHOR.format(tag=tag, id=one.anchor, title=title, said=labels("anchor"))
        yield shown(one.blocks)
    if document.footnotes is not None:
        yield renderer.block(document.footnotes)


def _unmarked(block: Block) -> Block:
    """The block without the classes that control slides."""
    if not block.classes & {"slide", "chapter"} or not block.tokens:
        return block
    first = block.tokens[0]
    rest = {name: value for name, value in first.attrs.items() if name != "class"}
    return replace(block, tokens=(first.copy(attrs=rest), *block.tokens[1:]))
