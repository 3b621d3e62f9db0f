"""`grader chat`: the real command over real firmware."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.board.projects import answering, project


@pytest.fixture(scope="module")
def echo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("echo")
    for name, data in project("echo").items():
        (folder / name).write_bytes(data)
    return folder


def chat(*arguments: str | Path, said: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "grader", "chat", *map(str, arguments)]
    return subprocess.run(
        command, input=said, capture_output=True, text=True, encoding="utf-8", timeout=300,
        check=False,
    )  # fmt: skip


def test_questions_from_a_pipe_are_answered_with_their_time(echo: Path) -> None:
    ended = chat(echo, "--lang", "en", said="hello\n\nhow are you\n")
    assert ended.returncode == 0
    answers = ended.stdout.splitlines()
    assert answers[0::2] == ["hello", "how are you"]
    assert all("ms a character" in line and "16 MHz" in line for line in answers[1::2])
    assert "bytes of flash" in ended.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="needs a terminal device")
def test_a_terminal_gets_a_prompt_and_leaves_with_ctrl_d(echo: Path) -> None:
    import pty

    host, terminal = pty.openpty()
    command = [sys.executable, "-m", "grader", "chat", str(echo), "--lang", "en"]
    with subprocess.Popen(command, stdin=terminal, stdout=terminal, stderr=terminal) as child:
        os.close(terminal)
        os.write(host, b"hello\n")
        said = ""
        try:
            while said.count("you> ") < 2:
                said += os.read(host, 4096).decode()
            os.write(host, b"\x04")
            assert child.wait(timeout=300) == 0
        finally:
            child.kill()
    os.close(host)
    assert "ms a character" in said
    assert "Ctrl-D ends" in said


def test_json_holds_cycles(echo: Path) -> None:
    ended = chat(echo, "--json", said="hello\n")
    answer = json.loads(ended.stdout)
    assert answer["reply"] == "hello"
    assert answer["inferences"] == 5
    assert answer["ms_per_char"] == answer["cycles_per_char"] / 16_000
    assert answer["cycles"] > answer["outside_cycles"] > 0


def test_the_program_is_written_for_avrdude(echo: Path, tmp_path: Path) -> None:
    path = tmp_path / "firmware.hex"
    chat(echo, "--hex", path)
    assert path.read_text(encoding="ascii").endswith(":00000001FF\n")
    assert chat(path, said="hello\n").stdout.startswith("hello\n")
    refused = chat(echo, "--hex", tmp_path / "nowhere" / "firmware.hex", "--lang", "en")
    assert refused.returncode == 2
    assert "cannot be written" in refused.stderr


def test_a_submission_may_hold_the_project_in_a_folder(echo: Path, tmp_path: Path) -> None:
    (tmp_path / "firmware").mkdir()
    for path in echo.iterdir():
        (tmp_path / "firmware" / path.name).write_bytes(path.read_bytes())
    assert chat(tmp_path, said="x\n").stdout.startswith("x\n")


def test_a_failure_is_named_and_the_next_question_answered(tmp_path: Path) -> None:
    files = answering("if (line[0] != '!') { serial_put('k'); serial_put('\\n'); }")
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    ended = chat(tmp_path, "--lang", "ru", said="a\n!\nпривет\nb\n")
    assert ended.returncode == 1
    assert ended.stdout.count("k\n") == 2
    assert "Прошивка не ответила" in ended.stdout
    assert "Плата читает ASCII" in ended.stdout


@pytest.mark.parametrize("what", ["nothing", "empty", "broken", "text"])
def test_what_is_no_firmware_gets_a_sentence(what: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "main.c").write_text("int main(void) { return x; }\n")
    (tmp_path / "text").write_text("hello")
    ended = chat(tmp_path / what, "--lang", "en", said="x\n")
    assert ended.returncode in (1, 2)
    assert ended.stderr.startswith("Error: ")
    assert "Traceback" not in ended.stderr
