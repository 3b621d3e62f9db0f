"""The pages of a batch: from a folder of grades, in one process or several."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
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


@dataclass(frozen=True)
class _Job:
    """The data that every process needs; sent once."""

    spec: LessonSpec
    lang: Lang
    backdrops: tuple[Backdrop, ...]
    reports: Path


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
    job = _Job(spec, lang, tuple(tradeoffs.backdrops(spec, grades, labels)), reports)
    done = 0
    undrawn: dict[str, str] = {}
    chunks = [paths[start : start + CHUNK] for start in range(0, len(paths), CHUNK)]
    for finished, failures in _drawn(job, chunks, jobs):
        done += finished
        undrawn |= failures
        if progress is not None:
            progress(done, len(paths))
    warnings += [
        labels("w_report", file=file, problem=why) for file, why in sorted(undrawn.items())
    ]
    entries = [
        Entry(grade, None if path.name in undrawn else _href(path))
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
    job: _Job, chunks: Sequence[Sequence[Path]], jobs: int
) -> Iterator[tuple[int, dict[str, str]]]:
    """For each chunk when it is done: how many reports, and the failed files with the reason."""
    if jobs <= 1 or len(chunks) <= 1:
        for chunk in chunks:
            yield _draw(job, chunk)
        return
    # Spawned, not forked: the caller may have threads, and those of torch do not survive a fork.
    with ProcessPoolExecutor(
        max_workers=min(jobs, len(chunks)),
        mp_context=get_context("spawn"),
        initializer=_Worker.start,
        initargs=(job,),
    ) as pool:
        yield from pool.map(_Worker.draw, chunks)


class _Worker:
    """A process of the pool, which keeps the job that it was started with."""

    job: _Job

    @classmethod
    def start(cls, job: _Job) -> None:
        cls.job = job

    @classmethod
    def draw(cls, chunk: Sequence[Path]) -> tuple[int, dict[str, str]]:
        return _draw(cls.job, chunk)


def _draw(job: _Job, chunk: Sequence[Path]) -> tuple[int, dict[str, str]]:
    labels, failures = Labels(job.lang), {}
    for path in chunk:
        try:
            grade = from_json(path.read_bytes())
            page = student.page(grade, job.spec, labels, job.backdrops, "../index.html")
            _update(job.reports / f"{path.stem}.html", page)
        except Exception as error:  # a failure must not stop the other reports
            failures[path.name] = f"{type(error).__name__}: {error}"
    return len(chunk), failures


def _update(path: Path, page: str) -> None:
    """Write the page unless the file already holds it."""
    raw = page.encode("utf-8")
    if not (path.is_file() and path.read_bytes() == raw):
        write_atomically(path, raw)


def _href(path: Path) -> str:
    return f"reports/{quote(os.fsencode(f'{path.stem}.html'))}"
