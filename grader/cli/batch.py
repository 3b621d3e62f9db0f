"""`grader batch LESSON DIR --out OUT`: here, on a Dask cluster or in jobs of Slurm."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from grader import batch, grading
from grader.cli import options, report, show
from grader.intake import Candidate
from grader.intake.downloads import LAYOUTS
from grader.lesson import loading
from grader.lesson.grades import Grade
from grader.lesson.spec import LessonSpec
from grader.sandbox.isolation.levels import require_for_others
from grader.semester.handed_in import ClassRecord
from grader.text import Lang, Text
from grader.text.errors import UsageError
from grader.text.progress import Reporter
from grader.text.untrusted import one_line

GRADING = Text("grading")
FINISHING = Text("Finishing what is in flight; press Ctrl-C again to stop at once.")
_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
_PLACE_OPTIONS = (
    click.option("--dask", metavar="ADDRESS", help="Grade on this Dask cluster, tls://HOST:PORT."),
    click.option("--tls-ca", type=_FILE, help="Certificate authority of --dask."),
    click.option("--tls-cert", type=_FILE, help="Our certificate for --dask."),
    click.option("--tls-key", type=_FILE, help="Our key for --dask."),
    click.option("--slurm", is_flag=True, help="Grade in jobs of Slurm, started for this batch."),
    click.option("--slurm-jobs", type=click.IntRange(min=1), help="How many.  [default: 1]"),
    click.option("--slurm-cores", type=click.IntRange(min=1), help="Cores of each."),
    click.option("--slurm-memory", metavar="SIZE", help="Memory of each, e.g. 12GB."),
    click.option("--slurm-partition", metavar="NAME", help="Partition of the jobs."),
    click.option("--slurm-account", metavar="NAME", help="Account of the jobs."),
    click.option("--slurm-time", metavar="TIME", help="Time limit of each, e.g. 02:00:00."),
)


@dataclass(frozen=True)
class Place:
    """Where a batch runs, as its options say; without --dask and --slurm it is this machine."""

    dask: str | None = None
    tls_ca: Path | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None
    slurm: bool = False
    slurm_jobs: int | None = None
    slurm_cores: int | None = None
    slurm_memory: str | None = None
    slurm_partition: str | None = None
    slurm_account: str | None = None
    slurm_time: str | None = None


@dataclass(frozen=True)
class Request:
    """What to grade, on which data, where, and where the results go."""

    lesson: str
    folder: Path
    out: Path
    jobs: int
    data: str | None = None
    source: Path | None = None
    seed: str | None = None
    place: Place = Place()
    force: bool = False
    """Go on although `out` was made from another folder."""
    papers: batch.ClassFiles = field(default_factory=batch.ClassFiles)

    @property
    def spec(self) -> LessonSpec:
        return loading.load(self.lesson).spec


def _paper(name: str, about: str) -> Callable[[options.Command], options.Command]:
    about += "  [default: that of the last run into OUT]"
    return click.option(f"--{name}", type=options.PATH, help=about)


def _place_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options of a cluster, given to `function` as one argument `place`."""

    @functools.wraps(function)
    def gathered(**given: Any) -> Any:
        place = Place(**{name: given.pop(name) for name in Place.__dataclass_fields__})
        _require_consistent(place)
        return function(place=place, **given)

    result: Callable[..., Any] = gathered
    for option in reversed(_PLACE_OPTIONS):
        result = option(result)
    return result


@click.command()
@click.argument("lesson")
@click.argument("folder", metavar="DOWNLOAD", type=options.PATH)
@click.option("--out", required=True, type=options.PATH, help="Folder for results.")
@_paper("course", "course.toml: deadlines, extensions, late days.")
@_paper("roster", "CSV of the students: your own, or an export of Moodle, Canvas or GitHub.")
@_paper("times", "CSV with the times of handing in, where the roster has none.")
@click.option(
    "--layout", type=click.Choice(list(LAYOUTS)), help="Of DOWNLOAD.  [default: recognized]"
)
@options.data
@options.seed
@options.jobs
@_place_options
@options.trust
@click.option("--force", is_flag=True, help="Use OUT though it was made from another DOWNLOAD.")
@options.as_json
@options.lang
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
    require_for_others(trust)
    papers = batch.ClassFiles(course, roster, times, layout)
    request = Request(lesson, folder, out, jobs, data, source, seed, place, force, papers)
    with Reporter(lang) as progress:
        grades, page = grade_folder(request, lang, progress)
    if as_json:
        submissions = [
            {
                "name": grade.submission.name,
                "status": grade.status,
                "score": grade.score,
                "pending": grade.pending,
                "passed": grade.passed,
                "grade": str(batch.grade_path(out, grade.submission.name)),
            }
            for grade in sorted(grades, key=lambda grade: grade.submission.name)
        ]
        options.print_json({"page": str(page), "submissions": submissions})
    else:
        show.many(grades, spec, lang)
        click.echo(f"{show.CLASS_PAGE.to(lang)}: {page}")
    return show.exit_code(grades)


