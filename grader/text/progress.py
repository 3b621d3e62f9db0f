"""Progress of long work: a bar with time left on a terminal, plain lines in a log."""

from __future__ import annotations

import contextlib
import sys
import time
from types import TracebackType

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from grader.text import Lang, Text, language

LOG_SECONDS = 5.0
"""At most one plain line in this time, and one at the end of each step."""
SPEED_SECONDS = 600.0
"""Time left is estimated from what this much time has seen."""


class Reporter:
    """Shows any number of steps, one after another. Writes to stderr only."""

    def __init__(self, lang: Lang | None = None) -> None:
        self._lang = lang or language()
        self._console = Console(stderr=True)
        self._live = self._console.is_terminal and sys.stderr.isatty()
        self._bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=self._console,
            speed_estimate_period=SPEED_SECONDS,
        )
        self._tasks: dict[str, TaskID] = {}
        self._said: dict[str, float] = {}
        self._began: dict[str, tuple[float, int]] = {}
        self._finished: set[str] = set()

    def __enter__(self) -> Reporter:
        if self._live:
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._live:
            self._bar.stop()

    def __call__(self, done: int, total: int, what: Text) -> None:
        name = what.to(self._lang)
        if self._live:
            if name not in self._tasks:
                # What is done already says nothing about speed.
                self._tasks[name] = self._bar.add_task(name, total=total, completed=done)
            self._bar.update(self._tasks[name], completed=done, total=total)
        else:
            self._log(name, done, total)

    def line(self, text: str) -> None:
        """One line above the bar, or in the log."""
        with contextlib.suppress(BrokenPipeError):  # nobody reads on; the work goes on
            self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    def _log(self, name: str, done: int, total: int) -> None:
        now = time.monotonic()
        last = self._said.setdefault(name, now)
        began = self._began.setdefault(name, (now, done))
        if done < total:
            self._finished.discard(name)
            if now - last >= LOG_SECONDS:
                self._said[name] = now
                self.line(f"{name}: {done}/{total}{self._left(now, done, total, began)}")
        elif name not in self._finished:
            self._finished.add(name)
            self.line(f"{name}: {done}/{total}")

    def _left(self, now: float, done: int, total: int, began: tuple[float, int]) -> str:
        """Time left at the speed so far; nothing where none is known."""
        seconds, before = now - began[0], began[1]
        if done <= before:
            return ""
        left = (total - done) * seconds / (done - before)
        minutes, rest = divmod(round(left), 60)
        hours, minutes = divmod(minutes, 60)
        clock = f"{hours}:{minutes:02}:{rest:02}"
        return f", осталось {clock}" if self._lang == "ru" else f", {clock} left"
