"""Lesson specs and scores: what lesson.toml may say and what the formula makes of it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader.lesson import formula, loading
from grader.text.errors import SpecError, UsageError

RATIOS = st.floats(0, 1e6, allow_nan=False)


def score(compression: float, speedup: float, *, gate_passed: bool = True) -> float:
    terms = loading.load("distillation").spec.score(
        {"compression": compression, "speedup": speedup}, gate_passed=gate_passed
    )
    return sum(term.points for term in terms)


def test_published_ratios_give_the_published_score() -> None:
    assert score(12.045, 8.507) == pytest.approx(6.477, abs=5e-4)


def test_missed_gate_scores_nothing() -> None:
    assert score(100, 100, gate_passed=False) == 0


@given(RATIOS, RATIOS)
def test_score_stays_between_zero_and_seven_and_never_falls(a: float, b: float) -> None:
    assert 0 <= score(a, b) <= 7
    assert score(a + 1, b) >= score(a, b)


@pytest.mark.parametrize(
    "hostile",
    [
        "__import__('os').system('true')",
        "(1).__class__.__bases__",
        "open('x')",
        "[x for x in (1, 2)]",
        "9 ** 9 ** 9 ** 9",
        "'a' * 10 ** 10",
        "compression.__class__",
        "1 / 0",
        "sqrt(-1)",
        "1e308 * 10",
        "missing + 1",
    ],
)
def test_formula_that_is_more_than_finite_arithmetic_is_one_sentence(hostile: str) -> None:
    with pytest.raises(SpecError, match="formula"):
        formula.evaluate(hostile, {"compression": 1.0})


def test_formula_names_its_measurements() -> None:
    assert formula.names("3.5 * min(compression / 10, 1) + log2(bytes)") == {"compression", "bytes"}
    with pytest.raises(SpecError, match="does not parse"):
        formula.names("3 *")


def test_every_lesson_of_the_course_loads() -> None:
    for name in loading.names():
        assert loading.load(name).spec.name == name


def test_unknown_lesson_suggests_the_nearest() -> None:
    with pytest.raises(UsageError, match="Did you mean distillation"):
        loading.load("destilation")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("max_score = 7.0", 'max_score = "seven"', "max_score"),
        ("max_score = 7.0", "max_score = 8.0", "add up to 7.0"),
        ("schema = 1", "schema = 2", "reads schema 1"),
        ('name = "distillation"', 'name = "other"', "folder is 'distillation'"),
        ("[gate]", "[gate]\nfacktor = 2", "facktor"),
        ("min(compression / 10, 1)", "min(compression / 10, 1", "does not parse"),
        ('names = ["speech-synthetic"', 'nmaes = ["speech-synthetic"', "nmaes"),
        ("[intake]", "[intake", "lesson.toml"),
    ],
)
def test_wrong_spec_names_the_file_and_the_key(
    tmp_path: Path, repository: Path, old: str, new: str, words: str
) -> None:
    folder = tmp_path / "distillation"
    folder.mkdir()
    text = (repository / "assignments" / "distillation" / "lesson.toml").read_text("utf-8")
    assert old in text
    (folder / "lesson.toml").write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(SpecError) as caught:
        loading.load_folder(folder)
    assert "lesson.toml" in str(caught.value)
    assert words in str(caught.value)


def test_fingerprint_covers_what_decides_a_grade(tmp_path: Path, repository: Path) -> None:
    source = repository / "assignments" / "distillation"
    folder = Path(shutil.copytree(source, tmp_path / "distillation"))
    before = loading.load_folder(folder).fingerprint
    (folder / "handout.en.md").write_text("new words", encoding="utf-8")
    assert loading.load_folder(folder).fingerprint == before
    with (folder / "autograder.py").open("a", encoding="utf-8") as file:
        file.write("# changed\n")
    assert loading.load_folder(folder).fingerprint != before
