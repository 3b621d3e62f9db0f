"""Numbers and dates as each language writes them, with the signs of Babel's locale data.

    >>> formatted(1234.5, ",.1f", "en"), formatted(0.123, ".1%", "en")
    ('1,234.5', '12.3%')

Russian has a comma before decimals and a no-break space between thousands.
"""

from __future__ import annotations

import re
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from babel import Locale

Lang = str
"""The code of a language, as in the name of its folder: `en`, `ru`, `pt_BR`."""
ENGLISH: Lang = "en"
_NUMBER = re.compile(r"(?<=\d)[,.](?=\d)")
_EXPONENT = re.compile(r"(?<=\d)e([+-]?\d+)")
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_WORD = re.compile(r"\S+")
_NAME = re.compile(r"\d\.\d+\.\d|[A-Za-z_]\d+\.\d|[a-z]+://|arXiv|`")
_WRITTEN = r"-?(\d{{1,3}}(?:{group}\d{{3}})+|\d+)({point}\d+)?(e[+-]?\d+)?"
"""A number with marks for the signs between thousands and before decimals."""


def formatted(value: float, spec: str, lang: Lang) -> str:
    """`value` by a format of Python's `format()`, such as `,`, `.2f`, `.1%` or `.3g`.

    A power of ten is written as such: 9.3×10⁻⁶.
    """
    written = powers(format(value, spec))
    signs = _signs(lang)
    return _NUMBER.sub(lambda found: signs[found[0]], written)


def powers(text: str) -> str:
    """`text` with the exponents of its numbers written as powers of ten: 9.3e-06 as 9.3×10⁻⁶."""
    return _EXPONENT.sub(
        lambda found: "×10" + str(int(found[1])).translate(_SUPERSCRIPTS), text
    ).removesuffix("×10⁰")


def number(value: float, lang: Lang, decimals: int = 3) -> str:
    """A quantity: a whole number in full, else at most `decimals` decimals without ending zeros."""
    if float(value).is_integer():
        return formatted(value, ",.0f", lang)
    written = formatted(value, f",.{decimals}f", lang)
    return written.rstrip("0").rstrip(_signs(lang)["."])


def rewritten(text: str, lang: Lang) -> str:
    """`text` with the numbers in it, which stand as in English, written in the language.

    Versions (1.31.1), names (v0.02) and addresses stay as they are.
    """
    signs = _signs(lang)

    def changed(word: re.Match[str]) -> str:
        if _NAME.search(word[0]):
            return word[0]
        return _NUMBER.sub(lambda sign: signs[sign[0]], word[0])

    return _WORD.sub(changed, text)


def plain(text: str, lang: Lang) -> str | None:
    """The number that `text` is in the language, as Python writes it; None for another text."""
    group, point = _signs(lang)[","], _signs(lang)["."]
    text = text.replace("\u202f", group).replace("\u00a0", group).replace("\u2212", "-")
    if not re.fullmatch(_WRITTEN.format(group=re.escape(group), point=re.escape(point)), text):
        return None
    return text.replace(group, "").replace(point, ".")


def moment(when: datetime, lang: Lang) -> str:
    """A date with its time of day and its time zone, where it has one.

    English: `Nov 29, 2026, 14:05 UTC`; Russian: `29 нояб. 2026 г., 14:05 UTC`.
    """
    from babel import dates

    day = dates.format_skeleton("yMMMd", when.date(), locale=_locale(lang))
    return f"{day}, {when:%H:%M %Z}".rstrip()


def language_name(lang: Lang) -> str:
    """The language's own name with a capital: English, Русский."""
    name = _locale(lang).get_display_name(lang) or lang
    return name[:1].upper() + name[1:]


def localized(value: Any, spec: str, lang: Lang) -> str:
    """A number or a moment among the values of a sentence."""
    if isinstance(value, datetime) and not spec:
        return moment(value, lang)
    return formatted(value, spec, lang)


@cache
def _locale(lang: Lang) -> Locale:
    from babel import Locale, UnknownLocaleError  # takes 60 ms, and help has no number

    try:
        return Locale.parse(lang)
    except (UnknownLocaleError, ValueError):
        return Locale.parse(ENGLISH)  # a language that Babel has no data of


@cache
def _signs(lang: Lang) -> dict[str, str]:
    from babel import numbers

    locale = _locale(lang)
    return {",": numbers.get_group_symbol(locale), ".": numbers.get_decimal_symbol(locale)}
