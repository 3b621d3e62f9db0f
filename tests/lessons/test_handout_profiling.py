"""The profiling handout and seminar: code runs, figures have sources, both languages agree."""

from __future__ import annotations

import importlib
import importlib.util
import itertools
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from grader.handout import document, measured
from grader.handout.figures import project
from grader.lesson import loading
from grader.measure.hardware import platforms
from grader.text import Lang, languages, numbers
from tests.handout.kept import differences, figures

LESSON = loading.load("profiling")
STEMS = ("handout", "seminar")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]+\]\((?!https?:|figure:)([^)#]+)\)")
FORMULA = re.compile(r"\$\$.*?\$\$|\$[^$\n]+\$", re.DOTALL)


def page(lang: Lang, stem: str = "handout") -> str:
    """What students read: every value filled in."""
    return document.read(LESSON, lang, stem).text


def prose(lang: Lang, stem: str) -> str:
    """The page without code, formulas and targets of links."""
    text = re.sub(r"`[^`\n]+`", "", FENCE.sub("", page(lang, stem)))
    return re.sub(r"\]\([^)]*\)", "]", FORMULA.sub("", text))


def headings(lang: Lang, stem: str) -> list[str]:
    return re.findall(r"^#+ .+$", FENCE.sub("", page(lang, stem)), re.MULTILINE)


def blocks(lang: Lang, stem: str = "handout") -> list[tuple[str, str]]:
    """Language and text of each fenced block, in order."""
    return FENCE.findall(page(lang, stem))


def section(lang: Lang, number: int) -> str:
    """The text of one section, from its heading to the next one's."""
    return re.split(r"^## \d+\. ", page(lang), flags=re.MULTILINE)[number]


def tables(lang: Lang) -> dict[str, measured.Table]:
    return measured.tables(page(lang), lang)


def number(text: str) -> float:
    """A cell such as `83.2%` or `1,106`."""
    return float(re.sub(r"[%,\s\u00a0]", "", text))


def execute(stem: str) -> dict[str, Any]:
    """Names that the code defines once it has run from top to bottom."""
    import torch

    names: dict[str, Any] = {"__name__": stem}
    threads, tracking = torch.get_num_threads(), torch.is_grad_enabled()
    try:
        for place, (kind, code) in enumerate(blocks("en", stem)):
            if kind == "python":
                exec(compile(code, f"{stem}.en.md, block {place}", "exec"), names)
    finally:
        torch.set_num_threads(threads)
        torch.set_grad_enabled(tracking)
    return names


@pytest.fixture(scope="module")
def executed() -> dict[str, Any]:
    return execute("handout")


@pytest.fixture(scope="module")
def benchmark(repository: Path) -> ModuleType:
    """The script that makes the measured tables."""
    return project(repository / "assignments" / "profiling" / "figures", "tables").tables


# Both languages.


@pytest.mark.parametrize("stem", STEMS)
def test_the_languages_have_the_same_headings_and_code(stem: str) -> None:
    levels = {lang: [one.split()[0] for one in headings(lang, stem)] for lang in languages()}
    assert levels["en"] == levels["ru"]
    found = {
        lang: re.findall(r"^## (\d+)\.", page(lang, stem), re.MULTILINE) for lang in languages()
    }
    assert found["en"] == found["ru"] == [str(n) for n in range(1, len(found["en"]) + 1)]
    assert blocks("en", stem) == blocks("ru", stem)


@pytest.mark.parametrize("stem", STEMS)
def test_slides_are_third_level_headings_under_sections(stem: str) -> None:
    levels = [len(one.split()[0]) for one in headings("en", stem)]
    assert levels[0] == 1
    assert set(levels[1:]) == {2, 3}
    assert all(after == 3 for before, after in itertools.pairwise(levels) if before == 2)


@pytest.mark.parametrize("stem", STEMS)
def test_code_fits_a_slide_and_both_languages(stem: str) -> None:
    code = [line for kind, one in blocks("en", stem) if kind for line in one.splitlines()]
    assert [line for line in code if len(line) > 92 and line != LESSON.spec.formula] == []
    assert not any(re.search("[А-Яа-яЁё]", line) for line in code)


@pytest.mark.parametrize("lang", languages())
@pytest.mark.parametrize("stem", STEMS)
def test_words_use_one_alphabet_and_formulas_are_closed(lang: Lang, stem: str) -> None:
    assert re.findall(r"\b\w*(?:[а-яё][a-z]|[a-z][а-яё])\w*\b", prose(lang, stem), re.I) == []
    text = FENCE.sub("", page(lang, stem))
    assert text.count("$$") % 2 == 0
    lines = [one for one in text.replace("$$", "").splitlines() if not one.startswith("|")]
    assert all(one.count("$") % 2 == 0 for one in lines)
    assert text.count("<details>") == text.count("</details>") == text.count("<summary>")
    assert len(re.findall(r"^:::", text, re.MULTILINE)) % 2 == 0


def test_the_languages_show_the_same_measured_figures() -> None:
    assert figures(LESSON.folder, "en") == figures(LESSON.folder, "ru")


@pytest.mark.parametrize("lang", languages())
@pytest.mark.parametrize("stem", STEMS)
def test_relative_links_resolve_to_the_same_language(lang: Lang, stem: str) -> None:
    targets = LINK.findall(FENCE.sub("", page(lang, stem)))
    assert targets
    for target in targets:
        assert (LESSON.folder / target).resolve().is_file(), target
        assert f"handout.{'ru' if lang == 'en' else 'en'}" not in target


# The code.


def test_the_code_runs(executed: dict[str, Any]) -> None:
    assert {"attainable", "Spotter", "hooked_macs", "Operators", "amdahl"} <= executed.keys()


def test_the_seminar_runs() -> None:
    names = execute("seminar")
    assert sum(names["seen"].macs.values()) == names["by_hand"]


def test_the_code_computes_what_the_grader_computes(executed: dict[str, Any]) -> None:
    from grader.measure.hardware.roofline import amdahl_bound

    for share, gain in ((0.3, 4.0), (0.9, 1.5), (0.62, 6.5)):
        assert executed["amdahl"](share, gain) == pytest.approx(amdahl_bound(share, gain))
        assert executed["amdahl"](share) == pytest.approx(amdahl_bound(share))
    chip = platforms.load("esp32")
    assert executed["esp32_peak"] == chip.peak["int8"].value
    assert executed["esp32_ram"] == chip.bandwidth.value


def test_the_counter_in_the_code_agrees_with_the_reference(executed: dict[str, Any]) -> None:
    spec = importlib.util.spec_from_file_location(
        "handout_reference_profiler", LESSON.reference / "profiler.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    found = module.profile_model(executed["model"], (executed["clip"],))
    assert found["macs"] == executed["by_hand"]


# What it says about the homework.


@pytest.mark.parametrize("lang", languages())
def test_every_term_is_there_with_its_formula_and_points(lang: Lang) -> None:
    spec, text = LESSON.spec, section(lang, 10)
    assert ("text", f"{spec.formula}\n") in blocks(lang)
    for term in spec.terms:
        points = numbers.formatted(term.max_points, "g", lang)
        row = f"| {term.title.to(lang)} | `{term.formula}` | {points} |"
        assert row in text
    assert sum(term.max_points for term in spec.terms) == spec.max_score
    for criterion in spec.rubric:
        assert criterion.title.to(lang).lower() in text


@pytest.mark.parametrize(
    "values", [(1, 8, 1.5, 4), (1, 3.3, 1.2, 2.5), (1, 0.5, 0.5, 0.5), (0, 9, 9, 9)]
)
def test_the_points_in_the_code_are_the_lessons(
    executed: dict[str, Any], values: tuple[float, ...]
) -> None:
    names = ("same_outputs", "speedup", "latency_ratio_b1", "compression")
    given = dict(zip(names, values, strict=True)) | {"profiler": 0, "analysis": 0, "rubric": 0}
    terms = LESSON.spec.score(given, gate_passed=True)
    assert executed["faster_points"](*values) == pytest.approx(sum(term.points for term in terms))


@pytest.mark.parametrize("lang", languages())
def test_tolerances_and_counts_are_the_lessons(lang: Lang) -> None:
    settings, text = LESSON.spec.settings, section(lang, 10)
    families = importlib.import_module(f"{LESSON.autograder.__name__}.families").FAMILIES
    for said in (
        f"{100 * settings['profiler']['tolerance']:.0f}%",
        f"{100 * settings['analysis']['limits_tolerance']:.0f}%",
        f" {settings['analysis']['top_k']} ",
        f" {settings['analysis']['least_words']} ",
        f" {settings['faster']['inputs']}",
        f" {settings['faster']['tolerance']:.0e} ".replace("e-0", "e-"),
        f" {len(families)}",
    ):
        assert said in text, said
    analysis = next(term for term in LESSON.spec.terms if term.name == "analysis")
    assert sum(settings["analysis"]["points"].values()) == pytest.approx(analysis.max_points)


# What it says was measured.


def test_every_table_is_filled_in_and_is_what_the_benchmark_kept(benchmark: ModuleType) -> None:
    assert differences(LESSON.folder) == []
    for lang in languages():
        found = tables(lang)
        assert found.keys() == benchmark.FIGURES.keys()
        assert [name for name, table in found.items() if not table.rows] == []


def test_what_is_counted_and_computed_is_what_comes_out_now(benchmark: ModuleType) -> None:
    for lang in languages():
        found = tables(lang)
        for name in benchmark.COMPUTED:
            text = benchmark.FIGURES[name]().to(lang)
            now = measured.tables(f"<!-- begin: {name} -->\n{text}\n<!-- end: {name} -->", lang)[
                name
            ]
            assert found[name] == now, (
                f"assignments/profiling/figures/tables.py --write --only {name}"
            )


def test_published_figures_name_their_source(benchmark: ModuleType) -> None:
    published = benchmark.sourced()
    assert {len(one) for one in published.values()} != {0}
    for one in itertools.chain(*published.values()):
        assert one["source"].startswith("https://")


def test_the_stories_that_the_tables_tell_are_true() -> None:
    """Sentences without a number of their own."""
    found = tables("en")
    stages = {row[0]: row for row in found["stages"].rows}
    loop, convolutions = stages["the recurrent loop"], stages["convolutions"]
    assert number(loop[2]) < 2 < 50 < number(loop[5])
    assert number(convolutions[2]) > 75
    assert 20 < number(convolutions[5]) < 40
    amdahl = {row[0]: row for row in found["amdahl"].rows}
    promised, reached = (float(one) for one in amdahl["one GRU for the loop"][4:])
    assert reached == pytest.approx(promised, rel=0.2)
    assert reached < float(amdahl["one GRU for the loop"][3])
    assert float(amdahl["one GRU for the loop"][1]) == pytest.approx(1, abs=0.02)
    regimes = [[float(cell.replace(",", "")) for cell in row[1:]] for row in found["regimes"].rows]
    assert regimes[1][2] < 1.5 * regimes[0][2]
    batches = {row[0]: [number(cell) for cell in row[1:]] for row in found["batches"].rows}
    assert batches["4"][0] < 1.25 * batches["1"][0]
    assert batches["64"][2] > 8
    limits = [row[5] for row in found["kws"].rows]
    assert limits[-4:] == ["overhead"] * 4


def test_the_reference_profiler_is_right_and_thop_is_not() -> None:
    found = tables("en")["counters"].rows
    assert {row[3] for row in found} == {"100.0%"}
    wrong = [row[0] for row in found if abs(number(row[1]) - 100) > 1]
    assert {"einsum", "matrix products on Parameters", "modules in plain lists"} <= set(wrong)
