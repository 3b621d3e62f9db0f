"""The profiling lesson's analysis: what is stated is held to what the model file measures."""

from __future__ import annotations

import importlib
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader.intake import open_submission
from grader.lesson import course, loading
from grader.lesson.grades import Check
from grader.measure.hardware import platforms, traffic
from grader.measure.hardware.roofline import predict

LESSON = loading.load("profiling")
REFERENCE, TEMPLATE = LESSON.reference, LESSON.template
FILES = ("analysis.toml", "report.md", "model.onnx")
assert LESSON.autograder  # imports the lesson's modules
analysis_checks: Any = importlib.import_module("grader_lesson_profiling.analysis_checks")
analysis_report: Any = importlib.import_module("grader_lesson_profiling.analysis_report")
bottlenecks: Any = importlib.import_module("grader_lesson_profiling.bottlenecks")
promises: Any = importlib.import_module("grader_lesson_profiling.promises")
exams: Any = importlib.import_module("grader_lesson_profiling.exam")

EXAM = exams.Exam(
    data_id="random-models/public:0",
    baseline={},
    seed="public",
    hidden=False,
    limits=LESSON.spec.limits,
    settings=LESSON.spec.settings,
    template=(TEMPLATE / "report.md").read_text("utf-8"),
)


@pytest.fixture
def homework(tmp_path: Path) -> Path:
    folder = tmp_path / "homework"
    folder.mkdir()
    for name in FILES:
        shutil.copy(REFERENCE / name, folder)
    return folder


def examine(folder: Path) -> Any:
    with open_submission(folder, LESSON.spec.intake) as submission:
        return analysis_checks.examine_analysis(EXAM, submission)


def failed(folder: Path) -> dict[str, Check]:
    return {check.name: check for check in examine(folder).checks if not check.passed}


def edit(path: Path, *changes: tuple[str, str]) -> None:
    text = path.read_text("utf-8")
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new, 1)
    path.write_text(text, encoding="utf-8")


def test_reference_gets_every_point_of_the_machine() -> None:
    found = examine(REFERENCE)
    assert found.measurements["analysis"].value == pytest.approx(1.0)
    assert [check.name for check in found.checks if not check.passed] == []
    assert {figure.name for figure in found.figures} == {"roofline", "analysed_time", "promises"}


def test_untouched_template_gets_nothing_and_is_told_where_to_begin() -> None:
    found = examine(TEMPLATE)
    assert found.measurements["analysis"].value == 0.0
    first = found.checks[0]
    assert "area is 'TODO'; expected one of vision, language" in first.message.to("en")
    assert "vision, language" in first.message.to("ru")


