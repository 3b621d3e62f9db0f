"""Grades `solve(x)` of solution.py: the largest minus the smallest of eight numbers.

Every hidden row is asked twice, in a random order, one call at a time.
The score is the share of right answers; two checks look at the clock and at the repetitions.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

import numpy as np

from grader.intake import Submission
from grader.lesson.contract import Findings, Setup
from grader.lesson.grades import Check, Measurement, Status
from grader.lesson.spec import RunLimits
from grader.sandbox.isolation.process import Stopped
from grader.sandbox.runners.harness import Answered, Call, HarnessJob, run_harness
from grader.text import Text, verbatim
from grader.text.untrusted import quoted

HARNESS = b"""
import numpy as np

solve = None

def answer(order, student):
    global solve
    solve = solve or student.function("solution", "solve")
    found = student.call(solve, np.array(order["x"], np.float32))
    # Exactly an array: anything else may run code of its own when it is looked at.
    if type(found) is not np.ndarray or found.dtype.kind not in "biuf" or found.shape != (1,):
        if type(found) is np.ndarray:
            return f"an array of {found.dtype}, shape {found.shape}"
        return type(found).__name__
    return np.ascontiguousarray(found, "<f4").tobytes()
"""
"""Runs in the sandbox: calls solve() on one row; answers with a float32, or says what came back."""


@dataclass(frozen=True)
class Exam:
    data_id: str
    inputs: np.ndarray
    """(rows, 8) float32."""
    labels: np.ndarray
    """(rows,) what solve() should say. They stay here: the sandbox never sees them."""
    limits: RunLimits
    quick_ms: float
    baseline: dict[str, Measurement] = field(default_factory=dict)


def prepare(setup: Setup) -> Exam:
    secret = (setup.seed or "") if setup.audience == "hidden" else "public"
    digest = hashlib.sha256(secret.encode()).digest()
    rng = np.random.default_rng(int.from_bytes(digest[:8], "little"))
    inputs = rng.normal(size=(setup.spec.settings["numbers"], 8)).astype(np.float32)
    labels = inputs.max(axis=1) - inputs.min(axis=1)
    name = hashlib.sha256(inputs.tobytes()).hexdigest()
    quick_ms = setup.spec.settings["quick_ms"]
    return Exam(f"random/{setup.audience}:{name}", inputs, labels, setup.spec.limits, quick_ms)


def examine(exam: Exam, submission: Submission) -> Findings:
    order = np.random.default_rng().permutation(np.tile(np.arange(len(exam.inputs)), 2))
    job = HarnessJob(
        harness={"asking": HARNESS},
        files={str(file.path): submission.read(str(file.path)) for file in submission.files},
        libraries=("numpy",),
        lost_calls=1,
    )
    seconds = exam.limits.wall_seconds
    calls = [Call("solve", {"x": exam.inputs[row].tolist()}, seconds, 1024) for row in order]
    # One call alone first: what fails at once is not called forty times.
    first = run_harness(job, calls[:1], exam.limits)
    _number_of(first.answers[0], first.log)
    run = run_harness(job, calls, exam.limits)
    answers = np.array([_number_of(answer, run.log) for answer in run.answers], np.float32)
    right = np.isclose(answers, exam.labels[order], rtol=1e-4, atol=1e-4)
    milliseconds = 1e3 * float(np.min([answer.seconds for answer in run.answers]))
    return Findings(
        measurements={
            "accuracy": _number(float(right.mean()), "share of right answers", "доля верных"),
            "latency_ms_b1": _number(milliseconds, "the quickest call", "самый быстрый вызов"),
        },
        checks=[_repeats(answers, order), _quick(milliseconds <= exam.quick_ms)],
        log=run.log,
    )


def _number_of(answer: Answered, log: str) -> float:
    """The answer as a number. Raises Stopped for any other answer, and for an error."""
    if answer.error is not None:
        raise Stopped(answer.status, answer.error, log)
    if answer.blob is None or len(answer.blob) != 4:
        found = quoted(answer.value) if isinstance(answer.value, str) else "something else"
        raise Stopped(
            Status.REJECTED,
            Text.in_languages(
                {
                    "en": f"solve() must return a numpy array of shape (1,), found {found}.",
                    "ru": f"solve() должна вернуть массив numpy формы (1,), а вернула {found}.",
                }
            ),
            log,
        )
    return float(np.frombuffer(answer.blob, "<f4")[0])


def _number(value: float, en: str, ru: str) -> Measurement:
    return Measurement(value, "", Text.in_languages({"en": en, "ru": ru}))


def _repeats(answers: np.ndarray, order: np.ndarray) -> Check:
    """The two answers to one row are compared; they are next to each other once sorted."""
    pairs = answers[np.argsort(order, kind="stable")].reshape(-1, 2)
    return _check(
        "answers_repeat",
        bool((pairs[:, 0] == pairs[:, 1]).all()),
        Text.in_languages(
            {"en": "Each row was asked twice.", "ru": "Каждая строка спрошена дважды."}
        ),
        Text.in_languages(
            {"en": "Look for what remembers earlier calls.", "ru": "Ищите то, что помнит вызовы."}
        ),
    )


def _quick(passed: bool) -> Check:
    return _check(
        "quick",
        passed,
        Text.in_languages(
            {"en": "One call must be quick.", "ru": "Один вызов должен быть быстрым."}
        ),
        Text("Do less in solve()."),
    )


def _check(name: str, passed: bool, message: Text, hint: Text) -> Check:
    return Check(
        name=name,
        title=message,
        visibility="public",
        points=0.0,
        max_points=0.0,
        passed=passed,
        message=message,
        hint=verbatim("") if passed else hint,
    )
