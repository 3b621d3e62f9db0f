"""Grades a profiler, an analysis and a faster network, independently of each other.

`profiler.py` is run on hidden models, `analysis.toml` and `report.md` are compared with
measurements of the analyzed model file, and `faster.py` has to give the slow network's outputs with
less work. A part that is missing or broken loses its own points only.
"""

from __future__ import annotations

import hashlib

from grader.intake import Submission
from grader.lesson import course
from grader.lesson.contract import Findings, Setup

from . import analysis_checks, faster_checks, profiler_checks
from .exam import Exam
from .families import PUBLIC_SEED


def prepare(setup: Setup) -> Exam:
    """Collect the settings; nothing is loaded, since models are drawn from the seed when needed."""
    hidden = setup.audience == "hidden"
    seed = str(setup.seed) if hidden else PUBLIC_SEED
    part = "hidden" if hidden else "public"
    # The secret itself must not be part of a grade.
    template = (course.student_template() / setup.spec.name / "report.md").read_text("utf-8")
    digest = hashlib.sha256(f"profiling/{seed}/{template}".encode()).hexdigest()[:16]
    return Exam(
        data_id=f"{setup.data}/{part}:{digest}",
        baseline={},
        seed=seed,
        hidden=hidden,
        limits=setup.spec.limits,
        settings=setup.spec.settings,
        template=template,
    )


def examine(exam: Exam, submission: Submission) -> Findings:
    """Grade all three parts of one submission."""
    parts = [
        profiler_checks.examine_profiler(exam, submission),
        analysis_checks.examine_analysis(exam, submission),
        faster_checks.examine_faster(exam, submission),
    ]
    return Findings(
        measurements={name: one for part in parts for name, one in part.measurements.items()},
        checks=[check for part in parts for check in part.checks],
        layers=[layer for part in parts for layer in part.layers],
        figures=[figure for part in parts for figure in part.figures],
        log="\n".join(part.log for part in parts if part.log),
        mistakes=parts[0].mistakes,
    )
