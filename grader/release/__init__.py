"""What leaves the instructor's machine: the package for students, and Gradescope's autograder.

`contents.py` says which files both hold, `wheel.py` packs them, and `audit.py` searches them for
secrets before anyone gets them.
"""

from __future__ import annotations

from grader.release.gradescope import Platform, export
from grader.release.students import Released, ReleaseRequest, release

__all__ = ["Platform", "ReleaseRequest", "Released", "export", "release"]
