"""Markdown as blocks: tokens of markdown-it-py in units that a slide shows as a whole."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Literal

from markdown_it import MarkdownIt
from markdown_it.token import Token
from mdit_py_plugins.attrs import attrs_block_plugin, attrs_plugin
from mdit_py_plugins.container import container_plugin
from mdit_py_plugins.dollarmath import dollarmath_plugin
from mdit_py_plugins.footnote import footnote_plugin

from grader.text import Text
from grader.text.errors import SpecError

Kind = Literal[
    "heading", "paragraph", "list", "table", "code", "math", "quote", "figure", "measured",
    "details", "notes", "slide", "chapter", "break", "html", "footnotes",
]  # fmt: skip
CONTAINERS = ("notes", "slide", "chapter")
PLACES = frozenset({"slide", "chapter"})
_KINDS: dict[str, Kind] = {
    "heading_open": "heading",
    "paragraph_open": "paragraph",
    "bullet_list_open": "list",
    "ordered_list_open": "list",
    "table_open": "table",
    "fence": "code",
    "code_block": "code",
    "math_block": "math",
    "math_block_label": "math",
    "blockquote_open": "quote",
    "html_block": "html",
    "hr": "break",
    "footnote_block_open": "footnotes",
    "container_notes_open": "notes",
    "container_slide_open": "slide",
    "container_chapter_open": "chapter",
}
_BEGIN = re.compile(r"<!-- begin: ([\w-]+) -->")
_END = re.compile(r"<!-- end: ([\w-]+) -->")
_NEXT = "<!-- next slide -->"
_SUMMARY = re.compile(r"<summary>(.*?)</summary>", re.DOTALL)


class _Misplaced(ValueError):
    """A directive without its counterpart, or an unknown one: its line, and why."""


@dataclass(frozen=True)
class Block:
    """A unit of a page, such as a paragraph or a table. Lines count from 1."""

    kind: Kind
    tokens: tuple[Token, ...]
    line: int
    end: int
    """The line after the last."""
    inner: tuple[Block, ...] = ()
    """The blocks within `details`, `measured` and the containers."""
    name: str = ""
    """Language of code, name of a measured table, summary of details."""
    classes: frozenset[str] = field(default=frozenset())


@cache
def parser() -> MarkdownIt:
    """CommonMark with tables, footnotes, mathematics, attributes and the course's containers."""
    markdown = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    markdown.use(dollarmath_plugin, allow_digits=False, double_inline=True)
    markdown.use(footnote_plugin).use(attrs_plugin).use(attrs_block_plugin)
    for name in CONTAINERS:
        markdown.use(container_plugin, name)
    return markdown


def parse(text: str, path: Path) -> list[Block]:
    """The blocks of the source `text` of the file `path`. Raises SpecError naming its line."""
    tokens = parser().parse(text)
    for token in tokens:
        if token.type == "inline" and token.map:
            _number(token.children or [], token.map[0] + 1)
    try:
        return list(_joined(_blocks(tokens)))
    except _Misplaced as error:
        raise wrong(path, *error.args) from error


def wrong(path: Path, line: int, why: Text) -> SpecError:
    """The error for a line of a source, counted from 1."""
    return SpecError("{path}:{line}: {why}", path=path, line=line, why=why)


def _blocks(tokens: Sequence[Token]) -> Iterator[Block]:
    start, depth = 0, 0
    for index, token in enumerate(tokens):
        depth += token.nesting
        if depth == 0:
            yield _block(tuple(tokens[start : index + 1]))
            start = index + 1


def _block(tokens: tuple[Token, ...]) -> Block:
    first = tokens[0]
    kind = _KINDS[first.type]
    line, end = (first.map[0] + 1, first.map[1] + 1) if first.map else (0, 0)
    classes = frozenset(str(first.attrs.get("class", "")).split())
    if classes & PLACES:  # these choose where a block is shown, and are no classes of the page
        first.attrSet("class", " ".join(sorted(classes - PLACES)))
    name = first.info.split()[0] if first.type == "fence" and first.info.strip() else ""
    inner: tuple[Block, ...] = ()
    if kind in CONTAINERS:
        inner = tuple(_joined(_blocks(tokens[1:-1])))
    if kind == "paragraph":
        children = tokens[1].children or []
        if [child.type for child in children] == ["image"]:
            kind = "figure"
        elif tokens[1].content.startswith(":::"):
            shown = tokens[1].content.split("\n")[0]
            known = ", ".join(CONTAINERS)
            raise _Misplaced(
                line,
                Text(
                    "`{shown}` opens or closes nothing; there are {known}.",
                    shown=shown,
                    known=known,
                ),
            )
    return Block(kind, tokens, line, end, inner, name, classes)


def _joined(blocks: Iterator[Block]) -> Iterator[Block]:
    """The blocks with those of `<details>` and of measured tables joined to one each."""
    for block in blocks:
        if block.kind != "html":
            yield block
        elif found := _BEGIN.search(block.tokens[0].content):
            yield _until(blocks, block, "measured", found[1], _END)
        elif block.tokens[0].content.startswith("<details"):
            yield _details(blocks, block)
        elif _NEXT in block.tokens[0].content:
            yield Block("break", (), block.line, block.end)
        else:
            yield block


def _until(
    blocks: Iterator[Block], first: Block, kind: Kind, name: str, end: re.Pattern[str]
) -> Block:
    inner: list[Block] = []
    for block in blocks:
        if block.kind == "html" and end.search(block.tokens[0].content):
            tokens = tuple(token for one in inner for token in one.tokens)
            return Block(kind, tokens, first.line, block.end, tuple(inner), name, first.classes)
        inner.append(block)
    shown = first.tokens[0].content.split("\n")[0]
    raise _Misplaced(first.line, Text("`{shown}` is not closed.", shown=shown))


def _details(blocks: Iterator[Block], first: Block) -> Block:
    content = first.tokens[0].content
    summary = _SUMMARY.search(content)
    if summary is None:
        raise _Misplaced(
            first.line, Text("`<details>` needs its `<summary>` right below it."),
        )  # fmt: skip
    if "</details>" in content:
        return Block("details", first.tokens, first.line, first.end, (), summary[1].strip())
    return _until(blocks, first, "details", summary[1].strip(), re.compile("</details>"))


def _number(children: Sequence[Token], line: int) -> None:
    """Store the lines of the source in the tokens of a paragraph that begins in `line`."""
    for child in children:
        child.meta["line"] = line
        line += child.type in ("softbreak", "hardbreak")
        line += child.content.count("\n") if child.type == "math_inline" else 0
