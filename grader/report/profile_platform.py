"""What is known of a platform, with the sources, for the page of `grader profile`."""

from __future__ import annotations

from dataclasses import dataclass

from grader.platforms import Catalogue, Platform
from grader.report import numbers
from grader.report.profile_words import PageWords


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
