"""A lesson's harness in the sandbox: each call has an answer or an error of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from grader.lesson.grades import Status
from grader.lesson.spec import RunLimits
from grader.sandbox.runners.harness import (
    TORCH,
    Answered,
    Call,
    HarnessJob,
    HarnessRun,
    run_harness,
)

LIMITS = RunLimits(memory_bytes=256 * 2**20, disk_bytes=8 * 2**20, processes=16)
HARNESS = b"""
import helper

def answer(order, student):
    function = student.function("work", order.get("function", "solve"))
    return helper.kept(student.call(function, order["x"]))
"""
HELPER = b"def kept(value): return value\n"
Answers = tuple[Answered, ...]


def harness_run(
    source: str,
    orders: Sequence[dict[str, Any]],
    seconds: float = 4.0,
    libraries: tuple[str, ...] = ("numpy",),
    files: Mapping[str, bytes] | None = None,
    **more: Any,
) -> HarnessRun:
    submission = {"work.py": source.encode(), **(files or {})}
    job = HarnessJob({"helper": HELPER, "main": HARNESS}, submission, libraries, **more)
    calls = [Call(f"call {n}", order, seconds, 4096) for n, order in enumerate(orders)]
    return run_harness(job, calls, LIMITS)


def run(source: str, orders: Sequence[dict[str, Any]], *more: Any, **named: Any) -> Answers:
    return harness_run(source, orders, *more, **named).answers


def xs(*values: Any) -> list[dict[str, Any]]:
    return [{"x": value} for value in values]


def test_every_call_is_answered_with_plain_data(level: str) -> None:
    answers = run("def solve(x): return {'sum': x + 1, 'list': [x, None, 'х']}", xs(1, 2.5))
    assert [a.value for a in answers] == [
        {"sum": 2, "list": [1, None, "х"]},
        {"sum": 3.5, "list": [2.5, None, "х"]},
    ]
    assert all(a.error is None and a.seconds > 0 for a in answers)


def test_other_files_of_the_submission_can_be_imported_and_read(level: str) -> None:
    files = {"one.txt": b"1", "deep/more.py": b"def add(x):\n    return x\n"}
    source = (
        "from deep import more\ndef solve(x): return more.add(x) + float(open('one.txt').read())\n"
    )
    assert [a.value for a in run(source, xs(1, 2), files=files)] == [2, 3]


def test_what_is_printed_is_kept_for_the_student(level: str) -> None:
    source = "print('hello \\x1b[31m')\ndef solve(x): return x\n"
    assert "hello ␛[31m" in harness_run(source, xs(1)).log


def test_bytes_come_back_as_they_are(level: str) -> None:
    (answer,) = run("def solve(x): return bytes(range(256)) * x", xs(2))
    assert answer.blob == bytes(range(256)) * 2


def test_an_error_is_told_with_the_students_line_and_costs_only_its_call(level: str) -> None:
    answers = run("def solve(x):\n    return 12 // x\n", xs(3, 0, 4))
    assert [a.value for a in answers] == [4, None, 3]
    assert answers[1].status is Status.REJECTED
    assert answers[1].error is not None
    assert "ZeroDivisionError" in answers[1].error.to("en")
    assert "(work.py, line 2)" in answers[1].error.to("en")
    assert answers[1].error.to("ru") != answers[1].error.to("en")


def test_a_failure_outside_of_the_functions_is_told_with_its_reason() -> None:
    """The harness itself is broken by what the submission did to Python."""
    source = "import json\njson.dumps = None\ndef solve(x): return x\n"
    (answer,) = run(source, xs(1))
    assert answer.error is not None
    assert "exit code 26" not in answer.error.to("en")
    assert "TypeError: 'NoneType' object is not callable" in answer.error.to("en")


@pytest.mark.parametrize(
    ("statement", "status", "words"),
    [
        ("import time; time.sleep(60)", Status.TIMED_OUT, "within 4 s"),
        ("while True: pass", Status.TIMED_OUT, "within 4 s"),
        ("import os; os._exit(0)", Status.CRASHED, "ended the process"),
        ("import os; os._exit(3)", Status.CRASHED, "exit code 3"),
        ("raise SystemExit(0)", Status.REJECTED, "SystemExit"),
        ("import ctypes; ctypes.string_at(0)", Status.CRASHED, "SIGSEGV"),
        ("raise MemoryError", Status.OUT_OF_MEMORY, "256 MiB"),
        ("return float('nan')", Status.REJECTED, "ValueError"),
        ("return object()", Status.REJECTED, "TypeError"),
        ("return 'x' * 5000", Status.REJECTED, "5,002 bytes, at most 4,096"),
        ("return [[]] if x == 0 else x", Status.GRADED, ""),
    ],
)
def test_one_bad_ending_costs_one_call(
    closed_level: str, statement: str, status: Status, words: str
) -> None:
    source = f"def solve(x):\n    if x != 7: return x\n    {statement}\n"
    answers = run(source, xs(1, 7, 2))
    assert [a.value for a in answers[::2]] == [1, 2]
    assert answers[1].status is status
    assert words in (answers[1].error.to("en") if answers[1].error else "")


@pytest.mark.parametrize(
    ("statement", "status", "words"),
    [
        ("import ctypes; ctypes.string_at(0)", Status.CRASHED, "SIGSEGV"),
        (
            "kept = [];\n    while True: kept.append(bytearray(10**7))",
            Status.OUT_OF_MEMORY,
            "256 MiB",
        ),
        ("while True: print('x' * 9999)", Status.REJECTED, "printed far more"),
    ],
)
def test_limits_hold_at_every_level(level: str, statement: str, status: Status, words: str) -> None:
    (answer,) = run(f"kept = []\ndef solve(x):\n    {statement}\n", xs(1), seconds=60.0)
    assert answer.status is status
    assert answer.error is not None
    assert words in answer.error.to("en")


def test_a_call_is_not_charged_for_the_time_of_those_before_it(closed_level: str) -> None:
    source = "import time\ndef solve(x):\n    time.sleep(1.2)\n    return x\n"
    answers = run(source, xs(*range(4)), seconds=3.0)
    assert [a.value for a in answers] == [0, 1, 2, 3]


def test_after_some_calls_out_of_time_the_others_are_not_made(closed_level: str) -> None:
    source = "import time\ndef solve(x):\n    time.sleep(60)\n"
    answers = run(source, xs(*range(6)), seconds=1.0, lost_calls=2)
    assert [a.status for a in answers] == [Status.TIMED_OUT] * 6
    assert answers[1].error is not None
    assert "within 1 s" in answers[1].error.to("en")
    assert answers[2].error is not None
    assert "Not asked" in answers[2].error.to("en")


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("import nothing_like_this\n", "cannot be imported: ModuleNotFoundError"),
        ("def solve(x:\n", "SyntaxError"),
        ("x = 1\n", "work.py defines no function solve()"),
    ],
)
def test_code_that_cannot_be_imported_says_so_at_every_call(
    level: str, source: str, words: str
) -> None:
    for answer in run(source, xs(1, 2)):
        assert answer.error is not None
        assert words in answer.error.to("en")


def test_what_is_written_to_the_wire_is_no_answer(closed_level: str) -> None:
    source = (
        "import os\n"
        "def solve(x):\n"
        "    for fd in range(3, 64):\n"
        "        try: os.write(fd, b'\\x07\\xff\\xff\\xff\\xff' * 3)\n"
        "        except OSError: pass\n"
        "    return x\n"
    )
    found = harness_run("print('hello', flush=True)\n" + source, xs(1, 2))
    for answer in found.answers:
        assert answer.value is None
        assert answer.status is Status.REJECTED
    assert "hello" in found.log


def test_a_forged_answer_may_be_wrong_but_is_data(closed_level: str) -> None:
    forged = "b'\\x00\\x02\\x00\\x00\\x0042'"
    source = (
        "import os\n"
        "def solve(x):\n"
        "    for fd in range(3, 64):\n"
        f"        try: os.write(fd, {forged})\n"
        "        except OSError: pass\n"
        "    os._exit(0)\n"
    )
    assert run(source, xs(1))[0].value == 42


@pytest.mark.slow
def test_torch_is_there_with_one_thread_and_enough_memory(level: str) -> None:
    source = (
        "import threading, torch\n"
        "def solve(x):\n"
        "    a = torch.ones(600, 600)\n"
        "    total = float((a @ a).sum())\n"
        "    layer = torch.nn.LSTM(8, 16)(torch.ones(3, 1, 8))[0]\n"
        "    return [torch.get_num_threads(), total, list(layer.shape)]\n"
    )
    answers = run(source, xs(1, 2), seconds=30.0, libraries=TORCH)
    assert [a.value for a in answers] == [[1, pytest.approx(600.0**3, rel=1e-5), [3, 1, 16]]] * 2


@pytest.mark.slow
def test_two_threads_of_torch_do_not_hang(closed_level: str) -> None:
    source = (
        "import torch\n"
        "def solve(x):\n"
        "    torch.set_num_threads(2)\n"
        "    a = torch.ones(700, 700)\n"
        "    return float((a @ a).sum())\n"
    )
    answers = run(source, xs(1), seconds=20.0, libraries=TORCH)
    assert answers[0].value == pytest.approx(700.0**3, rel=1e-5)
