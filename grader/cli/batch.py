"""`grader batch LESSON DIR --out OUT`."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import click

from grader import batch, grading
from grader.cli import options, show
from grader.cli.cluster import HERE, Place, runner
from grader.cli.cluster import place as place_options
from grader.cli.report import write as write_pages
from grader.grading import Examination
from grader.intake import Candidate
from grader.intake.downloads import LAYOUTS
from grader.lesson import loading
from grader.lesson.grades import Grade
from grader.semester.handed_in import ClassRecord
from grader.text import Lang, Text, ru_number
from grader.text.errors import UsageError
from grader.text.progress import Reporter
from grader.text.untrusted import one_line

LEFT_OUT = Text(en="neither a folder nor an archive, left out", ru="не папка и не архив, пропущено")
MANY = 8
NOT_LISTED = Text(en="not in the roster", ru="нет в списке")
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
    papers: batch.ClassFiles = field(default_factory=batch.ClassFiles)


@click.command()
@click.argument("lesson")
@click.argument("folder", metavar="DOWNLOAD", type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder for results.")
@options.papers()
@click.option(
    "--layout", type=click.Choice(list(LAYOUTS)), help="Of DOWNLOAD.  [default: recognized]"
)
@options.data()
@options.seed()
@options.jobs()
@place_options()
@options.trust()
@click.option("--force", is_flag=True, help="Use OUT though it was made from another DOWNLOAD.")
@options.as_json()
@options.lang()
@batch.sigterm_like_ctrl_c()
@batch.temporary_files()
def command(
    lesson: str,
    folder: Path,
    out: Path,
    course: Path | None,
    roster: Path | None,
    times: Path | None,
    layout: str | None,
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
    """Grade every submission in DOWNLOAD: Moodle's or Canvas's archive, zipped or not, clones of
    GitHub Classroom, or a folder in which each subfolder and each archive is one.

    OUT gets one JSON a submission, a page a student and index.html for the class. A rerun
    does only what is missing or changed. Ctrl-C finishes and keeps what is in flight. Of several
    versions the latest counts. Deadlines are applied after grading: a changed course.toml grades
    nothing again.
    """
    spec = loading.load(lesson).spec
    options.require_isolation(trust)
    papers = batch.ClassFiles(course, roster, times, layout)
    order = Order(lesson, folder, out, jobs, data, source, seed, place, force, papers)
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
    _require_apart(order)
    _make(order.out)
    with batch.open_results(order.out, order.lesson, order.folder, force=order.force):
        record, candidates = _handed_in(order)
        _say_who(record, lang, progress)
        examination = _prepare(order, progress)
        grades = _grade(order, examination, candidates, record, lang, progress)
        with batch.disk_errors(order.out):
            batch.set_aside_others(order.out, grades)
            _merge_rubrics(order, grades, lang, progress)
            _apply_deadlines(order, grades, record, lang, progress)
            page = write_pages(order.out, lang, order.jobs, progress)
    return list(grades.values()), page


def _merge_rubrics(order: Order, grades: dict[str, Grade], lang: Lang, progress: Reporter) -> None:
    """The points that persons gave, also since the last run; a form that cannot be read is
    named."""
    spec = loading.load(order.lesson).spec
    for name in grades if spec.rubric else ():
        merged = batch.merge_form(batch.grade_path(order.out, name), spec, lang)
        if merged is not None:
            grades[name] = merged.grade
            if merged.problem is not None:
                progress.line(one_line(merged.problem.to(lang)))


def _apply_deadlines(
    order: Order, grades: dict[str, Grade], record: ClassRecord, lang: Lang, progress: Reporter
) -> None:
    late = batch.Deadlines(loading.load(order.lesson).spec, record)
    for name in late.unknown:
        progress.line(options.nobody(name).to(lang))
    for name in grades:
        grades[name] = late.apply(batch.grade_path(order.out, name)) or grades[name]


def _require_apart(order: Order) -> None:
    if not order.folder.exists():
        raise UsageError(
            Text(
                en=f"{order.folder} is not a folder or an archive; expected what the class handed "
                "in.",
                ru=f"{order.folder} — не папка и не архив; ожидались работы группы.",
            )
        )
    if order.out.resolve() == order.folder.resolve():
        raise UsageError(
            Text(
                en=f"--out {order.out} is the folder of the submissions; choose another.",
                ru=f"--out {order.out} — это папка с работами; выберите другую.",
            )
        )


def _handed_in(order: Order) -> tuple[ClassRecord, list[Candidate]]:
    """Who handed in what, and what is to be graded of it."""
    with batch.disk_errors(order.out):
        spec = loading.load(order.lesson).spec
        papers = order.papers.or_earlier(order.out)
        record, candidates = batch.collect(order.out, order.folder, spec, papers)
    if not candidates:
        raise UsageError(
            Text(
                en=f"{order.folder} holds no submissions; expected a folder or an archive each.",
                ru=f"В {order.folder} нет работ; ожидалась папка или архив на каждую.",
            )
        )
    return record, candidates


def _say_who(record: ClassRecord, lang: Lang, progress: Reporter) -> None:
    """What an instructor should know before the grading: what is left out, who is missing."""
    for name in record.loose:
        progress.line(f"{one_line(name)}: {LEFT_OUT.to(lang)}")
    if any(one.listed for one in record.students):
        progress.line(_present(record).to(lang))
        strangers = [one for one in record.students if not one.listed]
        if strangers:
            names = ", ".join(one_line(one.name or one.id) for one in strangers[:MANY])
            more = " …" if len(strangers) > MANY else ""
            progress.line(f"{NOT_LISTED.to(lang)}: {names}{more}")


def _make(out: Path) -> None:
    with batch.disk_errors(out):
        try:
            out.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError, PermissionError) as error:
            raise UsageError(options.unwritable(out, error)) from error


def _prepare(order: Order, progress: Reporter) -> Examination:
    from grader.data import hidden_seed

    secret, _ = hidden_seed(order.seed)
    return grading.prepare(
        loading.load(order.lesson),
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
    record: ClassRecord,
    lang: Lang,
    progress: Reporter,
) -> dict[str, Grade]:
    """Do what is missing; every grade by the name of its submission."""
    spec = loading.load(order.lesson).spec
    late = batch.Deadlines(spec, record)
    work = batch.plan(examination, candidates, order.out)
    if work.done:
        progress.line(_already(len(work.done), len(candidates)).to(lang))
    grades = {grade.submission.name: grade for grade in work.done}

    def keep(outcome: batch.Outcome) -> None:
        name = outcome.grade.submission.name
        with batch.disk_errors(order.out):
            batch.save(outcome, order.out)
            # At once: a run that is interrupted has lost nobody's points.
            merged = batch.merge_form(batch.grade_path(order.out, name), spec, lang)
            in_time = late.apply(batch.grade_path(order.out, name))
        grades[name] = in_time or (merged.grade if merged else outcome.grade)
        progress(len(grades), len(candidates), GRADING)

    progress(len(grades), len(candidates), GRADING)
    if work.todo:
        with runner(order.place, order.jobs, order.out) as run:
            run(
                examination,
                work.todo,
                on_grade=keep,
                on_interrupt=lambda: progress.line(FINISHING.to(lang)),
            )
    return grades


def _present(record: ClassRecord) -> Text:
    listed = sum(one.listed for one in record.students)
    missing = len(record.missing)
    return Text(
        en=f"{listed:,} students in the roster, {missing:,} did not hand in",
        ru=f"студентов в списке: {ru_number(listed)}, не сдали: {ru_number(missing)}",
    )


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
