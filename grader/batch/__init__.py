"""Many submissions: warm workers, one JSON a grade, and reruns that do only the rest."""

from grader.batch.folder import (
    Deadlines,
    Papers,
    collect,
    disk_trouble,
    held,
    opened,
    set_aside_others,
)
from grader.batch.interrupts import sigterm_like_ctrl_c
from grader.batch.pool import run
from grader.batch.processes import temporary_files
from grader.batch.results import (
    Merged,
    Outcome,
    Plan,
    grade_path,
    merge,
    plan,
    read_grade,
    rubric_path,
    save,
    set_points,
)

__all__ = [
    "Deadlines",
    "Merged",
    "Outcome",
    "Papers",
    "Plan",
    "collect",
    "disk_trouble",
    "grade_path",
    "held",
    "merge",
    "opened",
    "plan",
    "read_grade",
    "rubric_path",
    "run",
    "save",
    "set_aside_others",
    "set_points",
    "sigterm_like_ctrl_c",
    "temporary_files",
]
