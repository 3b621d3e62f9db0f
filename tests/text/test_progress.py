"""Progress in a log: plain lines with the time that is left."""

from __future__ import annotations

from itertools import count
from types import SimpleNamespace

import pytest

from grader.text import Lang, Text, progress
from grader.text.progress import Reporter

STEP = Text.in_languages({"en": "grading", "ru": "проверка"})


@pytest.mark.parametrize(("lang", "left"), [("en", "0:00:0{} left"), ("ru", "осталось 0:00:0{}")])
def test_lines_of_a_log_say_how_much_time_is_left(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, lang: Lang, left: str
) -> None:
    """One unit a second, by a clock of the test's own."""
    clock = count()
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: float(next(clock))))
    monkeypatch.setattr(progress, "LOG_SECONDS", 0.0)
    with Reporter(lang) as reporter:
        for done in (90, 91, 92, 100):
            reporter(done, 100, STEP)
    first, *middle, last = capsys.readouterr().err.splitlines()
    assert first == f"{STEP.to(lang)}: 90/100"  # what was done before says nothing about speed
    assert [line.partition(", ")[2] for line in middle] == [left.format(9), left.format(8)]
    assert last == f"{STEP.to(lang)}: 100/100"
