"""The course with few clips: what is measured about many submissions need not take hours."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
SIZES = {"hidden": (120, 360), "public": (100, 300)}
"""Keywords and other words."""


def small_course(course: Path) -> Path:
    """A copy of the lessons at `course`, for GRADER_COURSE."""
    for tree in ("assignments", "reference_solutions", "student_template"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(REPOSITORY / tree, course / tree, ignore=ignored)
    path = course / "assignments" / "distillation" / "lesson.toml"
    text = path.read_text(encoding="utf-8")
    for name, (positives, negatives) in SIZES.items():
        line = f"{name} = {{ positives = {positives}, negatives = {negatives} }}"
        text, count = re.subn(rf"^{name} = .*$", line, text, flags=re.MULTILINE)
        assert count == 1, name
    path.write_text(text, encoding="utf-8")
    return course
