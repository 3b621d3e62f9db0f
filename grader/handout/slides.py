"""The lecture: a document as slides in one HTML file that needs nothing but a browser.

A slide shows lists, tables, formulas, code and figures. Of paragraphs it shows those that introduce
one of these, and first sentences while there is room. docs/handouts.md has the rules. Heights are
rough, in lines of type: they only decide where a slide is continued on the next one. A browser
measures the slides and reduces the size of type.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from markdown_it.token import Token
from markupsafe import Markup

from grader.handout.blocks import Block
from grader.handout.document import Document, Links, Section
from grader.handout.pages import Labels, page
from grader.handout.render import Renderer

ROOM = 19.0
"""Lines of type on one slide, with type a little smaller than the largest."""
SPARSE = 9.0
"""With fewer lines than this on a slide, first sentences are added."""
SHORT = 40
"""Characters; after a shorter first sentence the second is shown too."""
CODE_LINES = 17
"""Longer code is continued on the next slide, at a blank line."""
CHARACTERS = 76
"""Characters in a line of type; lines of tables and captions hold more."""
CODE, TABLE, FORMULA, FIGURE = 1.07, 1.5, 2.2, 15.0
"""Lines of type for a line of code, a row of a table, a row of a formula and a picture."""
_SHOWN = ("list", "table", "code", "math", "quote", "figure", "measured")
_INTRODUCED = (*_SHOWN, "details")
_SCRIPT_LABELS = ("slide_of", "no_notes", "coming", "last", "blocked", "planned", "speaker",
                  "keys_list")  # fmt: skip
_END = re.compile(r"(?<=[.!?…»”)])\s+(?=[A-ZА-ЯЁ«“`\"])")
_ABBREVIATED = re.compile(
    r"(?:\b(?:et al|e\.g|i\.e|cf|Fig|Eq|vs|т\. ?е|т\. ?к|т\. ?д|см|рис|стр)|\b[A-ZА-ЯЁ])\.$"
)
_IMPORTS = re.compile(r"(?:(?:import|from) .*\n|\n)*")


@dataclass
class Card:
    """One slide as it is shown. `part` counts the slides that share a heading, from 1."""

    kind: str
    """`title`, `section` or `slide`."""
    anchor: str
    title: Markup
    body: list[Markup] = field(default_factory=list)
    notes: list[Markup] = field(default_factory=list)
    section: Markup = field(default_factory=Markup)
    part: int = 1
    parts: int = 1


@dataclass(frozen=True)
class Piece:
    """A part of a slide or of its notes. A height of infinity starts a new slide."""

    html: Markup
    height: float = 0.0
    note: bool = False
    point: bool = False
    """One item of a list that consecutive points make up."""
    introduces: bool = False
    """Whether it goes onto the slide of the next piece."""


def slides(document: Document, links: Links, minutes: int | None = None) -> str:
    """The page as HTML.

    `minutes` is the length of the lecture, by default the document's own; the timer shows by when
    each slide should be reached.
    """
    labels = Labels(document.source.lang)
    renderer = Renderer(document, links, footnoted=False)
    # The script fills in the {braces} of its labels.
    texts: dict[str, object] = {
        key: labels(key, n="{n}", total="{total}") for key in _SCRIPT_LABELS
    }
    texts["minutes"] = minutes or document.minutes
    return page(
        "slides.html.j2",
        labels,
        assets="slides",
        page_title=renderer.heading(document.heading).striptags(),
        about=document.source.lesson.spec.summary.to(document.source.lang),
        cards=deck(document, renderer, goals=labels("goals")),
        script_words=Markup(json.dumps(texts, ensure_ascii=False).replace("<", "\\u003c")),
    )


def deck(document: Document, renderer: Renderer, *, goals: str) -> list[Card]:
    """All slides of a lecture. `goals` is the heading of the slide after the title."""
    cards = [Card("title", "s0", renderer.heading(document.heading))]
    if document.blocks:
        # Paragraphs above the list of goals repeat the heading: they become notes.
        blocks = [
            replace(one, classes=one.classes | {"chapter"})
            if one.kind == "paragraph" and "slide" not in one.classes
            else one
            for one in document.blocks
        ]
        cards += _cards(Card("slide", "goals", Markup.escape(goals)), blocks, renderer)
    for section in document.sections:
        cards += _section(section, renderer)
    return cards


def _section(section: Section, renderer: Renderer) -> Iterator[Card]:
    title = renderer.heading(section.heading)
    opening = Card("section", section.anchor, title, section=title)
    if section.slides:
        agenda = [renderer.heading(slide.heading) for slide in section.slides]
        opening.body.append(Markup('<ul class="agenda">\n{}</ul>\n').format(_listed(agenda)))
    for piece in _pieces(section.blocks, renderer):
        (opening.notes if piece.note else opening.body).append(piece.html)
    yield opening
    for slide in section.slides:
        first = Card("slide", slide.anchor, renderer.heading(slide.heading), section=title)
        yield from _cards(first, slide.blocks, renderer)


def _listed(items: Iterable[Markup]) -> Markup:
    return Markup("").join(Markup("<li>{}</li>\n").format(one) for one in items)


def _cards(first: Card, blocks: Sequence[Block], renderer: Renderer) -> list[Card]:
    """The card, continued on others when its blocks do not fit one."""
    cards, used = [first], 0.0
    for piece in _introduced(_merged(_pieces(blocks, renderer))):
        if piece.note:
            cards[-1].notes.append(piece.html)
            continue
        if piece.height and used > 0 and used + piece.height > ROOM:
            part = len(cards) + 1
            anchor = f"{first.anchor}-{part}"
            cards.append(Card(first.kind, anchor, first.title, section=first.section, part=part))
            used = 0.0
        if piece.html:
            cards[-1].body.append(piece.html)
            used += piece.height
    for card in cards:
        card.parts = len(cards)
    return cards


def _introduced(pieces: Iterable[Piece]) -> Iterator[Piece]:
    """Pieces with each introduction joined to the piece after it."""
    lead: Piece | None = None
    for piece in pieces:
        if piece.introduces:
            lead = piece
        elif lead is None or piece.note:
            yield piece
        else:
            yield Piece(lead.html + piece.html, lead.height + piece.height)
            lead = None
    if lead is not None:
        yield lead


def _merged(pieces: Sequence[Piece]) -> Iterator[Piece]:
    """Consecutive points as one list, with the notes between them after it."""
    points: list[Piece] = []
    notes: list[Piece] = []
    for piece in [*pieces, None]:
        if piece is not None and piece.point:
            points.append(piece)
        elif piece is not None and piece.note and points:
            notes.append(piece)
        else:
            if points:
                room = sum(one.height for one in points)
                listed = _listed(one.html for one in points)
                yield Piece(Markup("<ul>\n{}</ul>\n").format(listed), room)
            yield from notes
            points, notes = [], []
            if piece is not None:
                yield piece


def _pieces(blocks: Sequence[Block], renderer: Renderer) -> list[Piece]:
    own = any(block.kind == "slide" for block in blocks)
    seen = sum(_height(block) for block in blocks if block.kind in (*_INTRODUCED, "slide"))
    points = not own and seen < SPARSE
    return [
        piece
        for block, after in zip(blocks, [*blocks[1:], None], strict=False)
        for piece in _of_block(block, after, renderer, points=points)
    ]


def _of_block(
    block: Block, after: Block | None, renderer: Renderer, *, points: bool
) -> list[Piece]:
    """The pieces of one block; with `points`, of a paragraph its first sentence is shown."""
    html = renderer.block(block, answers=True)
    note = Piece(html, note=True)
    if block.kind == "break":
        return [Piece(Markup(""), math.inf)]
    if block.kind in ("notes", "chapter") or "chapter" in block.classes:
        return [note]
    if block.kind == "slide":
        return [piece for one in block.inner for piece in _shown(one, renderer)]
    if block.kind in _SHOWN or "slide" in block.classes:
        return _shown(block, renderer)
    if block.kind == "details":
        if not block.name.rstrip().endswith(("?", ".", "…")):
            return [note]
        return [Piece(renderer.words(block.name), 1.6 * _lines(block.name), point=True), note]
    if block.kind == "paragraph":
        return [*_sentence(block, after, renderer, points), note]
    return [note] if html else []


def _shown(block: Block, renderer: Renderer) -> list[Piece]:
    """A block on the slide; long lists, code and tables in parts that can be continued."""
    parts: Iterable[Block] = [block]
    if block.kind == "list" and _height(block) > ROOM / 2:
        parts = _list_parts(block)
    elif block.kind == "code":
        parts = _code_parts(block)
    elif block.kind in ("table", "measured") and _height(block) > ROOM:
        parts = _table_parts(block)
    return [Piece(renderer.block(part), _height(part)) for part in parts]


def _sentence(block: Block, after: Block | None, renderer: Renderer, points: bool) -> list[Piece]:
    """What a slide shows of a paragraph: its last words before a colon, or its first sentence."""
    found = list(_sentences(block.tokens[1].children or []))
    last, kind = _plain(found[-1]), after.kind if after else ""
    unfinished = kind == "math" and not last.endswith((".", "!", "?", "…"))
    if unfinished or (kind in _INTRODUCED and last.endswith(":")):
        html = Markup('<p class="lead">{}</p>\n').format(renderer.inline(found[-1]))
        return [Piece(html, 1.5 * _lines(last), introduces=True)]
    chosen = found[0]
    if not points or _plain(chosen)[:1].islower():
        return []  # a sentence with a small first letter is the end of one with a formula
    if len(_plain(chosen)) < SHORT and len(found) > 1:
        chosen = [*chosen, Token("softbreak", "br", 0), *found[1]]
    return [Piece(renderer.inline(chosen), 1.5 * _lines(_plain(chosen)), point=True)]


def _sentences(children: Sequence[Token]) -> Iterator[list[Token]]:
    """The sentences of a paragraph as tokens; none ends within emphasis or a link."""
    sentence: list[Token] = []
    depth = 0
    for child in children:
        depth += child.nesting
        if child.type == "footnote_ref":
            continue
        if child.type == "softbreak":
            text = _plain(sentence)
            if depth == 0 and text.endswith((".", "!", "?", "…")) and not _ABBREVIATED.search(text):
                yield sentence
                sentence = []
            else:
                sentence.append(child)
        elif child.type != "text" or depth:
            sentence.append(child)
        else:
            *whole, rest = _split(child.content)
            for text in whole:
                yield [*sentence, child.copy(content=text)]
                sentence = []
            if rest:
                sentence.append(child.copy(content=rest))
    if sentence:
        yield sentence


def _plain(tokens: Sequence[Token]) -> str:
    """The text of a paragraph's tokens."""
    return "".join(" " if one.type == "softbreak" else one.content for one in tokens).strip()


