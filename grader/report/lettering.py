"""How much room a text takes in a plot, before a browser has set it.

No font is known here. The widths are those of a wide sans-serif letter of each kind, so that a
name that fits by them fits in whatever font a reader has.
"""

from __future__ import annotations

import unicodedata

from grader.untrusted import name

SIZE = 15.5
"""The larger letters of a phone (style.css), in units of the plot."""


def ems(text: str) -> float:
    """Width of `text` in units of the size of its letters."""
    return sum(_em(letter) for letter in text)


def fitted(text: str, most: float, length: int = 24) -> str:
    """`text` on one line of at most `length` characters and `most` ems, its middle left out."""
    while True:
        shown = name(text, length)
        if length <= 1 or ems(shown) <= most:
            return shown
        length = min(length, len(shown)) - 1


def _em(letter: str) -> float:
    if unicodedata.east_asian_width(letter) in "WF":
        return 1.0
    if unicodedata.combining(letter):
        return 0.0
    if letter.isdecimal() or letter == "_":
        return 0.6
    if letter in "il.,:;|!' ()[]-":
        return 0.4
    if letter.isascii() and letter.islower():
        return 0.9 if letter in "mw" else 0.62
    if letter in "абвгдезийклнопрстухчьэя" or letter == "\u202f":
        return 0.65
    return 1.0
