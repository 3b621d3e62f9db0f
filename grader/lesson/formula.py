"""Scoring formulas: one arithmetic expression over named measurements.

Formulas come from `lesson.toml`, are shown to students as written and are evaluated by
simpleeval, which knows numbers, names, arithmetic, comparisons and the functions below.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Mapping

from simpleeval import InvalidExpression, SimpleEval

from grader.text.errors import SpecError

FUNCTIONS: dict[str, Callable[..., float]] = {
    "min": min,
    "max": max,
    "abs": abs,
    "round": round,
    "sqrt": math.sqrt,
    "log2": math.log2,
    "log10": math.log10,
}


def names(formula: str) -> frozenset[str]:
    """Measurements that a formula needs. Raises SpecError when it does not parse."""
    try:
        tree = ast.parse(formula, mode="eval")
    except SyntaxError as error:
        raise SpecError(
            "The formula `{formula}` does not parse: {msg}.", formula=formula, msg=error.msg
        ) from error
    found = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    return frozenset(found - FUNCTIONS.keys())


def evaluate(formula: str, values: Mapping[str, float]) -> float:
    """The formula's value. Raises SpecError on a missing name, a forbidden construct or a
    result that is not a finite number."""
    try:
        result = SimpleEval(names=dict(values), functions=FUNCTIONS).eval(formula)
        number = float(result)
    except (InvalidExpression, ArithmeticError, ValueError, TypeError, SyntaxError) as error:
        known = ", ".join(sorted(values)) or "none"
        raise SpecError(
            "The formula `{formula}` cannot be evaluated: {error} Known names: {known}.",
            formula=formula,
            error=error,
            known=known,
        ) from error
    if not math.isfinite(number):
        raise SpecError(
            "The formula `{formula}` gives {number}, not a finite number.",
            formula=formula,
            number=number,
        )
    return number
