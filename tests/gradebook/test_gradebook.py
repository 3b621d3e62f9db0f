"""Gradebooks: read back by the rules of the formats, with names that would be formulas."""

from __future__ import annotations

import csv
import importlib
import io
import json
import zipfile
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from openpyxl import load_workbook

from grader import gradebook
from grader.cli import gradebook as command
from grader.gradebook import book, canvas, files, gradescope, moodle
from grader.gradebook.book import Export, Graded
from grader.lesson import loading, scoring
from grader.lesson.grades import Deduction, Status, to_json
from grader.semester import handed_in
from grader.semester.handed_in import ClassRecord, Submission, SubmittedVersion
from grader.semester.roster import Student
from grader.text import Text
from grader.text.errors import UsageError
from tests.report import factory

SPEC = loading.load("distillation").spec
MOSCOW = timezone(timedelta(hours=3))
FORMULA = '=HYPERLINK("http://x","grade")'
PEOPLE = [
    Student(id="s1", name="Анна Соколова", email="a@x.ru", moodle="501", canvas="4321", sis="s1"),
    Student(id="s2", name=FORMULA, email="-2+3@x.ru", moodle="502", canvas="4322", sis="s2"),
    Student(id="s3", name="Boris, \"Bo\" Ivanov", moodle="503", canvas="4323", sis="s3"),
    Student(id="s4", name="Missing Person", email="m@x.ru", moodle="504", canvas="4324", sis="s4"),
    Student(id="s5", name="Red One", moodle="505", canvas="4325", sis="s5", team="Red"),
    Student(id="s6", name="Red Two", moodle="506", canvas="4326", sis="s6", team="Red"),
    Student(id="s7", name="Fault", moodle="507", canvas="4327", sis="s7"),
]  # fmt: skip


def handed(name: str, *students: str, files: tuple[str, ...], team: str = "") -> Submission:
    return Submission(
        name=name,
        students=list(students),
        team=team,
        submitted=datetime(2026, 3, 2, 10, tzinfo=MOSCOW),
        time=handed_in.BY_TABLE,
        versions=[
            SubmittedVersion(student=students[0], files=["old"], counts=False),
            SubmittedVersion(
                student=students[0],
                files=list(files),
                why=Text.in_languages({"en": "the latest", "ru": "x"}),
            ),
        ],
    )


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """A graded class: in time, late, rejected, missing, a team, a fault of ours."""
    moodle_file = "Анна Соколова_501_assignsubmission_file_"
    submissions = [
        handed("Анна", "s1", files=(moodle_file,)),
        handed("two", "s2", files=("two_LATE_4322_90077_hw.zip",)),
        handed("three", "s3", files=("three_4323_90078_hw.zip",)),
        handed("Red", "s5", "s6", files=("Red One_505_assignsubmission_file_",), team="Red"),
        handed("fault", "s7", files=("fault",)),
    ]
    late = Deduction(
        name="late",
        title=Text.in_languages({"en": "Deadline", "ru": "Срок"}),
        formula="0.5 * days_late",
        values={"days_late": 1.0},
        why=Text.in_languages({"en": "Handed in a day late.", "ru": "Сдано на день позже."}),
    )
    sentence = Text.in_languages({"en": "@SUM(1) is no model", "ru": "@SUM(1) не модель"})
    grades = {
        "Анна": factory.graded("Анна"),
        "two": scoring.taken_off(factory.graded("two"), SPEC, [late]),
        "three": factory.stopped("three", Status.REJECTED, sentence),
        "Red": msgspec.structs.replace(factory.graded("Red"), pending=0.5),
        "fault": factory.stopped(
            "fault", Status.GRADER_FAULT, Text.in_languages({"en": "disk", "ru": "диск"})
        ),
    }
    folder = tmp_path / "out"
    for sub in ("grades", "reports"):
        (folder / sub).mkdir(parents=True)
    for name, grade in grades.items():
        (folder / "grades" / f"{name}.json").write_bytes(to_json(grade))
        (folder / "reports" / f"{name}.html").write_text(f"<html>{name}", encoding="utf-8")
    handed_in.write(
        folder,
        ClassRecord(
            lesson="distillation",
            layout="moodle",
            students=PEOPLE,
            submissions=submissions,
            missing=["s4"],
        ),
    )
    return folder


@pytest.fixture
def graded(out: Path) -> Graded:
    return book.load(out)


def read_csv(raw: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(raw.decode("utf-8-sig"), newline="")))


