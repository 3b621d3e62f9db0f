"""A lesson of a few lines with hidden questions: code, weights and answers are handed in."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np

from tests.similarity import works

SPEC = """
schema = 1
name = "quiz"
title = { en = "Quiz", ru = "Вопросы" }
summary = { en = "Answer.", ru = "Ответьте." }
max_score = 1.0

[intake]
artefact = "answers.npy"

[data]
names = ["none"]

[[terms]]
name = "right"
title = { en = "Right", ru = "Верно" }
formula = "right"
max_points = 1.0

[report]
rank_by = "right"
columns = []
"""

AUTOGRADER = """
import io
from dataclasses import dataclass, field

import numpy as np

from grader.lesson.contract import Findings
from grader.text.errors import Rejected
from grader.lesson.grades import Measurement
from grader.similarity import behaviour
from grader.text import Text


@dataclass(frozen=True)
class Exam:
    data_id: str
    baseline: dict = field(default_factory=dict)


def prepare(setup):
    return Exam(f"none:{setup.seed}")


def examine(exam, submission):
    if submission.has("refuse.txt"):
        raise Rejected("refused")
    answers = np.load(io.BytesIO(submission.read("answers.npy")), allow_pickle=False)
    labels = np.zeros(len(answers), int)
    right = Measurement(float((answers == 0).mean()), "", Text("how"))
    return Findings({"right": right}, [], mistakes=behaviour.of_classes(answers, labels))
"""

ITEMS = 2_000
DIFFICULTY = np.random.default_rng(3).normal(-2.5, 1.0, ITEMS)


def make_course(folder: Path, template: Path) -> Path:
    """The three trees with the one lesson `quiz`; its template is the given one."""
    lesson = folder / "assignments" / "quiz"
    lesson.mkdir(parents=True)
    (lesson / "lesson.toml").write_text(SPEC, encoding="utf-8")
    (lesson / "autograder.py").write_text(AUTOGRADER, encoding="utf-8")
    (folder / "reference_solutions" / "quiz").mkdir(parents=True)
    ignored = shutil.ignore_patterns("__pycache__", "*.onnx")
    shutil.copytree(template, folder / "student_template" / "quiz", ignore=ignored)
    return folder


def submit(
    place: Path, template: Path, source: str | None, tensors: works.Tensors, answers: np.ndarray
) -> Path:
    """A submission: the template, solved with `source` where it is given."""
    if source is None:
        shutil.copytree(template, place, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        works.solved(template, place, source)
    (place / "model.onnx").write_bytes(works.model(tensors))
    np.save(place / "answers.npy", answers)
    return place
