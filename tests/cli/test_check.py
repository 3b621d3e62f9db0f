"""`grader check` again and again, with hints, history, badge and --watch; shell completion."""

from __future__ import annotations

import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from xml.etree import ElementTree

import pytest

from grader.lesson import loading
from grader.lesson.grades import from_json
from tests.conftest import Grader

pytestmark = pytest.mark.slow
PATIENCE = 300.0
"""Seconds until something that has to happen counts as missing; a check takes a few."""


@pytest.fixture
def project(grader: Grader, tmp_path: Path) -> Path:
    folder = tmp_path / "hw"
    assert grader("new", "distillation", folder).returncode == 0
    return folder


def solve(project: Path, small_course: Path) -> None:
    for name in ("model.onnx", "experiments.csv"):
        shutil.copy(small_course / "reference_solutions" / "distillation" / name, project / name)


def test_a_check_leaves_its_grade_and_its_history(
    grader: Grader, project: Path, small_course: Path, tmp_path: Path
) -> None:
    first = grader("check", cwd=project)
    assert first.returncode == 1
    assert "History: ·" in first.stdout
    solve(project, small_course)
    page = tmp_path / "page.html"
    second = grader("check", "--json", cwd=project)
    assert second.stdout == (project / "grade.json").read_text(encoding="utf-8")
    grade = from_json(second.stdout.encode())
    assert grade.score > 0
    shutil.copy(project / "experiments.csv", project / "more.csv")  # another version
    third = grader("check", "--lang", "ru", "--html", page, cwd=project)
    assert "История: ·" in third.stdout
    assert "версий: 3" in third.stdout
    lines = (project / ".grader" / "history.jsonl").read_text(encoding="utf-8").splitlines()
    kept = [json.loads(line) for line in lines]
    assert [one["status"] for one in kept] == ["rejected", "graded", "graded"]
    assert kept[1]["score"] == grade.score
    assert "Ваши версии на сегодня" in page.read_text(encoding="utf-8")


def test_what_a_check_leaves_is_not_submitted(
    grader: Grader, project: Path, small_course: Path
) -> None:
    solve(project, small_course)
    grades = []
    for _ in range(2):
        raw = grader("check", "--badge", "--json", cwd=project).stdout
        grades.append(from_json(raw.encode()).submission.fingerprint)
    assert (project / "grade.md").is_file()
    assert grades[0] == grades[1]


def test_a_folder_that_is_no_project_is_left_as_it_was(
    grader: Grader, small_course: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    solve(folder, small_course)
    before = sorted(folder.rglob("*"))
    assert grader("check", folder, "--lesson", "distillation").returncode in (0, 1)
    assert sorted(folder.rglob("*")) == before
    refused = grader("check", folder, "--lesson", "distillation", "--hint")
    assert refused.returncode == 2
    assert "grader new" in refused.stderr


def test_hints_come_one_by_one_and_stay(grader: Grader, project: Path) -> None:
    steps = [one.to("en") for one in loading.load("distillation").spec.rejected_hints]
    assert not any(step in grader("check", cwd=project).stdout for step in steps)
    for count in range(1, len(steps) + 1):
        said = grader("check", "--hint", cwd=project).stdout
        assert [step in said for step in steps] == [at < count for at in range(len(steps))]
    assert "no further hints" in said
    said = grader("check", "--lang", "ru", cwd=project).stdout
    for step in loading.load("distillation").spec.rejected_hints:
        assert step.to("ru") in said


def test_a_badge_says_the_score_in_a_picture_and_in_words(
    grader: Grader, project: Path, small_course: Path
) -> None:
    solve(project, small_course)
    for lang, missing in (("en", "graded score"), ("ru", "итоговый балл")):
        said = grader("check", "--badge", "--lang", lang, cwd=project)
        grade = from_json((project / "grade.json").read_bytes())
        score = f"{round(grade.score, 3):g} / 7"
        markdown = (project / "grade.md").read_text(encoding="utf-8")
        assert said.stdout.endswith(markdown)
        assert "](grade.svg)" in markdown
        assert f"| {score} |" in markdown
        assert missing in markdown
        picture = ElementTree.parse(project / "grade.svg").getroot()
        assert picture.attrib["role"] == "img"
        texts = [element.text for element in picture.iter("{http://www.w3.org/2000/svg}text")]
        assert texts == ["distillation", score]
        assert "http" not in (project / "grade.svg").read_text(encoding="utf-8").replace(
            "http://www.w3.org/2000/svg", ""
        )


def test_a_project_that_cannot_be_written_is_checked_all_the_same(
    grader: Grader, project: Path, small_course: Path
) -> None:
    solve(project, small_course)
    (project / ".grader").write_text("in the way", encoding="utf-8")
    done = grader("check", cwd=project)
    assert "Score estimate" in done.stdout
    assert "cannot be written" in done.stderr
    assert "Traceback" not in done.stderr


class Watched:
    """A `grader check --watch` at work; its lines as they come."""

    def __init__(self, grader: Grader, project: Path, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "grader", "check", "--watch", *arguments],
            cwd=project,
            env=grader.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line)

    def until(self, text: str) -> str:
        """Everything that was said up to a line with `text`."""
        said, end = "", time.monotonic() + PATIENCE
        while text not in said:
            try:
                said += self._lines.get(timeout=max(end - time.monotonic(), 0.1))
            except queue.Empty:
                raise AssertionError(f"never said {text!r}, but: {said}") from None
        return said