def test_every_student_has_a_row_and_every_cell_a_reason(graded: Graded) -> None:
    for lang in ("en", "ru"):
        table = book.build([graded], lang)
        assert {row.student.id for row in table.rows} == {one.id for one in PEOPLE}
        for row in table.rows:
            assert len(row.cells) == len(table.columns)
            assert all(cell.why.to(lang) for cell in row.cells), row
    rows = {row["id"]: row for row in read_csv(files.as_csv(book.build([graded], "en")))}
    assert {key: row["status"] for key, row in rows.items()} == {
        "s1": "graded", "s2": "graded", "s3": "rejected", "s4": "not_submitted",
        "s5": "graded", "s6": "graded", "s7": "grader_fault",
    }  # fmt: skip
    assert float(rows["s2"]["score"]) == pytest.approx(factory.graded().score - 0.5, abs=1e-4)
    assert rows["s2"]["taken_off"] == "0.5"
    assert "− 0.5 (Handed in a day late.)" in rows["s2"]["why"]
    assert rows["s4"]["score"] == "0"
    assert rows["s7"]["score"] == ""
    assert rows["s5"]["score"] == rows["s6"]["score"] == rows["s1"]["score"]
    assert "handed in by the team Red" in rows["s6"]["why"]
    assert "a person may still add up to 0.5" in rows["s6"]["why"]
    assert "of versions: 2; the latest" in rows["s1"]["why"]


def test_several_lessons_stand_side_by_side(graded: Graded) -> None:
    other = msgspec.structs.replace(SPEC, name="quantization")
    second = Graded(graded.out, other, graded.record, graded.grades)
    table = book.build([graded, second], "en")
    for row in table.rows:
        values = dict(zip(table.columns, row.cells, strict=True))
        one, two = (values[f"{name} score"].value or 0 for name in ("distillation", "quantization"))
        assert values["total"].value == pytest.approx(one + two)
        assert "(distillation) +" in values["total"].why.to("en")


def test_csv_cells_are_not_formulas(graded: Graded) -> None:
    raw = files.as_csv(book.build([graded], "en"))
    assert raw.startswith(b"\xef\xbb\xbf")
    for line in csv.reader(io.StringIO(raw.decode("utf-8-sig"), newline="")):
        for cell in line:
            assert not cell.startswith(("=", "+", "@", "\t", "\r")), cell
            assert not cell.startswith("-") or files.is_number(cell)
    rows = {row["id"]: row for row in read_csv(raw)}
    assert files.plain(rows["s2"]["name"]) == FORMULA
    assert rows["s3"]["name"] == 'Boris, "Bo" Ivanov'


@given(st.text(max_size=40))
def test_escaping_can_be_undone_and_never_begins_a_formula(text: str) -> None:
    from grader.text.untrusted import one_line

    shown = files.safe(text)
    assert files.plain(shown) == one_line(text) or shown == one_line(text)
    assert not shown.lstrip().startswith(("=", "@", "＝")) or len(shown.strip()) == 1
    raw = files.to_csv([[text, "x"]])
    assert next(csv.reader(io.StringIO(raw.decode(), newline=""))) == [shown, "x"]


def test_excel_has_the_same_cells_twice_once_with_reasons(graded: Graded) -> None:
    table = book.build([graded], "ru")
    workbook = load_workbook(io.BytesIO(files.as_excel(table, "ru")))
    assert workbook.sheetnames == ["grades", "why"]
    grades, why = (list(workbook[name].iter_rows()) for name in workbook.sheetnames)
    assert [cell.value for cell in grades[0]] == table.columns
    for line, reasons, row in zip(grades[1:], why[1:], table.rows, strict=True):
        for cell, reason, ours in zip(line, reasons, row.cells, strict=True):
            assert cell.data_type in ("s", "n", "inlineStr")
            assert reason.value == ours.why.to("ru").replace("\n", "␊")
            if isinstance(ours.value, float):
                assert cell.value == pytest.approx(ours.value, abs=1e-4)
    names = {line[0].value: line[1].value for line in grades[1:]}
    assert names["s2"] == FORMULA


def test_json_lines_explain_every_cell(graded: Graded) -> None:
    table = book.build([graded], "en")
    for line, row in zip(files.as_json_lines(table, "en").splitlines(), table.rows, strict=True):
        found = json.loads(line)
        assert found["student"] == row.student.id
        assert list(found["cells"]) == list(found["why"]) == table.columns


# Moodle -------------------------------------------------------------------------------------

WORKSHEET = (
    "\ufeffIdentifier,\"Full name\",\"ID number\",\"Email address\",Status,Grade,\"Maximum grade\","
    "\"Grade can be changed\",\"Last modified (submission)\",\"Last modified (grade)\","
    "\"Feedback comments\"\r\n"
    "Participant 501,Анна Соколова,,a@x.ru,Submitted for grading - ,-,100.00,Yes,"
    "\"Monday, 2 March 2026, 10:00 AM\",-,\r\n"
    "Participant 902,whoever,s2,,Submitted for grading - ,-,100.00,Yes,-,-,\r\n"
    "Participant 503,Boris,,,Submitted for grading - ,55.00,100.00,No,-,-,kept\r\n"
    "Participant 504,Missing Person,,,No submission - ,-,100.00,Yes,-,-,\r\n"
    "Participant 999,A Stranger,,,No submission - ,-,100.00,Yes,-,-,\"two\nlines\"\r\n"
)  # fmt: skip


