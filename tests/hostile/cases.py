"""The table of attacks, expected.toml, as typed rows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

HERE = Path(__file__).resolve().parent
CODE = HERE / "code"

Kind = Literal["code", "models", "places", "notebooks"]


class Expected(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What has to come of one attack."""

    name: str
    attack: str
    """The first line of the attack's own docstring."""
    status: str
    """One status, or several with `|` where the machine decides which limit is met first."""
    says: str = ""
    """Words of the sentence that the student reads."""
    score: tuple[float, float] = (0.0, 0.0)
    """Least and most points."""
    failed: list[str] = []
    """Checks that must fail; all others must pass. Looked at where `status` is graded alone."""
    costs_at_least: dict[str, float] = {}
    """Measurements that must not come out lower, though the attack hides them."""
    logs: str = ""
    """Words that the log must hold: that the attack was really tried."""
    works_unconfined: bool = False
    """Outside of a sandbox it succeeds, and a test sees it succeed."""
    isolation: bool = False
    """What stops it differs between levels and users: it is tried at all of them."""


Attack = tuple[Kind, Expected]


@dataclass(frozen=True)
class Table:
    code: list[Expected]
    models: list[Expected]
    places: list[Expected]
    notebooks: list[Expected]

    def of(self, kind: Kind) -> list[Expected]:
        return list(getattr(self, kind))


def load() -> Table:
    return msgspec.toml.decode((HERE / "expected.toml").read_bytes(), type=Table)
