"""What leaves the instructor's machine: the students' package, and Gradescope's autograder.

Both are made of `contents.py`, packed by `wheel.py`, and searched for secrets by `audit.py`
before anyone gets them.
"""

from __future__ import annotations

from grader.release.gradescope import Platform, export
from grader.release.students import Order, Released, release

__all__ = ["Order", "Platform", "Released", "export", "release"]
