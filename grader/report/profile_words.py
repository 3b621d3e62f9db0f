"""The words of the page of `grader profile`, and its times, sizes and shares."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import msgspec

from grader.measure.hardware.platforms import Catalogue, Platform
from grader.report import words as common
from grader.report.charts import numbers


class PageWords(common.Words):
    """The words of every page, and those of this one."""

    def __call__(self, key: str, **values: object) -> str:
        own = _catalogue().page.get(key)
        return own.to(self.lang).format(**values) if own else super().__call__(key, **values)

    def unit(self, unit: str) -> str:
        own = _catalogue().units.get(unit)
        return own.to(self.lang) if own else super().unit(unit)


def duration(seconds: float, words: PageWords) -> tuple[str, str]:
    """Value and unit that suits it."""
    for scale, unit in ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs")):
        if seconds >= scale or unit == "µs":
            return numbers.number(seconds / scale, 3), words.unit(unit)
    raise AssertionError


def time(seconds: float, words: PageWords) -> str:
    """Value and unit on one line."""
    return " ".join(duration(seconds, words))


def size(count: int, words: PageWords) -> str:
    """Bytes, in the unit that suits them."""
    for least, unit in ((2**30, "GB"), (10 * 2**20, "MB")):
        if count >= least:
            per = 2**30 if unit == "GB" else 2**20
            return f"{numbers.number(count / per, 3)} {words.unit(unit)}"
    return f"{numbers.number(count)} {words.unit('B')}"


def percent(part: float, whole: float) -> str:
    """A share of the whole."""
    share = 100 * part / whole if whole else 0.0
    if 0 < share < 0.1:
        return "<0.1%"
    return f"{share:.1f}%" if share < 10 else f"{share:.0f}%"


@cache
def _catalogue() -> common.Catalogue:
    raw = (Path(__file__).parent / "profile_words.toml").read_bytes()
    return msgspec.toml.decode(raw, type=common.Catalogue)


# What is known of a platform, with the sources, for the page of `grader profile`.


@dataclass(frozen=True)
class FigureRow:
    name: str
    value: str
    basis: str
    how: str
    source: str
    address: str
    link: bool


def figures(platform: Platform, known: Catalogue, words: PageWords) -> list[FigureRow]:
    """Every figure of the platform with where it is from."""
    rows = []
    for name, figure in platform.figures().items():
        source = known.sources[figure.source]
        kind, _, dtype = name.partition(".")
        key = "figure_peak" if kind == "peak" else f"figure_{name.replace('.', '_')}"
        basis = "basis_measured" if figure.basis == "measured" else figure.basis
        rows.append(
            FigureRow(
                name=words(key, dtype=dtype),
                value=numbers.number(figure.value),
                basis=words(f"profile_{basis}"),
                how=figure.how.to(words.lang),
                source=source.title,
                address=source.address,
                link=source.address.startswith("https://"),
            )
        )
    return rows


def price(platform: Platform, words: PageWords) -> str:
    """The class of the price."""
    if words.lang == "en":
        return platform.price
    amount = platform.price.replace(",", "\u202f").replace("USD", "$")
    return amount.replace("under", "до").replace("over", "свыше").replace(" to ", "–")
