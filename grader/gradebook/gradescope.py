"""Gradescope's results.json (gradescope-autograders.readthedocs.io, Autograder Specifications).

`score` is the whole score; tests with points and without show where it comes from. What is hidden
in the lesson is shown after grades are published.
"""

from __future__ import annotations

import json
from typing import Any

from grader.gradebook.cells import number
from grader.grades import Check, Grade, Status
from grader.lesson import LessonSpec
from grader.text import Lang
from grader.untrusted import visible


def results(grade: Grade, spec: LessonSpec, lang: Lang) -> dict[str, Any]:
    """A grade as the object that Gradescope reads."""
    tests = [*_terms(grade, spec, lang), *_deductions(grade, lang)]
    tests += [_check(check, lang) for check in grade.checks]
    for at, test in enumerate(tests, start=1):
        test["number"] = str(at)
    columns = [
        {"name": column.title.to(lang), "value": round(value, 6), "order": _order(column.better)}
        for column in spec.report.columns
        if grade.status is Status.GRADED and (value := grade.value(column.name)) is not None
    ]
    return {
        "score": round(grade.score, 6),
        "execution_time": round(grade.seconds, 3),
        "output": visible(_output(grade, lang)),
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
        },
        "tests": tests,
        "leaderboard": columns,
    }


def as_json(grade: Grade, spec: LessonSpec, lang: Lang) -> bytes:
    """results.json as a file."""
    shown = json.dumps(results(grade, spec, lang), ensure_ascii=False, indent=2, allow_nan=False)
    return shown.encode("utf-8", "replace") + b"\n"


def _output(grade: Grade, lang: Lang) -> str:
    if grade.status is not Status.GRADED:
        return grade.reason.to(lang)
    lines = [f"{number(grade.score)} / {number(grade.max_score)}"]
    if grade.gate is not None:
        lines.append(grade.gate.explanation.to(lang))
    return "\n".join(line for line in lines if line)


def _terms(grade: Grade, spec: LessonSpec, lang: Lang) -> list[dict[str, Any]]:
    titles = {term.name: term.title.to(lang) for term in spec.terms}
    return [
        {
            "name": titles.get(term.name, term.name),
            "score": round(term.points, 6),
            "max_score": term.max_points,
            "output": term.formula,
            "visibility": "visible",
        }
        for term in grade.terms
    ]


def _deductions(grade: Grade, lang: Lang) -> list[dict[str, Any]]:
    return [
        {
            "name": one.title.to(lang),
            "score": round(0.0 - one.points, 6),
            "max_score": 0.0,
            "output": visible(one.why.to(lang)),
            "visibility": "visible",
        }
        for one in grade.deductions
    ]


def _check(check: Check, lang: Lang) -> dict[str, Any]:
    """A check's points are in a term already; here it says what was found."""
    said = [check.message.to(lang), check.hint.to(lang) if not check.passed else ""]
    return {
        "name": visible(check.title.to(lang)),
        "status": "passed" if check.passed else "failed",
        "output": visible("\n".join(line for line in said if line)),
        "visibility": "visible" if check.visibility == "public" else "after_published",
    }


def _order(better: str) -> str:
    return "asc" if better == "lower" else "desc"