Change = tuple[str, str]
LIES: dict[str, tuple[list[Change], str, str]] = {
    "parameters 2% off": ([("params = 70443", "params = 71900")], "figures", "measured 70,443"),
    "what thop counts": ([("macs = 914624", "macs = 932224")], "figures", "measured 914,624"),
    "the size of the file": (
        [("weight_bytes = 281860", "weight_bytes = 285556")],
        "figures",
        "measured 281,860, a difference of 1.3%",
    ),
    "the sum of all activations": (
        [("activation_bytes = 22496", "activation_bytes = 88316")],
        "figures",
        "measured 22,496",
    ),
    "a cheap layer is the bottleneck": (
        [('["/conv/Conv"]', '["/classifier/Gemm"]')],
        "bottlenecks",
        "/classifier/Gemm with 0.0% of the time, is not among the 4 slowest layers",
    ),
    "the slowest layer is not named": (
        [('["/gru/GRU", "/gru/GRU_1"]', '["/gru/GRU_1"]')],
        "bottlenecks",
        "The slowest layer, /gru/GRU with 47.1% of the time, is not named",
    ),
    "everything is a bottleneck": (
        [('["/gru/GRU", "/gru/GRU_1"]', '["*"]')],
        "bottlenecks",
        "is not among the 4 slowest",
    ),
    "the wrong roof": (
        [('bound = "memory"', 'bound = "compute"')],
        "bottlenecks",
        "its arithmetic takes 7.49 ms, its bytes take 16.3 ms, launching it takes 0 ms",
    ),
    "a layer that is not there": (
        [('["/conv/Conv"]', '["/conv2/Conv"]')],
        "bottlenecks",
        "no layer is called /conv2/Conv",
    ),
    "memory of the whole chip": (
        [("ram_bytes = 327680", "ram_bytes = 532480")],
        "limits",
        "limits.ram_bytes is 532,480, the catalogue says 327,680 for esp32",
    ),
    "throughput of both cores": (
        [("peak_macs = 58.7e6", "peak_macs = 117e6")],
        "limits",
        "limits.peak_macs is 117,000,000, the catalogue says 58,681,948",
    ),
    "no flash": ([("storage_bytes = 4194304\n", "")], "limits", "storage_bytes is missing"),
    "it does not fit": ([("fits = true", "fits = false")], "limits", "limits.fits is false, but"),
    "more than Amdahl allows": (
        [("speedup = 1.7", "speedup = 3.0")],
        "promises",
        "promises 3×, but its layers take 42.7% of the predicted time, so the whole gets at most "
        "1.74× faster.",
    ),
    "more than the fastest type gives": (
        [("speedup = 3.5", "speedup = 9.0")],
        "promises",
        "at most 4.03× faster, even in the platform's fastest data type",
    ),
    "everything in int8, a hundred times faster": (
        [('layers = ["/gru/GRU*"]\nmethod = "quantization"\nspeedup = 3.5',
          'layers = ["*"]\nmethod = "quantization"\nspeedup = 100')],
        "promises",
        "at most 5.32× faster",
    ),
    "a runtime that skips arithmetic": (
        [("speedup = 2.2", "speedup = 6.0")],
        "promises",
        "at most 2.22× faster, with all of their arithmetic still to be done",
    ),
    "a promise for nothing": (
        [('layers = ["/gru/GRU_1"]\nmethod', 'layers = ["/rnn/*"]\nmethod')],
        "promises",
        "touches /rnn/*, but no layer is called so",
    ),
    "no speed-up": ([("speedup = 1.7", "speedup = 1.0")], "promises", "is no speed-up"),
    "a trade-off of one word": (
        [('trade_off = "Треть ОЗУ занята навсегда: меньше места звуковому буферу и Wi-Fi."',
          'trade_off = "точность"')],
        "trade_offs",
        "hypotheses[1].trade_off has 1 words",
    ),
    "one trade-off for all": (
        [('trade_off = "Треть ОЗУ занята навсегда: меньше места звуковому буферу и Wi-Fi."',
          'trade_off = "Две потери качества складываются, а собственные ядра int8 для GRU '
          'придётся поддерживать самим."')],
        "trade_offs",
        "hypotheses[4].trade_off repeats hypotheses[1].trade_off",
    ),
}  # fmt: skip
CHECKS = {
    "read": "analysis_is_read",
    "figures": "figures_are_right",
    "bottlenecks": "bottlenecks_are_measured",
    "limits": "limits_agree",
    "promises": "promises_are_possible",
    "trade_offs": "trade_offs_are_named",
    "report": "report_is_complete",
}


@pytest.mark.parametrize("lie", LIES)
def test_lie_is_caught_by_its_own_check_with_the_measured_figure(homework: Path, lie: str) -> None:
    changes, check, words = LIES[lie]
    edit(homework / "analysis.toml", *changes)
    found = failed(homework)
    assert list(found) == [CHECKS[check]]
    assert words in found[CHECKS[check]].message.to("en")
    one = found[CHECKS[check]]
    assert one.points < one.max_points
    assert one.hint.to("ru")


