from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote

import pytest

from grader.batch import grade_path
from grader.lesson import loading
from grader.lesson.grades import Grade, to_json
from grader.lesson.spec import LessonSpec
from grader.report import write
from tests.report import factory
from tests.report.markup import sound


@pytest.fixture(scope="module")
def spec() -> LessonSpec:
    return loading.load("distillation").spec


def folder(out: Path, grades: list[Grade]) -> Path:
    (out / "grades").mkdir(parents=True)
    for grade in grades:
        grade_path(out, grade.submission.name).write_bytes(to_json(grade))
    return out


def test_every_grade_gets_a_report_that_the_class_page_leads_to(
    tmp_path: Path, spec: LessonSpec
) -> None:
    names = ["a b", "c#d?e", "100%", "../up", "Анна", "<b>", 'quo"te', "javascript:x"]
    out = folder(tmp_path, [factory.graded(name) for name in names])
    counted: list[tuple[int, int]] = []
    index = write(out, spec, "en", progress=lambda *step: counted.append(step))
    assert index == out / "index.html"
    assert counted[-1] == (len(names), len(names))
    page = sound(index.read_text(encoding="utf-8"))
    targets = {out / unquote(url) for url in page.urls if not url.startswith("#")}
    assert targets == set((out / "reports").glob("*.html"))
    assert {path.stem for path in targets} == {path.stem for path in (out / "grades").iterdir()}
    for target in targets:
        assert "../index.html" in sound(target.read_text(encoding="utf-8")).urls


def test_a_damaged_grade_is_named_and_the_others_are_drawn(
    tmp_path: Path, spec: LessonSpec
) -> None:
    import msgspec

    out = folder(tmp_path, factory.class_of(3))
    whole = to_json(factory.graded("half"))
    (out / "grades" / "half.json").write_bytes(whole[: len(whole) // 2])
    (out / "grades" / "other.json").write_bytes(b'{"schema": "one"}')
    (out / "grades" / "latin.json").write_bytes(b"\xff\xfe")
    foreign = msgspec.structs.replace(factory.graded("foreign"), lesson="profiling")
    (out / "grades" / "foreign.json").write_bytes(to_json(foreign))
    words = sound(write(out, spec, "en").read_text(encoding="utf-8")).words
    for name in ("half.json", "other.json", "latin.json"):
        assert f"{name} is not a complete grade" in words
    assert "foreign.json is a grade for another lesson, profiling" in words
    assert len(list((out / "reports").glob("*.html"))) == 3


def test_several_processes_write_the_same_bytes_as_one(tmp_path: Path, spec: LessonSpec) -> None:
    grades = factory.class_of(20)
    one, two = folder(tmp_path / "1", grades), folder(tmp_path / "2", grades)
    write(one, spec, "ru")
    write(two, spec, "ru", jobs=2)
    pages = sorted(path.relative_to(one) for path in one.rglob("*.html"))
    assert len(pages) == 21
    for page in pages:
        assert (one / page).read_bytes() == (two / page).read_bytes()


def test_a_page_that_did_not_change_is_left_alone(tmp_path: Path, spec: LessonSpec) -> None:
    out = folder(tmp_path, factory.class_of(2))
    write(out, spec, "en")
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*.html")}
    write(out, spec, "en")
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*.html")} == before


def test_a_folder_without_grades_has_an_empty_class_page(tmp_path: Path, spec: LessonSpec) -> None:
    assert "There are no grades yet." in write(tmp_path, spec, "en").read_text(encoding="utf-8")
