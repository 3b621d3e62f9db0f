"""Grading of many submissions: persistent workers, one JSON file for each grade, and reruns that
grade only what is missing or has changed."""

from grader.batch.adjustments import Deadlines, MergedForm, merge_form, set_points
from grader.batch.folder import (
    ClassFiles,
    collect,
    disk_errors,
    locked,
    open_results,
    set_aside_others,
)
from grader.batch.processes import sigterm_like_ctrl_c, temporary_files
from grader.batch.results import (
    beside,
    first_grade,
    grade_files,
    grade_path,
    plan,
    read_grade,
    save,
)
from grader.batch.worker_pool import grade_one, run
from grader.grading import Outcome

__all__ = [
    "ClassFiles",
    "Deadlines",
    "MergedForm",
    "Outcome",
    "beside",
    "collect",
    "disk_errors",
    "first_grade",
    "grade_files",
    "grade_one",
    "grade_path",
    "locked",
    "merge_form",
    "open_results",
    "plan",
    "read_grade",
    "run",
    "save",
    "set_aside_others",
    "set_points",
    "sigterm_like_ctrl_c",
    "temporary_files",
]
