"""The contract between the engine and a lesson's `autograder.py`.

An autograder is trusted code. It defines two functions:

    prepare(setup) -> Exam                   once per batch: data, and the baseline measured on it
    examine(exam, submission) -> Findings    once per submission

`prepare` runs in the main process and its result is pickled to the workers, so an Exam holds
paths of large arrays, not the arrays.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from grader.lesson.grades import Check, Figure, Gate, Layer, Measurement, Recording
from grader.text import Text

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from grader.lesson.spec import LessonSpec

Progress = Callable[[int, int, Text], None]
"""Called with the number of steps done, the number of all steps, and the name of the work."""

Audience = Literal["public", "hidden"]
"""`public`: data that a student may see and run; `hidden`: the graded data."""


class Submission(Protocol):
    """One student's files; `grader.intake.Submission` is one."""

    @property
    def name(self) -> str:
        """Name of the folder or archive, without its suffix."""

    @property
    def root(self) -> Path:
        """Folder that the files lie in."""

    @property
    def fingerprint(self) -> str:
        """sha256 over paths and contents of the submitted files."""

    def has(self, path: str) -> bool:
        """True when the file `path` (relative, with forward slashes) was handed in."""

    def read(self, path: str) -> bytes:
        """Contents of one submitted file. Raises Rejected when it is missing or has changed."""


@dataclass(frozen=True)
class Setup:
    """What the engine tells an autograder before a batch."""

    spec: LessonSpec
    folder: Path
    """The lesson's own folder under assignments/."""
    audience: Audience
    data: str
    """Name of the data set, one of spec.data.names."""
    source: Path | None = None
    """Folder with a copy of the data set, where one was given."""
    seed: str | None = None
    """The lesson's secret, made of the instructor's seed, for data that is generated."""
    progress: Progress | None = None


class Exam(Protocol):
    """What `prepare` returns: anything picklable with these two facts."""

    @property
    def data_id(self) -> str:
        """Name, part and fingerprint of the data, for the provenance."""

    @property
    def baseline(self) -> dict[str, Measurement]:
        """The baseline's measurements on the same data."""


@dataclass(frozen=True)
class Findings:
    """What `examine` found; the engine turns it into a score and a grade."""

    measurements: dict[str, Measurement]
    checks: list[Check]
    gate: Gate | None = None
    layers: list[Layer] = field(default_factory=list)
    figures: list[Figure] = field(default_factory=list)
    recordings: list[Recording] = field(default_factory=list)
    log: str = ""
    mistakes: NDArray[np.uint8] | None = None
    """(hidden items,) 0 where the answer is right, else a code of the wrong one, made by
    grader.similarity.behaviour. Compared with those of others; only the instructor sees them."""


class Autograder(Protocol):
    """A lesson's `autograder.py`, as a module."""

    def prepare(self, setup: Setup) -> Exam: ...

    def examine(self, exam: Any, submission: Submission) -> Findings: ...
