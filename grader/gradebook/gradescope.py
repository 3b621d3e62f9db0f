"""Gradescope's results.json (gradescope-autograders.readthedocs.io, Autograder Specifications).

`score` is the whole score; tests with and without points explain it. `shown` is the visibility of
what depends on hidden data.
"""

from __future__ import annotations

import json
import math
from typing import Any, Literal

from grader.gradebook.book import Graded, number
from grader.lesson.grades import Check, Grade, Status
from grader.lesson.spec import LessonSpec
from grader.text import Lang, Text
from grader.text.untrusted import visible

Shown = Literal["visible", "after_due_date", "after_published", "hidden"]
HIDDEN = Text("measured on hidden data")


def results(
    grade: Grade, spec: LessonSpec, lang: Lang, *, shown: Shown = "after_published"
) -> dict[str, Any]:
    """A grade as the object that Gradescope reads.

    A fault of the grader has no score, so Gradescope says that the autograder failed, and the
    student does not get a zero.
    """
    found: dict[str, Any] = {
        "execution_time": round(grade.seconds, 3),
        "output": visible(_output(grade, lang, shown)),
        "output_format": "text",
        "test_output_format": "text",
        "test_name_format": "text",
        "visibility": "visible",
        "stdout_visibility": "hidden",
        "extra_data": {
            "lesson": grade.lesson,
            "status": grade.status.value,
            "fingerprint": grade.submission.fingerprint,
            "grader": grade.provenance.grader,
            "data": grade.provenance.data,
            "isolation": grade.provenance.isolation,
        },
    }
    if grade.status is Status.GRADER_FAULT:
        return found
    titles = {term.name: term.title.to(lang) for term in spec.terms}
    tests: list[dict[str, Any]] = [
        {
            "name": titles.get(term.name, term.name),
            "score": round(term.points, 6),
            "max_score": term.max_points,
            "output": f"{term.formula}\n{HIDDEN.to(lang)}",
            "visibility": shown,
            "tags": ["score"],
        }
        for term in grade.terms
    ]
    tests += [
        {
            "name": one.title.to(lang),
            "score": round(0.0 - one.points, 6),
            "max_score": 0.0,
            "output": visible(one.why.to(lang)),
            "visibility": "visible",
            "tags": ["public"],
        }
        for one in grade.deductions
    ]
    tests += [_check(check, lang, shown) for check in grade.checks]
    return found | {
        "score": round(grade.score, 6),
        "tests": [test | {"number": str(at)} for at, test in enumerate(tests, start=1)],
        "leaderboard": _leaderboard(grade, spec, lang),
    }


def as_json(grade: Grade, spec: LessonSpec, lang: Lang) -> bytes:
    """The bytes of results.json."""
    found = json.dumps(results(grade, spec, lang), ensure_ascii=False, indent=2, allow_nan=False)
    return found.encode("utf-8", "replace") + b"\n"


def result_files(graded: Graded, lang: Lang) -> dict[str, bytes]:
    """The results.json of each submission by its path in the archive."""
    return {
        f"{graded.report(one).stem}/results.json": as_json(grade, graded.spec, lang)
        for one in graded.record.submissions
        if (grade := graded.grades.get(one.name)) is not None
    }


def _output(grade: Grade, lang: Lang, shown: Shown) -> str:
    """Text that is visible at once, and so mentions hidden data only if `shown` is visible too."""
    lines = [grade.reason.to(lang)] if grade.status is not Status.GRADED else []
    if grade.status is Status.GRADED and shown == "visible":
        lines.append(f"{number(grade.score)} / {number(grade.max_score)}")
        if grade.gate is not None:
            lines.append(grade.gate.explanation.to(lang))
    if grade.pending:
        words = Text("A person may still give up to {pending:g} points.", pending=grade.pending)
        lines.append(words.to(lang))
    return "\n".join(line for line in lines if line)


def _check(check: Check, lang: Lang, shown: Shown) -> dict[str, Any]:
    """A test without points, because a term contains the points of a check."""
    lines = [check.message.to(lang), check.hint.to(lang) if not check.passed else ""]
    return {
        "name": visible(check.title.to(lang)),
        "status": "passed" if check.passed else "failed",
        "output": visible("\n".join(line for line in lines if line)),
        "visibility": "visible" if check.visibility == "public" else shown,
        "tags": [check.visibility],
    }


def _leaderboard(grade: Grade, spec: LessonSpec, lang: Lang) -> list[dict[str, Any]]:
    rows = []
    for column in spec.report.columns if grade.status is Status.GRADED else ():
        value = grade.value(column.name)
        if value is not None and math.isfinite(value):
            order = "asc" if column.better == "lower" else "desc"
            rows.append({"name": column.title.to(lang), "value": round(value, 6), "order": order})
    return rows
