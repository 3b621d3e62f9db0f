"""`grader batch`, then `grader similar`, as an instructor runs them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from grader.lesson import loading
from tests.conftest import Grader
from tests.handout.test_browser import axe_source, violations
from tests.report import browser
from tests.report.markup import Document
from tests.similarity import toy, works

pytestmark = pytest.mark.slow

ACCUSING = re.compile(
    r"plagiar|cheat|copied|copies of|stole|steal|dishonest|suspicio|guilt|culprit"
    r"|плагиат|списа|спис[ыа]в|украл|обман|мошен|подозр|винов|наруш",
    re.IGNORECASE,
)


@pytest.fixture(scope="module")
def template() -> Path:
    return loading.load("distillation").template


@pytest.fixture
def graded(grader: Grader, template: Path, tmp_path: Path):  # type: ignore[no-untyped-def]
    """A class of twelve: eight independent, four like one of them in one respect."""
    course = toy.make_course(tmp_path / "course", template)
    own = Grader(grader.environment | {"GRADER_COURSE": str(course)}, grader.home)
    folder = tmp_path / "class"
    folder.mkdir()
    answers = [works.mistakes(0.0, seed, toy.DIFFICULTY) for seed in range(12)]
    sources = [works.solution(name) for name in ("first", "second", "third", "fourth")]

    def submit(name: str, source: str | None, seed: int, weights: works.Tensors) -> None:
        toy.submit(folder / name, template, source, weights, answers[seed])

    for seed, name in enumerate(("Анна", "boris", "clara", "dmitri")):
        submit(name, sources[seed], seed, works.trained(seed))
    for seed in range(4, 7):  # the template's code as given, its seed too
        submit(f"starter {seed}", None, seed, works.trained(0, start=99, moved=0.0))
    submit("renames", works.reformatted(works.renamed(sources[0])), 7, works.trained(7))
    submit("tunes", None, 8, works.tuned(works.trained(1), 5))
    submit("permutes", None, 9, works.permuted(works.trained(2)))
    submit("answers", None, 3, works.trained(10))
    submit("<b>tags</b>", None, 11, works.trained(11))
    (folder / "<b>tags</b>" / "refuse.txt").touch()
    done = own("batch", "quiz", folder, "--out", tmp_path / "out", "--trust", "--seed", "s")
    assert done.returncode in (0, 1), done.stderr
    return own, tmp_path / "out"


def test_pairs_are_ranked_and_shown_side_by_side(graded, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    grader, out = graded
    done = grader("similar", out, "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found == json.loads((out / "similar.json").read_bytes())
    pairs = {frozenset((one["a"], one["b"])): one for one in found["pairs"]}
    expected = {
        "code": frozenset(("Анна", "renames")),
        "weights": frozenset(("boris", "tunes")),
        "mistakes": frozenset(("dmitri", "answers")),
    }
    permuted = frozenset(("clara", "permutes"))
    assert set(pairs) == {*expected.values(), permuted}
    for detector, pair in expected.items():
        assert pairs[pair]["number"] == pytest.approx(pairs[pair][detector])
        assert pairs[pair]["number"] > 0.35, detector
    assert pairs[permuted]["weights"] > 0.99
    numbers = [one["number"] for one in found["pairs"]]
    assert numbers == sorted(numbers, reverse=True)
    # Three starters as given, and what else has no code of its own: excluded among each other.
    assert found["compared"] == 12
    assert found["as_given"] == 7 * 6 // 2
    assert found["without"] == []

    page = Document((out / "similar.html").read_text("utf-8"))
    shown = "\n".join(text for _, text in page.texts)
    assert "log_p = F.log_softmax(student / temperature, dim=1)" in shown
    assert "/ q11x" in shown
    for lang in ("en", "ru"):
        again = grader("similar", out, "--lang", lang)
        assert again.returncode == 0
        html = (out / "similar.html").read_text("utf-8")
        assert f'<html lang="{lang}">' in html
        said = [text for tag, text in Document(html).texts if tag not in ("style", "code")]
        assert not ACCUSING.search(" ".join(said) + again.stdout)


def test_work_of_one_group_or_student_is_no_pair(graded) -> None:  # type: ignore[no-untyped-def]
    grader, out = graded
    together = [
        {"name": "Анна", "students": ["s1"], "late": 3},
        {"name": "renames", "students": ["s2", "s1"]},
        {"name": "boris", "students": ["s3"]},
    ]
    manifest = {"schema": 1, "submissions": together}
    (out / "handed_in.json").write_text(json.dumps(manifest), encoding="utf-8")
    found = json.loads(grader("similar", out, "--json").stdout)
    assert found["together"] == 1
    assert not any({"Анна", "renames"} == {one["a"], one["b"]} for one in found["pairs"])
    (out / "handed_in.json").write_text('{"submissions": 3}', encoding="utf-8")
    done = grader("similar", out)
    assert done.returncode == 2
    assert "handed_in.json" in done.stderr


def test_evidence_stays_with_its_grade(graded, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    grader, out = graded
    for path in (out / "reports").glob("*.html"):
        assert "evidence" not in path.read_text("utf-8")
    stems = {path.stem for path in (out / "grades").glob("*.json")}
    assert {path.stem for path in (out / "evidence").glob("*.json")} == stems
    gone = tmp_path / "class" / "boris"
    gone.rename(tmp_path / "boris")
    grader("batch", "quiz", tmp_path / "class", "--out", out, "--trust", "--seed", "s")
    assert not (out / "evidence" / "boris.json").exists()
    assert [path.name for path in (out / "removed").glob("*/evidence/*")] == ["boris.json"]
    (out / "evidence" / "clara.json").write_bytes(b"{}")
    found = json.loads(grader("similar", out, "--json").stdout)
    assert found["compared"] == 10
    assert found["without"] == ["clara"]


def test_wrong_use_is_told_in_one_sentence(grader: Grader, tmp_path: Path) -> None:
    done = grader("similar", tmp_path, "--lang", "ru")
    assert done.returncode == 2
    assert "нет оценок" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(browser.executable() is None, reason="no Chromium here")
def test_the_page_works_in_a_browser(graded) -> None:  # type: ignore[no-untyped-def]
    grader, out = graded
    grader("similar", out)
    with browser.page() as page:
        page.open(out / "similar.html")
        assert page.requests == [(out / "similar.html").resolve().as_uri()]
        assert page.problems == []
        axe = axe_source()
        assert axe is None or violations(page, axe) == []
        page.evaluate("document.querySelector('.ranked a[href^=\"#pair\"]').focus()")
        page.press("Enter", "\r")
        assert page.evaluate("location.hash") == "#pair-1"
        names = page.evaluate("document.querySelectorAll('b:not([aria-hidden])').length")
        assert names == 0  # a name is text, whatever tags it holds
        page.send("Emulation.setDeviceMetricsOverride", width=390, height=844,
                  deviceScaleFactor=1, mobile=True)  # fmt: skip
        assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_a_class_of_one_has_no_pairs(grader: Grader, template: Path, tmp_path: Path) -> None:
    course = toy.make_course(tmp_path / "course", template)
    own = Grader(grader.environment | {"GRADER_COURSE": str(course)}, grader.home)
    answers = np.zeros(toy.ITEMS, int)
    toy.submit(tmp_path / "class" / "one", template, None, works.trained(1), answers)
    own("batch", "quiz", tmp_path / "class", "--out", tmp_path / "out", "--trust", "--seed", "s")
    done = own("similar", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert "0 of 0" in done.stdout


def test_a_class_without_evidence_is_told_so(
    grader: Grader, template: Path, tmp_path: Path
) -> None:
    course = toy.make_course(tmp_path / "course", template)
    own = Grader(grader.environment | {"GRADER_COURSE": str(course)}, grader.home)
    (tmp_path / "class").mkdir()
    (tmp_path / "class" / "one.zip").write_bytes(b"not an archive")
    own("batch", "quiz", tmp_path / "class", "--out", tmp_path / "out", "--trust", "--seed", "s")
    done = own("similar", tmp_path / "out")
    assert done.returncode == 2, done.stdout
    assert "nothing to compare" in done.stderr
