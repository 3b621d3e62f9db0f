"""A class of hostile submissions: each gets the expected result, and no other work is affected.

Every batch runs at one level of isolation as one user, with one worker, and an honest submission
after each hostile one. `expected.toml` says what has to come of each attack.
"""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import nbformat
import numpy as np
import pytest

from grader import grading
from grader.lesson import loading
from tests.hostile import cases, models, notebooks, places
from tests.hostile.scene import (
    SEED,
    TOKEN,
    Scene,
    User,
    add_attack,
    fill,
    staged,
)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="levels A and B need Linux"),
]

TABLE = cases.load()
WHO: User = "root" if sys.platform == "linux" and os.geteuid() == 0 else "user"
CLASSES: dict[str, tuple[cases.Kind, ...]] = {
    "code": ("code",),
    "models": ("models", "places"),
    "notebooks": ("notebooks",),
    "isolation": ("code", "notebooks"),
}
SCENES: list[tuple[str, str, User]] = [
    # Every attack at both levels, at A without and at B with the rights of root: how answers,
    # files and models are judged does not depend on the other combinations.
    *((kind, level, user) for kind in ("code", "models", "notebooks")
      for level, user in (("A", "user"), ("B", WHO))),
    # What attacks the isolation itself, for all other combinations.
    ("isolation", "A", "root"),
    ("isolation", "B", "user"),
    ("isolation", "B", "contained"),
]  # fmt: skip


@dataclass
class Graded:
    """A batch that has run."""

    scene: Scene
    level: str
    report: dict
    """Of launch.py: how the command ended, and what it left."""
    grades: dict[str, dict]
    """By the number that begins a submission's name, as 012a (hostile) or 012b (honest)."""
    attacks: list[cases.Attack]

    def hostile(self) -> Iterator[tuple[cases.Expected, dict]]:
        for number, (_, row) in enumerate(self.attacks, 1):
            yield row, self.grades[f"{number:03d}a"]

    def honest(self) -> Iterator[tuple[cases.Attack, dict]]:
        """Each with the attack that came right before it."""
        for number, attack in enumerate(self.attacks, 1):
            yield attack, self.grades[f"{number:03d}b"]


@pytest.fixture(
    scope="module",
    params=[pytest.param(scene, id="-".join(scene)) for scene in SCENES],
)
def graded(request: pytest.FixtureRequest, small_course: Path, speech: Path) -> Iterator[Graded]:
    name, level, user = request.param
    with staged(small_course, speech, user) as scene:
        _require(scene, level)
        attacks = [
            (kind, row)
            for kind in CLASSES[name]
            for row in TABLE.of(kind)
            if name != "isolation" or row.isolation
        ]
        fill(scene, attacks)
        report = _batch(scene, "distillation" if name == "models" else "spread", level)
        yield Graded(scene, level, report, _grades(scene), attacks)