def _split(text: str) -> list[str]:
    parts: list[str] = []
    for part in _END.split(text):
        if parts and _ABBREVIATED.search(parts[-1]):
            parts[-1] += " " + part
        else:
            parts.append(part)
    return parts


def _height(block: Block) -> float:
    """The height of a block on a slide, roughly, in lines of type."""
    match block.kind:
        case "code":
            return CODE * (block.tokens[0].content.count("\n") + 1) + 0.8
        case "math":
            return FORMULA * (block.tokens[0].content.count("\\\\") + 1)
        case "table":
            rows, width = 0.0, 0
            for token in block.tokens:
                if token.type == "inline":
                    width += len(token.content) + 4
                elif token.type == "tr_close":
                    rows += TABLE * max(1, round(width / (1.35 * CHARACTERS) + 0.3))
                    width = 0
            return rows
        case "measured":
            caption = "".join(one.tokens[1].content for one in block.inner if one.kind != "table")
            tables = sum(_height(one) for one in block.inner if one.kind == "table")
            return tables + 0.8 * _lines(caption)
        case "figure":
            return FIGURE
        case "slide":
            return sum(map(_height, block.inner))
        case "details":
            return 1.6 * _lines(block.name)
        case _:
            return _text_height(block.tokens)


def _text_height(tokens: Sequence[Token]) -> float:
    return sum(1.4 * _lines(token.content) for token in tokens if token.type == "inline")


