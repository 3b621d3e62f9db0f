"""A grade as Gradescope's results.json.

Format: https://gradescope-autograders.readthedocs.io/en/latest/specs/#output-format
"""

from __future__ import annotations

import math

from grader.grades import Check, Grade, Status, Term
from grader.lesson import LessonSpec
from grader.release.gradescope import Platform, Shown
from grader.text import Lang, Text
from grader.untrusted import visible

HIDDEN = Text(en="measured on hidden data", ru="измерено на скрытых данных")


def results(grade: Grade, spec: LessonSpec, platform: Platform) -> dict[str, object]:
    """One test for each term of the score and each check.

    A fault of the grader has no score: Gradescope then says that the autograder failed, and the
    student's attempt is not a zero.
    """
    lang = platform.lang
    said: dict[str, object] = {
        "output": _summary(grade, lang),
        "output_format": "text",
        "stdout_visibility": "hidden",
        "execution_time": round(grade.seconds),
        "extra_data": {
            "status": grade.status,
            "fingerprint": grade.submission.fingerprint,
            "grader": grade.provenance.grader,
            "data": grade.provenance.data,
            "isolation": grade.provenance.isolation,
        },
    }
    if grade.status is Status.GRADER_FAULT:
        return said
    terms = [_term(term, spec, platform) for term in grade.terms]
    checks = [_check(check, lang, platform.shown) for check in grade.checks]
    return said | {
        "score": round(grade.score, 6),
        "tests": terms + checks,
        "leaderboard": _leaderboard(grade, spec, lang),
    }


def _summary(grade: Grade, lang: Lang) -> str:
    lines = [grade.reason.to(lang)] if grade.reason.to(lang) else []
    if grade.pending:
        words = Text(
            en=f"A person may still give up to {grade.pending:g} points.",
            ru=f"Ещё до {grade.pending:g} баллов может поставить преподаватель.",
        )
        lines.append(words.to(lang))
    return visible("\n".join(lines))


def _term(term: Term, spec: LessonSpec, platform: Platform) -> dict[str, object]:
    title = next(one.title for one in spec.terms if one.name == term.name)
    return {
        "name": title.to(platform.lang),
        "score": round(term.points, 6),
        "max_score": term.max_points,
        "output": f"{term.formula}\n{HIDDEN.to(platform.lang)}",
        "visibility": platform.shown,
        "tags": ["score"],
    }


def _check(check: Check, lang: Lang, shown: Shown) -> dict[str, object]:
    sentences = [check.message.to(lang)]
    if not check.passed:
        sentences.append(check.hint.to(lang))
    return {
        "name": visible(check.title.to(lang)),
        "status": "passed" if check.passed else "failed",
        "output": visible("\n".join(sentence for sentence in sentences if sentence)),
        "visibility": "visible" if check.visibility == "public" else shown,
        "tags": [check.visibility],
    }


def _leaderboard(grade: Grade, spec: LessonSpec, lang: Lang) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for column in spec.report.columns:
        value = grade.value(column.name)
        if value is not None and math.isfinite(value):
            order = "desc" if column.better == "higher" else "asc"
            rows.append({"name": column.title.to(lang), "value": value, "order": order})
    return rows
