"""Every test that runs something in the sandbox runs it at each level that this machine has."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from grader.errors import UsageError
from grader.sandbox import isolation


@pytest.fixture(params=["A", "B", "C", "D"])
def level(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The isolation level in force."""
    yield from at_level(request.param, monkeypatch)


@pytest.fixture(params=["A", "B"])
def closed_level(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A level at which other people's work is run."""
    yield from at_level(request.param, monkeypatch)


def at_level(wanted: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv(isolation.FORCED, wanted)
    isolation.current_level.cache_clear()
    try:
        isolation.current_level()
    except UsageError as error:
        pytest.skip(str(error))
    yield wanted
    isolation.current_level.cache_clear()
