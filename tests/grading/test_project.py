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
from grader.lesson.grades import Grade, Status, check
from grader.report import student_page
from grader.text import EMPTY, Text, languages
from grader.text.errors import SpecError
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


STEPS = [Text("Look at the gate."), Text("Type this line.")]


def failing(*names: str) -> Grade:
    """A grade with one passed check and these failed ones, each with STEPS as further hints."""
    grade = factory.graded()
    passed = check("passed", Text("Passed"), True, EMPTY, [EMPTY, *STEPS])
    checks = [check(name, Text("Failed"), False, EMPTY, [EMPTY, *STEPS]) for name in names]
    return msgspec.structs.replace(grade, checks=[passed, *checks])


def test_steps_are_shown_one_by_one_in_order_of_the_checks(tmp_path: Path) -> None:
    grade = failing("answers_repeat", "quality_gate")
    found = hints.hints(grade, LESSON.spec, tmp_path)
    assert not found.of("answers_repeat")
    assert not found.of("passed")
    seen = []
    while found.next is not None:
        found = hints.reveal(hints.hints(grade, LESSON.spec, tmp_path), tmp_path)
        seen.append((len(found.of("answers_repeat")), len(found.of("quality_gate"))))
    assert seen == [(1, 0), (2, 0), (2, 1), (2, 2)]
    assert hints.reveal(found, tmp_path) == found
    assert found.of("answers_repeat") == STEPS


def test_a_refused_submission_has_steps_too(tmp_path: Path) -> None:
    grade = factory.stopped("x", Status.REJECTED, EMPTY)
    found = hints.reveal(hints.hints(grade, LESSON.spec, tmp_path), tmp_path)
    assert found.of(hints.REJECTED) == LESSON.spec.rejected_hints[:1]


def test_damaged_memory_begins_anew(tmp_path: Path) -> None:
    grade = failing("quality_gate")
    hints.reveal(hints.hints(grade, LESSON.spec, tmp_path), tmp_path)
    for damage in (b"", b"[1]", b"\xff", b'{"quality_gate": -3}'):
        folder.kept(tmp_path, hints.FILE).write_bytes(damage)
        assert hints.hints(grade, LESSON.spec, tmp_path).of("quality_gate") == []


@pytest.mark.parametrize("name", loading.names())
def test_every_lesson_says_what_to_do_with_refused_work(name: str) -> None:
    steps = loading.load(name).spec.rejected_hints
    assert steps
    assert all(step.to("en").strip()[-1] in ".:" for step in steps)


def test_a_file_of_hints_from_before_is_refused(tmp_path: Path) -> None:
    copy = tmp_path / "distillation"
    copy.mkdir()
    shutil.copy(LESSON.folder / "lesson.toml", copy)
    loading.load_folder(copy)
    (copy / "hints.toml").write_text("", encoding="utf-8")
    with pytest.raises(SpecError, match="hints"):
        loading.load_folder(copy)


def test_a_passed_check_has_no_hints() -> None:
    passed, failed = failing("quality_gate").checks
    assert (passed.hint, passed.further_hints) == (EMPTY, [])
    assert failed.further_hints == STEPS
