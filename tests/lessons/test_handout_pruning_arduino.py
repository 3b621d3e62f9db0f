"""The Arduino handout: its code runs, its figures are measured, both languages agree."""

from __future__ import annotations

import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from grader.handout import document
from grader.handout.figures import project
from grader.lesson import loading
from grader.text import Lang, languages
from tests.handout.kept import figures

LESSON = loading.load("pruning_arduino")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FIGURE = re.compile(r"<!-- begin: ([\w-]+) -->\n(.*?)<!-- end: \1 -->", re.DOTALL)
LINK = re.compile(r"\[[^\]]+\]\((?!https?:|figure:)([^)#]+)\)")


def page(lang: Lang) -> str:
    return document.read(LESSON, lang).text


def blocks(lang: Lang) -> list[tuple[str, str]]:
    return FENCE.findall(page(lang))


def headings(lang: Lang) -> list[str]:
    return re.findall(r"^#+ .+$", FENCE.sub("", page(lang)), re.MULTILINE)


def digits(text: str) -> str:
    return re.sub(r"(?<=\d)[,\u00a0 ](?=\d{3}\b)", "", text)


def table(text: str) -> list[list[str]]:
    lines = [line.strip(" |") for line in text.splitlines() if line.startswith("|")]
    rows = [[cell.strip() for cell in line.split("|")] for line in lines]
    return [row for row in rows if not set("".join(row)) <= set("-:")]


def figure(name: str, lang: Lang = "en") -> list[list[str]]:
    return table(digits(dict(FIGURE.findall(page(lang)))[name]))


@pytest.fixture(scope="module")
def benchmark(repository: Path) -> ModuleType:
    """The script that makes the measured tables."""
    return project(repository / "assignments" / "pruning_arduino" / "figures", "tables").tables


@pytest.fixture(scope="module")
def executed() -> dict[str, Any]:
    """Names that the handout's code defines once it has run from top to bottom."""
    names: dict[str, Any] = {"__name__": "handout"}
    for number, (kind, code) in enumerate(blocks("en")):
        if kind == "python":
            exec(compile(code, f"handout.en.md, block {number}", "exec"), names)
    return names


# Both languages.


def test_the_languages_have_the_same_sections_code_and_figures() -> None:
    levels = {lang: [heading.split()[0] for heading in headings(lang)] for lang in languages()}
    assert levels["en"] == levels["ru"]
    assert blocks("en") == blocks("ru")
    assert figures(LESSON.folder, "en") == figures(LESSON.folder, "ru")


def test_code_fits_a_slide_and_both_languages() -> None:
    code = [line for _, block in blocks("en") for line in block.splitlines()]
    assert [line for line in code if len(line) > 92] == []
    assert not any(re.search("[А-Яа-яЁё]", line) for line in code)


def test_formulas_are_closed() -> None:
    for lang in languages():
        text = FENCE.sub("", page(lang))
        assert text.count("$$") % 2 == 0
        assert all(line.count("$") % 2 == 0 for line in text.replace("$$", "").splitlines())


def test_relative_links_resolve() -> None:
    for lang in languages():
        for target in LINK.findall(page(lang)):
            assert (LESSON.folder / target).resolve().is_file(), target


# What it says about the grader.


@pytest.mark.parametrize("lang", languages())
def test_formula_gate_and_artefact_are_those_of_the_lesson(lang: Lang) -> None:
    spec = LESSON.spec
    assert spec.gate is not None
    assert ("text", f"{spec.formula}\n") in blocks(lang)
    assert f"`{spec.gate.metric} >= {spec.gate.threshold:g}`" in page(lang)
    assert f"`{spec.intake.artefact}`" in page(lang)


@pytest.mark.parametrize("ratios", [(2.45, 2.67), (1.0, 1.0), (50.0, 300.0), (0.5, 0.5)])
def test_the_score_in_the_code_is_the_lessons(
    executed: dict[str, Any], ratios: tuple[float, float]
) -> None:
    values = dict(zip(("compression", "speedup"), ratios, strict=True))
    terms = LESSON.spec.score(values, gate_passed=True)
    assert executed["score"](*ratios) == pytest.approx(sum(term.points for term in terms))


def test_the_code_computes_what_the_grader_computes(executed: dict[str, Any]) -> None:
    from grader.board import firmware, integer_network
    from grader.data import Position

    counts = integer_network.encode(
        [Position("Are you ok?", "", 0)], integer_network.Encoding(128, 1, 1)
    )
    assert executed["query_counts"]("Are you ok?") == counts[0, :128].tolist()
    flash, cycles, milliseconds = executed["estimate"](256, 128, 64, 32, 39)
    guess = firmware.estimate((256, 128, 64, 32, 39))
    assert (flash, cycles, milliseconds) == (guess.flash_bytes, guess.cycles, guess.milliseconds)


# What it says was measured.


def test_every_figure_is_filled_in(benchmark: ModuleType) -> None:
    for lang in languages():
        found = dict(FIGURE.findall(page(lang)))
        assert found.keys() == benchmark.FIGURES.keys()
        assert [name for name, text in found.items() if len(table(text)) < 2] == []


def test_the_runtimes_are_as_fast_and_small_as_it_says(
    benchmark: ModuleType, shared_data: Path
) -> None:
    material = benchmark.Material.load(shared_data / "tinychat")
    now = table(digits(benchmark.runtimes(material).to("en")))
    assert figure("runtimes") == now
    assert figure("estimates") == table(digits(benchmark.estimates(material).to("en")))
    assert figure("codes") == table(digits(benchmark.codes(material).to("en")))


def test_sentences_agree_with_the_tables() -> None:
    """Factors that the prose states."""
    plain, sparse = (float(row[3]) for row in figure("runtimes")[1:])
    assert round(plain / sparse) == 22
    assert round(559.376375 / sparse) == 38
    by_pair, by_query = (float(row[2].rstrip("%")) for row in figure("leaks")[1:])
    assert round(by_pair - by_query) == 8
    sizes = {row[0]: int(row[1]) for row in figure("codes")[1:]}
    assert sizes["columns of nibbles"] < 1.15 * sizes["entropy"]
    assert sizes["columns of nibbles"] < sizes["Huffman, one code"]


def test_the_references_in_the_table_reach_their_figures() -> None:
    for name, flash, _, milliseconds, accuracy, *_ in figure("references")[1:]:
        wanted = 60.0 if "binary" in name else 64.0
        assert float(accuracy.rstrip("%")) >= wanted
        if "ternary" in name:
            assert int(flash) <= 6500
            assert float(milliseconds) <= 5.0
