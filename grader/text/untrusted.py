"""Text from a submission, made safe to show; templates escape it for HTML.

File names, layer names, cells, logs and messages that quote them can hold control characters that
move a cursor, direction overrides that reorder what a reader sees, invisible characters and
megabytes of letters. All sentences, logs, terminals and pages show such text through this module.
"""

from __future__ import annotations

import re

NAME_LENGTH = 48
"""Characters of a name, by default."""
QUOTE_LENGTH = 80
"""Characters of a quotation inside a sentence."""

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
_SURROGATES = re.compile("[\ud800-\udfff]")
_PILED_MARKS = re.compile(
    "([\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff]{4})"
    "[\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff]+"
)


def visible(text: str) -> str:
    """`text` with a symbol for every control, direction and invisible character.

    Newlines, tabs, letters of every script and joiners inside emoji stay.
    """
    return _INVISIBLE.sub(_symbol, _PILED_MARKS.sub(r"\1…", text))


def one_line(text: str) -> str:
    """Like `visible`, with symbols for newlines and tabs too."""
    return visible(text).replace("\n", "␊").replace("\t", "␉")


def name(text: str, length: int = NAME_LENGTH) -> str:
    """`text` on one line and at most `length` characters, the middle left out."""
    return shorten(one_line(shorten(text, 4 * length)), length)


def quoted(found: object) -> str:
    """Anything as a sentence quotes it: one line of at most `QUOTE_LENGTH` characters."""
    return name(str(found), QUOTE_LENGTH)


def log(raw: bytes) -> str:
    """The output of a process as lines of visible text."""
    return visible(raw.decode("utf-8", "replace").replace("\r\n", "\n"))


def readable(text: str) -> str:
    """A file's name with bytes that are not UTF-8 written as `\\x80`, so that it fits into JSON
    and names with other bytes stay different."""
    return _SURROGATES.sub(_escaped, text)


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


def _escaped(match: re.Match[str]) -> str:
    """Python keeps a byte 0x80 to 0xFF of a name as U+DC80 to U+DCFF (PEP 383)."""
    code = ord(match[0])
    return f"\\x{code - 0xDC00:02x}" if 0xDC80 <= code <= 0xDCFF else f"\\u{code:04x}"
