"""What a project remembers: versions of the work, and which hints were shown."""

from __future__ import annotations

import os
import shutil
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader.grading import hints, history
from grader.grading import project as folder
from grader.grading.project import snapshot
from grader.intake.rules import ignored
from grader.lesson import loading
from grader.lesson.grades import Grade, Status
from grader.report import student_page
from grader.text import EMPTY, languages
from tests.report import factory

LESSON = loading.load("distillation")
BEGIN = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def graded(score: float, number: int = 0) -> Grade:
    grade = factory.graded()
    identity = msgspec.structs.replace(grade.submission, fingerprint=f"{number:064x}")
    return msgspec.structs.replace(grade, score=score, submission=identity)


def remember(project: Path, grade: Grade, minute: int = 0) -> list[history.Version]:
    when = BEGIN + timedelta(minutes=minute)
    return history.add(project, history.of(grade, LESSON.spec, when))


def test_versions_are_kept_in_order_and_read_again(tmp_path: Path) -> None:
    for at, score in enumerate((0.0, 3.5, 7.0)):
        versions = remember(tmp_path, graded(score, at), at)
    assert [one.score for one in versions] == [0.0, 3.5, 7.0]
    assert history.line(versions) == "▁▅█"
    assert set(versions[0].measurements) <= {one.name for one in LESSON.spec.report.columns}


def test_work_that_did_not_change_is_one_version(tmp_path: Path) -> None:
    remember(tmp_path, graded(3.0, 1), 0)
    versions = remember(tmp_path, graded(3.1, 1), 5)
    assert [(one.score, one.when) for one in versions] == [(3.1, BEGIN + timedelta(minutes=5))]


def test_a_version_that_was_not_graded_is_a_dot(tmp_path: Path) -> None:
    remember(tmp_path, graded(7.0, 1))
    versions = remember(tmp_path, factory.stopped("x", Status.REJECTED, EMPTY))
    assert history.line(versions) == "█·"
    assert history.figure(versions) is None
    assert "best score 7.000" in history.sentence(versions).to("en")


def test_another_lesson_in_the_same_folder_loses_nothing(tmp_path: Path) -> None:
    remember(tmp_path, graded(1.0, 1))
    other = msgspec.structs.replace(graded(2.0, 2), lesson="profiling")
    remember(tmp_path, other)
    assert [one.score for one in remember(tmp_path, graded(3.0, 3))] == [1.0, 3.0]


@given(raw=st.lists(st.binary(max_size=60)))
def test_damaged_lines_cost_only_themselves(
    raw: list[bytes], tmp_path_factory: pytest.TempPathFactory
) -> None:
    project = tmp_path_factory.mktemp("project")
    remember(project, graded(1.0, 1))
    kept = folder.kept(project, history.FILE)
    kept.write_bytes(kept.read_bytes() + b"\n".join(raw) + b"\n")
    assert [one.score for one in remember(project, graded(2.0, 2))] == [1.0, 2.0]


def test_the_report_draws_the_history(tmp_path: Path) -> None:
    for at, score in enumerate((1.0, 0.5, 4.25)):
        versions = remember(tmp_path, graded(score, at), at)
    drawn = history.figure(versions)
    assert drawn is not None
    assert [series.y for series in drawn.series] == [[1.0, 0.5, 4.25], [1.0, 1.0, 4.25]]
    for lang in languages():
        grade = msgspec.structs.replace(factory.graded(), figures=[drawn])
        assert drawn.title.to(lang) in student_page(grade, LESSON.spec, lang)


def test_only_so_many_versions_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "MOST", 5)
    for at in range(9):
        versions = remember(tmp_path, graded(float(at % 7), at))
    assert [one.fingerprint for one in versions] == [f"{at:064x}" for at in range(4, 9)]


def test_nothing_that_is_remembered_is_part_of_a_submission(tmp_path: Path) -> None:
    remember(tmp_path, graded(1.0))
    for name in (folder.GRADE, folder.BADGE, folder.SUMMARY):
        (tmp_path / name).write_text("x", encoding="utf-8")
    left = [path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file()]
    assert len(left) == 5
    assert all(ignored(path) for path in left)
    assert snapshot(tmp_path) == {}
    assert folder.kept(tmp_path, ".gitignore").read_text(encoding="utf-8") == "*\n"


