"""A person's points: forms, merging, history, and what every page and command says meanwhile."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import sys
import tomllib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader import cli, text
from grader.lesson import loading, rubric
from grader.lesson.grades import Grade, Judgment, from_json
from grader.report import class_page, student_page
from grader.text.errors import SpecError, UsageError
from tests.conftest import Grader
from tests.report import factory

LESSON_TOML = """
schema = 1
name = "essay"
title = { en = "An essay", ru = "Сочинение" }
summary = { en = "Write.", ru = "Пишите." }
max_score = 3.0
[intake]
artefact = "essay.md"
[data]
names = ["none"]
[[terms]]
name = "words"
title = { en = "Words", ru = "Слова" }
formula = "min(words / 10, 1)"
max_points = 1.0
[[terms]]
name = "judged"
title = { en = "Judged", ru = "Оценено" }
formula = "0.5 * rubric"
max_points = 2.0
[[rubric]]
name = "style"
title = { en = "Style", ru = "Стиль" }
asks = { en = "Is it well written?", ru = "Хорошо ли написано?" }
max_points = 2.0
[[rubric]]
name = "depth"
title = { en = "Depth", ru = "Глубина" }
asks = { en = "Is it deep?", ru = "Глубоко ли?" }
max_points = 2.0
[report]
rank_by = "words"
columns = [{ name = "words", title = { en = "Words", ru = "Слов" } }]
"""
AUTOGRADER = """
from dataclasses import dataclass, field
from grader.lesson.contract import Findings
from grader.text.errors import Rejected
from grader.lesson.grades import Measurement
from grader.text import Text

@dataclass(frozen=True)
class Exam:
    data_id: str
    baseline: dict = field(default_factory=dict)

def prepare(setup):
    return Exam("none/" + setup.audience)

def examine(exam, submission):
    words = len(submission.read("essay.md").split())
    if not words:
        raise Rejected(Text("It is empty."))
    return Findings({"words": Measurement(words, "", Text("counted"))}, [])
