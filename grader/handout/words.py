"""The words of the pages: `words.toml` holds each in English and in Russian."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import msgspec

from grader.text import Lang, Text


class Words:
    """The words of one language: `words("slide_of", n=3, total=7)`."""

    def __init__(self, lang: Lang) -> None:
        self.lang = lang

    def __call__(self, key: str, **values: object) -> str:
        """Raises KeyError for a key or a placeholder that `words.toml` does not have."""
        return catalogue()[key].to(self.lang).format(**values)


@cache
def catalogue() -> dict[str, Text]:
    """`words.toml`, read once."""
    raw = (Path(__file__).parent / "words.toml").read_bytes()
    return msgspec.toml.decode(raw, type=dict[str, Text])
