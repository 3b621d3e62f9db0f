"""Rosters, times of handing in, deadlines, extensions and the budget of free days."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader.intake.downloads import Download, Version
from grader.lesson import loading, scoring
from grader.lesson.grades import from_json, to_json
from grader.semester import course_file, deadlines, handed_in, roster, tables
from grader.semester.handed_in import ClassRecord
from grader.text.errors import UsageError
from tests.report import factory

SPEC = loading.load("distillation").spec
MOSCOW = timezone(timedelta(hours=3))
COURSE = """
schema = 1
timezone = "Europe/Moscow"
[late]
free_days = 3
free_days_per_lesson = 2
grace_minutes = 10
penalty = "0.1 * max_score * days_late"
[lessons.profiling]
deadline = 2026-02-01T23:59:00
graded = "profiling"
[lessons.distillation]
deadline = 2026-03-01T23:59:00
[[extensions]]
student = "s2"
lesson = "distillation"
days = 3
why = "illness"
[[deductions]]
student = "s1"
lesson = "distillation"
points = 0.5
why = "no report"
"""


@pytest.fixture
def course(tmp_path: Path) -> course_file.Course:
    path = tmp_path / "course.toml"
    path.write_text(COURSE, encoding="utf-8")
    return course_file.load(path)


def table(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.write_bytes(text.encode(encoding))
    return path


def record(tmp_path: Path, lesson: str, rows: str, team: bool = False) -> ClassRecord:
    """A class as its table says, everybody with a folder of the same name."""
    head = "id,name,submitted,team\n" if team else "id,name,submitted\n"
    people = roster.read(table(tmp_path / f"{lesson}.csv", head + rows))
    versions = [
        Version(one.student.id, one.student.id, tmp_path, (one.student.id,))
        for one in people
        if one.submitted
    ]
    download = Download("plain", versions)
    return handed_in.collect(download, lesson, people, zone=MOSCOW)[0]


def lines(course: course_file.Course, tmp_path: Path, found: ClassRecord, name: str):
    return deadlines.deductions(course, tmp_path, SPEC, found)[name]


# Rosters ------------------------------------------------------------------------------------

MOODLE = (
    "\ufeffIdentifier,Full name,ID number,Email address,Status,Group,Grade,Maximum grade,"
    "Grade can be changed,Last modified (submission),Last modified (grade),Feedback comments\r\n"
    'Participant 501,"Соколова, Анна",s1,anna@x.ru,Submitted for grading - 3 mins 31 secs late,'
    'Team A,-,7.00,Yes,"Wednesday, 10 June 2026, 2:14 PM",-,\r\n'
    "Participant 502,Boris Ivanov,s2,b@x.ru,No submission,,-,7.00,Yes,-,-,\r\n"
)
CANVAS = (
    "Student,ID,SIS User ID,SIS Login ID,Section,KWS (321),Current Score\n"
    ",,,,,Manual Posting,\n"
    "    Points Possible,,,,,7,(read only)\n"
    '"Sokolova, Anna",4321,s1,anna,Group 7,,0\n'
    '"Student, Test",9,,,Group 7,,\n'
)
GITHUB = (
    "assignment_name,assignment_url,starter_code_url,github_username,roster_identifier,"
    "student_repository_name,student_repository_url,submission_timestamp,points_awarded,"
    "points_available,group_name\n"
    "KWS,u,u,octocat,s1,kws-octocat,u,2026-06-10 14:14:00 UTC,0,10,team-a\n"
)


def test_tables_of_each_platform_are_recognized(tmp_path: Path) -> None:
    anna, boris = roster.read(table(tmp_path / "m.csv", MOODLE))
    assert (anna.student.id, anna.student.moodle, anna.student.team) == ("s1", "501", "Team A")
    assert tables.moment(anna.submitted, UTC) == datetime(2026, 6, 10, 14, 14, tzinfo=UTC)
    assert tables.moment(boris.submitted, UTC) is None
    (anna,) = roster.read(table(tmp_path / "c.csv", CANVAS))
    assert (anna.student.id, anna.student.canvas, anna.student.login) == ("s1", "4321", "anna")
    assert anna.student.section == "Group 7"
    assert anna.student.team == ""
    (anna,) = roster.read(table(tmp_path / "g.csv", GITHUB))
    assert (anna.student.id, anna.student.github, anna.where) == ("s1", "octocat", "kws-octocat")
    assert anna.student.team == "team-a"
    assert tables.moment(anna.submitted, MOSCOW) == datetime(2026, 6, 10, 14, 14, tzinfo=UTC)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1251"])
def test_own_table_is_read_in_each_encoding_of_excel(tmp_path: Path, encoding: str) -> None:
    text = "Фамилия;Имя;Группа;Почта\r\nСоколова;Анна;204;a@x.ru\r\n;;;\r\n"
    (anna,) = roster.read(table(tmp_path / "r.csv", text, encoding))
    assert anna.student.name == "Анна Соколова"
    assert anna.student.id == "a@x.ru"
    assert (anna.student.section, anna.student.team) == ("204", "")


@pytest.mark.parametrize(
    "text",
    ["2026-06-10T14:14:00", "2026-06-10 14:14", "Wednesday, 10 June 2026, 2:14 PM",
     "Wednesday, June 10, 2026, 2:14 PM", "среда, 10 июня 2026, 14:14", "10.06.2026 14:14:00",
     "2026-06-10T11:14:00Z", "2026-06-10 11:14:00 UTC"],
)  # fmt: skip
def test_times_are_read_in_the_formats_of_people_and_platforms(text: str) -> None:
    assert tables.moment(text, MOSCOW) == datetime(2026, 6, 10, 14, 14, tzinfo=MOSCOW)


@pytest.mark.parametrize("text", ["", "-", "yesterday", "31.02.2026 10:00", "2026-06-10T"])
def test_cell_without_a_time_is_none(text: str) -> None:
    assert tables.moment(text, UTC) is None


def test_a_roster_with_one_id_twice_is_refused(tmp_path: Path) -> None:
    path = table(tmp_path / "r.csv", "id,name\ns1,A\ns1,B\n")
    with pytest.raises(UsageError, match="s1"):
        roster.require_distinct(roster.read(path), path)


def test_students_are_found_by_names_and_numbers_of_a_download() -> None:
    people = [
        roster.Student(id="s1", name="Анна Фёдорова", email="anna@x.ru", moodle="501"),
        roster.Student(id="s2", name="Jean Luc Picard", canvas="77", login="jlp"),
        roster.Student(id="s3", name="Same Name"),
        roster.Student(id="s4", name="Same Name"),
    ]
    directory = roster.Directory(people)

    def found(who: str, number: str = "", layout: str = "plain") -> str | None:
        student = directory.find(who, number, layout)
        return student.id if student else None

    assert found("whoever", "501", "moodle") == "s1"
    assert found("анна федорова") == "s1"
    assert found("anna") == "s1"
    assert found("picardjeanluc", "99", "canvas") == "s2"
    assert found("s2_hw1") == "s2"
    assert found("jlp v2") == "s2"
    assert found("Same Name") is None
    assert found("Nobody") is None


# Who handed in what -------------------------------------------------------------------------


def test_missing_and_unlisted_students_and_the_latest_version(tmp_path: Path) -> None:
    people = roster.read(table(tmp_path / "r.csv", "id,name\ns1,A\ns2,B\ns3,C\n"))
    times = roster.read(
        table(
            tmp_path / "t.csv",
            "folder,submitted\ns1,2026-03-02 10:00\ns1 (2),2026-03-01 10:00\n",
        )
    )
    names = ("s1", "s1 (2)", "s2", "s2 (1)", "guest")
    versions = [Version(name, name, tmp_path / name, (name,)) for name in names]
    found, candidates = handed_in.collect(
        Download("plain", versions), "distillation", people, times, MOSCOW
    )
    assert found.missing == ["s3"]
    assert [one.id for one in found.students if not one.listed] == ["guest"]
    by_name = {one.name: one for one in found.submissions}
    assert set(by_name) == {"s1", "s2", "guest"}
    # By time, where it is known, else by the number; the name stays that of the first.
    assert {one.name: one.path.name for one in candidates} == {
        "s1": "s1",
        "s2": "s2 (1)",
        "guest": "guest",
    }
    assert [one.counts for one in by_name["s1"].versions] == [False, True]
    assert handed_in_again(found, tmp_path) == found


def handed_in_again(found: ClassRecord, tmp_path: Path) -> ClassRecord | None:
    handed_in.write(tmp_path, found)
    return handed_in.read(tmp_path)


def test_team_has_one_submission(tmp_path: Path) -> None:
    found = record(
        tmp_path,
        "distillation",
        "s1,A,2026-03-01 10:00,Red\ns2,B,2026-03-02 10:00,Red\ns3,C,,Red\ns4,D,,Blue\n",
        team=True,
    )
    (red,) = found.submissions
    assert (red.name, red.students) == ("Red", ["s1", "s2", "s3"])
    assert red.submitted == datetime(2026, 3, 2, 10, tzinfo=MOSCOW)
    assert found.missing == ["s4"]


def test_the_time_of_a_commit_runs_nothing_of_the_clone(tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    clone.mkdir()
    when = "2026-03-01T10:00:00+03:00"
    run = {"cwd": clone, "check": True, "capture_output": True}
    who = {
        "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@x", "GIT_COMMITTER_NAME": "a",
        "GIT_COMMITTER_EMAIL": "a@x", "GIT_AUTHOR_DATE": when, "GIT_COMMITTER_DATE": when,
        "PATH": "/usr/bin:/bin",
    }  # fmt: skip
    subprocess.run(["git", "init", "-q"], **run)
    (clone / "a.txt").write_text("a", encoding="utf-8")
    subprocess.run(["git", "add", "."], **run)
    subprocess.run(["git", "commit", "-qm", "committer x <y> 1 +0000"], env=who, **run)
    expected = datetime.fromisoformat(when)
    assert handed_in.committed(clone) == expected
    subprocess.run(["git", "gc", "-q"], **run)  # objects in a pack, refs in one file
    mark = tmp_path / "ran"
    config = clone / ".git" / "config"
    config.write_text(
        f'[core]\nfsmonitor = "touch {mark}"\npager = "touch {mark}"\n[gpg]\nprogram = "{mark}"\n'
        f"[include]\npath = /dev/zero\n",
        encoding="utf-8",
    )
    assert handed_in.committed(clone) == expected
    assert not mark.exists()
    (clone / ".git" / "HEAD").write_text("ref: refs/heads/../../../../etc/passwd")
    assert handed_in.committed(clone) is None


# Deadlines ----------------------------------------------------------------------------------


def test_in_time_within_the_grace_and_late(course, tmp_path: Path) -> None:
    found = record(
        tmp_path,
        "distillation",
        "a,A,2026-03-01 20:00\nb,B,2026-03-02 00:05\nc,C,2026-03-02 00:10\n"
        "s1,D,2026-03-04 23:00\ns2,E,2026-03-04 23:00\n",
    )
    values = {
        name: line[0].values for name, line in deadlines.deductions(
            course, tmp_path, SPEC, found).items()
    }  # fmt: skip
    assert [values[name]["days_late"] for name in ("a", "b", "c", "s1", "s2")] == [0, 0, 0, 1, 0]
    (a,), (b,), (c,), (late, report), (extended,) = (
        lines(course, tmp_path, found, name) for name in ("a", "b", "c", "s1", "s2")
    )
    assert "in time" in a.why.to("en")
    assert "вовремя" in a.why.to("ru")
    assert "within the grace" in b.why.to("en")
    assert "Days late: 1, of them free: 1 (left: 2), counted: 0" in c.why.to("en")
    assert "Days late: 3, of them free: 2 (left: 1), counted: 1" in late.why.to("en")
    assert "Mar 4, 2026, 23:00 MSK" in late.why.to("en")
    assert "extension: illness" in extended.why.to("en")
    grade = scoring.taken_off(factory.graded(), SPEC, [late, report])
    assert [one.points for one in grade.deductions] == pytest.approx([0.7, 0.5])
    assert grade.score == pytest.approx(factory.graded().score - 1.2)
    assert report.why.to("en") == "no report"


def test_free_days_are_spent_across_lessons_in_order(course, tmp_path: Path) -> None:
    earlier = record(tmp_path, "profiling", "a,A,2026-02-03 12:00\nb,B,2026-02-01 12:00\n")
    (tmp_path / "profiling").mkdir()
    handed_in.write(tmp_path / "profiling", earlier)
    found = record(tmp_path, "distillation", "a,A,2026-03-03 12:00\nb,B,2026-03-03 12:00\n")
    late = deadlines.lateness(course, tmp_path, "distillation", found)
    assert (late["a"].days, late["a"].free, late["a"].left) == (2, 1, 0)
    assert (late["b"].days, late["b"].free, late["b"].left) == (2, 2, 1)
    before = deadlines.lateness(course, tmp_path, "profiling", earlier)
    assert (before["a"].free, before["a"].left) == (2, 1)


def test_team_has_its_latest_deadline_and_spends_free_days_of_all_members(course, tmp_path) -> None:
    earlier = record(tmp_path, "profiling", "s1,A,2026-02-03 12:00\n")
    (tmp_path / "profiling").mkdir()
    handed_in.write(tmp_path / "profiling", earlier)
    rows = "s1,A,2026-03-06 12:00,Red\ns2,B,,Red\n"
    found = record(tmp_path, "distillation", rows, team=True)
    late = deadlines.lateness(course, tmp_path, "distillation", found)["Red"]
    assert late.due.deadline == datetime(2026, 3, 4, 23, 59, tzinfo=MOSCOW)
    assert (late.days, late.free) == (2, 1)


def test_unknown_time_takes_nothing_off_and_is_mentioned(course, tmp_path: Path) -> None:
    version = Version("x", "x", tmp_path, ("x",), late=True)
    found = handed_in.collect(Download("canvas", [version]), "distillation", None)[0]
    (line,) = lines(course, tmp_path, found, "x")
    assert "--times" in line.why.to("en")
    assert scoring.taken_off(factory.graded(), SPEC, [line]).score == factory.graded().score


@pytest.mark.parametrize(
    ("before", "after", "sentence"),
    [
        ("days = 3\nwhy", "days = 3\nuntil = 2026-03-09T00:00:00\nwhy", "either days or until"),
        ("Europe/Moscow", "Europe/Nowhere", "timezone"),
        ("* days_late", "* days_lost", "days_lost"),
        ("0.1 * max_score * days_late", "max_score days_late", "penalty"),
        ("points = 0.5", "points = -1", "below 0"),
        ("free_days = 3", "free_day = 3", "free_day"),
        ("schema = 1", "schema = 2", "schema"),
    ],
)
def test_a_wrong_course_file_is_named(tmp_path: Path, before, after, sentence) -> None:
    path = tmp_path / "course.toml"
    path.write_text(COURSE.replace(before, after, 1), encoding="utf-8")
    with pytest.raises(UsageError, match=sentence) as found:
        course_file.load(path)
    assert str(path) in found.value.text.to("en")


@given(
    st.lists(st.sampled_from(["days_late", "score", "0.5", "100", "0 - 1", "hours_late / 24"])),
    st.floats(0, 20),
)
def test_no_deduction_takes_more_than_there_is_or_gives_points(formulas, days) -> None:
    from grader.lesson.grades import Deduction
    from grader.text import EMPTY

    values = {"days_late": days, "hours_late": 24 * days}
    given_lines = [
        Deduction(name="late", title=EMPTY, formula=one, values=values, why=EMPTY)
        for one in formulas
    ]
    plain = factory.graded()
    grade = scoring.taken_off(plain, SPEC, given_lines)
    assert 0 <= grade.score <= plain.score
    assert all(one.points >= 0 for one in grade.deductions)
    assert grade.score + sum(one.points for one in grade.deductions) == pytest.approx(plain.score)
    assert from_json(to_json(scoring.taken_off(grade, SPEC, grade.deductions))) == grade
    assert scoring.taken_off(grade, SPEC, []) == plain
