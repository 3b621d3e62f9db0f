"""A semester: sixty students, three lessons, what goes wrong in a real one, and gradebooks at the
end whose every cell can be worked out."""

from __future__ import annotations

import csv
import io
import json
import math
import os
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest
from openpyxl import load_workbook

from grader.cli import COMMANDS
from grader.gradebook.files import plain
from tests.conftest import Grader
from tests.semester import semester
from tests.semester.semester import BROKEN, CLASS, DUE, LATE, MISSING, TEAMS

pytestmark = pytest.mark.slow

GRACE_HOURS = 0.25


class Semester:
    """An instructor's folder."""

    def __init__(self, grader: Grader, folder: Path) -> None:
        self.grader, self.folder = grader, folder
        self.course = folder / "course.toml"
        self.write("course.toml", semester.COURSE)
        self.write("roster.csv", semester.roster())
        self.write("worksheet.csv", semester.worksheet())
        self.write("canvas.csv", semester.gradebook_of_canvas())
        self.write("times.csv", semester.times())
        semester.moodle(folder / "CS-Distillation-77.zip")
        semester.canvas(folder / "submissions.zip")
        semester.clones(folder / "kws-submissions")

    def write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text, encoding="utf-8")

    def out(self, lesson: str) -> Path:
        return self.folder / "graded" / lesson

    def words(self, lesson: str, download: str, *more: str) -> list[str]:
        out = self.out(lesson)
        out.parent.mkdir(exist_ok=True)
        words = ["batch", lesson, str(self.folder / download), "--out", str(out), "--trust"]
        words += ["--course", str(self.course), "--roster", str(self.folder / "roster.csv")]
        return [*words, "--jobs", "2", *more]

    def run(self, *words: str | Path) -> str:
        done = self.grader(*words)
        assert "Traceback" not in done.stdout + done.stderr
        assert done.returncode in (0, 1), done.stdout + done.stderr
        return done.stdout + done.stderr

    def grades(self, lesson: str) -> dict[str, dict]:
        found = [json.loads(p.read_bytes()) for p in (self.out(lesson) / "grades").glob("*.json")]
        return {grade["submission"]["name"]: grade for grade in found}

    def handed_in(self, lesson: str) -> dict:
        return json.loads((self.out(lesson) / "handed_in.json").read_bytes())

    def of_students(self, lesson: str) -> dict[str, dict]:
        """The grade of each student that has one."""
        grades = self.grades(lesson)
        return {
            student: grades[one["name"]]
            for one in self.handed_in(lesson)["submissions"]
            for student in one["students"]
        }


@pytest.fixture(scope="module")
def term(grader: Grader, tmp_path_factory: pytest.TempPathFactory) -> Semester:
    """Graded: the first batch was killed on the way, and points were given by hand."""
    term = Semester(grader, tmp_path_factory.mktemp("semester"))
    times = ["--times", str(term.folder / "worksheet.csv")]
    words = term.words("distillation", "CS-Distillation-77.zip", *times)
    kept = killed(term, words)
    said = term.run(*words)
    already = next(line for line in said.splitlines() if "graded already" in line)
    assert int(already.split()[0]) >= kept >= 5
    times = ["--times", str(term.folder / "times.csv")]
    term.run(*term.words("profiling", "submissions.zip", *times))
    for number in (0, 1, 2):
        name = next(
            one["name"]
            for one in term.handed_in("profiling")["submissions"]
            if one["students"] == [f"s{number:02d}"]
        )
        points = [f"{one}=2" for one in ("model", "report", "bottlenecks", "methods", "tradeoffs")]
        sets = [word for one in points[: 5 - number] for word in ("--set", one)]
        term.run("rubric", term.out("profiling"), name, *sets, "--why", "clear", "--by", "A. P.")
    term.run(*term.words("streaming_kws", "kws-submissions"))
    return term


def killed(term: Semester, words: list[str]) -> int:
    """Start a batch, kill it and all it started when a few are graded; how many were."""
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "grader", *words],
        cwd=term.grader.home,
        env=term.grader.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    grades = term.out("distillation") / "grades"
    deadline = time.monotonic() + 240
    while len(list(grades.glob("[!.]*.json"))) < 5:
        assert process.poll() is None, "the batch was over before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return len(list(grades.glob("[!.]*.json")))


# What must come out, worked out apart from the grader's own code ----------------------------


def expected_days() -> dict[str, dict[str, int]]:
    """Late days that count, by lesson and student: those that free days did not cover."""
    left = {one.id: semester.FREE_DAYS for one in CLASS}
    found: dict[str, dict[str, int]] = {}
    for lesson in DUE:
        found[lesson] = {}
        for members, hours in handed(lesson):
            if lesson == "distillation" and members == ["s04"]:
                hours -= 5 * 24  # the extension
            days = max(math.ceil((hours - GRACE_HOURS) / 24), 0)
            free = min([days, semester.FREE_PER_LESSON, *(left[one] for one in members)])
            for one in members:
                left[one] -= free
                found[lesson][one] = days - free
    return found


