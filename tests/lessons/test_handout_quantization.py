"""The quantization handout: its code runs, its figures are measured, both languages agree."""

from __future__ import annotations

import csv
import logging
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from grader.handout import document, drawing
from grader.handout.figures import project
from grader.lesson import loading
from grader.text import Lang, languages
from tests.handout.kept import differences, figures

LESSON = loading.load("quantization")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FIGURE = re.compile(r"<!-- begin: ([\w-]+) -->\n(.*?)<!-- end: \1 -->", re.DOTALL)
LINK = re.compile(r"\[[^\]]+\]\((?!https?:)([^)#]+)(?:#([\w-]+))?\)")
PICTURE = re.compile(r"!\[([^\]]+)\]\(figure:(\w+) ")
STEMS = ("handout", "seminar")
UNITS = ("one scale a tensor", "a scale per row", "a scale per block of 16")


def page(lang: Lang, stem: str = "handout") -> str:
    return document.read(LESSON, lang, stem).text


def blocks(lang: Lang, stem: str = "handout") -> list[tuple[str, str]]:
    return FENCE.findall(page(lang, stem))


def headings(lang: Lang, stem: str = "handout") -> list[str]:
    return re.findall(r"^#+ .+$", FENCE.sub("", page(lang, stem)), re.MULTILINE)


def digits(text: str) -> str:
    return re.sub(r"(?<=\d)[,\u00a0\u202f ](?=\d{3}\b)", "", text)


def table(text: str) -> list[list[str]]:
    lines = [line.strip(" |") for line in text.splitlines() if line.startswith("|")]
    rows = [[cell.strip() for cell in line.split("|")] for line in lines]
    return [row for row in rows if not set("".join(row)) <= set("-:")]


def figure(name: str, lang: Lang = "en") -> dict[str, list[str]]:
    """Rows of a measured table by their first cell, without the heading."""
    rows = table(digits(dict(FIGURE.findall(page(lang)))[name]))[1:]
    return {row[0]: row[1:] for row in rows}


def share(cell: str) -> float:
    return float(cell.rstrip("%"))


@pytest.fixture(scope="module")
def benchmark(repository: Path) -> ModuleType:
    """The script that makes the measured tables."""
    pytest.importorskip("transformers")
    return project(repository / "assignments" / "quantization" / "figures", "tables").tables


def run(stem: str) -> dict[str, Any]:
    """Names that the code of a source defines once it has run from top to bottom."""
    names: dict[str, Any] = {"__name__": stem}
    try:
        for number, (kind, code) in enumerate(blocks("en", stem)):
            if kind == "python":
                exec(compile(code, f"{stem}.en.md, block {number}", "exec"), names)
    finally:
        logging.disable(logging.NOTSET)  # the seminar silences the quantizer
    return names


@pytest.fixture(scope="module")
def executed() -> dict[str, Any]:
    return run("handout")


# Both languages.


@pytest.mark.parametrize("stem", STEMS)
def test_the_languages_have_the_same_sections_and_code(stem: str) -> None:
    levels = {
        lang: [heading.split()[0] for heading in headings(lang, stem)] for lang in languages()
    }
    assert levels["en"] == levels["ru"]
    assert blocks("en", stem) == blocks("ru", stem)


def test_the_languages_have_the_same_figures() -> None:
    assert figures(LESSON.folder, "en") == figures(LESSON.folder, "ru")
    pictures = {lang: [name for _, name in PICTURE.findall(page(lang))] for lang in languages()}
    assert pictures["en"] == pictures["ru"]
    assert all(callable(getattr(drawing.functions(LESSON), name)) for name in pictures["en"])


@pytest.mark.parametrize("stem", STEMS)
def test_code_fits_a_slide_and_both_languages(stem: str) -> None:
    code = [line for _, block in blocks("en", stem) for line in block.splitlines()]
    longest = 92 if stem == "handout" else 100  # a seminar is no slide
    assert [line for line in code if len(line) > longest] == []
    assert not any(re.search("[А-Яа-яЁё]", line) for line in code)


@pytest.mark.parametrize("stem", STEMS)
def test_formulas_are_closed(stem: str) -> None:
    for lang in languages():
        text = FENCE.sub("", page(lang, stem))
        assert text.count("$$") % 2 == 0
        assert all(line.count("$") % 2 == 0 for line in text.replace("$$", "").splitlines())


@pytest.mark.parametrize("stem", STEMS)
def test_relative_links_and_their_anchors_resolve(stem: str) -> None:
    for lang in languages():
        for target, anchor in LINK.findall(page(lang, stem)):
            if target.startswith("figure:"):
                continue
            found = (LESSON.folder / target).resolve()
            assert found.is_file(), target
            if anchor:
                sections = re.findall(r"^## ", found.read_text(encoding="utf-8"), re.MULTILINE)
                assert 1 <= int(anchor.removeprefix("s")) <= len(sections)


