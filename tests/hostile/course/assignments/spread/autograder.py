"""Grades `solve(x)` of solution.py: the largest minus the smallest of eight numbers.

Every hidden row is asked twice, in an order that nobody can foresee, one request at a time.
The score is the share of right answers; two checks look at the clock and at the repetitions.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

import numpy as np

from grader.intake import Submission
from grader.lesson.contract import Findings, Setup
from grader.lesson.grades import Check, Measurement
from grader.lesson.spec import RunLimits
from grader.sandbox.runners.code import FunctionJob, run_function
from grader.text import Text


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
    job = FunctionJob(
        files={str(file.path): submission.read(str(file.path)) for file in submission.files},
        module="solution",
        function="solve",
        inputs=exam.inputs[order],
        out_shape=(1,),
    )
    run = run_function(job, exam.limits)
    answers = run.outputs[:, 0]
    right = np.isclose(answers, exam.labels[order], rtol=1e-4, atol=1e-4)
    milliseconds = 1e3 * float(np.min(run.seconds_per_call))
    return Findings(
        measurements={
            "accuracy": _number(float(right.mean()), "share of right answers", "доля верных"),
            "latency_ms_b1": _number(milliseconds, "the quickest call", "самый быстрый вызов"),
        },
        checks=[_repeats(answers, order), _quick(milliseconds <= exam.quick_ms)],
        log=run.log,
    )


def _number(value: float, en: str, ru: str) -> Measurement:
    return Measurement(value, "", Text(en=en, ru=ru))


def _repeats(answers: np.ndarray, order: np.ndarray) -> Check:
    """The two answers to one row are compared; they are next to each other once sorted."""
    pairs = answers[np.argsort(order, kind="stable")].reshape(-1, 2)
    return _check(
        "answers_repeat",
        bool((pairs[:, 0] == pairs[:, 1]).all()),
        Text(en="Each row was asked twice.", ru="Каждая строка спрошена дважды."),
        Text(en="Look for what remembers earlier calls.", ru="Ищите то, что помнит вызовы."),
    )


def _quick(passed: bool) -> Check:
    return _check(
        "quick",
        passed,
        Text(en="One call must be quick.", ru="Один вызов должен быть быстрым."),
        Text(en="Do less in solve().", ru="Делайте меньше в solve()."),
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
        hint=Text(en="", ru="") if passed else hint,
    )
