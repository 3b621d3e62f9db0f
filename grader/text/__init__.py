"""Sentences shown to people, in every language of the course."""

from __future__ import annotations

import os
from collections.abc import Sequence
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


def language(arguments: Sequence[str] = ()) -> Lang:
    """`--lang`, else GRADER_LANG, else Russian where the locale says so, else English."""
    for position, argument in enumerate(arguments):
        if argument.startswith("--lang="):
            return "ru" if argument.endswith("ru") else "en"
        if argument == "--lang" and position + 1 < len(arguments):
            return "ru" if arguments[position + 1] == "ru" else "en"
    names = ("GRADER_LANG", "LC_ALL", "LC_MESSAGES", "LANG")
    chosen = next((os.environ[name] for name in names if os.environ.get(name)), "")
    return "ru" if chosen.lower().startswith("ru") else "en"
