"""Firmware that does not do its work: what each mistake and each cheat is told.

Every mutant is the reference solution with one edit. It is built and run as a submission is.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from grader import data, grading
from grader.grading import Examination
from grader.lesson import grades, loading
from grader.lesson.grades import Grade, Status

LESSON = loading.load("pruning_arduino")
Edit = Callable[[Path], None]


@pytest.fixture(scope="module")
def examination() -> Examination:
    """The public questions, fewer of them."""
    made = grading.prepare(LESSON, "public")
    asked = made.exam.questions  # type: ignore[attr-defined]
    fewer = replace(
        asked,
        positions=asked.positions[:40],
        queries=asked.queries[:6],
        cycles_per_line=8_000_000,
    )
    return replace(made, exam=replace(made.exam, questions=fewer))  # type: ignore[type-var]


@pytest.fixture
def grade(examination: Examination, tmp_path: Path) -> Callable[[Edit], Grade]:
    def with_edit(edit: Edit) -> Grade:
        folder = tmp_path / "hw"
        ignored = shutil.ignore_patterns("__pycache__", "tinychat", "binary", "*.ckpt")
        shutil.copytree(LESSON.reference, folder, ignore=ignored)
        edit(folder)
        made, fault = grading.grade(examination, folder, "hw")
        assert not fault, fault
        return made

    return with_edit


def swap(name: str, *pairs: tuple[str, str]) -> Edit:
    """Replace text in a file of the firmware; the text has to be there."""

    def edit(folder: Path) -> None:
        path = folder / "firmware" / name
        text = path.read_text(encoding="utf-8")
        for old, new in pairs:
            assert old in text, old
            text = text.replace(old, new, 1)
        path.write_text(text, encoding="utf-8")

    return edit


def both(*edits: Edit) -> Edit:
    def edit(folder: Path) -> None:
        for one in edits:
            one(folder)

    return edit


def arrays(change: Callable[[dict[str, np.ndarray]], None]) -> Edit:
    """Change what is in model.npz."""

    def edit(folder: Path) -> None:
        with np.load(folder / "model.npz") as file:
            found = {name: file[name] for name in file.files}
        change(found)
        np.savez_compressed(folder / "model.npz", **found)  # type: ignore[arg-type]

    return edit


def other_weights(found: dict[str, np.ndarray]) -> None:
    found["weight0"] = np.roll(found["weight0"], 1, axis=0)


def float_weights(found: dict[str, np.ndarray]) -> None:
    found["weight0"] = found["weight0"].astype(np.float32)


def one_unit_less(found: dict[str, np.ndarray]) -> None:
    found["weight0"] = found["weight0"][:-1]


def pickled(folder: Path) -> None:
    np.savez(folder / "model.npz", weight0=np.array([print], dtype=object))


@dataclass(frozen=True)
class Mutant:
    name: str
    edit: Edit
    says: str
    """Part of the sentence in English."""


MAIN = "int main(void)\n{\n    uart_begin();"
RUN = "uint8_t class = network_run();"
MUTANTS = [
    # Builds that fail.
    Mutant("does_not_compile", swap("main.c", ("uart_begin();", "uart_begin()")), "main.c:"),
    Mutant(
        "does_not_link",
        swap("main.c", (MAIN, "void nowhere(void);\n" + MAIN + " nowhere();")),
        "nowhere",
    ),
    Mutant(
        "too_big_for_flash",
        swap(
            "main.c",
            (
                "static char line[",
                "const uint8_t big1[20000] PROGMEM = {1}, big2[20000] PROGMEM = {2};\n"
                "static char line[",
            ),
            (MAIN, MAIN + " GPIOR1 = pgm_read_byte(&big1[GPIOR1]) + pgm_read_byte(&big2[GPIOR1]);"),
        ),
        "flash",
    ),
    Mutant(
        "too_big_for_sram",
        swap(
            "main.c",
            ("static char line[", "static volatile char much[2000] = {1};\nstatic char line["),
            (MAIN, MAIN + " much[7] = 3;"),
        ),
        "SRAM",
    ),
    Mutant(
        "reads_a_file_of_the_host",
        swap("main.c", ("#include <string.h>", '#include <string.h>\n#include "/etc/passwd"')),
        "outside the project",
    ),
    # Programs that do not answer.
    Mutant(
        "overflows_the_stack",
        swap(
            "network.c",
            (
                "uint8_t network_run(void)\n{",
                "uint8_t network_run(void)\n{\n    volatile char deep[1500];\n"
                "    deep[0] = deep[1499] = 1;",
            ),
        ),
        "stack",
    ),
    Mutant("loops_without_end", swap("main.c", (RUN, "for (;;) GPIOR1++;\n" + RUN)), "in time"),
    Mutant("never_replies", swap("main.c", ("UDR0 = character;", "(void)character;")), "no reply"),
    Mutant("sends_garbage", swap("main.c", ("send(c);", "send(c | 0x80);")), "printable"),
    Mutant("greets", swap("main.c", (MAIN, MAIN + " send('>');")), "before it had read"),
    Mutant(
        "talks_too_fast",
        swap("main.c", ("send(c);", "UDR0 = UDR0 = UDR0 = c;")),
        "transmitter was busy",
    ),
    # Programs that answer something else.
    Mutant(
        "ignores_the_query",
        swap("main.c", (RUN, "uint8_t class = 16;")),
        "does not depend on the query",
    ),
    Mutant(
        "answers_differently_each_time",
        swap(
            "main.c",
            (RUN, RUN + "\n    static uint8_t turn;\n    if (++turn % 9 == 0)\n        class = 5;"),
        ),
        "different answers",
    ),
    Mutant(
        "reads_what_it_never_set",
        swap(
            "main.c",
            (RUN, RUN + "\n    if (*(volatile uint8_t *)0x780 != 0xa5)\n        class = 5;"),
        ),
        "different answers",
    ),
    Mutant("computes_another_model", arrays(other_weights), "differ at"),
    Mutant(
        "forgets_the_context",
        swap(
            "features.c",
            ("    count_context(context);", "    (void)count_context;\n    (void)context;"),
        ),
        "differ at",
    ),
    Mutant(
        "stops_after_one_character",
        swap("main.c", ("if (!whole)", "if (1)")),
        "though single characters agree",
    ),
    # Cheats with the hardware.
    Mutant("uses_a_timer", swap("main.c", (MAIN, MAIN + " TCCR1B = 1;")), "TCCR1B"),
    Mutant(
        "sends_faster_than_the_host_reads",
        swap("main.c", ("UBRR0 = (F_CPU / 4 / BAUD - 1) / 2;", "UBRR0 = 0;")),
        "at 2,000,000 baud",
    ),
    Mutant(
        "reads_at_another_rate_than_it_sends",
        swap(
            "main.c",
            (
                "    while (!(UCSR0A & 1 << RXC0))",
                "    UBRR0 = 0;\n    while (!(UCSR0A & 1 << RXC0))",
            ),
            ("    UDR0 = character;", "    UBRR0 = 16;\n    UDR0 = character;"),
        ),
        "115,200 baud within 4%",
    ),
    Mutant("asks_the_clock", swap("main.c", (RUN, RUN + " class += TCNT0;")), "TCNT0"),
    Mutant("writes_to_eeprom", swap("main.c", (MAIN, MAIN + " EEDR = 1;")), "EEDR"),
    Mutant(
        "rewrites_its_flash",
        swap("main.c", (MAIN, MAIN + ' __asm__ volatile("spm");')),
        "SPM",
    ),
    Mutant(
        "jumps_into_data",
        swap("main.c", (RUN, "((void (*)(void))((uint16_t)charset / 2 + 1))();\n    " + RUN)),
        "table",
    ),
    # Models that are none.
    Mutant("no_model", lambda folder: (folder / "model.npz").unlink(), "Expected model.npz"),
    Mutant("a_pickle", pickled, "model.npz cannot be used"),
    Mutant("float_weights", arrays(float_weights), "expected int8"),
    Mutant("layers_do_not_fit", arrays(one_unit_less), "shape"),
    Mutant(
        "a_damaged_model",
        lambda folder: (folder / "model.npz").write_bytes(b"PK\x03\x04 no more"),
        "damaged",
    ),
]


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_it_is_refused_with_a_sentence(mutant: Mutant, grade: Callable[[Edit], Grade]) -> None:
    made = grade(mutant.edit)
    assert made.status is Status.REJECTED
    assert mutant.says in made.reason.to("en")
    assert made.reason.to("ru")
    assert made.reason.to("ru") != made.reason.to("en")
    assert made.score == 0


def test_the_reference_without_an_edit_passes(grade: Callable[[Edit], Grade]) -> None:
    made = grade(lambda folder: None)
    assert made.status is Status.GRADED
    assert made.gate is not None
    assert made.gate.passed
    assert all(check.passed for check in made.checks), made.checks


def test_work_outside_the_markers_costs_as_much_as_inside(
    grade: Callable[[Edit], Grade], examination: Examination
) -> None:
    """A firmware that marks an empty stretch is scored on all it does, and told so."""
    made = grade(
        swap(
            "main.c",
            (RUN, "GPIOR0 = INFERENCE_ENDS;\n    " + RUN),
            ("    GPIOR0 = INFERENCE_ENDS;\n    return", "    return"),
        )
    )
    assert made.status is Status.GRADED
    marked, all_cycles = (made.value(name) for name in ("marked_cycles", "cycles_per_char"))
    assert marked is not None
    assert all_cycles is not None
    assert marked < 0.2 * all_cycles
    speedup = examination.exam.baseline["cycles_per_char"].value / all_cycles
    assert made.value("speedup") == pytest.approx(speedup)
    failed = [check.name for check in made.checks if not check.passed]
    assert failed == ["markers_enclose_the_work"]


def test_a_firmware_without_markers_is_graded_and_told(grade: Callable[[Edit], Grade]) -> None:
    made = grade(swap("main.c", ("    GPIOR0 = INFERENCE_BEGINS;\n", "")))
    assert made.status is Status.GRADED
    assert [check.name for check in made.checks if not check.passed] == ["markers_enclose_the_work"]


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (b"name,flash_bytes\na,6000\n", "cycles_per_char"),
        (b"name,flash_bytes,next_char_accuracy,cycles_per_char\na,12k,0.6,60000\n", "12k"),
    ],
)
def test_an_unreadable_table_of_experiments_is_graded_and_told(
    grade: Callable[[Edit], Grade], table: bytes, words: str
) -> None:
    def record(folder: Path) -> None:
        (folder / "experiments.csv").write_bytes(table)

    made = grade(record)
    assert made.status is Status.GRADED
    check = next(check for check in made.checks if check.name == "experiments_are_recorded")
    assert not check.passed
    assert words in check.message.to("en")
    assert words in check.message.to("ru")


@pytest.mark.parametrize("edit", [lambda folder: None, arrays(other_weights)])
def test_a_grade_on_hidden_data_names_no_hidden_query(edit: Edit, tmp_path: Path) -> None:
    """Neither in its figures nor in its sentences; `grader check` quotes public ones."""
    made = grading.prepare(LESSON, "hidden", seed="tests")
    asked = made.exam.questions  # type: ignore[attr-defined]
    assert len(asked.queries) >= 24
    fewer = replace(asked, positions=asked.positions[:40], queries=asked.queries[:6])
    examination = replace(made, exam=replace(made.exam, questions=fewer))  # type: ignore[type-var]
    folder = tmp_path / "hw"
    ignored = shutil.ignore_patterns("__pycache__", "tinychat", "binary", "*.ckpt")
    shutil.copytree(LESSON.reference, folder, ignore=ignored)
    edit(folder)
    grade, fault = grading.grade(examination, folder, "hw")
    assert not fault, fault
    told = grades.to_json(grade).decode()
    hidden = {one.query for one in made.exam.positions}  # type: ignore[attr-defined]
    assert [query for query in hidden if f'"{query}"' in told or f"'{query}'" in told] == []
    if grade.status is Status.GRADED:
        shown = next(figure for figure in grade.figures if figure.name == "replies")
        public = data.load_pairs("chat-synthetic", "validation").queries
        assert {row.to("en") for row in shown.rows} <= set(public)
    else:
        assert "differ at" in grade.reason.to("en")


def test_below_the_gate_nothing_is_scored(grade: Callable[[Edit], Grade]) -> None:
    """A network that says nothing at once: small, fast, and wrong."""

    def silent(folder: Path) -> None:
        swap("main.c", (RUN, "uint8_t class = END_OF_REPLY;"))(folder)
        np.savez(
            folder / "model.npz",
            query_buckets=1,
            context_buckets=1,
            context_length=1,
            weight0=np.zeros((40, 2), np.int8),
            bias0=np.array([0] * 39 + [300], np.int16),
            multiplier0=np.full(40, 255, np.uint8),
        )

    made = grade(silent)
    assert made.status is Status.GRADED
    assert made.gate is not None
    assert not made.gate.passed
    assert made.score == 0


def test_the_demonstration_shows_every_ending(examination: Examination, tmp_path: Path) -> None:
    samples = LESSON.samples
    assert samples is not None
    samples.make(tmp_path, LESSON)
    endings = {
        path.name: grading.grade(examination, path, path.name)[0] for path in tmp_path.iterdir()
    }
    graded = {name for name, made in endings.items() if made.status is Status.GRADED}
    assert graded == {"reference", "zipped.zip", "markers-around-nothing", "silent-misses-gate"}
    assert {made.status for name, made in endings.items() if name not in graded} == {
        Status.REJECTED
    }
    gate = endings["silent-misses-gate"].gate
    assert gate is not None
    assert not gate.passed
