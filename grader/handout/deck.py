"""Which parts of a document stand on which slide, and what the lecturer says to it.

A slide shows what cannot be said: lists, tables, formulas, code, figures. Of paragraphs it shows
what leads up to those, and first sentences while there is room. docs/handouts.md has the rules.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from markdown_it.token import Token
from markupsafe import Markup

from grader.handout.blocks import Block
from grader.handout.document import Document, Section, Slide
from grader.handout.render import Renderer

# Sentences of a paragraph, as the tokens that make them up.


_END = re.compile(r"(?<=[.!?…»”)])\s+(?=[A-ZА-ЯЁ«“`\"])")
_ABBREVIATED = re.compile(
    r"(?:\b(?:et al|e\.g|i\.e|cf|Fig|Eq|vs|т\. ?е|т\. ?к|т\. ?д|см|рис|стр)|\b[A-ZА-ЯЁ])\.$"
)


def sentences(children: Sequence[Token]) -> Iterator[list[Token]]:
    """Parts of a paragraph that end where a sentence does, outside of emphasis and links."""
    sentence: list[Token] = []
    depth = 0
    for child in children:
        depth += child.nesting
        if child.type == "footnote_ref":
            continue
        if child.type == "softbreak":
            if depth == 0 and _ends(plain(sentence)):
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


def _split(text: str) -> list[str]:
    parts: list[str] = []
    for part in _END.split(text):
        if parts and _ABBREVIATED.search(parts[-1]):
            parts[-1] += " " + part
        else:
            parts.append(part)
    return parts


def _ends(text: str) -> bool:
    return bool(re.search(r"[.!?…]$", text.rstrip())) and not _ABBREVIATED.search(text.rstrip())


def plain(tokens: Sequence[Token]) -> str:
    return "".join(" " if one.type == "softbreak" else one.content for one in tokens).strip()


# How much room a block takes on a slide, and how one that is too tall is cut.
#
# Heights are in lines of type and rough: a browser measures them and lets type shrink; these only
# decide where a slide is continued on the next one.


ROOM = 19.0
"""Lines of type on one slide, with type a little smaller than the largest."""
CODE_LINES = 17
"""Longer code is continued on the next slide, at a blank line."""
CHARACTERS = 76
"""Of a line of type; of a line in a table or a caption there are more."""
CODE, TABLE, FORMULA, FIGURE = 1.07, 1.5, 2.2, 15.0
"""Lines that a line of code, a row, a row of a formula and a picture take."""


def height(block: Block) -> float:
    """Lines of type that a block takes, roughly."""
    match block.kind:
        case "code":
            return CODE * (block.tokens[0].content.count("\n") + 1) + 0.8
        case "math":
            return FORMULA * (block.tokens[0].content.count("\\\\") + 1)
        case "table":
            return _table_height(block.tokens)
        case "measured":
            words = "".join(one.tokens[1].content for one in block.inner if one.kind != "table")
            return sum(height(one) for one in block.inner if one.kind == "table") + 0.8 * lines(
                words
            )
        case "figure":
            return FIGURE
        case "slide":
            return sum(map(height, block.inner))
        case "details":
            return 1.6 * lines(block.name)
        case "list":
            return sum(map(_text_height, _items(block.tokens[1:-1])))
        case _:
            return _text_height(block.tokens)


def _table_height(tokens: Sequence[Token]) -> float:
    rows, width = 0.0, 0
    for token in tokens:
        if token.type == "inline":
            width += len(token.content) + 4
        elif token.type == "tr_close":
            rows += TABLE * max(1, round(width / (1.35 * CHARACTERS) + 0.3))
            width = 0
    return rows


def _text_height(tokens: Sequence[Token]) -> float:
    return sum(1.4 * lines(token.content) for token in tokens if token.type == "inline")


def lines(text: str) -> int:
    return -(-len(text) // CHARACTERS) or 1


def code_parts(block: Block) -> list[Block]:
    """Code cut at blank lines into parts that each fit a slide; imports alone need none."""
    parts = list(_cut(block))
    imports = re.fullmatch(r"(?:(?:import|from) .*\n|\n)*", parts[0].tokens[0].content)
    return parts[1:] if imports and len(parts) > 1 else parts


def _cut(block: Block) -> Iterator[Block]:
    token, part, blank = block.tokens[0], "", ""
    for text in re.split(r"(?<=\n)(\n+)(?=\S)", token.content):
        if not text.strip():
            blank = text
        elif part and (part + blank + text).count("\n") > CODE_LINES:
            yield replace(block, tokens=(token.copy(content=part),))
            part = text
        else:
            part += blank + text
    yield replace(block, tokens=(token.copy(content=part),))


def list_parts(block: Block) -> Iterator[Block]:
    """A list cut into lists that each fit a slide."""
    opening, closing = block.tokens[0], block.tokens[-1]
    start = int(opening.attrs.get("start", 1))
    part: list[Token] = []
    used, number = 0.0, 0
    for item in _items(block.tokens[1:-1]):
        taken = _text_height(item)
        if part and used + taken > ROOM - 2:
            yield _list(block, opening, part, closing, start)
            start, part, used, number = start + number, [], 0.0, 0
        part += item
        used += taken
        number += 1
    yield _list(block, opening, part, closing, start)


def table_parts(block: Block) -> Iterator[Block]:
    """A table, measured or not, cut into tables of about as many rows that each fit a slide.

    Each has the heading; what stands below a measured table goes with the last.
    """
    count = math.ceil(height(block) / ROOM)
    if block.kind != "measured":
        yield from _tables(block, count)
        return
    table, *below = block.inner
    parts = list(_tables(table, count))
    for part in parts:
        inner = (part, *below) if part is parts[-1] else (part,)
        yield replace(block, tokens=part.tokens, inner=inner)


def _tables(table: Block, count: int) -> Iterator[Block]:
    names = [token.type for token in table.tokens]
    first, last = names.index("tbody_open") + 1, names.index("tbody_close")
    rows = list(_items(table.tokens[first:last]))
    size = math.ceil(len(rows) / count)
    for start in range(0, len(rows), size):
        chosen = [token for row in rows[start : start + size] for token in row]
        yield replace(table, tokens=(*table.tokens[:first], *chosen, *table.tokens[last:]))


def _list(block: Block, opening: Token, items: list[Token], closing: Token, start: int) -> Block:
    if opening.type == "ordered_list_open" and start != 1:
        opening = opening.copy(attrs=opening.attrs | {"start": start})
    return Block("list", (opening, *items, closing), block.line, block.end)


def _items(tokens: Sequence[Token]) -> Iterator[list[Token]]:
    depth, item = 0, []
    for token in tokens:
        item.append(token)
        depth += token.nesting
        if depth == 0:
            yield item
            item = []


SPARSE = 9.0
"""With fewer lines than this on a slide, first sentences are added."""
SHORT = 40
"""Characters; a shorter first sentence is no point yet and takes the second along."""
_SHOWN = ("list", "table", "code", "math", "quote", "figure", "measured")
_LED_UP_TO = (*_SHOWN, "details")


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
    """Something to show, or to say, and the room it takes; a height of inf starts a new slide."""

    html: Markup
    height: float = 0.0
    said: bool = False
    point: bool = False
    leads: bool = False
    """Goes onto the slide of what follows it."""


def deck(document: Document, renderer: Renderer, *, goals: str) -> list[Card]:
    """All slides of a lecture. `goals` is the heading of the slide after the title."""
    title = renderer.heading(document.heading)
    cards = [Card("title", "s0", title)]
    if document.blocks:
        # The heading says already what the words above a list of goals do.
        silent = [
            replace(one, classes=one.classes | {"chapter"})
            if one.kind == "paragraph" and "slide" not in one.classes
            else one
            for one in document.blocks
        ]
        cards += _cards(Card("slide", "goals", Markup.escape(goals)), silent, renderer)
    for section in document.sections:
        cards += _section(section, renderer)
    return cards


def _section(section: Section, renderer: Renderer) -> Iterator[Card]:
    title = renderer.heading(section.heading)
    opening = Card("section", section.anchor, title, section=title)
    opening.body.append(_agenda(section, renderer))
    for one in _pieces(section.blocks, renderer):
        (opening.notes if one.said else opening.body).append(one.html)
    yield opening
    for slide in section.slides:
        yield from _slide(slide, title, renderer)


def _agenda(section: Section, renderer: Renderer) -> Markup:
    items = (renderer.heading(slide.heading) for slide in section.slides)
    listed = Markup("").join(Markup("<li>{}</li>\n").format(one) for one in items)
    return Markup('<ul class="agenda">\n{}</ul>\n').format(listed) if section.slides else listed


def _slide(slide: Slide, section: Markup, renderer: Renderer) -> list[Card]:
    first = Card("slide", slide.anchor, renderer.heading(slide.heading), section=section)
    return _cards(first, slide.blocks, renderer)


def _cards(first: Card, blocks: Sequence[Block], renderer: Renderer) -> list[Card]:
    """The card, continued on others where its blocks do not fit one."""
    cards, used = [first], 0.0
    for piece in _led(_merged(_pieces(blocks, renderer))):
        if piece.said:
            cards[-1].notes.append(piece.html)
        elif piece.height and used > 0 and used + piece.height > ROOM:
            cards.append(_continued(first, len(cards) + 1))
            used = 0.0
        if not piece.said and piece.html:
            cards[-1].body.append(piece.html)
            used += piece.height
    for card in cards:
        card.parts = len(cards)
    return cards


def _continued(first: Card, part: int) -> Card:
    return Card(first.kind, f"{first.anchor}-{part}", first.title, section=first.section, part=part)


def _led(pieces: Iterable[Piece]) -> Iterator[Piece]:
    """Pieces with each lead-in joined to the one that it leads up to."""
    lead: Piece | None = None
    for piece in pieces:
        if piece.leads:
            lead = piece
        elif lead is None or piece.said:
            yield piece
        else:
            yield Piece(lead.html + piece.html, lead.height + piece.height)
            lead = None
    if lead is not None:
        yield lead


def _merged(pieces: Sequence[Piece]) -> Iterator[Piece]:
    """Neighbouring points as one list."""
    points: list[Piece] = []
    later: list[Piece] = []
    for piece in [*pieces, Piece(Markup(""), height=-1.0)]:
        if piece.point:
            points.append(piece)
        elif piece.said and points:
            later.append(piece)
        else:
            if points:
                items = Markup("").join(Markup("<li>{}</li>\n").format(one.html) for one in points)
                room = sum(one.height for one in points)
                yield Piece(Markup("<ul>\n{}</ul>\n").format(items), room)
            yield from later
            points, later = [], []
            if piece.height >= 0:
                yield piece


def _pieces(blocks: Sequence[Block], renderer: Renderer) -> list[Piece]:
    own = any(block.kind == "slide" for block in blocks)
    seen = sum(height(block) for block in blocks if block.kind in (*_LED_UP_TO, "slide"))
    points = not own and seen < SPARSE
    found: list[Piece] = []
    for index, block in enumerate(blocks):
        after = blocks[index + 1] if index + 1 < len(blocks) else None
        found += _one(block, after, renderer, points=points)
    return found


def _one(block: Block, after: Block | None, renderer: Renderer, *, points: bool) -> list[Piece]:
    html = renderer.block(block, answers=True)
    if block.kind == "break":
        return [Piece(Markup(""), float("inf"))]
    if block.kind == "notes":
        return [Piece(html, said=True)]
    if block.kind == "chapter" or "chapter" in block.classes:
        return [Piece(html, said=True)]
    if block.kind == "slide":
        return [piece for one in block.inner for piece in _shown(one, renderer)]
    if block.kind in _SHOWN or "slide" in block.classes:
        return _shown(block, renderer)
    if block.kind == "details":
        asked = block.name.rstrip().endswith(("?", ".", "…"))
        question = [Piece(renderer.words(block.name), 1.6 * lines(block.name), point=True)]
        return [*(question if asked else []), Piece(html, said=True)]
    if block.kind == "paragraph":
        return [*_sentence(block, after, renderer, points), Piece(html, said=True)]
    return [Piece(html, said=True)] if html else []


def _shown(block: Block, renderer: Renderer) -> list[Piece]:
    """A block on the slide; long lists and tables in parts, so that they can be continued."""
    parts: Iterable[Block] = [block]
    if block.kind == "list" and height(block) > ROOM / 2:
        parts = list_parts(block)
    elif block.kind == "code":
        parts = code_parts(block)
    elif block.kind in ("table", "measured") and height(block) > ROOM:
        parts = table_parts(block)
    return [Piece(renderer.block(part), height(part)) for part in parts]


def _sentence(block: Block, after: Block | None, renderer: Renderer, points: bool) -> list[Piece]:
    """What a slide shows of a paragraph: the words before a colon, or its first sentence."""
    found = list(sentences(block.tokens[1].children or []))
    leads = after is not None and _leads(plain(found[-1]), after)
    chosen = found[-1] if leads else found[0]
    if not leads and (not points or plain(chosen)[:1].islower()):
        return []  # what begins with a small letter ends a formula
    if not leads and len(plain(chosen)) < SHORT and len(found) > 1:
        chosen = [*chosen, Token("softbreak", "br", 0), *found[1]]
    text, html = plain(chosen), renderer.inline(chosen)
    room = 1.5 * lines(text)
    if leads:
        return [Piece(Markup('<p class="lead">{}</p>\n').format(html), room, leads=True)]
    return [Piece(html, room, point=True)]


def _leads(sentence: str, after: Block) -> bool:
    """Whether a sentence goes on in the block after it."""
    open_ended = after.kind == "math" and not re.search(r"[.!?…]$", sentence)
    return after.kind in _LED_UP_TO and (sentence.endswith(":") or open_ended)
