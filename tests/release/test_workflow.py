"""The GitHub Actions workflow of every starter: its steps do what they say on a checkout."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import Grader

yaml = pytest.importorskip("yaml")
PLACE = ".github/workflows/check.yml"


def templates(repository: Path) -> list[Path]:
    trees = [repository / "student_template", repository / "course_template" / "student_template"]
    return [folder for tree in trees for folder in tree.iterdir() if folder.is_dir()]


@pytest.fixture
def steps(repository: Path) -> dict[str, str]:
    text = (repository / "student_template" / "distillation" / PLACE).read_text("utf-8")
    job = yaml.safe_load(text)["jobs"]["check"]
    return {step["name"]: step["run"] for step in job["steps"] if "run" in step}


def test_every_starter_has_the_same_workflow(repository: Path) -> None:
    found = {folder.name: (folder / PLACE).read_bytes() for folder in templates(repository)}
    assert len(found) == 6
    assert len(set(found.values())) == 1


def test_it_runs_on_pushes_may_only_read_and_ends(repository: Path) -> None:
    text = (repository / "student_template" / "profiling" / PLACE).read_text("utf-8")
    flow = yaml.safe_load(text)
    assert "push" in flow[True]  # YAML 1.1 takes `on` for a boolean
    assert flow["permissions"] == {"contents": "read"}
    assert flow["jobs"]["check"]["timeout-minutes"] <= 60
    assert "secrets." not in text
    used = [step["uses"] for step in flow["jobs"]["check"]["steps"] if "uses" in step]
    assert all(name.startswith("actions/") and "@v" in name for name in used)


def test_the_docs_example_for_github_classroom_reports_its_own_test(repository: Path) -> None:
    """The reporter reads RUNNER_RESULTS of each runner that it is told of."""
    page = (repository / "docs" / "instructors.md").read_text("utf-8")
    (text,) = re.findall(r"(?ms)^```yaml\n(.*?)^```$", page)
    steps = yaml.safe_load(text)["jobs"]["autograding"]["steps"]
    graders = [step for step in steps if "command-grader" in step.get("uses", "")]
    (reporter,) = [step for step in steps if "reporter" in step.get("uses", "")]
    assert reporter["with"]["runners"] == ",".join(step["id"] for step in graders)
    assert set(reporter["env"]) == {f"{step['id'].upper()}_RESULTS" for step in graders}
    assert [step["with"]["command"] for step in graders] == ["grader check ."]


def shell(step: str, cwd: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """As GitHub runs `shell: bash`."""
    return subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.mark.skipif(shutil.which("bash") is None, reason="GitHub's runner has bash")
@pytest.mark.parametrize("solved", [False, True])
def test_the_check_step_passes_or_fails_as_the_work_does(
    grader: Grader, steps: dict[str, str], repository: Path, tmp_path: Path, solved: bool
) -> None:
    project, summary = tmp_path / "hw", tmp_path / "summary.md"
    assert grader("new", "distillation", project).returncode == 0
    if solved:
        for name in ("model.onnx", "experiments.csv"):
            shutil.copy(repository / "reference_solutions" / "distillation" / name, project)
    programs = os.pathsep.join([str(command_folder(grader, tmp_path)), os.environ["PATH"]])
    own = {"GITHUB_STEP_SUMMARY": str(summary), "PATH": programs}
    done = shell(steps["Check"], project, grader.environment | own)
    assert (done.returncode == 0) == solved, done.stdout + done.stderr
    said = summary.read_text("utf-8")
    assert ("7.000 / 7" in said) if solved else ("Expected model.onnx" in said)
    assert (project / "report.html").is_file()


@pytest.mark.skipif(shutil.which("bash") is None, reason="GitHub's runner has bash")
def test_the_package_is_found_or_its_absence_is_said(
    grader: Grader, steps: dict[str, str], tmp_path: Path
) -> None:
    """pip itself is replaced by a program that repeats what it was asked for."""
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "python").write_text('#!/bin/sh\necho "asked: $*"\n', encoding="utf-8")
    (programs / "python").chmod(0o755)
    project = tmp_path / "hw"
    (project / ".course").mkdir(parents=True)
    environment = {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}", "GRADER_PACKAGE": ""}
    install = steps["Install the course's package"]
    absent = shell(install, project, environment)
    assert absent.returncode == 1
    assert "GRADER_PACKAGE" in absent.stdout
    (project / ".course" / "small_fast_nets-1.0-py3-none-any.whl").touch()
    beside = shell(install, project, environment)
    assert beside.returncode == 0
    assert ".course/small_fast_nets-1.0-py3-none-any.whl" in beside.stdout
    address = "https://example.org/course.whl"
    named = shell(install, project, environment | {"GRADER_PACKAGE": address})
    assert address in named.stdout


def command_folder(grader: Grader, tmp_path: Path) -> Path:
    """A folder with `grader` in it, the one that is tested."""
    folder = tmp_path / "bin"
    folder.mkdir()
    script = folder / "grader"
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m grader "$@"\n', encoding="utf-8")
    script.chmod(0o755)
    return folder