def test_worksheet_of_moodle_is_filled_in(graded: Graded, tmp_path: Path) -> None:
    export = tmp_path / "Grades-CS-HW1-77.csv"
    export.write_text(WORKSHEET, encoding="utf-8")
    written = moodle.worksheet(graded, "en", export, "blank")
    before, after = read_csv(WORKSHEET.encode()), read_csv(written.raw)
    assert list(before[0]) == list(after[0])
    untouched = ("Identifier", "Full name", "Status", "Maximum grade", "Last modified (grade)")
    assert [[row[key] for key in untouched] for row in before] == [
        [row[key] for key in untouched] for row in after
    ]
    grades = {row["Identifier"]: row["Grade"] for row in after}
    score = factory.graded().score
    # In the worksheet's scale: Moodle's hundred for our seven.
    assert float(grades["Participant 501"]) == pytest.approx(score / 7 * 100, abs=1e-3)
    assert float(grades["Participant 902"]) == pytest.approx((score - 0.5) / 7 * 100, abs=1e-3)
    assert grades["Participant 503"] == "55.00"
    assert grades["Participant 504"] == "-"
    assert after[1]["Feedback comments"].count("a day late") == 1
    assert after[4] == before[4]
    assert written.strangers == ["A Stranger"]
    assert set(written.unmatched) == {"Red One", "Red Two", "Fault"}
    zero = read_csv(moodle.worksheet(graded, "en", export, "zero").raw)
    assert zero[3]["Grade"] == "0"
    assert zero[4]["Grade"] == "-"


def test_a_worksheet_without_an_export_has_the_columns_that_moodle_reads(graded: Graded) -> None:
    rows = read_csv(moodle.worksheet(graded, "en", None, "blank").raw)
    assert {"Identifier", "Grade", "Last modified (grade)", "Feedback comments"} <= set(rows[0])
    assert rows[0]["Identifier"] == "Participant 501"
    assert rows[3]["Grade"] == ""


def test_feedback_for_moodle_has_the_folders_of_the_download(graded: Graded) -> None:
    found, without = moodle.feedback(graded)
    assert found["Анна Соколова_501_assignsubmission_file_/report.html"].name == "Анна.html"
    # Each member of a team has a folder, by the number that the roster knows.
    assert found["Red One_505_assignsubmission_file_/report.html"].name == "Red.html"
    assert found["Red Two_506_assignsubmission_file_/report.html"].name == "Red.html"
    for name in found:  # as Moodle takes it apart: name, number, kind, plugin, and the file
        parts = name.partition("/")[0].split("_", 4)
        assert parts[1].isdigit()
        assert parts[2:4] == ["assignsubmission", "file"]
    assert "Missing Person" not in without


def test_another_file_is_refused_as_worksheet(graded: Graded, tmp_path: Path) -> None:
    export = tmp_path / "x.csv"
    export.write_text("a,b\n1,2\n", encoding="utf-8")
    with pytest.raises(UsageError, match="worksheet"):
        moodle.worksheet(graded, "en", export, "blank")
    with pytest.raises(UsageError, match="Canvas"):
        canvas.gradebook([graded], export, None, "blank")


# Canvas -------------------------------------------------------------------------------------

CANVAS = (
    "Student,ID,SIS User ID,SIS Login ID,Section,Quiz 1 (11),Distillation (12),Current Score\r\n"
    ",,,,,Manual Posting,,\r\n"
    "    Points Possible,,,,,5.00,14.00,(read only)\r\n"
    '"Соколова, Анна",4321,,anna,204,3.00,,60\r\n'
    '"Nobody, At all",1,,nobody,204,1.00,,20\r\n'
    '"Person, Missing",4324,s4,m,204,1.00,,20\r\n'
    '"Student, Test",77,,,204,,,\r\n'
)


def test_gradebook_of_canvas_is_filled_in(graded: Graded, tmp_path: Path) -> None:
    export = tmp_path / "2026-03-09_Grades-CS.csv"
    export.write_text(CANVAS, encoding="utf-8")
    written = canvas.gradebook([graded], export, "Distillation", "blank")
    lines = list(csv.reader(io.StringIO(written.raw.decode(), newline="")))
    # What the importer asks for: Student, ID, ..., and Section last before the assignments.
    assert lines[0] == [*canvas.HEAD, "Distillation (12)"]
    assert lines[2][0] == "    Points Possible"
    assert lines[2][-1] == "14.00"
    scores = {line[1]: line[-1] for line in lines[3:]}
    assert float(scores["4321"]) == pytest.approx(factory.graded().score * 2, abs=1e-3)
    assert scores["1"] == ""
    assert scores["4324"] == ""
    assert "Nobody, At all" in written.strangers
    with pytest.raises(UsageError, match="--column"):
        canvas.gradebook([graded], export, "Quiz 9", "blank")
    # Called as the lesson, it need not be named.
    assert canvas.gradebook([graded], export, None, "blank") == written


