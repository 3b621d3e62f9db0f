"""`grader check [DIR]`."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path

import click
import msgspec

from grader.cli import options, show
from grader.grading import check, history
from grader.grading import project as watch
from grader.grading.hints import REJECTED, Hints, hints, reveal
from grader.grading.project import BADGE, GRADE, SUMMARY
from grader.lesson.grades import Grade, Status, to_json, write_atomically
from grader.text import Lang, Text
from grader.text.errors import ExitCode, Fault, UsageError
from grader.text.progress import Reporter
from grader.text.untrusted import one_line


@dataclass(frozen=True)
class Wishes:
    """What a student asks of a check."""

    lang: Lang
    html: Path | None
    as_json: bool
    hint: bool
    badge: bool
    watch: bool


@click.command()
@click.argument("folder", metavar="[DIR]", type=click.Path(path_type=Path), default=Path())
@click.option("--lesson", type=options.LESSON, help="Lesson, where the folder does not say it.")
@click.option("--watch", is_flag=True, help="Check again whenever a file changes, until Ctrl-C.")
@click.option("--hint", is_flag=True, help="Show the next hint for the first check that failed.")
@click.option("--badge", is_flag=True, help=f"Write {BADGE} and {SUMMARY}, a summary to paste.")
@options.data()
@options.html()
@options.as_json()
@options.lang()
def command(
    folder: Path,
    lesson: str | None,
    watch: bool,
    hint: bool,
    badge: bool,
    data: str | None,
    source: Path | None,
    html: Path | None,
    as_json: bool,
    lang: Lang,
) -> int:
    """Check your own work in DIR (default: here) on the public data.

    Shows every public check with a hint, the measurements and an estimate of the score. The
    graded score is taken on hidden data and will differ a little.

    In a folder that `grader new` made it also writes grade.json and remembers, in .grader, what
    every version came to and which hints were shown.
    """
    wishes = Wishes(lang, html, as_json, hint, badge, watch)
    with Reporter(lang) as progress:
        checker = check.prepare(folder, lesson=lesson, data=data, source=source, progress=progress)
        if (hint or badge) and checker.project is None:
            raise UsageError(_no_project(folder))
        grade = None if watch else checker.check()
    if grade is None:
        return _watched(checker, wishes)
    return _shown(checker, grade, wishes)


def _watched(checker: check.Checker, wishes: Wishes) -> int:
    """Check, and again after every change; the exit code of the last check."""
    code = int(ExitCode.OK)
    try:
        while True:
            if not wishes.as_json:
                click.clear()  # does nothing where nobody looks on
                click.echo(time.strftime("%H:%M:%S ") + _CHECKING.to(wishes.lang))
            before = watch.snapshot(checker.folder, wishes.html)
            try:
                code = _shown(checker, checker.check(), wishes)
                wishes = replace(wishes, hint=False)  # one step is shown, not one a change
            except Fault as error:  # the next version may be measured all the same
                click.echo(error.to(wishes.lang), err=True)
                code = error.exit_code
            if not wishes.as_json:
                click.echo(f"\n{_WAITING.to(wishes.lang)}")
            watch.wait(checker.folder, before, wishes.html)
    except KeyboardInterrupt:
        return code


def _shown(checker: check.Checker, grade: Grade, wishes: Wishes) -> int:
    """Show one check and remember it; its exit code."""
    lang, spec = wishes.lang, checker.lesson.spec
    found = hints(grade, checker.lesson, checker.project)
    versions: list[history.Version] = []
    if checker.project is not None:
        try:
            versions = history.add(checker.project, history.of(grade, spec))
            write_atomically(checker.project / GRADE, to_json(grade))
            found = reveal(found, checker.project) if wishes.hint else found
            if wishes.badge:
                _write_badge(checker.project, grade, checker, lang)
        except OSError as error:
            click.echo(options.unwritable(checker.project, error).to(lang), err=True)
    if wishes.html is not None:
        _write_page(wishes.html, grade, checker, versions, lang)
    if wishes.as_json:
        raw = msgspec.json.encode(grade) + b"\n" if wishes.watch else to_json(grade)
        click.echo(raw.decode(), nl=False)
    else:
        _say(checker, grade, found, versions, wishes)
    return show.exit_code([grade])


def _say(
    checker: check.Checker,
    grade: Grade,
    found: Hints,
    versions: list[history.Version],
    wishes: Wishes,
) -> None:
    lang, spec = wishes.lang, checker.lesson.spec
    show.one(grade, spec, lang, estimate=True, steps=found.of)
    if grade.status is Status.GRADED and not wishes.watch:
        for line in check.other_figures(checker.folder, spec):
            click.echo(one_line(line.to(lang)))
    if grade.status is Status.REJECTED:
        for step in found.of(REJECTED):
            click.echo(f"    → {one_line(step.to(lang))}")
        click.echo()
        click.echo(spec.next_step.to(lang))
    if versions:
        click.echo(history.sentence(versions).to(lang))
    if wishes.hint or (found.next and checker.project):
        click.echo(_about_hints(found, grade).to(lang))
    if wishes.badge and checker.project:
        click.echo((checker.project / SUMMARY).read_text(encoding="utf-8"), nl=False)


def _write_page(
    path: Path,
    grade: Grade,
    checker: check.Checker,
    versions: list[history.Version],
    lang: Lang,
) -> None:
    from grader import report

    drawn = history.figure(versions)
    if drawn is not None:
        grade = msgspec.structs.replace(grade, figures=[*grade.figures, drawn])
    page = report.student_page(grade, checker.lesson.spec, lang)
    write_atomically(path.absolute(), page.encode())


def _write_badge(project: Path, grade: Grade, checker: check.Checker, lang: Lang) -> None:
    from grader.report import badge

    spec = checker.lesson.spec
    write_atomically(project / BADGE, badge.svg(grade, spec, lang).encode())
    write_atomically(project / SUMMARY, badge.markdown(grade, spec, lang, BADGE).encode())


def _about_hints(found: Hints, grade: Grade) -> Text:
    name = found.next
    if grade.passed:
        return Text(
            en="Everything passed: there is nothing to hint at.",
            ru="Всё пройдено: подсказывать нечего.",
        )
    if name is None:
        return Text(
            en="There are no further hints for what failed.",
            ru="Других подсказок к тому, что не прошло, нет.",
        )
    left = found.left(name)
    title = next((one.title for one in grade.checks if one.name == name), None)
    en, ru = (f" for “{title.en}”", f" к «{title.ru}»") if title else ("", "")
    return Text(
        en=f"`grader check --hint` shows the next hint{en} ({left} left).",
        ru=f"`grader check --hint` покажет следующую подсказку{ru} (осталось: {left}).",
    )


def _no_project(folder: Path) -> Text:
    return Text(
        en=f"{folder.resolve()} was not made by `grader new LESSON DIR`, so nothing is kept in "
        "it; --hint and --badge work in a folder that it made.",
        ru=f"Папку {folder.resolve()} создала не команда `grader new LESSON DIR`, поэтому в ней "
        "ничего не хранится; --hint и --badge работают в созданной ею папке.",
    )


_CHECKING = Text(en="checking ...", ru="проверка ...")
_WAITING = Text(
    en="Waiting for a change of the files; Ctrl-C ends.",
    ru="Ожидание изменений в файлах; Ctrl-C — выход.",
)
