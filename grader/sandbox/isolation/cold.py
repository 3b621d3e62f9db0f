"""A child in an interpreter of its own, for systems where no warm process can be forked.

`cold_child` is the program that it runs. Inputs and results are files.
"""

from __future__ import annotations

import contextlib
import json
import tempfile
from pathlib import Path

import numpy as np

from grader.sandbox.isolation.launch import environment, python
from grader.sandbox.isolation.process import Program, not_here
from grader.sandbox.isolation.task import READY
from grader.sandbox.isolation.watch import WatchedProcess
from grader.text.errors import Fault


class ColdChild(WatchedProcess):
    """One such child, limited from outside as well. Raises Fault when it does not start."""

    def __init__(self, program: Program) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="grader-run-", ignore_cleanup_errors=True)
        place = Path(self._folder.name)
        self._answers = place / "answers"
        (place / "work").mkdir()
        super().__init__(
            [*python(), "-m", "grader.sandbox.isolation.cold_child", self._order(program, place)],
            env=environment() | {"TMPDIR": str(place / "work"), "HOME": str(place / "work")},
            cwd=place / "work",
            limits=program.limits,
        )
        try:
            self.receive(len(READY))
        except BrokenPipeError as error:
            ended = self.finish()
            self.close()
            raise Fault(not_here(ended.log)) from error

    def pending(self) -> bool:
        """Always False: a pipe cannot tell. Other people's work is not run this way."""
        return False

    def core_seconds(self) -> float | None:
        return None

    def answers(self) -> bytes:
        return self._answers.read_bytes()

    def close(self) -> None:
        super().close()
        with contextlib.suppress(OSError):
            self._folder.cleanup()

    def _order(self, program: Program, place: Path) -> str:
        blobs = [*program.blobs, *([program.kept] if program.kept is not None else [])]
        for number, blob in enumerate(blobs):
            (place / f"blob{number}").write_bytes(blob)
        size = 0
        if program.answers is not None:
            np.full(program.answers, np.nan, dtype="<f4").tofile(self._answers)
            size = self._answers.stat().st_size
        limits = program.limits
        mapped = size + (program.inputs.stat().st_size if program.inputs is not None else 0)
        return json.dumps(
            {
                "task": program.task,
                "order": dict(program.order),
                "inputs": None if program.inputs is None else str(program.inputs),
                "answers": None if program.answers is None else str(self._answers),
                "blobs": [str(place / f"blob{number}") for number in range(len(program.blobs))],
                "kept": str(place / f"blob{len(blobs) - 1}") if program.kept is not None else None,
                "limits": {
                    # Address space is not resident memory: libraries map more than they touch.
                    "RLIMIT_AS": limits.memory_bytes + 2**30 + mapped,
                    "RLIMIT_CPU": int(limits.cpu_seconds) + 1,
                    "RLIMIT_FSIZE": max(limits.file_bytes, size + 2**20),
                    "RLIMIT_CORE": 0,
                    "RLIMIT_NOFILE": limits.open_files,
                },
            }
        )
