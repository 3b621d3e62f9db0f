"""Other Markdown files that a handout links to, as pages beside it."""

from __future__ import annotations

import re
from pathlib import Path

from grader.errors import SpecError
from grader.handout import blocks as markdown
from grader.handout.blocks import Block, Misplaced
from grader.handout.chapter import chapter
from grader.handout.document import Document
from grader.handout.errors import wrong
from grader.handout.links import Links
from grader.handout.source import Source
from grader.handout.values import Values
from grader.lesson import Lesson
from grader.text import Lang


def companion(path: Path, lesson: Lesson, home: str = "") -> str:
    """The page of a Markdown file that is no handout: README of a template, a page of docs/."""
    lang: Lang = "ru" if path.name.endswith(".ru.md") else "en"
    text = Values(lesson, lang).fill(path.read_text(encoding="utf-8"), path)
    try:
        found = markdown.parse(text)
    except Misplaced as error:
        raise wrong(path, error.line, error.en, error.ru) from error
    if not found or found[0].kind != "heading":
        raise SpecError(f"{path}:1: begin with `# Title`.")
    document = Document(Source(lesson, lang, path, text, {}), found[0], strict=False)
    document.blocks = [_anchored(block) for block in found[1:]]
    document.named = {str(block.tokens[0].attrs["id"]) for block in document.blocks
                      if block.kind == "heading"}  # fmt: skip
    return chapter(document, Links(alone=True), home=home)


def _anchored(block: Block) -> Block:
    if block.kind == "heading" and "id" not in block.tokens[0].attrs:
        words = re.sub(r"[^\w\- ]", "", block.tokens[1].content.lower())
        block.tokens[0].attrSet("id", words.replace(" ", "-"))
    return block
