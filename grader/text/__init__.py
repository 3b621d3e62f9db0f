"""Sentences shown to people, in both languages of the course."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Literal, get_args

import msgspec

Lang = Literal["en", "ru"]
LANGS: tuple[Lang, ...] = get_args(Lang)


class Text(msgspec.Struct, frozen=True):
    """One sentence in English and in Russian; grades store both, each reader sees one."""

    en: str
    ru: str

    def to(self, lang: Lang) -> str:
        return self.ru if lang == "ru" else self.en

    def __str__(self) -> str:
        return self.en


def ru_number(value: float) -> str:
    """A whole number with no-break spaces between thousands, as in Russian: 16 000."""
    return f"{value:,.0f}".replace(",", "\u00a0")


EMPTY = Text(en="", ru="")


def language(arguments: Sequence[str] = ()) -> Lang:
    """The language by `--lang` in `arguments`, else by GRADER_LANG, else by the locale."""
    for position, argument in enumerate(arguments):
        if argument.startswith("--lang="):
            return "ru" if argument.endswith("ru") else "en"
        if argument == "--lang" and position + 1 < len(arguments):
            return "ru" if arguments[position + 1] == "ru" else "en"
    names = ("GRADER_LANG", "LC_ALL", "LC_MESSAGES", "LANG")
    chosen = next((os.environ[name] for name in names if os.environ.get(name)), "")
    return "ru" if chosen.lower().startswith("ru") else "en"
