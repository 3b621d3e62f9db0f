"""`grader batch LESSON DIR --out OUT`."""

from __future__ import annotations

import json
from pathlib import Path

import click

from grader import batch, grading, intake
from grader import lesson as lessons
from grader.cli import options, show
from grader.cli.progress import Reporter
from grader.cli.report import write as write_pages
from grader.errors import UsageError
from grader.grades import Grade
from grader.text import Lang, Text

LEFT_OUT = Text(en="neither a folder nor an archive, left out", ru="не папка и не архив, пропущено")
GRADING = Text(en="grading", ru="проверка работ")


@click.command()
@click.argument("lesson")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder for results.")
@options.data()
@options.seed()
@options.jobs()
@options.as_json()
@options.lang()
def command(
    lesson: str,
    folder: Path,
    out: Path,
    data: str | None,
    source: Path | None,
    seed: str | None,
    jobs: int,
    as_json: bool,
    lang: Lang,
) -> int:
    """Grade every submission in DIR: each subfolder and each archive is one.

    OUT gets one JSON a submission, a page a student and index.html for the class. A rerun
    does only what is missing or changed.
    """
    with Reporter(lang) as progress:
        grades, page = grade_folder(lesson, folder, out, data, source, seed, jobs, lang, progress)
    spec = lessons.load(lesson).spec
    if as_json:
        click.echo(json.dumps(_summary(grades, out, page), ensure_ascii=False, indent=2))
    else:
        show.many(grades, spec, lang)
        label = "Страница группы" if lang == "ru" else "Class page"
        click.echo(f"{label}: {page}")
    return show.exit_code(grades)


def grade_folder(
    lesson: str,
    folder: Path,
    out: Path,
    data: str | None,
    source: Path | None,
    seed: str | None,
    jobs: int,
    lang: Lang,
    progress: Reporter,
) -> tuple[list[Grade], Path]:
    """Grades of all submissions in `folder`, and the class page."""
    from grader.data import hidden_seed

    found = lessons.load(lesson)
    if out.resolve() == folder.resolve():
        raise UsageError(
            Text(
                en=f"--out {out} is the folder of the submissions; choose another.",
                ru=f"--out {out} — это папка с работами; выберите другую.",
            )
        )
    candidates, loose = intake.candidates(folder)
    candidates = [found for found in candidates if found.path.resolve() != out.resolve()]
    if not candidates:
        raise UsageError(
            Text(
                en=f"{folder} holds no submissions; expected a folder or an archive each.",
                ru=f"В {folder} нет работ; ожидалась папка или архив на каждую.",
            )
        )
    for path in loose:
        progress.line(f"{show.visible(path.name)}: {LEFT_OUT.to(lang)}")
    try:
        (out / "grades").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(options.unwritable(out, error)) from error
    secret, _ = hidden_seed(seed)
    examination = grading.prepare(
        found, "hidden", data=data, source=source, seed=secret, progress=progress
    )
    work = batch.plan(examination, candidates, out)
    if work.done:
        progress.line(f"{len(work.done):,} of {len(candidates):,} are graded already")
    grades = {grade.submission.name: grade for grade in work.done}

    def keep(outcome: batch.Outcome) -> None:
        batch.save(outcome, out)
        grades[outcome.grade.submission.name] = outcome.grade
        progress(len(grades), len(candidates), GRADING)

    batch.run(examination, work.todo, jobs=jobs, on_grade=keep)
    _forget_others(out, grades)
    return list(grades.values()), write_pages(out, lang, jobs, progress)


def _forget_others(out: Path, grades: dict[str, Grade]) -> None:
    """Set aside grades of submissions that are no longer in the folder."""
    kept = {batch.grade_path(out, name).name for name in grades}
    for path in (out / "grades").glob("*.json"):
        if path.name not in kept:
            aside = out / "removed"
            aside.mkdir(exist_ok=True)
            path.replace(aside / path.name)
            (out / "reports" / f"{path.stem}.html").unlink(missing_ok=True)


def _summary(grades: list[Grade], out: Path, page: Path) -> dict[str, object]:
    return {
        "page": str(page),
        "submissions": [
            {
                "name": grade.submission.name,
                "status": grade.status,
                "score": grade.score,
                "passed": grade.passed,
                "grade": str(batch.grade_path(out, grade.submission.name)),
            }
            for grade in sorted(grades, key=lambda grade: grade.submission.name)
        ],
    }
