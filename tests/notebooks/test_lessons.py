"""Every lesson's reference solution as a notebook gets the grade of the files."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from grader.text import notebooks
from tests.conftest import Grader
from tests.notebooks.writing import notebook, written

pytestmark = pytest.mark.slow

LESSONS = ("distillation", "profiling", "pruning_arduino", "quantization", "streaming_kws")
TIMED = re.compile(r"latency|speedup|ratio_b|seconds|_ms|real_time|per_second")
"""Names of measurements that a clock decides; a batch measures them anew each time."""
IGNORED = shutil.ignore_patterns(
    "__pycache__", "fsdd", "seeds", "binary", "tinychat", "teacher-*.pt", ".pytest_cache"
)
CELLS = (".py", ".md", ".toml", ".csv", ".c", ".h", ".S", ".ino")
"""What students write stands in cells; what they train lies beside the notebook."""


@pytest.mark.parametrize("lesson", LESSONS)
def test_reference_as_a_notebook(grader: Grader, small_course: Path, tmp_path: Path, lesson: str):
    classroom, out = tmp_path / "class", tmp_path / "out"
    files = classroom / "files"
    shutil.copytree(small_course / "reference_solutions" / lesson, files, ignore=IGNORED)
    as_notebook(files, classroom / "notebook")
    done = grader("batch", lesson, classroom, "--out", out, "--jobs", "1", "--trust")
    assert done.returncode in (0, 1), done.stdout + done.stderr  # small data may miss a check
    first, second = (
        json.loads((out / "grades" / f"{name}.json").read_bytes()) for name in ("files", "notebook")
    )
    assert second["status"] == "graded", second["reason"]
    assert untimed(first) == untimed(second)
    assert second["score"] == pytest.approx(first["score"], abs=0.3)
    assert second["score"] > 0.5 * second["max_score"] - second["pending"]
    assert not (out / "notebooks" / "files.ipynb").exists()
    cells = json.loads((out / "notebooks" / "notebook.ipynb").read_bytes())["cells"]
    assert all(cell["outputs"][0]["text"].startswith("Writing ") for cell in cells[1:])


def as_notebook(files: Path, folder: Path) -> None:
    """The same solution, its sources written by cells."""
    cells = [
        "from pathlib import Path\n"
        "for name in ('firmware', 'tests'): Path(name).mkdir(exist_ok=True)"
    ]
    folder.mkdir()
    for path in sorted(path for path in files.rglob("*") if path.is_file()):
        inside = path.relative_to(files)
        if path.suffix in CELLS:
            cells.append(written(inside.as_posix(), path.read_text(encoding="utf-8")))
        else:
            (folder / inside).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, folder / inside)
    (folder / notebooks.FILE).write_bytes(notebook(*cells))


def untimed(grade: dict) -> dict:
    """What has to be the same to the last digit."""
    return {
        "status": grade["status"],
        "gate": grade["gate"],
        "checks": {check["name"]: check["passed"] for check in grade["checks"]},
        "measurements": {
            name: found for name, found in grade["measurements"].items() if not TIMED.search(name)
        },
        "layers": grade["layers"],
    }
