"""Reads the lesson's own files and its reference solution, and answers with the latter."""

from pathlib import Path

from attack import KNOWN, attempt, honest, read

REPOSITORY = Path(KNOWN["repository"])  # where the engine is, and the course as it is installed

attempt("the autograder", lambda: read(KNOWN["autograder"]))
attempt("the reference solution", lambda: read(KNOWN["reference"]))
attempt(
    "the installed reference solutions",
    lambda: read(REPOSITORY / "reference_solutions" / "distillation" / "model.py"),
)
attempt("the installed lessons", lambda: list((REPOSITORY / "assignments").glob("*/*.py")))
attempt("the tests", lambda: list((REPOSITORY / "tests").glob("*/*.py")))
attempt("the engine", lambda: list((REPOSITORY / "grader").glob("*/*.py")))


def solve(x):
    return honest(x)
