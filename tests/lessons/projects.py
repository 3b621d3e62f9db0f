"""A student's project, imported as its own scripts import it."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace


def imported(folder: Path, names: Iterable[str], others: Iterable[str] = ()) -> SimpleNamespace:
    """The modules `names` of the project in `folder`; `others` are those that they import.

    Starters and references use the same names: those that another project left are forgotten
    before, and these afterwards."""
    names = tuple(names)
    known = (*names, *others)
    _forget(known)
    sys.path.insert(0, str(folder))
    try:
        return SimpleNamespace(**{name: importlib.import_module(name) for name in names})
    finally:
        sys.path.remove(str(folder))
        _forget(known)


def _forget(names: Iterable[str]) -> None:
    for name in names:
        sys.modules.pop(name, None)
