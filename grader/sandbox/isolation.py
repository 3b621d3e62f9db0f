"""How strongly a child process is confined on this machine, found out by trying."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from functools import cache
from typing import Literal

from grader.sandbox.environment import environment, python
from grader.text import Text

Level = Literal["A", "B", "C", "D"]


@dataclass(frozen=True)
class Isolation:
    level: Level
    why: Text


_PROBE = """
import resource
resource.setrlimit(resource.RLIMIT_AS, (2**28, 2**28))
try:
    bytearray(2**29)
except MemoryError:
    print("limited", end="")
"""


@cache
def current_level() -> Isolation:
    """The level that a child gets here: C where the kernel enforces resource limits, else D.

    The probe starts a child, limits its memory and sees whether an allocation fails.
    """
    try:
        probe = subprocess.run(
            [*python(), "-c", _PROBE],
            env=environment(),
            capture_output=True,
            timeout=30,
            check=False,
        )
        limited = probe.stdout == b"limited"
    except (OSError, subprocess.SubprocessError):
        limited = False
    if limited:
        return Isolation(
            "C",
            Text(
                en="a separate process with enforced limits on memory, processor time and file "
                "size; no student Python runs, models run in ONNX Runtime only",
                ru="отдельный процесс с ограничениями памяти, процессорного времени и размера "
                "файлов; код студента не выполняется, модели работают только в ONNX Runtime",
            ),
        )
    return Isolation(
        "D",
        Text(
            en="a separate process watched from outside for time and memory; this system enforces "
            "no resource limits: fine for one's own work",
            ru="отдельный процесс, за временем и памятью которого следят снаружи; система не "
            "ограничивает ресурсы сама: годится для проверки собственной работы",
        ),
    )
