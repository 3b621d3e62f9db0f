"""The distillation handout: its code runs, its figures are measured, both languages agree."""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from grader.handout import document, figures
from grader.handout.figures import project
from grader.lesson import loading
from grader.text import Lang, languages
from tests.handout import kept

LESSON = loading.load("distillation")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FIGURE = re.compile(r"<!-- begin: ([\w-]+) -->\n(.*?)<!-- end: \1 -->", re.DOTALL)
LINK = re.compile(r"\[[^\]]+\]\((?!https?:|figure:)([^)#]+)\)")
FORMULA = re.compile(r"\$\$.*?\$\$|\$[^$\n]+\$", re.DOTALL)


def page(lang: Lang) -> str:
    return document.read(LESSON, lang).text


def prose(lang: Lang) -> str:
    """The page without code and formulas."""
    text = re.sub(r"`[^`\n]+`", "", FENCE.sub("", page(lang)))
    return FORMULA.sub("", text)


def headings(lang: Lang) -> list[str]:
    return re.findall(r"^#+ .+$", FENCE.sub("", page(lang)), re.MULTILINE)


def blocks(lang: Lang) -> list[tuple[str, str]]:
    """Language and text of each fenced block, in order."""
    return FENCE.findall(page(lang))


def figure(name: str, lang: Lang = "en") -> list[list[str]]:
    """Rows of the first table between the markers of a figure, header first, rule left out."""
    return table(dict(FIGURE.findall(page(lang)))[name])


def table(text: str) -> list[list[str]]:
    lines = [line.strip(" |") for line in text.splitlines() if line.startswith("|")]
    rows = [[cell.strip() for cell in line.split("|")] for line in lines]
    return [row for row in rows if not set("".join(row)) <= set("-:")]


def digits(text: str) -> str:
    """`text` without separators of thousands."""
    return re.sub(r"(?<=\d)[,\u00a0 ](?=\d{3}\b)", "", text)


@pytest.fixture(scope="module")
def benchmark(repository: Path) -> ModuleType:
    """The script that makes the measured tables."""
    return project(repository / "assignments" / "distillation" / "figures", "tables").tables


@pytest.fixture(scope="module")
def executed() -> dict[str, Any]:
    """Names that the handout's code defines once it has run from top to bottom."""
    names: dict[str, Any] = {"__name__": "handout"}
    for number, (kind, code) in enumerate(blocks("en")):
        if kind == "python":
            exec(compile(code, f"handout.en.md, block {number}", "exec"), names)
    return names


# Both languages.


def test_the_languages_have_the_same_sections() -> None:
    levels = {lang: [heading.split()[0] for heading in headings(lang)] for lang in languages()}
    assert levels["en"] == levels["ru"]
    numbers = {lang: re.findall(r"^## (\d+)\.", page(lang), re.MULTILINE) for lang in languages()}
    assert numbers["en"] == numbers["ru"] == [str(n) for n in range(1, len(numbers["en"]) + 1)]


def test_slides_are_third_level_headings_under_sections() -> None:
    levels = [len(heading.split()[0]) for heading in headings("en")]
    assert levels[0] == 1
    assert set(levels[1:]) == {2, 3}
    assert all(after == 3 for before, after in itertools.pairwise(levels) if before == 2)


def test_the_languages_show_the_same_code() -> None:
    assert blocks("en") == blocks("ru")


def test_code_comments_fit_both_languages() -> None:
    assert not any(re.search("[А-Яа-яЁё]", code) for _, code in blocks("en"))


def test_code_fits_a_slide() -> None:
    lines = [line for _, code in blocks("en") for line in code.splitlines()]
    assert [line for line in lines if len(line) > 92] == []


def test_the_languages_show_the_same_figures() -> None:
    assert kept.figures(LESSON.folder, "en") == kept.figures(LESSON.folder, "ru")


def test_formulas_and_folded_answers_are_closed() -> None:
    for lang in languages():
        text = FENCE.sub("", page(lang))
        assert text.count("$$") % 2 == 0
        assert all(line.count("$") % 2 == 0 for line in text.replace("$$", "").splitlines())
        displayed = re.findall(r"^\$\$\n(.*?)^\$\$", text, re.MULTILINE | re.DOTALL)
        assert len(displayed) > 5
        assert not any(re.search(r"^[-+=*#>]", formula, re.MULTILINE) for formula in displayed)
        assert text.count("<details>") == text.count("</details>") == text.count("<summary>")
        assert not re.search(r"^---+$", text, re.MULTILINE)


def test_inline_formulas_survive_markdown_escapes() -> None:
    for lang in languages():
        inline = re.findall(r"\$[^$\n]+\$", re.sub(r"\$\$.*?\$\$", "", page(lang), flags=re.DOTALL))
        assert len(inline) > 50
        assert [formula for formula in inline if re.search(r"\\[^A-Za-z]", formula)] == []


def test_no_word_mixes_two_alphabets() -> None:
    for lang in languages():
        assert re.findall(r"\b\w*(?:[а-яё][a-z]|[a-z][а-яё])\w*\b", prose(lang), re.I) == []


def test_relative_links_resolve() -> None:
    for lang in languages():
        targets = LINK.findall(page(lang))
        assert targets
        for target in targets:
            assert (LESSON.folder / target).resolve().is_file(), target


# What it says about the grader.


def test_the_code_runs(executed: dict[str, Any]) -> None:
    assert {"Crnn", "macs", "au_fa_fr", "distillation_loss", "attention_loss"} <= executed.keys()


