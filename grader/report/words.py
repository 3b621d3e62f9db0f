"""The words of the pages: `words.toml` holds each in English and in Russian."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import msgspec

from grader.grades import Axis
from grader.text import Lang, Text


class Catalogue(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What `words.toml` holds."""

    page: dict[str, Text]
    units: dict[str, Text]
    """Units of measurements that are written differently in the two languages."""


class Words:
    """The words of one language: `words("median")`, `words("of", n=3, total=7)`."""

    def __init__(self, lang: Lang) -> None:
        self.lang = lang

    def __call__(self, key: str, **values: object) -> str:
        """Raises KeyError for a key or a placeholder that `words.toml` does not have."""
        return catalogue().page[key].to(self.lang).format(**values)

    def unit(self, unit: str) -> str:
        """A measurement's unit in this language; unknown ones as they are."""
        known = catalogue().units.get(unit)
        return unit if known is None else known.to(self.lang)


def labelled(axis: Axis, words: Words) -> str:
    """An axis as it is labelled: what it shows, and its unit."""
    label = axis.label.to(words.lang)
    return f"{label}, {words.unit(axis.unit)}" if axis.unit else label


@cache
def catalogue() -> Catalogue:
    """`words.toml`, read once."""
    raw = (Path(__file__).parent / "words.toml").read_bytes()
    return msgspec.toml.decode(raw, type=Catalogue)
