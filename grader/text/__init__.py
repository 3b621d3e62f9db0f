"""Sentences shown to people. English is written in the code; catalogs hold the other languages.

    Text("{path} holds {size:,} bytes.", path=path, size=size)
    plural("{n} clip", "{n} clips", n)

A catalog is a gettext file, `locale/<language>/LC_MESSAGES/*.mo`, of the engine or of a lesson. It
is looked up when a sentence is shown, and so are the signs of its numbers (`numbers.formatted`). A
sentence that no catalog translates is shown in English.
"""

from __future__ import annotations

import gettext
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import cache
from pathlib import Path
from string import Formatter
from typing import Any, TypeVar

import msgspec

from grader.text.numbers import ENGLISH, Lang, localized

__all__ = [
    "EMPTY", "ENGINE", "ENGLISH", "Lang", "Text", "add_catalogs", "decoded", "from_json",
    "from_toml", "in_context", "join", "language", "languages", "plural", "to_builtins",
    "to_json", "translate", "verbatim",
]  # fmt: skip

ENGINE = Path(__file__).parent.parent / "locale"
T = TypeVar("T")

_folders: list[Path] = [ENGINE]


class Text:
    """One sentence, shown in the language of each reader; grades store it in all of them.

    `message` is English and a literal, since Babel collects it. With `values` it is a format string
    of `str.format`: numbers follow the reader's language, a Text among the values is translated.
    """

    __slots__ = ("_context", "_given", "_many", "_message", "_number", "_values")

    _context: str
    _given: Mapping[Lang, str] | None
    _many: str | None
    _message: str
    _number: float
    _values: Mapping[str, object]

    def __init__(self, message: str, /, **values: object) -> None:
        self._message = message
        self._context = ""
        self._many = None
        self._number = 1
        self._values = values
        self._given = None

    @classmethod
    def in_languages(cls, sentences: Mapping[Lang, str]) -> Text:
        """A text whose sentences are known already; English is among them."""
        made = cls(sentences[ENGLISH])
        made._given = dict(sentences)
        return made

    def to(self, lang: Lang) -> str:
        """The sentence in a language; in English where it has none in that one."""
        if self._given is not None:
            return self._given.get(lang, self._message)
        if self._many is not None:
            message = _translation(lang).ngettext(self._message, self._many, round(self._number))
        elif self._context:
            message = _translation(lang).pgettext(self._context, self._message)
        else:
            message = translate(self._message, lang)
        if not self._values:
            return message
        return _LocaleFormatter(lang).vformat(message, (), self._values)

    def filled(self, **values: object) -> Text:
        """The same message with values for its placeholders."""
        made = Text(self._message, **values)
        made._context, made._many = self._context, self._many
        if self._many is not None:
            made._number = float(str(values.get("n", self._number)))
        return made

    def mapped(self, change: Callable[[str], str]) -> Text:
        """A text with each of its sentences changed."""
        sentences = self.sentences().items()
        return Text.in_languages({lang: change(sentence) for lang, sentence in sentences})

    def sentences(self) -> dict[Lang, str]:
        """The sentence in each language of the course."""
        if self._given is not None:
            return dict(self._given)
        return {lang: self.to(lang) for lang in languages()}

    def __str__(self) -> str:
        return self.to(ENGLISH)

    def __repr__(self) -> str:
        return f"Text({str(self)!r})"

    def __bool__(self) -> bool:
        return bool(self._message)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Text) and self.sentences() == other.sentences()

    def __hash__(self) -> int:
        return hash(str(self))

    def __reduce__(self) -> tuple[Callable[..., Text], tuple[dict[Lang, str]]]:
        """Pickled with all of its sentences: another process may not have loaded the lesson."""
        return Text.in_languages, (self.sentences(),)

    def __add__(self, other: Text | str) -> Text:
        return join("", (self, verbatim(other)))


class _LocaleFormatter(Formatter):
    """Fills a message with values as one language writes them."""

    def __init__(self, lang: Lang) -> None:
        self._lang = lang

    def format_field(self, value: Any, format_spec: str) -> str:
        if isinstance(value, Text):
            return value.to(self._lang)
        if isinstance(value, int) and not format_spec:
            return str(value)  # a line, a port, a year: not a quantity
        if isinstance(value, datetime) or hasattr(value, "__float__"):
            return localized(value, format_spec, self._lang)
        return str(format(value, format_spec))

    def convert_field(self, value: Any, conversion: str | None) -> Any:
        if conversion == "s" and isinstance(value, Text):
            return value.to(self._lang)
        return super().convert_field(value, conversion)


def plural(one: str, many: str, n: float, /, **values: object) -> Text:
    """A Text whose form depends on the count `n`, which is also the value of `{n}`."""
    text = Text(one, n=n, **values)
    text._many = many
    text._number = n
    return text