UNREAD: dict[str, tuple[list[Change], str]] = {
    "platform": ([('"esp32"', '"esp-32"')], "there is no platform esp-32; known are atmega328p"),
    "area": ([('"speech"', '"music"')], "area is 'music'; expected one of vision"),
    "method": ([('"distillation"', '"magic"')], "expected one of distillation, quantization"),
    "type": ([("params = 70443", 'params = "70443"')], "stated.params must be a number, but it is"),
    "yes for true": ([("fits = true", 'fits = "yes"')], "limits.fits must be true or false"),
    "negative": ([("params = 70443", "params = -1")], "stated.params is -1; it must be >= 0"),
    "not a number": ([("macs = 914624", "macs = nan")], "stated.macs"),
    "infinite": ([("macs = 914624", "macs = inf")], "stated.macs is inf; it must be <= 1e+21"),
    "infinite schema": ([("schema = 1", "schema = inf")], "be a whole number, but it is inf."),
    "fraction": ([("schema = 1", "schema = 1.5")], "schema must be a whole number, but it is 1.5"),
    "infinite promise": (
        [("speedup = 1.7", "speedup = inf")],
        "hypotheses[3].speedup is inf; it must be <=",
    ),
    "thousands of digits": ([("macs = 914624", "macs = 1" + 5000 * "0")], "analysis.toml"),
    "hundreds of digits": ([("macs = 914624", "macs = 1" + 400 * "0")], "analysis.toml"),
    "lists without end": ([("macs = 914624", "macs = " + 9000 * "[")], "analysis.toml"),
    "megabytes": ([("macs = 914624", "macs = 914624 # " + 300_000 * "x")], "at most 262,144 are"),
    "missing key": ([("macs = 914624\n", "")], "stated.macs is missing"),
    "missing section": ([("[stated]", "[stadet]")], "no key stadet"),
    "unknown key": ([("fits = true", "fits = true\nweight = 3")], "no key limits.weight"),
    "section under another name": (
        [("[[bottlenecks]]", "[[hypotheses]]")] * 2,
        "no key hypotheses[1].bound",
    ),
    "not TOML": ([("params = 70443", "params = 70 443")], "is no TOML, line 12, column"),
    "unfinished": ([("schema = 1", "schema = '")], "is no TOML, at its end"),
    "data type": ([('"float32"', '"float16"')], "esp32 computes in float32, int16, int8 only"),
    "cyrillic model": ([('"model.onnx"', '"модель.onnx"')], "whose letters are not all Latin"),
    "outside": ([('"model.onnx"', '"../model.onnx"')], "give its path inside your folder"),
    "checkpoint": ([('"model.onnx"', '"report.md"')], "expected an .onnx file"),
    "no model": ([('"model.onnx"', '"network.onnx"')], "there is no such file in the submission"),
    "own platform": ([('"esp32"', '"mine"\nplatform_file = "p.toml"')], "Expected p.toml"),
}


@pytest.mark.parametrize("name", UNREAD)
def test_analysis_that_cannot_be_read_is_one_sentence_and_the_report_still_counts(
    homework: Path, name: str
) -> None:
    changes, words = UNREAD[name]
    edit(homework / "analysis.toml", *changes)
    found = examine(homework)
    first = found.checks[0]
    assert words in first.message.to("en")
    assert not first.passed
    assert first.message.to("ru").endswith(".")
    assert "Traceback" not in first.message.to("en")
    assert [check.name for check in found.checks if check.passed] == ["report_is_complete"]
    assert found.measurements["analysis"].value == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("write", "words"),
    [
        (
            lambda path: path.write_bytes(path.read_text("utf-8").encode("cp1251", "replace")),
            "Windows-1251",
        ),
        (lambda path: path.write_bytes(path.read_text("utf-8").encode("utf-16")), "UTF-16"),
        (lambda path: path.rename(path.with_name("анализ" + path.suffix)), "not all Latin"),
        (lambda path: path.rename(path.with_name("аnalysis" + path.suffix)), "rename it"),
        (lambda path: path.rename(path.with_name(path.stem + "1" + path.suffix)), "rename it"),
        (lambda path: path.unlink(), "found no such file"),
        (lambda path: path.write_bytes(b"\x00\xff" * 100), "UTF-8"),
    ],
)
@pytest.mark.parametrize("name", ["analysis.toml", "report.md"])
def test_file_in_another_encoding_or_under_another_name_is_one_sentence(
    homework: Path, name: str, write: Callable[[Path], object], words: str
) -> None:
    shutil.copy(REFERENCE / "profiler.py", homework)  # so that something is handed in
    write(homework / name)
    check = "analysis_is_read" if name == "analysis.toml" else "report_is_complete"
    found = failed(homework)
    assert words in found[check].message.to("en")
    assert ("report_is_complete" in found) == (name == "report.md")


def test_byte_order_mark_and_windows_line_ends_are_read(homework: Path) -> None:
    for name in ("analysis.toml", "report.md"):
        text = (homework / name).read_text("utf-8").replace("\n", "\r\n")
        (homework / name).write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert failed(homework) == {}


