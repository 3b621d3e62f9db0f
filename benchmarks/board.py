"""The simulated ATmega328P: its speed, and whether simavr counts the same cycles.

    python benchmarks/board.py [--json] [--write-docs] [--firmware FOLDER ...]

Runs firmware alternately on our processor and on simavr and prints simulated megahertz (cycles of
the board over processor seconds of this machine, one core) and their ratio; then the time of a
build. Firmware is compiled by the pinned compiler and by avr-gcc; what is not installed of avr-gcc
and simavr is left out. Takes half a minute. Returns 1 when our simulator is below 30 MHz or a reply
or a cycle differs.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

import psutil

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from grader import board
from grader.board import Board, Image, Reply, project
from grader.handout import figures
from tests.board.oracles import avr_gcc, simavr

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "real-board.md"
LINES = ("hello", "how are you today", "are you sure?", "what is your name")
REPEATS = 5
CYCLES = 60_000_000
"""A run has as many questions as take this many cycles."""
REQUIRED_MHZ = 30.0


@dataclass(frozen=True)
class Speed:
    firmware: str
    compiler: str
    cycles: int
    ours_mhz: float
    simavr_mhz: float | None
    ratio: float | None
    """Median over interleaved pairs of runs."""
    equal: bool | None
    """Replies, markers and cycles of all questions."""


Compile = Callable[[Mapping[str, bytes]], Image]


@dataclass(frozen=True)
class Build:
    compiler: str
    seconds: float


def main() -> int:
    arguments = _arguments()
    names = arguments.firmware or _known()
    board.prepare()
    speeds = [_speed(folder, build) for folder in names for build in _compilers().values()]
    builds = [_build(names[0], name, build) for name, build in _compilers().items()]
    if arguments.json:
        print(json.dumps({"speed": [*map(asdict, speeds)], "build": [*map(asdict, builds)]}))
    else:
        print(_markdown(speeds, builds))
    if arguments.write_docs:
        figures.write_between(PAGE, "board", _markdown(speeds, builds))
    slow = any(speed.ours_mhz < REQUIRED_MHZ for speed in speeds)
    return int(slow or any(speed.equal is False for speed in speeds))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--write-docs", action="store_true")
    parser.add_argument("--firmware", type=Path, nargs="*")
    return parser.parse_args()


def _known() -> list[Path]:
    """The firmware of the tests and of the lesson's reference, where it has been exported."""
    tests = ROOT / "tests" / "board" / "firmware"
    lesson = sorted((ROOT / "reference_solutions").glob("*/**/firmware"))
    return [*(tests / f"{name}.c" for name in ("arithmetic", "tables")), *filter(_whole, lesson)]


def _whole(folder: Path) -> bool:
    return (folder / "main.c").exists() and (folder / "weights.h").exists()


def _files(place: Path) -> dict[str, bytes]:
    if place.is_dir():
        return dict(project.read(place).files)
    return {"main.c": place.read_bytes(), "serial.h": (place.parent / "serial.h").read_bytes()}


def _compilers() -> dict[str, Compile]:
    """Builds by name, as the table shows them."""
    return {"pinned": board.build} | ({"avr-gcc": avr_gcc.build} if avr_gcc.available() else {})


def _speed(place: Path, build: Compile) -> Speed:
    image = build(_files(place))
    questions = _questions(image)
    ours, theirs = [], []
    equal = None
    for _ in range(REPEATS):
        seconds, replies = _run(Board(image), questions)
        ours.append(seconds)
        if simavr.available():
            seconds, others = _run(simavr.board(image), questions)
            theirs.append(seconds)
            equal = equal is not False and replies == others
    cycles = replies[-1].sent[-1]
    ratios = [other / mine for mine, other in zip(ours, theirs, strict=False)]
    return Speed(
        place.stem if place.is_file() else _lesson_name(place),
        image.compiler,
        cycles,
        cycles / median(ours) / 1e6,
        cycles / median(theirs) / 1e6 if theirs else None,
        median(ratios) if ratios else None,
        equal,
    )


def _lesson_name(place: Path) -> str:
    """The path of the firmware, without the folder that all of them share."""
    parts = place.absolute().parts
    return (
        "/".join(parts[parts.index("reference_solutions") + 1 :])
        if "reference_solutions" in parts
        else place.name
    )


def _questions(image: Image) -> list[str]:
    """Questions, as many as fill a run."""
    questions: list[str] = []
    with Board(image) as uno:
        while uno.cycle < CYCLES:
            questions += LINES
            for line in LINES:
                uno.ask(line)
    return questions


def _run(uno: Board, questions: Sequence[str]) -> tuple[float, list[Reply]]:
    """Processor seconds of asking, this process and its children, and the replies."""
    with uno:
        processes = [psutil.Process(), *psutil.Process().children()]
        started = sum(map(_cpu, processes))
        replies = [uno.ask(line) for line in questions]
        return sum(map(_cpu, processes)) - started, replies


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


def _build(place: Path, name: str, build: Compile) -> Build:
    """The shortest of five builds."""
    files = _files(place)
    seconds = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        build(files)
        seconds.append(time.perf_counter() - started)
    return Build(name, min(seconds))


def _markdown(speeds: Sequence[Speed], builds: Sequence[Build]) -> str:
    rows = [
        (
            f"`{speed.firmware}`, {speed.compiler}",
            f"{speed.cycles:,}",
            f"{speed.ours_mhz:.0f}",
            f"{speed.simavr_mhz:.0f}" if speed.simavr_mhz else "",
            f"{speed.ratio:.2f}" if speed.ratio else "",
            {True: "yes", False: "NO", None: ""}[speed.equal],
        )
        for speed in speeds
    ]
    heading = ("firmware", "cycles", "ours, MHz", "simavr, MHz", "ratio", "all cycles equal")
    costs = ", ".join(f"{build.compiler} {build.seconds:.2f} s" for build in builds)
    return (
        f"{figures.table(heading, rows)}\n\nA build of the first takes: {costs}. `tables` answers "
        "thousands of short questions: there the time goes to asking, not to the processor."
    )


if __name__ == "__main__":
    sys.exit(main())
