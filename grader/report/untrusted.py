"""Text that a submission wrote, made safe to read; escaping for HTML is the templates' part.

Names, layer names, logs and messages that quote them can hold control characters, direction
overrides that reorder what a reader sees, invisible characters and kilobytes of letters.
"""

from __future__ import annotations

import re

NAME_LENGTH = 48

_INVISIBLE = re.compile(
    "["
    "\x00-\x08\x0b-\x1f\x7f-\x9f"  # control characters except tab and newline
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # direction marks, embeddings and overrides
    "\u00ad\u034f\u115f\u1160\u17b4\u17b5\u180e\u200b\u2028\u2029\u2060-\u2065\u206a-\u206f"
    "\u3164\ufeff\uffa0\ufff0-\ufffb"  # drawn as nothing
    "\ud800-\udfff\ufffe\uffff"  # cannot be written as UTF-8, or are no characters
    "\U000e0000-\U000e0fff"  # tags: invisible copies of ASCII
    "]"
)
_PILED_MARKS = re.compile(
    "([\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff]{4})"
    "[\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff]+"
)


def visible(text: str) -> str:
    """`text` with every control, direction and invisible character shown by a symbol.

    Newlines and tabs stay. Letters of every script stay, so do joiners inside emoji.
    """
    return _INVISIBLE.sub(_symbol, _PILED_MARKS.sub(r"\1…", text))


def name(text: str, length: int = NAME_LENGTH) -> str:
    """`text` on one line and at most `length` characters, the middle left out."""
    return shorten(visible(shorten(text, 4 * length)).replace("\n", "␊").replace("\t", "␉"), length)


def shorten(text: str, length: int) -> str:
    """`text` with its middle replaced by `…` when it is longer than `length`."""
    if len(text) <= length:
        return text
    tail = length // 3
    return f"{text[: length - tail - 1]}…{text[len(text) - tail :]}"


def _symbol(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code < 0x20:
        return chr(0x2400 + code)
    if code == 0x7F:
        return "␡"
    if 0xD800 <= code <= 0xDFFF or code in (0xFFFE, 0xFFFF):
        return "\ufffd"
    return f"⟨U+{code:04X}⟩"
