"""The simulated ATmega328P: how fast, and whether both simulators count the same cycles.

    python benchmarks/avr.py [--json] [--write-docs] [--firmware FOLDER ...]

Runs firmware on our processor and on simavr, in turn, in the same run, and prints simulated
megahertz (cycles of the board over processor seconds of this machine, one core) and their ratio;
then what a build costs. Without avr-gcc or simavr their columns stay empty. Takes half a minute.
Returns 1 when ours is below 30 MHz or a reply or a cycle differs.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

import psutil

from grader import board as avr
from grader.board import gcc_system, gcc_wasm, project, simavr_engine
from grader.handout import figures

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "real-board.md"
LINES = ("hello", "how are you today", "are you sure?", "what is your name")
REPEATS = 5
CYCLES = 60_000_000
"""A run is as long as the questions that fill this many cycles."""
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


@dataclass(frozen=True)
class Build:
    compiler: str
    seconds: float


def main() -> int:
    arguments = _arguments()
    names = arguments.firmware or _known()
    speeds = [_speed(folder, compiler) for folder in names for compiler in _compilers()]
    builds = [_build(names[0], compiler) for compiler in _compilers()]
    if arguments.json:
        print(json.dumps({"speed": [*map(asdict, speeds)], "build": [*map(asdict, builds)]}))
    else:
        print(_markdown(speeds, builds))
    if arguments.write_docs:
        figures.write_between(PAGE, "avr", _markdown(speeds, builds))
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
    tests = ROOT / "tests" / "avr" / "firmware"
    lesson = sorted((ROOT / "reference_solutions").glob("*/**/firmware"))
    return [*(tests / f"{name}.c" for name in ("arithmetic", "tables")), *filter(_whole, lesson)]


def _whole(folder: Path) -> bool:
    return (folder / "main.c").exists() and (folder / "weights.h").exists()


def _files(place: Path) -> dict[str, bytes]:
    if place.is_dir():
        return dict(project.read(place).files)
    return {"main.c": place.read_bytes(), "serial.h": (place.parent / "serial.h").read_bytes()}


def _compilers() -> list[avr.Compiler]:
    return ["portable", "system"] if gcc_system.available() else ["portable"]


def _speed(place: Path, compiler: avr.Compiler) -> Speed:
    image = avr.build(_files(place), compiler, trusted=True)
    questions = _questions(image)
    with_simavr = simavr_engine.available()
    ours, simavr = [], []
    equal = None
    for _ in range(REPEATS):
        seconds, replies = _run(image, "portable", questions)
        ours.append(seconds)
        if with_simavr:
            seconds, others = _run(image, "system", questions)
            simavr.append(seconds)
            equal = equal is not False and replies == others
    cycles = replies[-1].sent[-1]
    ratios = [theirs / mine for mine, theirs in zip(ours, simavr, strict=False)]
    return Speed(
        place.stem if place.is_file() else _lesson_name(place),
        image.compiler,
        cycles,
        cycles / median(ours) / 1e6,
        cycles / median(simavr) / 1e6 if simavr else None,
        median(ratios) if ratios else None,
        equal,
    )


def _lesson_name(place: Path) -> str:
    """Where the firmware lies, without the folder that all of them share."""
    parts = place.absolute().parts
    return (
        "/".join(parts[parts.index("reference_solutions") + 1 :])
        if "reference_solutions" in parts
        else place.name
    )


def _questions(image: avr.Image) -> list[str]:
    """As many as fill a run."""
    questions: list[str] = []
    with avr.Board(image) as board:
        while board.cycle < CYCLES:
            questions += LINES
            for line in LINES:
                board.ask(line)
    return questions


def _run(
    image: avr.Image, simulator: avr.Simulator, questions: Sequence[str]
) -> tuple[float, list[avr.Reply]]:
    """Processor seconds of asking, this process and its children, and the replies."""
    with avr.Board(image, simulator) as board:
        processes = [psutil.Process(), *psutil.Process().children()]
        started = sum(map(_cpu, processes))
        replies = [board.ask(line) for line in questions]
        return sum(map(_cpu, processes)) - started, replies


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


def _build(place: Path, compiler: avr.Compiler) -> Build:
    """The shortest of five."""
    files = _files(place)
    if compiler == "portable":
        gcc_wasm.prepare()
    seconds = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        avr.build(files, compiler, trusted=True)
        seconds.append(time.perf_counter() - started)
    return Build(compiler, min(seconds))


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
