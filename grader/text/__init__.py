"""Sentences shown to people, in every language of the course."""

from __future__ import annotations

from typing import Literal, get_args

import msgspec

Lang = Literal["en", "ru"]
LANGS: tuple[Lang, ...] = get_args(Lang)


class Text(msgspec.Struct, frozen=True):
    """One sentence in English and in Russian; grades store both, readers choose."""

    en: str
    ru: str

    def to(self, lang: Lang) -> str:
        return self.ru if lang == "ru" else self.en

    def __str__(self) -> str:
        return self.en


def ru_number(value: float) -> str:
    """A whole number as Russian writes it: 16 000, with a space that does not break."""
    return f"{value:,.0f}".replace(",", "\u00a0")


EMPTY = Text(en="", ru="")
