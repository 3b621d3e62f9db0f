"""The origin of the posts with which a static quantization was calibrated.

The hidden posts never leave the grader, so nobody can calibrate with them where they are generated
from a secret. Where they are published, as RuSentiment's test set is, a student could. A model
whose activations are scaled at run time needs no calibration; one with stored scales of
activations comes with `calibration.txt`, one post per line, and those lines are looked up.
"""

from __future__ import annotations

import codecs
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from grader.data.text.posts import spelling_key
from grader.intake import Submission
from grader.text import Text
from grader.text.errors import Rejected

FILE = "calibration.txt"
_MOST_BYTES = 16 * 2**20


@dataclass(frozen=True)
class Calibration:
    """Numbers of lines of calibration.txt by origin."""

    lines: int
    public: int
    """Lines that are posts of the public parts."""
    hidden: int
    """Lines that are posts of the hidden part and of no public one."""

    @property
    def unknown(self) -> int:
        return self.lines - self.public - self.hidden


def read(
    submission: Submission, public: frozenset[bytes], graded: Iterable[str]
) -> Calibration | None:
    """Look up the lines; None without the file. Raises Rejected when it is no text."""
    if not submission.has(FILE):
        return None
    found = {digest(line) for line in _text(submission.read(FILE)).splitlines() if line.strip()}
    secret = {digest(post) for post in graded} - public
    return Calibration(len(found), len(found & public), len(found & secret))


def digest(post: str) -> bytes:
    """A digest that ignores case, punctuation and repeated letters."""
    plain = spelling_key(post).encode("utf-8", "replace")
    return hashlib.blake2b(plain, digest_size=12).digest()


def _text(raw: bytes) -> str:
    """Text in UTF-8, UTF-16 or Windows-1251, the encodings in which editors save Russian."""
    wide = raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    for encoding in ("utf-16",) if wide else ("utf-8-sig", "cp1251"):
        try:
            text = raw[:_MOST_BYTES].decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            return text
    raise Rejected(
        Text(
            "{file} is not a text; save the posts that you calibrated with as UTF-8, one a line.",
            file=FILE,
        )
    )