def handed(lesson: str) -> list[tuple[list[str], float]]:
    if lesson == "streaming_kws":
        return [([f"s{5 * team + at:02d}" for at in range(5)], h) for team, h in TEAMS.items()]
    return [
        ([one.id], LATE[lesson].get(one.number, -24.0))
        for one in CLASS
        if one.number not in MISSING[lesson]
    ]


PENALTY = {"distillation": 0.7, "profiling": 1.0, "streaming_kws": 1.0}
"""Of a day: a tenth of the points, and in the last lesson its own formula."""


def expected(lesson: str, student: str, grade: dict) -> float:
    if grade["status"] != "graded":
        return 0.0
    terms = sum(term["points"] for term in grade["terms"])
    late = PENALTY[lesson] * expected_days()[lesson][student]
    person = 0.25 if (lesson, student) == ("distillation", "s03") else 0.0
    return max(terms - late - person, 0.0)


def table(raw: bytes) -> dict[str, dict[str, str]]:
    text = io.StringIO(raw.decode("utf-8-sig"), newline="")
    return {row["id"]: row for row in csv.DictReader(text)}


@pytest.fixture(scope="module")
def gradebook(term: Semester) -> dict[str, dict[str, str]]:
    outs = [term.out(lesson) for lesson in DUE]
    for kind in ("csv", "xlsx", "jsonl"):
        term.run("gradebook", *outs, "--format", kind, "--to", term.folder / f"all.{kind}")
    return table((term.folder / "all.csv").read_bytes())


def test_every_student_has_a_row_with_a_status_in_every_lesson(
    term: Semester, gradebook: dict[str, dict[str, str]]
) -> None:
    assert set(gradebook) == {one.id for one in CLASS}
    for one in CLASS:
        assert plain(gradebook[one.id]["name"]) == one.name
    for lesson in DUE:
        grades = term.of_students(lesson)
        there = {student for members, _ in handed(lesson) for student in members}
        assert set(grades) == there
        for one in CLASS:
            status = gradebook[one.id][f"{lesson} status"]
            assert status == (grades[one.id]["status"] if one.id in there else "not_submitted")
    wrong = {f"s{number:02d}" for number in BROKEN}
    first = {one.id: gradebook[one.id]["distillation status"] for one in CLASS}
    assert {student for student, status in first.items() if status == "rejected"} == wrong
    assert set(first.values()) == {"graded", "rejected", "not_submitted"}
    assert gradebook["s46"]["profiling status"] == "rejected"


def test_every_score_is_its_terms_less_late_days_and_penalties(
    term: Semester, gradebook: dict[str, dict[str, str]]
) -> None:
    total: dict[str, float] = dict.fromkeys(gradebook, 0.0)
    for lesson in DUE:
        grades = term.of_students(lesson)
        for student, row in gradebook.items():
            grade = grades.get(student)
            score = expected(lesson, student, grade) if grade else 0.0
            total[student] += score
            assert float(row[f"{lesson} score"]) == pytest.approx(score, abs=2e-4), (
                lesson,
                student,
            )
    for student, row in gradebook.items():
        assert float(row["total"]) == pytest.approx(total[student], abs=5e-4)


def test_late_days_count_beyond_grace_free_days_and_extensions(term: Semester) -> None:
    days = expected_days()
    # 30 h, 50 h, 100 h, within the grace, 100 h with an extension of five days, 26 h.
    counted = [days["distillation"][f"s{n:02d}"] for n in range(6)]
    assert counted == [0, 1, 3, 0, 0, 0]
    # Three free days in all: two were spent above.
    assert [days["profiling"][f"s{n:02d}"] for n in (0, 1, 2, 7)] == [1, 1, 2, 7]
    # Two days late; a team has as many free ones as the member with the fewest left, which is one.
    assert {days["streaming_kws"][f"s{n:02d}"] for n in range(5, 10)} == {1}
    scores = term.of_students("distillation")
    assert scores["s01"]["deductions"][0]["points"] > 0


