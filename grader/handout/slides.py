"""The lecture: a document as slides in one file that needs nothing but a browser."""

from __future__ import annotations

import json

from markupsafe import Markup

from grader.handout.deck import deck
from grader.handout.document import Document
from grader.handout.links import Links
from grader.handout.pages import Words, page
from grader.handout.render import Renderer

_SCRIPT_WORDS = ("slide_of", "no_notes", "coming", "last", "blocked", "planned", "speaker",
                 "keys_list")  # fmt: skip


def slides(document: Document, links: Links, minutes: int | None = None) -> str:
    """The page. `minutes` of the lecture if not the document's own; the timer shows where in them
    each slide belongs."""
    words = Words(document.source.lang)
    renderer = Renderer(document, links, footnoted=False)
    said = {name: _raw(words, name) for name in _SCRIPT_WORDS} | {
        "minutes": minutes or document.minutes
    }
    return page(
        "slides.html.j2",
        words,
        sheet="slides.css",
        script="slides.js",
        page_title=renderer.heading(document.heading).striptags(),
        about=document.source.lesson.spec.summary.to(document.source.lang),
        cards=deck(document, renderer, goals=words("goals")),
        script_words=Markup(json.dumps(said, ensure_ascii=False).replace("<", "\\u003c")),
    )


def _raw(words: Words, name: str) -> str:
    """A word whose {braces} the script fills in."""
    return words(name, n="{n}", total="{total}")