def test_dynamic_size_is_named_or_asked_for(homework: Path) -> None:
    streaming = loading.load("streaming_kws").reference / "model.onnx"
    shutil.copy(streaming, homework / "model.onnx")
    found = examine(homework)
    assert "no fixed size (samples)" in found.checks[0].message.to("en")
    assert "sizes = { length = 32 }" in found.checks[0].message.to("en")
    edit(homework / "analysis.toml", ("[stated]", "[sizes]\nsamples = 1280\n[stated]"))
    assert examine(homework).checks[0].passed


def test_launching_can_be_the_bottleneck(homework: Path) -> None:
    edit(homework / "analysis.toml", ('"esp32"', '"server-gpu"'))
    message = failed(homework)["bottlenecks_are_measured"].message.to("en")
    assert "is limited by overhead, not by memory" in message


def test_damaged_model_is_one_sentence(homework: Path) -> None:
    raw = (homework / "model.onnx").read_bytes()
    (homework / "model.onnx").write_bytes(raw[: len(raw) // 2])
    found = examine(homework)
    assert not found.checks[0].passed
    assert found.checks[0].message.to("en")


# A platform of one's own --------------------------------------------------------------------

OWN = """
[sources]
sheet = { title = "Data sheet", address = "https://example.org/sheet.pdf" }
[[platform]]
name = "my-board"
title = { en = "My board", ru = "Моя плата" }
kind = "microcontroller"
price = "under 10 USD"
clock_hz = { value = 100e6, source = "sheet" }
[platform.memory]
ram = { value = 524288, source = "sheet" }
storage = { value = 1048576, source = "sheet" }
[platform.bandwidth]
value = 400e6
source = "sheet"
[platform.peak.float32]
value = 50e6
source = "sheet"
"""
ON_OWN = [
    ('"esp32"', '"my-board"\nplatform_file = "platform.toml"'),
    ("ram_bytes = 327680", "ram_bytes = 524288"),
    ("storage_bytes = 4194304", "storage_bytes = 1048576"),
    ("bandwidth = 960e6", "bandwidth = 400e6"),
    ("peak_macs = 58.7e6", "peak_macs = 50e6"),
    ('bound = "memory"', 'bound = "compute"'),
]


def test_platform_of_ones_own_with_figures_and_sources_is_taken(homework: Path) -> None:
    edit(homework / "analysis.toml", *ON_OWN)
    (homework / "platform.toml").write_text(OWN, encoding="utf-8")
    assert set(failed(homework)) <= {"promises_are_possible"}


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("https://example.org/sheet.pdf", "a friend", "expected a web address"),
        ('source = "sheet" }\nstorage', 'source = "gossip" }\nstorage', "unknown source"),
        ("value = 400e6", "value = inf", "expected SI units"),
        ("value = 400e6", "value = 0", "platform.toml"),
        ("value = 400e6", "value = 1e300", "expected SI units"),
        ('name = "my-board"', 'name = "esp32"', "a platform of this name already"),
        ("[platform.bandwidth]", "[platform.bandwith]", "platform.toml"),
    ],
)
def test_platform_of_ones_own_without_a_source_or_sense_is_one_sentence(
    homework: Path, old: str, new: str, words: str
) -> None:
    edit(homework / "analysis.toml", *ON_OWN)
    assert old in OWN
    (homework / "platform.toml").write_text(OWN.replace(old, new, 1), encoding="utf-8")
    first = examine(homework).checks[0]
    assert not first.passed
    assert words in first.message.to("en")
    assert str(homework) not in first.message.to("en")
    assert "/tmp" not in first.message.to("en")


# The report ---------------------------------------------------------------------------------


def report_problems(text: str) -> list[str]:
    settings = EXAM.settings["analysis"]
    found = analysis_report.problems(
        text,
        EXAM.template,
        least_words=settings["least_words"],
        most_copied=settings["most_copied"],
    )
    return [one.to("en") for one in found]