def in_context(context: str, message: str, /, **values: object) -> Text:
    """A Text whose translation depends on where it stands, such as a unit after a number."""
    text = Text(message, **values)
    text._context = context
    return text


def verbatim(value: object) -> Text:
    """What is the same in every language: a name, a number as a program writes it."""
    if isinstance(value, Text):
        return value
    return Text.in_languages({ENGLISH: str(value)})


def join(separator: str, texts: Iterable[Text | str]) -> Text:
    """The texts one after another; the separator is the same in every language."""
    parts = {f"part{number}": one for number, one in enumerate(texts)}
    if not parts:
        return EMPTY
    escaped = separator.replace("{", "{{").replace("}", "}}")
    return Text(escaped.join(f"{{{name}}}" for name in parts), **parts)


EMPTY = Text("")


def add_catalogs(folder: Path) -> None:
    """Look sentences up in a lesson's catalogs too, in `folder/<language>/LC_MESSAGES`."""
    if folder not in _folders and folder.is_dir():
        _folders.append(folder)
        _translation.cache_clear()
        languages.cache_clear()


def translate(message: str, lang: Lang) -> str:
    """A message of the code in a language, its placeholders still open."""
    return _translation(lang).gettext(message) if message and lang != ENGLISH else message


@cache
def languages() -> tuple[Lang, ...]:
    """English, and each language that a catalog of the engine or of a loaded lesson has."""
    found = {path.parent.parent.name for folder in _folders for path in _catalogs(folder, "*")}
    return (ENGLISH, *sorted(found - {ENGLISH}))


def language(arguments: Sequence[str] = ()) -> Lang:
    """The language by `--lang` in `arguments`, else by GRADER_LANG, else by the locale."""
    for position, argument in enumerate(arguments):
        if argument.startswith("--lang="):
            return _known(argument.removeprefix("--lang="))
        if argument == "--lang" and position + 1 < len(arguments):
            return _known(arguments[position + 1])
    names = ("GRADER_LANG", "LC_ALL", "LC_MESSAGES", "LANG")
    return _known(next((os.environ[name] for name in names if os.environ.get(name)), ENGLISH))


def _known(locale: str) -> Lang:
    """The language of the course that a locale such as `ru_RU.UTF-8` asks for, else English."""
    name = locale.partition(".")[0].partition("@")[0].replace("-", "_")
    known = {lang.lower(): lang for lang in languages()}
    return known.get(name.lower()) or known.get(name.partition("_")[0].lower(), ENGLISH)


def _catalogs(folder: Path, lang: Lang) -> list[Path]:
    return sorted(folder.glob(f"{lang}/LC_MESSAGES/*.mo"))


@cache
def _translation(lang: Lang) -> gettext.NullTranslations:
    """The catalogs of one language, the engine's before those of lessons."""
    found = gettext.NullTranslations()
    for path in (path for folder in _folders for path in _catalogs(folder, lang)):
        with path.open("rb") as file:
            one = gettext.GNUTranslations(file)
        if isinstance(found, gettext.GNUTranslations):
            found.add_fallback(one)
        else:
            found = one
    return found


def to_json(value: object, *, indent: int | None = None) -> bytes:
    """JSON of data that may hold texts, each in all languages of the course."""
    raw = msgspec.json.encode(value, enc_hook=_encoded)
    return raw if indent is None else msgspec.json.format(raw, indent=indent)


def to_builtins(value: object) -> Any:
    """The value as dictionaries and lists, with each text in all languages of the course."""
    return msgspec.to_builtins(value, enc_hook=_encoded)


def from_json(raw: bytes | str, kind: type[T]) -> T:
    """Data of type `kind` from what `to_json` wrote. Raises msgspec.MsgspecError."""
    return msgspec.json.decode(raw, type=kind, dec_hook=decoded)


def from_toml(raw: bytes | str, kind: type[T]) -> T:
    """Data of type `kind`, in which a text is one English string, a table of its forms for `one`
    and for `other` counts `n`, or a table of languages. Raises msgspec.MsgspecError."""
    return msgspec.toml.decode(raw, type=kind, dec_hook=decoded)


def decoded(kind: type, value: Any) -> Any:
    """A Text from what JSON or TOML has for it: the `dec_hook` of msgspec."""
    if kind is not Text:
        raise NotImplementedError(kind)
    if isinstance(value, str):
        return Text(value)
    if isinstance(value, dict) and value.keys() == {"one", "other"}:
        return plural(str(value["one"]), str(value["other"]), 1)
    if isinstance(value, dict) and ENGLISH in value:
        return Text.in_languages(msgspec.convert(value, dict[Lang, str]))
    raise ValueError("expected a text in English, its forms `one` and `other`, or languages")


def _encoded(value: object) -> object:
    if isinstance(value, Text):
        return value.sentences()
    raise NotImplementedError(type(value))
