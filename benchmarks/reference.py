"""The reference solution against the baseline: three training seeds on three hidden sets.

    python benchmarks/reference.py [--json] [--write-docs]

Hidden sets are drawn from different instructors' secrets, so the table shows what a redraw
does; `--write-docs` puts it into README.md.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath

from grader import grading
from grader.handout.figures import table, write_between
from grader.intake import Submission, SubmittedFile
from grader.lesson import loading

LESSON = "distillation"
SECRETS = ("demo", "autumn", "spring")


@dataclass(frozen=True)
class Row:
    model: str
    secret: str
    compression: float
    speedup: float
    au_fa_fr: float
    baseline: float
    ratio: float
    ratio_interval: tuple[float, float]
    passed: bool
    score: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--write-docs", action="store_true")
    arguments = parser.parse_args()
    rows = [row for secret in SECRETS for row in grade_all(secret)]
    if arguments.json:
        print(json.dumps([asdict(row) for row in rows], indent=2))
        return
    text = as_table(rows)
    print(text)
    if arguments.write_docs:
        write_between(Path(__file__).parent.parent / "README.md", "reference", text)


def grade_all(secret: str) -> list[Row]:
    """Grade every committed training seed on the hidden set of one secret."""
    lesson = loading.load(LESSON)
    examination = grading.prepare(lesson, "hidden", seed=secret)
    rows = []
    for path in artefacts(lesson.reference):
        grade = lesson.autograder.examine(examination.exam, _submission(lesson.reference, path))
        assert grade.gate is not None
        values = {name: measured.value for name, measured in grade.measurements.items()}
        terms = lesson.spec.score(values, gate_passed=grade.gate.passed)
        interval = grade.measurements["au_fa_fr_ratio"].interval
        assert interval is not None
        rows.append(
            Row(
                model=str(path.relative_to(lesson.reference)),
                secret=secret,
                compression=values["compression"],
                speedup=values["speedup"],
                au_fa_fr=values["au_fa_fr"],
                baseline=grade.gate.threshold / examination.exam.gate_factor,
                ratio=values["au_fa_fr_ratio"],
                ratio_interval=interval,
                passed=grade.gate.passed,
                score=sum(term.points for term in terms),
            )
        )
    return rows


def artefacts(reference: Path) -> list[Path]:
    """One model a training seed; model.onnx is that of seed 0."""
    return sorted(reference.glob("seeds/*.onnx"))


def as_table(rows: list[Row]) -> str:
    return table(
        ("model", "hidden set", "bytes", "MACs", "AU-FA-FR", "baseline", "ratio", "gate"),
        [
            (
                f"`{row.model}`",
                row.secret,
                f"{row.compression:.1f}× fewer",
                f"{row.speedup:.1f}× fewer",
                f"{row.au_fa_fr:.2e}",
                f"{row.baseline:.2e}",
                f"{row.ratio:.2f} [{row.ratio_interval[0]:.2f}, {row.ratio_interval[1]:.2f}]",
                "passed" if row.passed else "missed",
            )
            for row in rows
        ],
    )


def _submission(folder: Path, model: Path) -> Submission:
    """The reference with `model` in the place of model.onnx."""
    raw = model.read_bytes()

    class Replaced(Submission):
        def read(self, path: str) -> bytes:
            return raw if path == "model.onnx" else super().read(path)

    files = tuple(
        SubmittedFile(PurePosixPath(name), (folder / name).stat().st_size)
        for name in ("model.onnx", "experiments.csv")
    )
    return Replaced("reference", folder, files, "")


if __name__ == "__main__":
    main()