def test_a_change_of_any_submitted_file_is_seen(tmp_path: Path) -> None:
    place = tmp_path / "firmware" / "main.c"
    place.parent.mkdir()
    seen = [snapshot(tmp_path)]
    for text in ("a", "ab"):
        place.write_text(text, encoding="utf-8")
        seen.append(snapshot(tmp_path))
    stat = place.stat()
    os.utime(place, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))
    seen.append(snapshot(tmp_path))
    place.unlink()
    seen.append(snapshot(tmp_path))
    assert [one != other for one, other in pairwise(seen)] == [True] * 4
    assert seen[0] == seen[-1]


def failing(*names: str) -> Grade:
    grade = factory.graded()
    checks = [msgspec.structs.replace(grade.checks[0], name=name, passed=False) for name in names]
    return msgspec.structs.replace(grade, checks=[grade.checks[0], *checks])


def test_steps_are_shown_one_by_one_in_order_of_the_checks(tmp_path: Path) -> None:
    known = hints.load(LESSON)
    grade = failing("answers_repeat", "unknown_to_the_lesson", "quality_gate")
    found = hints.hints(grade, LESSON, tmp_path)
    assert found.of("answers_repeat") == ()
    seen = []
    while found.next is not None:
        found = hints.reveal(hints.hints(grade, LESSON, tmp_path), tmp_path)
        seen.append((len(found.of("answers_repeat")), len(found.of("quality_gate"))))
    first, second = len(known["answers_repeat"]), len(known["quality_gate"])
    expected = [(at, 0) for at in range(1, first + 1)] + [
        (first, at) for at in range(1, second + 1)
    ]
    assert seen == expected
    assert hints.reveal(found, tmp_path) == found
    assert found.of("answers_repeat") == known["answers_repeat"]


def test_a_refused_submission_has_steps_too(tmp_path: Path) -> None:
    grade = factory.stopped("x", Status.REJECTED, EMPTY)
    found = hints.reveal(hints.hints(grade, LESSON, tmp_path), tmp_path)
    assert found.of(hints.REJECTED) == hints.load(LESSON)[hints.REJECTED][:1]


def test_damaged_memory_begins_anew(tmp_path: Path) -> None:
    grade = failing("quality_gate")
    hints.reveal(hints.hints(grade, LESSON, tmp_path), tmp_path)
    for damage in (b"", b"[1]", b"\xff", b'{"quality_gate": -3}'):
        folder.kept(tmp_path, hints.FILE).write_bytes(damage)
        assert hints.hints(grade, LESSON, tmp_path).of("quality_gate") == ()


@pytest.mark.parametrize("name", loading.names())
def test_every_lesson_has_hints_in_both_languages(name: str) -> None:
    known = hints.load(loading.load(name))
    assert hints.REJECTED in known
    for steps in known.values():
        assert steps
        for step in steps:
            assert step.to("en").strip()[-1] in ".:"
            assert any("а" <= letter.lower() <= "я" for letter in step.to("ru"))
            assert not any("а" <= letter.lower() <= "я" for letter in step.to("en"))


@pytest.mark.parametrize("name", loading.names())
def test_hints_are_for_checks_that_exist(name: str, repository: Path) -> None:
    sources = (repository / "assignments" / name).glob("*.py")
    code = "".join(path.read_text(encoding="utf-8") for path in sources)
    for check in set(hints.load(loading.load(name))) - {hints.REJECTED}:
        for part in check.split("*"):
            assert part in code, f"no check of {name} is called {check}"


def test_hints_do_not_change_grades(tmp_path: Path) -> None:
    copy = tmp_path / "distillation"
    shutil.copytree(LESSON.folder, copy, ignore=shutil.ignore_patterns("__pycache__"))
    before = loading.Lesson(LESSON.spec, copy).fingerprint
    (copy / loading.HINTS).write_text("", encoding="utf-8")
    assert loading.Lesson(LESSON.spec, copy).fingerprint == before