def written(*words: str) -> str:
    """Fifty words of one's own."""
    return " ".join(f"{word}{number}" for number in range(50 // len(words) + 1) for word in words)


ENGLISH = {
    "The network": written("layer", "weight"),
    "A short analytical report": written("flash", "cache"),
    "List of bottlenecks": written("slow", "wait"),
    "How to speed it up": written("try", "measure"),
    "Engineering trade-offs": written("cost", "lose"),
}


def as_report(sections: dict[str, str]) -> str:
    return "# My report\n\n" + "\n\n".join(
        f"## {head}\n\n{text}" for head, text in sections.items()
    )


def test_report_with_own_headings_in_either_language_is_complete() -> None:
    assert report_problems(as_report(ENGLISH)) == []
    assert report_problems((REFERENCE / "report.md").read_text("utf-8")) == []


@pytest.mark.parametrize("gone", ENGLISH)
def test_report_without_a_section_says_which(gone: str) -> None:
    sections = {head: text for head, text in ENGLISH.items() if head != gone}
    (problem,) = report_problems(as_report(sections))
    assert "there is no section" in problem


def test_section_that_is_empty_short_copied_or_pasted_is_named() -> None:
    hints = EXAM.template.replace("<!--", "").replace("-->", "")
    hint = analysis_report.sections(hints)["analysis"]
    assert "is empty" in report_problems(as_report(ENGLISH | {"The network": "<!-- todo -->"}))[0]
    assert "has 2 words" in report_problems(as_report(ENGLISH | {"The network": "A CNN"}))[0]
    copied = as_report(ENGLISH | {"A short analytical report": f"Well: {hint} Yes it does."})
    assert "is the template's text" in report_problems(copied)[0]
    pasted = as_report(ENGLISH | {"The network": ENGLISH["List of bottlenecks"]})
    assert "say the same" in report_problems(pasted)[0]


def test_code_and_comments_are_no_headings_and_no_words() -> None:
    code = "```\n## Bottlenecks\n" + written("a") + "\n```"
    sections = {head: text for head, text in ENGLISH.items() if head != "List of bottlenecks"}
    text = as_report(sections | {"The network": ENGLISH["The network"] + "\n" + code})
    assert any("no section ## Bottlenecks" in one for one in report_problems(text))
    comment = as_report(ENGLISH | {"The network": f"<!-- {written('b')} "})
    assert report_problems(comment)


@given(st.text(max_size=2000))
def test_any_report_is_judged(text: str) -> None:
    assert report_problems(text)


@pytest.mark.parametrize("line", ["# " + 100_000 * " #", "```\n" * 50_000, "<!--" * 60_000])
def test_report_that_keeps_patterns_busy_is_judged_soon(line: str) -> None:
    assert report_problems(line + "x")


def test_prose_on_the_subject_shares_little_with_the_template() -> None:
    """What the threshold of 0.5 is far from: reports of other lessons share under 1%."""
    template = analysis_report.triples(EXAM.template)
    for path in sorted(course.reference_solutions().glob("*/report.md")):
        own = analysis_report.triples(path.read_text("utf-8"))
        assert len(own & template) / len(own) < 0.02, path


# Bounds -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def workload() -> Any:
    return traffic.of_onnx((REFERENCE / "model.onnx").read_bytes())


@pytest.mark.parametrize("platform", platforms.catalogue().platforms)
def test_slowest_layers_are_slower_than_all_others(workload: Any, platform: str) -> None:
    prediction = predict(workload, platforms.load(platform))
    top = bottlenecks.slowest(prediction, 5, 0.02)
    assert len(top) >= 1
    assert top[0] is prediction.bottlenecks(1)[0]
    least = min(layer.seconds for layer in top)
    others = [layer for layer in prediction.layers if not any(layer is one for one in top)]
    assert all(layer.seconds < least for layer in others)


@pytest.mark.parametrize("platform", platforms.catalogue().platforms)
@pytest.mark.parametrize("method", ["quantization", "inference", "architecture"])
def test_bound_grows_with_the_layers_and_no_method_beats_amdahl(
    workload: Any, platform: str, method: str
) -> None:
    measured = importlib.import_module("grader_lesson_profiling.analysis_model").Measured(
        workload, platforms.load(platform), predict(workload, platforms.load(platform))
    )
    analyses = importlib.import_module("grader_lesson_profiling.analysis")
    before = 1.0
    for patterns in (["/conv/*"], ["/conv/*", "/gru/GRU"], ["/conv/*", "/gru/*"], ["*"]):
        hypothesis = analyses.Hypothesis(
            name="h", layers=patterns, method=method, speedup=2.0, why="", trade_off=""
        )
        found = promises.promise(hypothesis, measured)
        assert before - 1e-9 <= found.bound <= found.amdahl * (1 + 1e-9)
        before = found.bound
