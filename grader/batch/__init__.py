"""Many submissions: warm workers, one JSON a grade, and reruns that do only the rest."""

from grader.batch.folder import disk_trouble, held, opened, set_aside_others
from grader.batch.interrupts import sigterm_like_ctrl_c
from grader.batch.planning import Plan, plan
from grader.batch.pool import run
from grader.batch.results import Outcome, grade_path, read_grade, rubric_path, save
from grader.batch.rubrics import Merged, merge, set_points
from grader.batch.scratch import temporary_files
from grader.batch.semester import Deadlines, Papers, collect

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
