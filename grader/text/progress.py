"""Progress of long work, such as training: a bar on a terminal, plain lines in a log.

from grader.text import Text
from grader.text.progress import Reporter

with Reporter() as progress:
    for epoch in range(epochs):
        train_one_epoch()
        progress(epoch + 1, epochs, Text("training"))
"""

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
"""A log gets at most one line in this time, and one at the end of each step."""
SPEED_SECONDS = 600.0
"""The time left is estimated from the progress of this many seconds."""


class Reporter:
    """Reports the progress of any number of steps on stderr, with the time that is left.

    Without `lang` the language is that of `GRADER_LANG` or of the locale.
    """

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
        self._printed: dict[str, float] = {}
        """Time of the last line of each step."""
        self._began: dict[str, tuple[float, int]] = {}
        """Time of the first call for each step, and what was done by then."""
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
        """Report that `done` of `total` units of the step `what` are finished."""
        name = what.to(self._lang)
        if self._live:
            if name not in self._tasks:
                # What was done before the first call says nothing about the speed.
                self._tasks[name] = self._bar.add_task(name, total=total, completed=done)
            self._bar.update(self._tasks[name], completed=done, total=total)
        else:
            self._log(name, done, total)

    def line(self, text: str) -> None:
        """Print one line above the bar, or in the log."""
        with contextlib.suppress(BrokenPipeError):  # the reader has ended, the work goes on
            self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    def _log(self, name: str, done: int, total: int) -> None:
        now = time.monotonic()
        last = self._printed.setdefault(name, now)
        began = self._began.setdefault(name, (now, done))
        if done < total:
            self._finished.discard(name)
            if now - last >= LOG_SECONDS:
                self._printed[name] = now
                self.line(f"{name}: {done}/{total}{self._left(now, done, total, began)}")
        elif name not in self._finished:
            self._finished.add(name)
            self.line(f"{name}: {done}/{total}")

    def _left(self, now: float, done: int, total: int, began: tuple[float, int]) -> str:
        """The time left at the speed so far; empty where that is not known."""
        seconds, before = now - began[0], began[1]
        if done <= before:
            return ""
        left = (total - done) * seconds / (done - before)
        minutes, rest = divmod(round(left), 60)
        hours, minutes = divmod(minutes, 60)
        clock = f"{hours}:{minutes:02}:{rest:02}"
        return Text(", {clock} left", clock=clock).to(self._lang)
