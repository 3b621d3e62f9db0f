"""The pages of a batch: from a folder of grades, in one process or several."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from urllib.parse import quote

from grader.lesson.grades import Grade, from_json, write_atomically
from grader.lesson.spec import LessonSpec
from grader.report import classroom, student
from grader.report.charts import tradeoffs
from grader.report.charts.tradeoffs import Backdrop
from grader.report.labels import Labels
from grader.report.leaderboard import Entry
from grader.text import Lang

SIMILAR = "similar.html"
"""The page of similar pairs that `grader similar` writes."""
CHUNK = 16
"""Reports that a process draws between two progress messages."""


def write(
    out: Path,
    spec: LessonSpec,
    lang: Lang,
    *,
    progress: Callable[[int, int], None] | None = None,
    jobs: int = 1,
) -> Path:
    """Draw out/reports/NAME.html for each out/grades/NAME.json, and out/index.html.

    `progress(done, total)` counts reports. Grades that cannot be read are named on the class
    page. Returns the path of the class page.
    """
    labels = Labels(lang)
    paths, grades, warnings = _read(out / "grades", spec, labels)
    reports = out / "reports"
    reports.mkdir(parents=True, exist_ok=True)
    draw = partial(_draw, spec, labels, tradeoffs.backdrops(spec, grades, labels), reports)
    done = 0
    undrawn: dict[str, str] = {}
    chunks = [paths[start : start + CHUNK] for start in range(0, len(paths), CHUNK)]
    for finished, failures in _drawn(draw, chunks, jobs):
        done += finished
        undrawn |= failures
        if progress is not None:
            progress(done, len(paths))
    warnings += [
        labels("w_report", file=file, problem=why) for file, why in sorted(undrawn.items())
    ]
    entries = [
        Entry(
            grade,
            None if path.name in undrawn else f"reports/{quote(os.fsencode(f'{path.stem}.html'))}",
        )
        for path, grade in zip(paths, grades, strict=True)
    ]
    index = out / "index.html"
    similar = SIMILAR if (out / SIMILAR).exists() else ""
    _update(index, classroom.page(entries, spec, labels, warnings, similar, classroom.absent(out)))
    return index


def _read(
    folder: Path, spec: LessonSpec, labels: Labels
) -> tuple[list[Path], list[Grade], list[str]]:
    """Grades of this lesson with their paths, and warnings about the other files."""
    paths, grades, warnings = [], [], []
    for path in sorted(folder.glob("*.json")):
        try:
            grade = from_json(path.read_bytes())
        except (OSError, ValueError) as error:
            warnings.append(labels("w_damaged", file=path.name, problem=error))
            continue
        if grade.lesson != spec.name:
            warnings.append(labels("w_lesson", file=path.name, lesson=grade.lesson))
            continue
        paths.append(path)
        grades.append(grade)
    return paths, grades, warnings


def _drawn(
    draw: Callable[[Sequence[Path]], tuple[int, dict[str, str]]],
    chunks: Sequence[Sequence[Path]],
    jobs: int,
) -> Iterator[tuple[int, dict[str, str]]]:
    """The results of `draw` for each chunk, when it is done."""
    if jobs <= 1 or len(chunks) <= 1:
        yield from map(draw, chunks)
        return
    # Spawned, not forked: the caller may have threads, and those of torch do not survive a fork.
    with ProcessPoolExecutor(min(jobs, len(chunks)), get_context("spawn")) as pool:
        yield from pool.map(draw, chunks)


def _draw(
    spec: LessonSpec, labels: Labels, backdrops: Sequence[Backdrop], reports: Path,
    chunk: Sequence[Path],
) -> tuple[int, dict[str, str]]:  # fmt: skip
    """Draw the reports of a chunk: how many, and the failed files with the reason."""
    failures = {}
    for path in chunk:
        try:
            grade = from_json(path.read_bytes())
            page = student.page(grade, spec, labels, backdrops, "../index.html")
            _update(reports / f"{path.stem}.html", page)
        except Exception as error:  # a failure must not stop the other reports
            failures[path.name] = f"{type(error).__name__}: {error}"
    return len(chunk), failures


def _update(path: Path, page: str) -> None:
    """Write the page unless the file already holds it."""
    raw = page.encode("utf-8")
    if not (path.is_file() and path.read_bytes() == raw):
        write_atomically(path, raw)