@pytest.fixture
def watched(grader: Grader, project: Path) -> Iterator[Watched]:
    one = Watched(grader, project)
    yield one
    one.process.kill()
    one.process.wait()


def test_watching_checks_again_after_a_change_and_ends_with_ctrl_c(
    watched: Watched, project: Path, small_course: Path
) -> None:
    watched.until("rejected")
    watched.until("Waiting for a change")
    solve(project, small_course)
    watched.until("Score estimate")  # on a slow machine once more for the second file
    (project / "model.onnx").write_bytes(b"no model")
    watched.until("rejected")
    watched.until("Waiting for a change")
    watched.process.send_signal(signal.SIGINT)
    assert watched.process.wait(PATIENCE) == 1  # as the last check
    kept = (project / ".grader" / "history.jsonl").read_text(encoding="utf-8").splitlines()
    statuses = [status for status, _ in groupby(json.loads(line)["status"] for line in kept)]
    assert statuses == ["rejected", "graded", "rejected"]


@pytest.mark.parametrize("name", ["report.html", "page.html"])
def test_watching_does_not_see_what_it_writes_itself(
    grader: Grader, project: Path, small_course: Path, name: str
) -> None:
    solve(project, small_course)
    page = project / name
    one = Watched(grader, project, "--json", "--badge", "--html", str(page))
    try:
        first = one.until("\n")
        fingerprint = from_json(first.encode()).submission.fingerprint
        time.sleep(5)  # several looks
        shutil.copy(project / "report.md", project / "notes.md")
        second = one.until("\n")
        assert from_json(second.encode()).submission.fingerprint != fingerprint
        assert page.is_file()
        versions = (project / ".grader" / "history.jsonl").read_bytes().splitlines()
        assert len(versions) == 2
    finally:
        one.process.kill()
        one.process.wait()


def completed(grader: Grader, *words: str) -> list[str]:
    """What bash is offered for the last of `words`."""
    code = "import sys; from grader.cli import run; sys.exit(run([]))"
    done = grader.python(
        "-c", code,
        _GRADER_COMPLETE="bash_complete",
        COMP_WORDS=" ".join(["grader", *words]),
        COMP_CWORD=str(len(words)),
    )  # fmt: skip
    return [line.partition(",")[2] for line in done.stdout.splitlines()]


def test_a_shell_completes_commands_options_and_lessons(grader: Grader) -> None:
    assert completed(grader, "che") == ["check"]
    assert {"--watch", "--hint", "--badge"} <= set(completed(grader, "check", "--"))
    assert completed(grader, "new", "dist") == ["distillation"]
    assert completed(grader, "check", "--lesson", "q") == ["quantization"]
    assert completed(grader, "check", "--lang", "") == ["en", "ru"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_for_a_shell_is_one(grader: Grader, shell: str, tmp_path: Path) -> None:
    script = grader("completion", shell)
    assert script.returncode == 0
    assert "_GRADER_COMPLETE" in script.stdout
    assert f"grader completion {shell}" in script.stdout.splitlines()[0]
    if program := shutil.which(shell):
        path = tmp_path / "completion"
        path.write_text(script.stdout, encoding="utf-8")
        assert subprocess.run([program, "-n", path], check=False).returncode == 0


def test_bash_really_completes(grader: Grader, tmp_path: Path) -> None:
    if shutil.which("bash") is None:
        pytest.skip("no bash here")
    command = tmp_path / "grader"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m grader "$@"\n', encoding="utf-8")
    command.chmod(0o755)
    script = (
        'eval "$(grader completion bash)"; COMP_WORDS=(grader new pru); COMP_CWORD=2;'
        ' _grader_completion grader pru new; echo "${COMPREPLY[@]}"'
    )
    done = subprocess.run(
        ["bash", "-c", script],
        env=grader.environment | {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip() == "pruning_arduino"
