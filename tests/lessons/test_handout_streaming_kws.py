"""The streaming handout: its code runs, its figures are measured, both languages agree."""

from __future__ import annotations

import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from grader.handout import document
from grader.handout.figures import project
from grader.lesson import formula, loading
from grader.text import Lang, languages
from tests.handout.kept import figures

LESSON = loading.load("streaming_kws")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FIGURE = re.compile(r"<!-- begin: ([\w-]+) -->\n(.*?)<!-- end: \1 -->", re.DOTALL)
LINK = re.compile(r"\[[^\]]+\]\((?!https?:|figure:)([^)#]+)\)")


def page(lang: Lang) -> str:
    return document.read(LESSON, lang).text


def blocks(lang: Lang) -> list[tuple[str, str]]:
    return FENCE.findall(page(lang))


def table(text: str) -> list[list[str]]:
    """Rows of the first table, header first, rule left out."""
    lines = [line.strip(" |") for line in text.splitlines() if line.startswith("|")]
    rows = [[cell.strip() for cell in line.split("|")] for line in lines]
    return [row for row in rows if not set("".join(row)) <= set("-:")]


def figure(name: str, lang: Lang = "en") -> list[list[str]]:
    return table(dict(FIGURE.findall(page(lang)))[name])


def digits(text: str) -> str:
    return re.sub(r"(?<=\d)[,\u00a0 ](?=\d{3}\b)", "", text)


@pytest.fixture(scope="module")
def benchmark(repository: Path) -> ModuleType:
    """The script that makes the measured tables."""
    return project(repository / "assignments" / "streaming_kws" / "figures", "tables").tables


@pytest.fixture(scope="module")
def executed() -> dict[str, Any]:
    """Names that the handout's code defines once it has run from top to bottom."""
    names: dict[str, Any] = {"__name__": "handout"}
    for number, (kind, code) in enumerate(blocks("en")):
        if kind == "python":
            exec(compile(code, f"handout.en.md, block {number}", "exec"), names)
    return names


def test_the_languages_have_the_same_sections_code_and_figures() -> None:
    outlines = {}
    for lang in languages():
        text = FENCE.sub("", page(lang))
        outlines[lang] = [line.split()[0] for line in re.findall(r"^#+ .+$", text, re.MULTILINE)]
    assert outlines["en"] == outlines["ru"]
    assert blocks("en") == blocks("ru")
    assert figures(LESSON.folder, "en") == figures(LESSON.folder, "ru")


def test_no_word_mixes_two_alphabets() -> None:
    for lang in languages():
        text = re.sub(r"`[^`\n]+`|\$\$.*?\$\$|\$[^$\n]+\$", "", FENCE.sub("", page(lang)), flags=16)
        assert re.findall(r"\b\w*(?:[а-яё][a-z]|[a-z][а-яё])\w*\b", text, re.I) == []


def test_formulas_are_closed_and_links_resolve() -> None:
    for lang in languages():
        text = FENCE.sub("", page(lang))
        assert text.count("$$") % 2 == 0
        assert all(line.count("$") % 2 == 0 for line in text.replace("$$", "").splitlines())
        for target in LINK.findall(page(lang)):
            path = target.split(" ")[0]  # a picture has its caption behind it
            assert (LESSON.folder / path).resolve().is_file(), target


def test_the_code_runs(executed: dict[str, Any]) -> None:
    assert {"frames", "steps", "glue", "rises", "transform", "score"} <= executed.keys()


@pytest.mark.parametrize("lang", languages())
def test_formula_gate_and_artefacts_are_those_of_the_lesson(lang: Lang) -> None:
    spec = LESSON.spec
    assert spec.gate is not None
    assert ("text", f"{spec.formula}\n") in blocks(lang)
    assert f"`{spec.gate.metric} <= {spec.gate.factor:g} * ` " in page(lang)
    for name in (spec.intake.artefact, *spec.intake.alternatives, "offline.onnx"):
        assert f"`{name}`" in page(lang)


@pytest.mark.parametrize(
    "values", [(1.0, 24.0, 64.0, 0, 0), (0.5, 1.2, 12.1, 1, 0), (1.0, 9.99, 10.01, 2, 0.5)]
)
def test_the_score_in_the_code_is_the_lessons(
    executed: dict[str, Any], values: tuple[float, ...]
) -> None:
    *measured, days_late, report_penalty = values
    names = ("streaming", "compression", "speedup")
    terms = LESSON.spec.score(dict(zip(names, measured, strict=True)), gate_passed=True)
    late = formula.evaluate(LESSON.spec.late_penalty, {"days_late": days_late})
    expected = sum(term.points for term in terms) - late - report_penalty
    assert executed["score"](*values) == pytest.approx(expected)


def test_the_points_of_the_checks_are_the_lessons() -> None:
    found = re.findall(r"^\| [^|]+ \| (0\.\d+) \|$", page("en"), re.MULTILINE)
    points = LESSON.spec.settings["points"]
    assert sorted(map(float, found)) == sorted(points.values())
    assert sum(points.values()) == pytest.approx(3.0)


def test_triggers_in_the_code_are_the_graders(executed: dict[str, Any]) -> None:
    from grader.measure.streams import detections

    wave, time = executed["wave"], executed["time"]
    ends = (16_000 * time).round().astype(int)
    assert list(detections.triggers(wave, ends, 0.9) / 16_000) == executed["rises"](wave, time)


def test_every_figure_is_filled_in(benchmark: ModuleType) -> None:
    for lang in languages():
        found = dict(FIGURE.findall(page(lang)))
        assert found.keys() == benchmark.FIGURES.keys()
        assert all(len(table(text)) > 2 for text in found.values())


def test_counted_costs_are_those_that_the_grader_counts_now(benchmark: ModuleType) -> None:
    assert figure("costs") == table(benchmark.costs().to("en"))


def test_streaming_alone_needs_less_than_an_eighth() -> None:
    rows = figure("costs")
    assert float(rows[2][2]) > 8
    weights, state = int(digits(rows[2][3])), int(digits(rows[2][4]))
    assert state == 7_440
    assert weights > 280_000


def test_running_sums_drift_and_overflow_and_sums_anew_do_not() -> None:
    rows = figure("softmax")[1:]
    assert rows[-1][3] == "NaN"
    assert float(rows[0][3]) > float(rows[0][2])
    assert float(rows[1][3]) > 0.01
    assert {row[4] for row in rows} == {"0"}


def test_a_network_trained_on_seconds_is_worse_in_the_stream_and_one_trained_on_it_is_not() -> None:
    seconds, glued = figure("trained")[1:]
    assert float(seconds[3]) > 2
    assert float(glued[3]) < 1.05


def test_the_two_demonstrations_show_their_tradeoff() -> None:
    rows = {row[0]: [float(value) for value in row[1:]] for row in figure("demonstrations")[1:]}
    long, short = rows["baseline, window 20, step 8"], rows["baseline, window 8, step 5"]
    assert long[1] > short[1]  # slower
    assert long[2] > 1.5 * short[2]  # holds on longer
    assert long[4] < short[4]  # fewer false alarms
    assert long[5] < short[5]  # smoother