def grade_folder(request: Request, lang: Lang, progress: Reporter) -> tuple[list[Grade], Path]:
    """Grades of all submissions in a folder, and the class page."""
    out, spec = request.out, request.spec
    _require_apart(request)
    with batch.disk_errors(out):
        try:
            out.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError, PermissionError) as error:
            raise UsageError(options.unwritable(out, error)) from error
    with batch.open_results(out, request.lesson, request.folder, force=request.force):
        with batch.disk_errors(out):
            papers = request.papers.or_earlier(out)
            record, candidates = batch.collect(out, request.folder, spec, papers)
        if not candidates:
            raise UsageError(
                "{folder} holds no submissions; expected a folder or an archive each.",
                folder=request.folder,
            )
        _print_roster(record, lang, progress)
        grades = _grade(request, candidates, record, lang, progress)
        with batch.disk_errors(out):
            batch.set_aside_others(out, grades)
            # Points of a person may have changed since the last run.
            for name in grades if spec.rubric else ():
                merged = batch.merge_form(batch.grade_path(out, name), spec, lang)
                if merged is not None:
                    grades[name] = merged.grade
                    if merged.problem is not None:
                        progress.line(one_line(merged.problem.to(lang)))
            late = batch.Deadlines(spec, record)
            for name in late.unknown:
                progress.line(options.nobody(name).to(lang))
            for name in grades:
                grades[name] = late.apply(batch.grade_path(out, name)) or grades[name]
            page = report.write(out, lang, request.jobs, progress)
    return list(grades.values()), page


def _require_apart(request: Request) -> None:
    folder, out = request.folder, request.out
    if not folder.exists():
        raise UsageError(
            "{folder} is not a folder or an archive; expected what the class handed in.",
            folder=folder,
        )
    if out.resolve() == folder.resolve():
        raise UsageError("--out {out} is the folder of the submissions; choose another.", out=out)


def _print_roster(record: ClassRecord, lang: Lang, progress: Reporter) -> None:
    """Say before the grading what is left out, who is missing, and who is not in the roster."""
    left_out = Text("neither a folder nor an archive, left out")
    for name in record.loose:
        progress.line(f"{one_line(name)}: {left_out.to(lang)}")
    listed = sum(one.listed for one in record.students)
    if not listed:
        return
    missing = len(record.missing)
    present = Text(
        "{listed:,} students in the roster, {missing:,} did not hand in",
        listed=listed,
        missing=missing,
    )
    progress.line(present.to(lang))
    if strangers := [one.name or one.id for one in record.students if not one.listed]:
        label = Text("not in the roster")
        progress.line(f"{label.to(lang)}: {options.listed(strangers)}")


def _grade(
    request: Request,
    candidates: list[Candidate],
    record: ClassRecord,
    lang: Lang,
    progress: Reporter,
) -> dict[str, Grade]:
    """Grade what is missing or changed; every grade by the name of its submission."""
    from grader.data import hidden_seed

    spec, out = request.spec, request.out
    examination = grading.prepare(
        loading.load(request.lesson),
        "hidden",
        data=request.data,
        source=request.source,
        seed=hidden_seed(request.seed)[0],
        progress=progress,
    )
    late = batch.Deadlines(spec, record)
    work = batch.plan(examination, candidates, out)
    done, total = len(work.done), len(candidates)
    if done:
        already = Text("{done:,} of {total:,} are graded already", done=done, total=total)
        progress.line(already.to(lang))
    grades = {grade.submission.name: grade for grade in work.done}

    def keep(outcome: batch.Outcome) -> None:
        name = outcome.grade.submission.name
        path = batch.grade_path(out, name)
        with batch.disk_errors(out):
            batch.save(outcome, out)
            # Merged at once, so that an interrupted run loses no points of a person.
            merged = batch.merge_form(path, spec, lang)
            in_time = late.apply(path)
        grades[name] = in_time or (merged.grade if merged else outcome.grade)
        progress(len(grades), total, GRADING)

    progress(done, total, GRADING)
    if work.todo:
        with _runner(request.place, request.jobs, out) as run:
            run(
                examination,
                work.todo,
                on_grade=keep,
                on_interrupt=lambda: progress.line(FINISHING.to(lang)),
            )
    return grades


@contextmanager
def _runner(place: Place, jobs: int, out: Path) -> Iterator[Callable[..., None]]:
    """`batch.run` or its like for a cluster, which is connected while this is entered."""
    if place.dask is None and not place.slurm:
        yield functools.partial(batch.run, jobs=jobs)
        return
    from grader.batch import cluster, slurm

    if place.dask is not None:
        connected = cluster.connect_dask(
            place.dask, ca=place.tls_ca, cert=place.tls_cert, key=place.tls_key
        )
    else:
        wanted = slurm.SlurmOptions(
            jobs=place.slurm_jobs or 1,
            cores=place.slurm_cores,
            memory=place.slurm_memory,
            partition=place.slurm_partition,
            account=place.slurm_account,
            time=place.slurm_time,
        )
        connected = slurm.start_slurm(wanted, out / "slurm")
    with connected as found:
        yield functools.partial(cluster.run_on_cluster, cluster=found)


def _require_consistent(place: Place) -> None:
    if place.dask is not None and place.slurm:
        raise UsageError("--dask and --slurm are two places to run; give one of them.")
    owners = (("tls_", "--dask", place.dask is not None), ("slurm_", "--slurm", place.slurm))
    for name in Place.__dataclass_fields__:
        for prefix, owner, used in owners:
            if not used and name.startswith(prefix) and getattr(place, name) is not None:
                option = f"--{name.replace('_', '-')}"
                raise UsageError(
                    "{option} belongs to {owner}; give both.", option=option, owner=owner
                )