@pytest.fixture(scope="module")
def speech(small_course: Path, cache: Path) -> Iterator[Path]:
    """The cache, once the speech that the scenes need is in it: it is made once for all."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADER_COURSE", str(small_course))
        patch.setenv("GRADER_CACHE", str(cache))
        models.public_clips()
        grading.prepare(loading.load("distillation"), "hidden", seed=SEED)
        yield cache


def _require(scene: Scene, level: str) -> None:
    """Skip, with the reason, where this user has no Python or this machine not the level."""
    code = (
        "import numpy, onnxruntime; from grader.sandbox.isolation.levels import current_level; "
        "print(current_level().level)"
    )
    done = subprocess.run(
        [*scene.as_user, str(scene.python), "-c", code],
        env=scene.environment(level),
        cwd=scene.folder("home"),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.stdout.strip().splitlines()[-1:] != [level]:
        why = (done.stderr.strip().splitlines() or ["?"])[-1]
        pytest.skip(f"level {level} for {' '.join(scene.as_user) or 'this user'}: {why}")


def _batch(scene: Scene, lesson: str, level: str) -> dict:
    report = scene.run(
        str(scene.python), "-m", "grader", "batch", lesson, str(scene.classroom),
        "--out", str(scene.folder("out")), "--jobs", "1", level=level,
    )  # fmt: skip
    assert (scene.folder("out") / "index.html").is_file(), report["stderr"] + report["stdout"]
    return report


def _grades(scene: Scene) -> dict[str, dict]:
    """Each with the executed copy of its notebook as `copy`."""
    found = []
    for path in (scene.folder("out") / "grades").glob("*.json"):
        copy = scene.folder("out") / "notebooks" / f"{path.stem}.ipynb"
        text = copy.read_text(encoding="utf-8") if copy.is_file() else ""
        found.append(json.loads(path.read_bytes()) | {"copy": text})
    return {grade["submission"]["name"][:4]: grade for grade in found}


# The table --------------------------------------------------------------------------------------


def test_table_names_every_attack_in_the_attacks_own_words() -> None:
    rows = (*TABLE.code, *TABLE.models, *TABLE.places, *TABLE.notebooks)
    said = {row.name: row.attack for row in rows}
    own = {
        folder.name: ast.get_docstring(_parsed(folder / "solution.py")) or "?"
        for folder in cases.CODE.iterdir()
        if (folder / "solution.py").is_file()
    }
    made = models.ATTACKS | places.ATTACKS | notebooks.ATTACKS
    own |= {name: attack.__doc__ or "?" for name, attack in made.items()}
    assert said == {name: doc.splitlines()[0] for name, doc in own.items()}
    assert len(said) == len(rows)
    assert len(said) >= 70


def _parsed(path: Path) -> ast.Module:
    """Of a source that need not be one: only its docstring is kept."""
    text = path.read_text(encoding="utf-8")
    return ast.parse(text[: text.index('"""', 3) + 3])


# What attacks get -------------------------------------------------------------------------------


def test_every_attack_ends_as_expected(graded: Graded) -> None:
    problems = [
        f"{row.name}: {problem}"
        for row, grade in graded.hostile()
        for problem in _differences(row, grade)
    ]
    assert not problems, "\n".join(problems)


def _differences(row: cases.Expected, grade: dict) -> list[str]:
    found = []
    reason = grade["reason"]
    if grade["status"] not in row.status.split("|"):
        found.append(f"{grade['status']} instead of {row.status}: {reason['en']}")
    if row.says not in reason["en"]:
        found.append(f"the sentence {reason['en']!r} does not say {row.says!r}")
    if not row.score[0] <= grade["score"] <= row.score[1]:
        found.append(f"{grade['score']} points instead of {row.score}")
    failed = {check["name"] for check in grade["checks"] if not check["passed"]}
    if row.status == "graded" and failed != set(row.failed):
        found.append(f"failed checks {sorted(failed)} instead of {row.failed}")
    for name, least in row.costs_at_least.items():
        measured = grade["measurements"].get(name)
        if measured is None or not measured["value"] >= least:
            found.append(f"{name} is {measured and measured['value']}, below {least}")
    if row.logs not in grade["log"] + grade["copy"]:
        found.append(f"the log does not hold {row.logs!r}: was it tried at all?")
    return found


def test_sentences_are_fit_for_people(graded: Graded) -> None:
    """In both languages, one printable line of bounded length, no traceback of ours."""
    for _, grade in graded.hostile():
        for sentence in grade["reason"].values():
            assert sentence.replace("\N{NO-BREAK SPACE}", " ").isprintable(), sentence
            assert len(sentence) <= 1000
            assert "site-packages" not in sentence
            assert 'File "' not in sentence
        if grade["status"] != "graded":
            assert grade["reason"]["en"]
            assert grade["reason"]["en"] != grade["reason"]["ru"]


def test_logs_are_bounded_and_clean(graded: Graded) -> None:
    for _, grade in graded.hostile():
        assert len(grade["log"]) < 200_000
        assert all(char.isprintable() or char in "\n\t" for char in grade["log"])