def test_gradebook_for_canvas_without_an_export(graded: Graded) -> None:
    written = canvas.gradebook([graded], None, None, "zero")
    lines = list(csv.reader(io.StringIO(written.raw.decode(), newline="")))
    assert lines[0][:5] == list(canvas.HEAD)
    assert lines[1] == ["    Points Possible", "", "", "", "", "7"]
    assert {line[1]: line[-1] for line in lines[2:]}["4324"] == "0"
    assert files.plain(lines[3][0]) == FORMULA


def test_feedback_for_canvas_has_the_names_of_the_download(graded: Graded) -> None:
    found, _ = canvas.feedback(graded)
    assert found["two_LATE_4322_90077_report.html"].name == "two.html"
    for name in found:  # as Canvas takes it apart: the first two parts of digits alone
        numbers = [part for part in name.split("_") if part.isdigit()]
        assert numbers[:2] in (["4322", "90077"], ["4323", "90078"])


# Gradescope ---------------------------------------------------------------------------------

DOCUMENTED = {
    "score", "execution_time", "output", "output_format", "test_output_format",
    "test_name_format", "visibility", "stdout_visibility", "extra_data", "tests", "leaderboard",
}  # fmt: skip
TEST_KEYS = {
    "score", "max_score", "status", "name", "name_format", "number", "output", "output_format",
    "tags", "visibility", "extra_data",
}  # fmt: skip
VISIBLE = {"hidden", "after_due_date", "after_published", "visible"}


def test_results_json_has_the_documented_keys(graded: Graded) -> None:
    for name, grade in graded.grades.items():
        found = json.loads(gradescope.as_json(grade, SPEC, "en"))
        assert set(found) <= DOCUMENTED
        assert found["visibility"] in VISIBLE
        if grade.status is Status.GRADER_FAULT:
            assert "score" not in found, "our failure is nobody's zero"
            continue
        assert found["score"] == pytest.approx(grade.score)
        for test in found["tests"]:
            assert set(test) <= TEST_KEYS
            assert test["visibility"] in VISIBLE
            assert test.get("status", "passed") in ("passed", "failed")
        points = sum(test.get("score", 0.0) for test in found["tests"])
        assert points == pytest.approx(grade.score), name
        assert all(one["order"] in ("asc", "desc") for one in found["leaderboard"])


# Formats ------------------------------------------------------------------------------------


def test_a_format_is_one_entry(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def names(classes: Sequence[Graded], options: gradebook.Options) -> Export:
        people = book.everyone(classes)
        return Export(f"{options.missing}: {', '.join(people)}".encode(), len(people))

    monkeypatch.setitem(gradebook.FORMATS, "toy", gradebook.Format("toy.txt", names))
    toy_command = importlib.reload(command).command  # click reads the names once
    done = CliRunner().invoke(toy_command, [str(out), "--format", "toy", "--missing", "zero"])
    assert done.exit_code == 0, done.output
    assert (out / "toy.txt").read_text("utf-8") == "zero: s1, s2, s3, s4, s5, s6, s7"


def test_a_format_of_one_lesson_refuses_several(out: Path) -> None:
    done = CliRunner().invoke(command.command, [str(out), str(out), "--format", "moodle"])
    assert isinstance(done.exception, UsageError)
    assert "one lesson" in done.exception.text.to("en")


# The command --------------------------------------------------------------------------------


def test_the_command_writes_each_format_and_explains(grader, out: Path, tmp_path: Path) -> None:
    for kind, name in (
        ("csv", "gradebook.csv"),
        ("moodle-feedback", "moodle-feedback.zip"),
        ("gradescope", "gradescope.zip"),
    ):
        done = grader("gradebook", out, "--format", kind, "--json")
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["file"] == str(out / name)
    with zipfile.ZipFile(out / "gradescope.zip") as file:
        assert "Red/results.json" in file.namelist()
    done = grader("gradebook", out, "--explain", "Red Two", "--lang", "ru")
    assert done.returncode == 0, done.stderr
    assert "сдала команда Red" in done.stdout
    wrong = grader("gradebook", out, "--explain", "who")
    assert wrong.returncode == 2
    assert "Traceback" not in wrong.stderr
    nothing = grader("gradebook", tmp_path)
    assert nothing.returncode == 2
    assert "handed_in.json" in nothing.stderr