# What it says about the grader.


@pytest.mark.parametrize("lang", languages())
def test_formulas_gate_and_artefact_are_those_of_the_lesson(lang: Lang) -> None:
    spec = LESSON.spec
    formulas = "".join(f"{term.formula}\n" for term in spec.terms)
    assert ("text", formulas) in blocks(lang)
    assert f"`{spec.intake.artefact}`" in page(lang)
    drop = f"{100 * spec.settings['accuracy_drop']:g}"
    assert re.search(rf"accuracy.{{0,120}} {drop} (point|пункт)", page(lang))


@pytest.mark.parametrize(
    "values",
    [(32, 32, 4, 1.5, 1), (1.3, 0.66, 1.065, 0.41, 1), (50, 20, 3.8, 2, 0), (1, 1, 1, 1, 1)],
)
def test_the_score_in_the_code_is_the_lessons(
    executed: dict[str, Any], values: tuple[float, ...]
) -> None:
    names = ("compression", "speedup", "ptq_compression", "ptq_speedup", "ptq_passes")
    terms = LESSON.spec.score(dict(zip(names, values, strict=True)), gate_passed=True)
    assert executed["score"](*values) == pytest.approx(sum(term.points for term in terms))


def test_the_seminars_code_runs() -> None:
    assert run("seminar")["smaller"] > 3.5


# What it says was measured.


def test_tables_are_those_that_the_benchmark_kept(benchmark: ModuleType) -> None:
    assert differences(LESSON.folder) == []
    for lang in languages():
        assert dict(FIGURE.findall(page(lang))).keys() == benchmark.FIGURES.keys()


@pytest.mark.slow
def test_the_anatomy_is_that_of_the_architecture(benchmark: ModuleType) -> None:
    now = table(digits(benchmark.anatomy(None).to("en")))[1:]
    assert figure("anatomy") == {row[0]: row[1:] for row in now}


def test_the_two_ways_of_quantizing_differ_by_the_embedding() -> None:
    found = figure("quantizers")
    alone = float(found["ONNX Runtime, MatMul, int8 per channel"][1])
    with_table = float(found["ONNX Runtime, MatMul + Gather, int8 per channel"][1])
    assert alone < 1.1 < 3.9 < with_table
    assert share(figure("anatomy")["words, 83828 × 312"][2]) > 89
    assert float(found["torch, quantize_dynamic, qnnpack"][3]) < 1  # slower than float32


def test_no_quantizer_costs_the_keyword_spotter_an_order_of_magnitude() -> None:
    ratios = {name: float(cells[1]) for name, cells in figure("suspects").items()}
    assert all(ratio < 1.1 for name, ratio in ratios.items() if name.startswith("torch"))
    assert ratios["inputs and states of 8 bits, weights int8"] < 1.1
    assert ratios["inputs and states of 4 bits, weights int8"] < 10
    assert ratios["inputs and states of 3 bits, weights int8"] > 10
    assert ratios["float32, training's masks left on"] > 10
    assert all(float(cells[3]) < 1.1 for cells in figure("spotter").values())


def test_the_fewer_the_bits_the_fewer_should_share_a_scale() -> None:
    found = {name: share(cells[2]) for name, cells in figure("storage").items()}
    assert found["int8, a scale per row"] > found["float32"] - 1
    two = [found[f"int2, {unit}"] for unit in UNITS]
    assert two == sorted(two)
    assert two[0] < two[1] - 20


def test_students_are_those_of_the_references_experiments(
    repository: Path, benchmark: ModuleType
) -> None:
    path = repository / "reference_solutions" / "quantization" / "experiments.csv"
    with path.open(encoding="utf-8", newline="") as file:
        recorded = {row["name"]: row for row in csv.DictReader(file)}
    shown = figure("students")
    trials = {name: digits(title.to("en")) for name, title in benchmark._TRIALS.items()}
    assert shown.keys() == {title for name, title in trials.items() if name in recorded}
    for name, title in trials.items():
        if name in recorded:
            assert int(shown[title][0]) == round(float(recorded[name]["bytes"]))
            assert shown[title][1] == f"{100 * float(recorded[name]['accuracy']):.1f}%"


def test_the_reference_passes_its_own_gate() -> None:
    found, settings = figure("reference-quality"), LESSON.spec.settings
    teacher, ours = found["teacher"], found["student + PTQ"]
    assert float(ours[0]) >= float(teacher[0]) - 100 * settings["accuracy_drop"]
    assert float(ours[2]) >= float(teacher[2]) - 100 * settings["f1_macro_drop"]
    sizes = figure("reference")
    assert float(sizes["student + PTQ"][2]) > float(sizes["student"][2])