def _lines(text: str) -> int:
    return -(-len(text) // CHARACTERS) or 1


def _code_parts(block: Block) -> list[Block]:
    """Code cut at blank lines into parts that fit a slide; leading imports alone are left out."""
    token, parts, blank = block.tokens[0], [""], ""
    for text in re.split(r"(?<=\n)(\n+)(?=\S)", token.content):
        if not text.strip():
            blank = text
        elif parts[-1] and (parts[-1] + blank + text).count("\n") > CODE_LINES:
            parts.append(text)
        else:
            parts[-1] += blank + text
    if len(parts) > 1 and _IMPORTS.fullmatch(parts[0]):
        del parts[0]
    return [replace(block, tokens=(token.copy(content=part),)) for part in parts]


def _list_parts(block: Block) -> Iterator[Block]:
    """A list cut into lists that fit a slide; the numbers of items continue."""
    opening, *tokens, closing = block.tokens
    parts: list[list[list[Token]]] = [[]]
    used = 0.0
    for item in _items(tokens):
        taken = _text_height(item)
        if parts[-1] and used + taken > ROOM - 2:
            parts.append([])
            used = 0.0
        parts[-1].append(item)
        used += taken
    start = int(opening.attrs.get("start", 1))
    for part in parts:
        first = opening
        if opening.type == "ordered_list_open" and start != 1:
            first = opening.copy(attrs=opening.attrs | {"start": start})
        items = (token for item in part for token in item)
        yield Block("list", (first, *items, closing), block.line, block.end)
        start += len(part)


def _table_parts(block: Block) -> Iterator[Block]:
    """A table, measured or not, cut into tables of about as many rows that fit a slide.

    Each part has the header; the caption of a measured table goes with the last part.
    """
    table, *below = block.inner if block.kind == "measured" else (block,)
    names = [token.type for token in table.tokens]
    first, last = names.index("tbody_open") + 1, names.index("tbody_close")
    rows = list(_items(table.tokens[first:last]))
    size = math.ceil(len(rows) / math.ceil(_height(block) / ROOM))
    for start in range(0, len(rows), size):
        chosen = [token for row in rows[start : start + size] for token in row]
        part = replace(table, tokens=(*table.tokens[:first], *chosen, *table.tokens[last:]))
        if block.kind == "measured":
            inner = (part,) if start + size < len(rows) else (part, *below)
            part = replace(block, tokens=part.tokens, inner=inner)
        yield part


def _items(tokens: Sequence[Token]) -> Iterator[list[Token]]:
    """The top-level elements of a list or a table body."""
    depth, item = 0, []
    for token in tokens:
        item.append(token)
        depth += token.nesting
        if depth == 0:
            yield item
            item = []
