"""The public checks of `grader check`, as tests: run `pytest` in the project's folder."""

from pathlib import Path

import pytest

from grader.grading.check import public_checks

PROJECT = Path(__file__).resolve().parent.parent


@pytest.mark.parametrize("check", public_checks(PROJECT), ids=lambda check: check.name)
def test_public_check(check):
    assert check.passed, f"{check.message} {check.hint}"
