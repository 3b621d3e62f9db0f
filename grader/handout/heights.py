"""How much room a block takes on a slide, and how one that is too tall is cut.

Heights are in lines of type and rough: a browser measures them and lets type shrink; these only
decide where a slide is continued on the next one.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from markdown_it.token import Token

from grader.handout.blocks import Block

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
