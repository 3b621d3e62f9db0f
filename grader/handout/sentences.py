"""Sentences of a paragraph, as the tokens that make them up."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from markdown_it.token import Token

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
