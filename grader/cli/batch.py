"""`grader batch LESSON DIR --out OUT`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import click

from grader import batch, grading, intake
from grader import lesson as lessons
from grader.cli import options, show
from grader.cli.cluster import HERE, Place, runner
from grader.cli.cluster import place as place_options
from grader.cli.progress import Reporter
from grader.cli.report import write as write_pages
from grader.errors import UsageError
from grader.grades import Grade
from grader.grading import Examination
from grader.intake import Candidate
from grader.text import Lang, Text, ru_number
from grader.untrusted import one_line

LEFT_OUT = Text(en="neither a folder nor an archive, left out", ru="не папка и не архив, пропущено")
GRADING = Text(en="grading", ru="проверка работ")
FINISHING = Text(
    en="Finishing what is in flight; press Ctrl-C again to stop at once.",
    ru="Заканчиваем начатые работы; нажмите Ctrl-C ещё раз, чтобы остановиться сразу.",
)


@dataclass(frozen=True)
class Order:
    """What to grade, by what, and where to."""

    lesson: str
    folder: Path
    out: Path
    jobs: int
    data: str | None = None
    source: Path | None = None
    seed: str | None = None
    place: Place = HERE
    force: bool = False
    """Go on although `out` was made from another folder."""


@click.command()
@click.argument("lesson")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder for results.")
@options.data()
@options.seed()
@options.jobs()
@place_options()
@options.trust()
@click.option("--force", is_flag=True, help="Use OUT though it was made from another DIR.")
@options.as_json()
@options.lang()
@batch.sigterm_like_ctrl_c()
@batch.temporary_files()
def command(
    lesson: str,
    folder: Path,
    out: Path,
    data: str | None,
    source: Path | None,
    seed: str | None,
    jobs: int,
    place: Place,
    trust: bool,
    force: bool,
    as_json: bool,
    lang: Lang,
) -> int:
    """Grade every submission in DIR: each subfolder and each archive is one.

    OUT gets one JSON a submission, a page a student and index.html for the class. A rerun
    does only what is missing or changed. Ctrl-C finishes and keeps what is in flight.
    """
    spec = lessons.load(lesson).spec
    options.require_isolation(trust)
    order = Order(lesson, folder, out, jobs, data, source, seed, place, force)
    with Reporter(lang) as progress:
        grades, page = grade_folder(order, lang, progress)
    if as_json:
        click.echo(json.dumps(_summary(grades, out, page), ensure_ascii=False, indent=2))
    else:
        show.many(grades, spec, lang)
        label = "Страница группы" if lang == "ru" else "Class page"
        click.echo(f"{label}: {page}")
    return show.exit_code(grades)


def grade_folder(order: Order, lang: Lang, progress: Reporter) -> tuple[list[Grade], Path]:
    """Grades of all submissions in a folder, and the class page."""
    candidates, loose = _candidates(order)
    for path in loose:
        progress.line(f"{one_line(path.name)}: {LEFT_OUT.to(lang)}")
    _make(order.out)
    with batch.opened(order.out, order.lesson, order.folder, force=order.force):
        examination = _prepare(order, progress)
        grades = _grade(order, examination, candidates, lang, progress)
        with batch.disk_trouble(order.out):
            batch.set_aside_others(order.out, grades)
            _merge_rubrics(order, grades, lang, progress)
            page = write_pages(order.out, lang, order.jobs, progress)
    return list(grades.values()), page


def _merge_rubrics(order: Order, grades: dict[str, Grade], lang: Lang, progress: Reporter) -> None:
    """The points that persons gave, also since the last run; a form that cannot be read is
    named."""
    spec = lessons.load(order.lesson).spec
    for name in grades if spec.rubric else ():
        merged = batch.merge(batch.grade_path(order.out, name), spec, lang)
        if merged is not None:
            grades[name] = merged.grade
            if merged.problem is not None:
                progress.line(one_line(merged.problem.to(lang)))


def _candidates(order: Order) -> tuple[list[Candidate], list[Path]]:
    out, folder = order.out.resolve(), order.folder
    if out == folder.resolve():
        raise UsageError(
            Text(
                en=f"--out {order.out} is the folder of the submissions; choose another.",
                ru=f"--out {order.out} — это папка с работами; выберите другую.",
            )
        )
    candidates, loose = intake.candidates(folder)
    candidates = [found for found in candidates if found.path.resolve() != out]
    if not candidates:
        raise UsageError(
            Text(
                en=f"{folder} holds no submissions; expected a folder or an archive each.",
                ru=f"В {folder} нет работ; ожидалась папка или архив на каждую.",
            )
        )
    return candidates, loose


def _make(out: Path) -> None:
    with batch.disk_trouble(out):
        try:
            out.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError, PermissionError) as error:
            raise UsageError(options.unwritable(out, error)) from error


def _prepare(order: Order, progress: Reporter) -> Examination:
    from grader.data import hidden_seed

    secret, _ = hidden_seed(order.seed)
    return grading.prepare(
        lessons.load(order.lesson),
        "hidden",
        data=order.data,
        source=order.source,
        seed=secret,
        progress=progress,
    )


def _grade(
    order: Order,
    examination: Examination,
    candidates: list[Candidate],
    lang: Lang,
    progress: Reporter,
) -> dict[str, Grade]:
    """Do what is missing; every grade by the name of its submission."""
    spec = lessons.load(order.lesson).spec
    work = batch.plan(examination, candidates, order.out)
    if work.done:
        progress.line(_already(len(work.done), len(candidates)).to(lang))
    grades = {grade.submission.name: grade for grade in work.done}

    def keep(outcome: batch.Outcome) -> None:
        name = outcome.grade.submission.name
        with batch.disk_trouble(order.out):
            batch.save(outcome, order.out)
            # At once: a run that is interrupted has lost nobody's points.
            merged = batch.merge(batch.grade_path(order.out, name), spec, lang)
        grades[name] = merged.grade if merged else outcome.grade
        progress(len(grades), len(candidates), GRADING)

    progress(len(grades), len(candidates), GRADING)
    if work.todo:
        with runner(order.place, order.jobs, order.out) as run:
            run(examination, work.todo, keep, lambda: progress.line(FINISHING.to(lang)))
    return grades


def _already(done: int, total: int) -> Text:
    return Text(
        en=f"{done:,} of {total:,} are graded already",
        ru=f"уже проверено работ: {ru_number(done)} из {ru_number(total)}",
    )


def _summary(grades: list[Grade], out: Path, page: Path) -> dict[str, object]:
    return {
        "page": str(page),
        "submissions": [
            {
                "name": grade.submission.name,
                "status": grade.status,
                "score": grade.score,
                "pending": grade.pending,
                "passed": grade.passed,
                "grade": str(batch.grade_path(out, grade.submission.name)),
            }
            for grade in sorted(grades, key=lambda grade: grade.submission.name)
        ],
    }