"""


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("essays")
    for tree in ("assignments", "student_template", "reference_solutions"):
        (folder / tree / "essay").mkdir(parents=True)
    (folder / "assignments" / "essay" / "lesson.toml").write_text(LESSON_TOML, encoding="utf-8")
    (folder / "assignments" / "essay" / "autograder.py").write_text(AUTOGRADER, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def spec(course: Path) -> loading.LessonSpec:
    return loading.load_folder(course / "assignments" / "essay").spec


class Class:
    """Three submissions, and the commands that an instructor gives."""

    def __init__(self, grader: Grader, course: Path, folder: Path) -> None:
        self.grader, self.course, self.folder = grader, course, folder
        self.out = folder / "out"

    def submit(self, name: str, text: str) -> None:
        place = self.folder / "class" / name
        place.mkdir(parents=True, exist_ok=True)
        (place / "essay.md").write_text(text, encoding="utf-8")

    def __call__(self, *arguments: str | Path, code: int = 0, **extra: str) -> str:
        done = self.grader(*arguments, GRADER_COURSE=str(self.course), **extra)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    def batch(self) -> None:
        self("batch", "essay", self.folder / "class", "--out", self.out, code=1)

    def rubric(self, *arguments: str, code: int = 0, **extra: str) -> str:
        """`grader rubric OUT ...`, in this process: a dozen interpreters take their time."""
        said = io.StringIO()
        environment = {"GRADER_COURSE": str(self.course), "GRADER_LANG": "en", **extra}
        with pytest.MonkeyPatch.context() as patch:
            for name, value in environment.items():
                patch.setenv(name, value)
            with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
                ended = cli.run(["rubric", str(self.out), *arguments, "--jobs", "1"])
        assert ended == code, said.getvalue()
        return said.getvalue()

    def judge(self, name: str, *points: str, why: str = "so", by: str = "Petrova") -> str:
        sets = [word for one in points for word in ("--set", one)]
        return self.rubric(name, *sets, "--why", why, "--by", by)

    def form(self, name: str) -> Path:
        return self.out / "rubric" / f"{name}.toml"

    def grade(self, name: str) -> Grade:
        return from_json((self.out / "grades" / f"{name}.json").read_bytes())

    def listed(self) -> dict[str, Any]:
        return {row["name"]: row for row in json.loads(self.rubric("--json"))}


@pytest.fixture(scope="module")
def graded(grader: Grader, course: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    group = Class(grader, course, tmp_path_factory.mktemp("graded"))
    for name, words in {"Анна К": "ten " * 10, "boris": "five " * 5, "empty": ""}.items():
        group.submit(name, words)
    group.batch()
    return group.folder


@pytest.fixture
def group(grader: Grader, course: Path, graded: Path, tmp_path: Path) -> Class:
    return Class(grader, course, Path(shutil.copytree(graded, tmp_path / "group")))


def test_before_anybody_judged_the_score_says_what_waits(group: Class) -> None:
    grade = group.grade("Анна К")
    assert (grade.score, grade.pending, grade.value("rubric")) == (1.0, 2.0, 0.0)
    page = (group.out / "reports" / "Анна К.html").read_text("utf-8")
    assert "Waiting for a person: up to 2 more." in page
    assert "Not judged yet." in page
    index = (group.out / "index.html").read_text("utf-8")
    assert "+ up to 2" in index
    assert "2 of 2 graded submissions" in index


def test_forms_are_made_for_graded_submissions_only_and_ask_in_the_chosen_language(
    group: Class,
) -> None:
    said = group.rubric("--lang", "ru")
    assert "Ждут оценки преподавателя: 2 из 2" in said
    assert sorted(path.stem for path in (group.out / "rubric").iterdir()) == ["boris", "Анна К"]
    text = group.form("Анна К").read_text("utf-8")
    assert "Хорошо ли написано?" in text
    assert tomllib.loads(text)["name"] == "Анна К"


def test_points_join_the_grade_and_the_pages(group: Class) -> None:
    group.judge("boris", "style=1.5", why="clear", by="Petrova")
    grade = group.grade("boris")
    assert (grade.score, grade.pending) == (0.5 + 0.75, 1.0)
    group.judge("boris", "depth=2", why='she wrote "so"\nand proved it \\ <b>', by="Иванов")
    grade = group.grade("boris")
    assert (grade.score, grade.pending) == (0.5 + 1.75, 0.0)
    page = (group.out / "reports" / "boris.html").read_text("utf-8")
    assert "Иванов, 20" in page
    assert "and proved it \\ &lt;b&gt;" in page
    assert "Waiting for a person" not in page
    assert group.listed()["boris"]["waiting"] == []
    assert "Waiting for a person: 1 of 2." in group.rubric()


def test_history_is_kept_when_points_change_and_who_and_why_are_in_it(group: Class) -> None:
    group.judge("boris", "style=2", why="first look", by="Petrova")
    group.judge("boris", "style=1", why="second look", by="Ivanov")
    told = [(one.points, one.why, one.by) for one in group.grade("boris").judgements]
    assert told == [(2.0, "first look", "Petrova"), (1.0, "second look", "Ivanov")]
    assert group.grade("boris").value("rubric") == 1.0
    page = (group.out / "reports" / "boris.html").read_text("utf-8")
    assert "Earlier judgements" in page
    assert "first look" in page


def test_history_that_was_cut_out_of_the_form_comes_back(group: Class) -> None:
    group.judge("boris", "style=2", why="first look", by="Petrova")
    group.judge("boris", "style=1", why="second look", by="Ivanov")
    form = group.form("boris")
    form.write_text(form.read_text("utf-8").split("[[history]]")[0], encoding="utf-8")
    group.rubric()
    assert [one.why for one in group.grade("boris").judgements] == ["first look", "second look"]
    assert len(tomllib.loads(form.read_text("utf-8"))["history"]) == 2


def test_form_that_was_deleted_is_made_again_from_the_grade(group: Class) -> None:
    group.judge("boris", "style=2", why="first look", by="Petrova")
    group.form("boris").unlink()
    group.batch()
    assert group.listed()["boris"]["points"] == {"style": 2.0}
    assert group.listed()["boris"]["problem"] is None
    assert group.grade("boris").score == 1.5


def test_judgement_counts_although_an_earlier_clock_was_ahead(spec: loading.LessonSpec) -> None:
    ahead = Judgment(
        criterion="style",
        points=2.0,
        why="a",
        by="P",
        when=NOON + timedelta(days=9),
        submission="",
    )
    form = rubric.Form(
        schema=1,
        lesson="essay",
        name="x",
        by="Q",
        criteria={"style": rubric.Entry(1.0, "b")},
        history=[ahead],
    )
    found = rubric.unrecorded(form, essay(spec), NOON)
    assert rubric.current([ahead, *found])["style"].points == 1.0
    by_command = rubric.with_points(form, essay(spec), {"style": 0.5}, "c", "R", NOON)
    assert rubric.current(by_command.history)["style"].points == 0.5


def test_rerun_of_the_batch_keeps_points_even_of_work_that_was_graded_anew(group: Class) -> None:
    group.judge("boris", "style=2", "depth=2")
    group.batch()
    assert group.grade("boris").score == 2.5
    group.submit("boris", "ten " * 10)
    group.batch()
    grade = group.grade("boris")
    assert (grade.score, grade.pending) == (3.0, 0.0)
    assert group.listed()["boris"]["outdated"] == ["style", "depth"]
    page = (group.out / "reports" / "boris.html").read_text("utf-8")
    assert "The submission has changed since" in page
    group.judge("boris", "style=2", "depth=2", why="looked again")
    assert group.listed()["boris"]["outdated"] == []


def test_points_outlive_a_submission_that_stops_being_graded(group: Class) -> None:
    group.judge("boris", "style=2", "depth=1")
    group.submit("boris", "")
    group.batch()
    assert group.grade("boris").score == 0
    group.submit("boris", "five " * 5)
    group.batch()
    assert group.grade("boris").score == 2.0


def test_form_goes_aside_with_the_grade_of_a_submission_that_is_gone(group: Class) -> None:
    group.judge("boris", "style=2")
    shutil.rmtree(group.folder / "class" / "boris")
    group.batch()
    assert not group.form("boris").exists()
    assert list(group.out.glob("removed/*/rubric/boris.toml"))


def test_editor_opens_the_form_and_what_was_saved_counts(group: Class, tmp_path: Path) -> None:
    script = tmp_path / "editor.py"
    script.write_text(
        "import sys, pathlib; p = pathlib.Path(sys.argv[1]); t = p.read_text('utf-8')\n"
        "t = t.replace('by = \"\"', 'by = \"Ада\"').replace('# points =', 'points = 2', 1)\n"
        "p.write_text(t.replace('why = \"\"', 'why = \"хорошо\"', 1) + '# mine\\n', 'utf-8')",
        encoding="utf-8",
    )
    group.rubric("boris", EDITOR=f"{sys.executable} {script}", VISUAL="")
    last = group.grade("boris").judgements[-1]
    assert (last.criterion, last.points, last.why, last.by) == ("style", 2.0, "хорошо", "Ада")
    assert "# mine" in group.form("boris").read_text("utf-8")


def test_points_that_were_taken_back_wait_again(group: Class) -> None:
    group.judge("boris", "style=2")
    form = group.form("boris")
    form.write_text(form.read_text("utf-8").replace("points = 2", "# points =", 1), "utf-8")
    group.rubric()
    grade = group.grade("boris")
    assert (grade.score, grade.pending) == (0.5, 2.0)
    assert [one.points for one in grade.judgements] == [2.0, None]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("schema = 1", "schema = 1\nschema = 2", "form.toml"),
        ("# points =", "points = 2.5", "not from 0 to 2"),
        ("# points =", "points = nan", "not from 0 to 2"),
        ("# points =", 'points = "two"', "$.criteria"),
        ("# points =", "points = 1", "why is empty"),
        ('# points =\nwhy = ""', 'points = 1\nwhy = "so"', "by is empty"),
        ("[criteria.style]", "[criteria.stile]", "the criteria are style, depth"),
        ("schema = 1", "schema = 7", "reads schema 1"),
        ("by =", "buy =", "buy"),
    ],
)
def test_bad_form_is_one_sentence(spec: loading.LessonSpec, old: str, new: str, words: str) -> None:
    grade = essay(spec)
    text = rubric.write(rubric.blank(grade), spec, "en").decode()
    assert old in text
    with pytest.raises(UsageError, match="Correct the file") as caught:
        rubric.read(text.replace(old, new, 1).encode(), "form.toml", grade, spec)
    assert words in str(caught.value)


def test_bad_form_stays_as_it_is_and_costs_the_others_nothing(group: Class) -> None:
    group.judge("boris", "style=1")
    form = group.form("boris")
    form.write_text(form.read_text("utf-8").replace("points = 1", "points = 2.5", 1), "utf-8")
    before = form.read_bytes()
    said = group.rubric("Анна К", "--set", "style=2", "--why", "so", "--by", "P", code=2)
    assert "not from 0 to 2" in said
    assert "Traceback" not in said
    assert form.read_bytes() == before
    assert group.grade("boris").value("rubric") == 1.0
    assert group.grade("Анна К").value("rubric") == 2.0


def test_form_in_another_encoding_is_one_sentence(group: Class) -> None:
    group.rubric()
    form = group.form("boris")
    form.write_bytes(form.read_text("utf-8").replace('by = ""', 'by = "Ада"').encode("cp1251"))
    assert "not UTF-8" in group.rubric(code=2)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["boris", "--set", "style=3", "--why", "a", "--by", "b"], "style=0…2"),
        (["boris", "--set", "charm=1", "--why", "a", "--by", "b"], "depth=0…2"),
        (["boris", "--set", "style", "--why", "a", "--by", "b"], "style=0…2"),
        (["boris", "--set", "style=1", "--by", "b"], "--why"),
        (["--set", "style=1", "--why", "a", "--by", "b"], "NAME"),
        (["borys", "--set", "style=1", "--why", "a", "--by", "b"], "Did you mean boris"),
    ],
)
def test_wrong_usage_is_one_sentence(group: Class, arguments: list[str], words: str) -> None:
    assert words in group.rubric(*arguments, code=2)


def test_command_in_a_process_of_its_own_lists_what_waits(group: Class) -> None:
    said = group("rubric", group.out, "--waiting", "--lang", "ru")
    assert "ждёт: style, depth" in said
    assert "Ждут оценки преподавателя: 2 из 2" in said


def test_lesson_without_rubric_and_folder_without_grades_say_so(
    grader: Grader, tmp_path: Path
) -> None:
    (tmp_path / "grades").mkdir()
    done = grader("rubric", tmp_path)
    assert done.returncode == 2
    assert "holds no grades" in done.stderr
    grade = factory.class_of(1)[0]
    (tmp_path / "grades" / "a.json").write_bytes(text.to_json(grade))
    assert "has no rubric" in grader("rubric", tmp_path).stderr


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('name = "depth"', 'name = "style"', "twice"),
        ('name = "depth"', 'name = "Глубина"', "Latin"),
        ("max_points = 2.0\n[report]", "max_points = 0.0\n[report]", "above 0"),
        ("0.5 * rubric", "2", "uses `rubric`"),
    ],
)
def test_wrong_rubric_of_a_lesson_names_the_file(
    tmp_path: Path, old: str, new: str, words: str
) -> None:
    assert old in LESSON_TOML
    (tmp_path / "essay").mkdir()
    (tmp_path / "essay" / "lesson.toml").write_text(LESSON_TOML.replace(old, new), "utf-8")
    with pytest.raises(SpecError, match=r"lesson\.toml") as caught:
        loading.load_folder(tmp_path / "essay")
    assert words in str(caught.value)


# Properties ---------------------------------------------------------------------------------

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40).filter(str.strip)
ENTRIES = st.dictionaries(
    st.sampled_from(["style", "depth"]),
    st.builds(rubric.Entry, st.none() | st.floats(0, 2), TEXT),
)


def essay(spec: loading.LessonSpec) -> Grade:
    plain = next(grade for grade in factory.class_of(3) if grade.passed)
    measurements = {"words": plain.measurements["bytes"]}
    return msgspec.structs.replace(
        plain, lesson=spec.name, max_score=3.0, measurements=measurements, gate=None, terms=[]
    )


@given(entries=st.lists(ENTRIES, min_size=1, max_size=4), by=TEXT)
def test_any_text_survives_the_form_and_every_version_of_it_is_remembered(
    spec: loading.LessonSpec, entries: list[dict[str, rubric.Entry]], by: str
) -> None:
    grade = essay(spec)
    form = rubric.blank(grade)
    for step, wanted in enumerate(entries):
        form = msgspec.structs.replace(form, by=by, criteria=wanted)
        raw = rubric.write(form, spec, "ru")
        form = rubric.read(raw, "form", grade, spec)
        assert {name: one for name, one in form.criteria.items() if name in wanted} == wanted
        found = rubric.unrecorded(form, grade, NOON + timedelta(hours=step))
        raw = rubric.appended(raw, found, "en")
        before = form.history
        form = rubric.read(raw, "form", grade, spec)
        assert form.history == [*before, *found]
        given_points = {name: one.points for name, one in rubric.current(form.history).items()}
        assert given_points == {
            name: one.points for name, one in wanted.items() if one.points is not None
        }
        assert rubric.unrecorded(form, grade, NOON) == []


@given(entries=ENTRIES)
def test_score_and_what_waits_add_up(
    spec: loading.LessonSpec, entries: dict[str, rubric.Entry]
) -> None:
    history = [
        Judgment(criterion=name, points=one.points, why=one.why, by="P", when=NOON, submission="")
        for name, one in entries.items()
    ]
    grade = rubric.merged(essay(spec), spec, history)
    points = sum(one.points or 0.0 for one in entries.values())
    assert grade.score == pytest.approx(1 + 0.5 * points)
    judged = sum(one.points is not None for one in entries.values())
    assert grade.pending == pytest.approx(2 - judged)
    assert grade.score + grade.pending <= 3 + 1e-9


def test_pages_show_any_judgement_in_both_languages(spec: loading.LessonSpec) -> None:
    hostile = Judgment(
        criterion="style", points=1.0, why="<script>\u202e", by="\x00x", when=NOON, submission="old"
    )
    unknown = Judgment(criterion="gone", points=9.0, why="", by="", when=NOON, submission="")
    grade = rubric.merged(essay(spec), spec, [hostile, unknown])
    assert grade.value("rubric") == 1.0
    for lang in ("en", "ru"):
        page = student_page(grade, spec, lang)
        assert "<script>\u202e" not in page
        assert "⟨U+202E⟩" in page
        assert class_page([grade], spec, lang)


@pytest.mark.parametrize("end", ["\n", ""])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_what_a_person_wrote_into_a_form_stays_byte_for_byte(
    spec: loading.LessonSpec, newline: str, end: str
) -> None:
    """Comments, the order of sections and a byte order mark, with one history and with another."""
    grade = essay(spec)
    lines = [
        "\ufeff# mine",
        'by = "Ада"   # I',
        "schema = 1",
        f'name = "{grade.submission.name}"',
        'lesson = "essay"',
        "[criteria.depth]  # first",
        'why = "so"',
        "points=1.50",
        "[criteria.style]",
        "# points = 2, or less?",
    ]
    raw = (newline.join(lines) + end).encode()
    for hour in range(2):
        form = rubric.read(raw, "form", grade, spec)
        found = rubric.unrecorded(form, grade, NOON + timedelta(hours=hour))
        longer = rubric.appended(raw, found, "en")
        assert longer.startswith(raw)
        assert rubric.read(longer, "form", grade, spec).history == [*form.history, *found]
        raw = longer.replace(b"points=1.50", b"points=2.00", 1)


def test_form_of_another_submission_is_refused(spec: loading.LessonSpec) -> None:
    grade = essay(spec)
    other = msgspec.structs.replace(
        grade, submission=msgspec.structs.replace(grade.submission, name="другая")
    )
    raw = rubric.write(rubric.blank(other), spec, "en")
    with pytest.raises(UsageError, match="другая"):
        rubric.read(raw, "form", grade, spec)