def test_every_cell_is_explained(term: Semester, gradebook: dict[str, dict[str, str]]) -> None:
    lines = (term.folder / "all.jsonl").read_text("utf-8").splitlines()
    assert len(lines) == len(CLASS)
    for line in lines:
        found = json.loads(line)
        assert set(found["cells"]) == set(found["why"])
        for head, why in found["why"].items():
            assert why.strip(), (found["student"], head)
    workbook = load_workbook(term.folder / "all.xlsx")
    grades, why = workbook["grades"], workbook["why"]
    size = (1 + len(CLASS), len(gradebook["s01"]))
    assert (grades.max_row, grades.max_column) == (why.max_row, why.max_column) == size
    assert all(cell.value for line in why.iter_rows() for cell in line)
    assert not any(cell.data_type == "f" for line in grades.iter_rows() for cell in line)
    said = term.run("gradebook", term.out("distillation"), "--explain", "s04", "--lang", "en")
    assert "with an extension: illness" in said
    again = gradebook["s03"]["profiling why"]
    assert "of versions: 2; the latest version counts" in again
    assert "hw-1.zip" in again
    assert "no report" in gradebook["s03"]["distillation why"]
    assert "handed in by the team team-1" in gradebook["s07"]["streaming_kws why"]


def test_the_report_has_the_lateness_as_a_line(term: Semester) -> None:
    one = next(
        one for one in term.handed_in("distillation")["submissions"] if one["students"] == ["s01"]
    )
    from grader.batch import grade_path

    page = term.out("distillation") / "reports"
    text = (page / f"{grade_path(Path(), one['name']).stem}.html").read_text("utf-8")
    assert "Days late: 3, of them free: 2 (left: 1), counted: 1" in text


def test_a_changed_deadline_grades_nothing_again(term: Semester) -> None:
    before = term.grades("distillation")
    term.course.write_text(
        semester.COURSE + '\n[[extensions]]\nstudent = "s02"\nlesson = "distillation"\ndays = 9\n',
        encoding="utf-8",
    )
    term.run("gradebook", term.out("distillation"))
    after = term.grades("distillation")
    changed = {name for name in before if before[name] != after[name]}
    term.course.write_text(semester.COURSE, encoding="utf-8")
    term.run("gradebook", term.out("distillation"))
    assert term.grades("distillation") == before
    (name,) = changed
    assert "(10002)" in name
    assert after[name]["seconds"] == before[name]["seconds"]
    assert after[name]["score"] >= before[name]["score"]


def test_moodle_canvas_and_gradescope_files_have_the_scores(
    term: Semester, gradebook: dict[str, dict[str, str]]
) -> None:
    out = term.out("distillation")
    term.run("gradebook", out, "--format", "moodle", "--export", term.folder / "worksheet.csv")
    text = io.StringIO((out / "moodle.csv").read_text("utf-8-sig"), newline="")
    rows = {row["Email address"].partition("@")[0]: row for row in csv.DictReader(text)}
    for one in CLASS:
        row, score = rows[one.id], gradebook[one.id]["distillation score"]
        if one.number in MISSING["distillation"]:
            assert row["Grade"] == "-"
        else:
            assert float(row["Grade"]) == pytest.approx(float(score), abs=1e-3)
            assert row["Feedback comments"]
    term.run("gradebook", out, "--format", "moodle-feedback")
    with zipfile.ZipFile(out / "moodle-feedback.zip") as file:
        numbers = {name.split("_", 4)[1] for name in file.namelist()}
        assert file.testzip() is None
    there = {str(one.moodle) for one in CLASS if one.number not in MISSING["distillation"]}
    assert numbers == there

    out = term.out("profiling")
    term.run("gradebook", out, "--format", "canvas", "--export", term.folder / "canvas.csv",
             "--column", "Profiling")  # fmt: skip
    lines = list(csv.reader(io.StringIO((out / "canvas.csv").read_text("utf-8"), newline="")))
    scores = {line[2]: line[-1] for line in lines[2:]}
    for one in CLASS:
        if one.number in MISSING["profiling"]:
            assert scores[one.id] == ""
        else:
            ours = float(gradebook[one.id]["profiling score"])
            assert float(scores[one.id]) == pytest.approx(ours, abs=1e-3)
    term.run("gradebook", out, "--format", "gradescope")
    with zipfile.ZipFile(out / "gradescope.zip") as file:
        found = [json.loads(file.read(name)) for name in file.namelist()]
    assert len(found) == len(term.grades("profiling"))


@pytest.mark.skipif("similar" not in COMMANDS, reason="there is no `grader similar` yet")
def test_the_copied_pairs_come_first(term: Semester) -> None:
    done = term.grader("similar", term.out("distillation"), "--json")
    assert done.returncode == 0, done.stderr
    names = {
        one["name"]: one["students"][0] for one in term.handed_in("distillation")["submissions"]
    }
    pairs = json.loads(done.stdout)["pairs"]
    first = [{names[pair["a"]], names[pair["b"]]} for pair in pairs[: len(semester.COPIED)]]
    wanted = [{f"s{a:02d}", f"s{b:02d}"} for a, b in semester.COPIED.items()]
    assert sorted(map(sorted, first)) == sorted(map(sorted, wanted))