@pytest.mark.parametrize("lang", languages())
def test_formula_gate_and_artefact_are_those_of_the_lesson(lang: Lang) -> None:
    spec = LESSON.spec
    assert spec.gate is not None
    assert ("text", f"{spec.formula}\n") in blocks(lang)
    assert f"`{spec.gate.metric} <= {spec.gate.factor:g} * " in page(lang)
    assert f"`{spec.intake.artefact}`" in page(lang)


@pytest.mark.parametrize("ratios", [(12.045, 8.507), (1.0, 1.0), (50.0, 3.0), (9.99, 10.01)])
def test_the_score_in_the_code_is_the_lessons(
    executed: dict[str, Any], ratios: tuple[float, float]
) -> None:
    values = dict(zip(("compression", "speedup"), ratios, strict=True))
    terms = LESSON.spec.score(values, gate_passed=True)
    assert executed["score"](*ratios) == pytest.approx(sum(term.points for term in terms))


def test_the_area_in_the_code_is_the_graders(executed: dict[str, Any]) -> None:
    from grader.measure.quality import detection

    scores, labels = executed["scores"], executed["labels"]
    assert executed["au_fa_fr"](scores, labels) == pytest.approx(
        detection.au_fa_fr(scores, labels), rel=1e-9
    )


@pytest.mark.parametrize("lang", languages())
def test_the_layers_add_up_to_the_baseline(lang: Lang) -> None:
    rows = [row for row in table(digits(page(lang))) if row[0].startswith(("`", "$"))][:7]
    rows = [row for row in rows if len(row) == 4]
    params = [int(row[2]) for row in rows]
    macs = [int(row[3]) for row in rows if "+" not in row[3]]
    assert sum(params) == 70_443
    assert sum(macs) == 913_920
    assert "**70443** | **913920 + 704**" in digits(page(lang))


def test_commands_are_those_of_the_template() -> None:
    scripts = re.findall(r"^python (\w+\.py)", page("en"), re.MULTILINE)
    assert scripts
    for script in scripts:
        code = (LESSON.template / script).read_text(encoding="utf-8")
        assert 'if __name__ == "__main__":' in code, script


# What it says was measured.


def test_every_figure_is_filled_in(benchmark: ModuleType) -> None:
    for lang in languages():
        found = dict(FIGURE.findall(page(lang)))
        assert found.keys() == benchmark.FIGURES.keys() | {"teaching"}
        empty = [name for name, text in found.items() if len(table(text)) < 2]
        assert not empty, f"run python assignments/distillation/figures/tables.py --write: {empty}"


def test_counted_costs_are_those_that_the_grader_counts_now(benchmark: ModuleType) -> None:
    now = table(benchmark.time_and_cost(rounds=20).to("en"))
    assert [row[:5] for row in figure("latency")] == [row[:5] for row in now]


def test_a_model_with_far_fewer_multiplications_is_no_faster() -> None:
    costs = [row for row in figure("latency")[1:] if row[2] != "–"]
    assert any(float(fewer) > 2 and float(faster) < 1.1 for _, _, fewer, _, _, faster, _ in costs)


def test_it_is_the_answer_and_not_the_weights_that_must_not_be_rounded() -> None:
    ratios = {row[0]: float(row[-1]) for row in figure("storage")[1:]}
    assert abs(ratios["weights int8, a scale per channel"] - 1) < 0.02
    assert abs(ratios["torch quantize_dynamic, int8"] - 1) < 0.1
    assert ratios["weights 3 bits, per channel"] < 5
    assert ratios["answer: probability in 8 bits"] > 2


def seeds(row: str) -> list[float]:
    (found,) = (one for one in figure("teaching") if one[0] == row)
    return [float(cell) for cell in found[2:-1]]


def test_what_is_said_of_teachers_holds_seed_by_seed() -> None:
    control = seeds("GRU 20: labels alone")
    assert len(control) == 3

    def better(row: str, than: list[float]) -> int:
        return sum(ours < theirs for ours, theirs in zip(seeds(row), than, strict=True))

    assert better("GRU 20: GRU 64, where it looks", control) == 3
    assert better("GRU 20: GRU 64, T = 4", control) == 0
    assert better("GRU 20: GRU 64, its hidden states", control) == 1
    assert better("GRU 20: itself, T = 4", control) == 0
    assert better("GRU 20: labels alone, clips as they are", control) == 1
    for row in figure("teaching")[1:]:
        assert float(row[-1]) == pytest.approx(sum(seeds(row[0])) / 3, abs=0.011)


def test_intervals_are_shown_for_the_number_of_keywords_that_is_graded() -> None:
    shown = {int(digits(row[0])) for row in figure("au-intervals")[1:]}
    assert {200, LESSON.spec.settings["hidden"]["positives"]} <= shown


def test_writing_replaces_what_is_between_the_markers_and_nothing_else(
    benchmark: ModuleType, tmp_path: Path
) -> None:
    before = "a\n<!-- begin: x -->\nold\n<!-- end: x -->\nb\n"
    after = "a\n<!-- begin: x -->\nnew\n<!-- end: x -->\nb\n"
    written = tmp_path / "handout.md"
    for text in (before, after):
        written.write_text(text, encoding="utf-8")
        figures.write_between(written, "x", "new")
        assert written.read_text(encoding="utf-8") == after
    with pytest.raises(ValueError, match="markers"):
        figures.write_between(written, "y", "new")
