"""The command on a class's download: a roster, deadlines that change, and reruns."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest

from tests.conftest import Grader

COURSE = """
schema = 1
[late]
penalty = "0.25 * days_late"
[lessons.toy]
deadline = 2026-03-01T12:00:00
"""
ROSTER = (
    "id,name,moodle,submitted\n"
    "s1,Анна Соколова,11,2026-03-01 10:00\ns2,Boris,12,2026-03-03 10:00\ns3,Vera,13,\n"
)


@pytest.fixture
def download(tmp_path: Path) -> Path:
    path = tmp_path / "CS-Toy-5.zip"
    with zipfile.ZipFile(path, "w") as file:
        for who in ("Анна Соколова_11", "Boris_12", "Boris_99", "Guest_77"):
            file.writestr(f"{who}_assignsubmission_file_/act.txt", "ok")
    return path


@pytest.fixture
def papers(tmp_path: Path) -> Path:
    (tmp_path / "course.toml").write_text(COURSE, encoding="utf-8")
    (tmp_path / "roster.csv").write_text(ROSTER, encoding="utf-8")
    return tmp_path


def grades(out: Path) -> dict[str, dict]:
    found = [json.loads(path.read_bytes()) for path in (out / "grades").glob("*.json")]
    return {grade["submission"]["name"]: grade for grade in found}


def test_batch_with_a_download_a_roster_and_a_changed_deadline(
    toys: Grader, download: Path, papers: Path, out: Path
) -> None:
    words = ("batch", "toy", download, "--out", out, "--lang", "en")
    more = ("--course", papers / "course.toml", "--roster", papers / "roster.csv")
    done = toys(*words, *more)
    assert done.returncode == 0, done.stderr
    assert "3 students in the roster, 1 did not hand in" in done.stderr
    # Two people called Boris: the one with the other number is not the roster's.
    assert "not in the roster: Boris, Guest" in done.stderr
    first = grades(out)
    assert {name: grade["score"] for name, grade in first.items()} == {
        "Анна Соколова (11)": 1.0,
        "Boris (12)": 0.5,
        "Boris (99)": 1.0,
        "Guest (77)": 1.0,
    }
    assert "Days late: 2" in first["Boris (12)"]["deductions"][0]["why"]["en"]
    assert "not known" in first["Guest (77)"]["deductions"][0]["why"]["en"]

    # A rerun remembers both, and a moved deadline grades nothing again.
    course = COURSE.replace("03-01T12", "03-02T12") + ('[[extensions]]\nstudent = "s9"\ndays = 1\n')
    (papers / "course.toml").write_text(course, encoding="utf-8")
    again = toys(*words)
    assert again.returncode == 0, again.stderr
    assert "4 of 4 are graded already" in again.stderr
    assert "names s9, but nobody" in again.stderr
    moved = grades(out)
    assert moved["Boris (12)"]["score"] == 0.75
    assert moved["Boris (12)"]["seconds"] == first["Boris (12)"]["seconds"]
    assert moved["Анна Соколова (11)"]["submission"] == first["Анна Соколова (11)"]["submission"]

    # The gradebook alone does that too; without a course.toml nothing is taken off.
    (papers / "course.toml").write_text("schema = 1\n", encoding="utf-8")
    book = toys("gradebook", out, "--format", "jsonl", "--to", "-")
    assert book.returncode == 0, book.stderr
    assert grades(out)["Boris (12)"]["score"] == 1.0
    rows = {row["student"]: row["cells"] for row in map(json.loads, book.stdout.splitlines())}
    assert rows["s3"]["status"] == "not_submitted"
    assert rows["s2"]["score"] == 1.0


def test_wrong_course_file_or_roster_is_named_before_grading(
    toys: Grader, download: Path, papers: Path, out: Path
) -> None:
    (papers / "course.toml").write_text("schema = 1\ndeadlines = 3\n", encoding="utf-8")
    for option, name in (("--course", "course.toml"), ("--roster", "none.csv")):
        done = toys("batch", "toy", download, "--out", out, option, papers / name)
        assert done.returncode == 2, done.stdout + done.stderr
        assert name in done.stderr
        assert "Traceback" not in done.stderr
    assert not list((out / "grades").glob("*.json"))