def test_executed_copies_hold_text_and_bitmaps_only(graded: Graded) -> None:
    for _, grade in graded.hostile():
        if grade["copy"]:
            notebook = nbformat.reads(grade["copy"], as_version=4)
            nbformat.validate(notebook)
            assert len(grade["copy"]) < 10_000_000
            assert "BROKEN-PAGE" not in grade["copy"]
            assert all(char.isprintable() or char == "\n" for char in grade["copy"])
            shown = {
                kind
                for c in notebook.cells
                for o in c.get("outputs", ())
                for kind in o.get("data", ())
            }
            assert shown <= {"text/plain", "image/png", "image/jpeg"}


def test_grades_carry_the_level(graded: Graded) -> None:
    assert {g["provenance"]["isolation"] for g in graded.grades.values()} == {graded.level}


# What others feel -------------------------------------------------------------------------------


def test_honest_work_gets_its_usual_grade_after_every_attack(graded: Graded) -> None:
    usual: dict[bool, dict] = {}
    """By whether it is a notebook: the two have different logs."""
    different = []
    for (kind, row), grade in graded.honest():
        assert (grade["status"], grade["score"]) == ("graded", grade["max_score"]), row.name
        kept = _without_times(grade)
        if kept != usual.setdefault(kind == "notebooks", kept):
            different.append((row.name, grade["reason"]))
    assert not different


def _without_times(grade: dict) -> dict:
    kept = {key: value for key, value in grade.items() if key not in ("seconds", "submission")}
    kept["measurements"] = {
        name: value for name, value in grade["measurements"].items() if "latency" not in name
    }
    return kept


def test_nothing_is_left_behind(graded: Graded) -> None:
    assert graded.report["left"] == []
    assert graded.report["daemons"] == []
    assert graded.scene.left_files() == []


def test_nothing_was_read_or_changed(graded: Graded) -> None:
    scene = graded.scene
    assert scene.changes() == []
    assert scene.leaks() == []
    assert scene.server.came() == []
    assert scene.bystander_is_well()
    breaches = {
        row.name: [line for line in said.splitlines() if "BREACH" in line]
        for row, grade in graded.hostile()
        if "BREACH" in (said := grade["log"] + grade["copy"])
    }
    assert breaches == {}


def test_the_batch_itself_is_calm(graded: Graded) -> None:
    shown = graded.report["stdout"] + graded.report["stderr"]
    assert graded.report["code"] in (1, 3), shown
    assert "Traceback (most recent call last):\n" not in shown
    assert "BREACH" not in shown
    assert TOKEN not in shown


# The tests themselves ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", [row.name for row in TABLE.code if row.works_unconfined])
def test_attack_works_without_a_sandbox(name: str, small_course: Path, tmp_path: Path) -> None:
    """In a plain process it says BREACH: the table does not pass for want of trying."""
    with staged(small_course, tmp_path, WHO) as scene:
        place = add_attack(scene, name)
        done = subprocess.run(
            [sys.executable, "-P", str(cases.HERE / "alone.py"), str(place)],
            env=scene.environment(),
            capture_output=True,
            timeout=300,
            check=False,
        )
    assert b"BREACH" in done.stderr, done.stderr


def test_launcher_sees_a_daemon(small_course: Path, tmp_path: Path) -> None:
    with staged(small_course, tmp_path, WHO) as scene:
        place = add_attack(scene, "daemon")
        report = scene.run(str(scene.python), str(cases.HERE / "alone.py"), str(place))
    assert any("left-behind" in process for process in report["left"]), report


def test_memorized_answers_are_perfect_on_the_public_clips(speech: Path) -> None:
    """So that what it gets on hidden clips is what memory alone deserves."""
    import onnxruntime

    features, labels = models.public_clips()
    session = onnxruntime.InferenceSession(
        models.build("memorized_public_answers"), providers=["CPUExecutionProvider"]
    )
    logits = np.concatenate([session.run(None, {"features": clip[None]})[0] for clip in features])
    assert ((logits[:, 1] > logits[:, 0]) == (labels == 1)).all()
