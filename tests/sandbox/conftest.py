"""Every test that runs something in the sandbox runs it at each level that this machine has."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from grader.sandbox.isolation import levels
from grader.text.errors import UsageError


@pytest.fixture(params=["A", "B", "C", "D"])
def level(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The isolation level in force."""
    yield from at_level(request.param, monkeypatch)


@pytest.fixture(params=["A", "B"])
def closed_level(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A level at which other people's work is run."""
    yield from at_level(request.param, monkeypatch)


def at_level(wanted: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv(levels.FORCED, wanted)
    levels.current_level.cache_clear()
    try:
        levels.current_level()
    except UsageError as error:
        pytest.skip(str(error))
    yield wanted
    levels.current_level.cache_clear()
