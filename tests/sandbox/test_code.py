"""A student's function in the sandbox: its answers, and the status of each bad ending."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from grader.lesson.grades import Status
from grader.lesson.spec import RunLimits
from grader.sandbox.isolation.ending import Stopped
from grader.sandbox.runners.code import FunctionJob, FunctionRun, run_function

LIMITS = RunLimits(
    wall_seconds=3.0, cpu_seconds=3.0, memory_bytes=256 * 2**20, disk_bytes=8 * 2**20, processes=16
)
INPUTS = [np.full(4, number, dtype=np.float32) for number in range(5)]
SUM = "import numpy as np\ndef solve(x):\n    return np.array([x.sum()])\n"


def call(source: str, **more: bytes) -> FunctionRun:
    files = {"solution.py": source.encode()} | {
        name.replace("__", "."): data for name, data in more.items()
    }
    return run_function(FunctionJob(files, "solution", "solve", INPUTS, (1,)), LIMITS)


def ending(source: str) -> Stopped:
    with pytest.raises(Stopped) as caught:
        call(source)
    assert caught.value.text.ru != caught.value.text.en
    assert "Traceback" not in caught.value.text.en
    return caught.value


def test_answers_are_those_of_the_function(level: str) -> None:
    run = call(SUM)
    assert run.outputs.ravel().tolist() == [0, 4, 8, 12, 16]
    assert (run.seconds_per_call > 0).all()


def test_other_files_of_the_submission_can_be_imported_and_read(level: str) -> None:
    run = call(
        "import numpy as np, helper\n"
        "def solve(x):\n    return np.array([helper.add(x) + float(open('one.txt').read())])\n",
        helper__py=b"def add(x):\n    return x.sum()\n",
        one__txt=b"1",
    )
    assert run.outputs.ravel().tolist() == [1, 5, 9, 13, 17]


def test_what_is_printed_is_kept_for_the_student(level: str) -> None:
    assert "hello ␛[31m" in call("print('hello \\x1b[31m')\n" + SUM).log


def test_an_error_is_told_with_its_line(level: str) -> None:
    ended = ending("def solve(x):\n    return 1 / 0\n")
    assert ended.status is Status.REJECTED
    assert "ZeroDivisionError: division by zero (solution.py, line 2)" in ended.text.en


@pytest.mark.parametrize(
    ("source", "status", "words"),
    [
        ("import nothing_like_this\n", Status.REJECTED, "cannot be imported"),
        ("x = 1\n", Status.REJECTED, "defines no function solve()"),
        ("def solve(x):\n    return [1.0]\n", Status.REJECTED, "found list"),
        ("def solve(x):\n    return x\n", Status.REJECTED, "shape (4,)"),
        ("import sys\ndef solve(x):\n    sys.exit(0)\n", Status.CRASHED, "after 0 of 5"),
        ("import os\ndef solve(x):\n    os._exit(3)\n", Status.CRASHED, "exit code 3"),
        ("import ctypes\ndef solve(x):\n    ctypes.string_at(0)\n", Status.CRASHED, "SIGSEGV"),
        ("def solve(x):\n    while True: pass\n", Status.TIMED_OUT, "3 s"),
        ("import time\ndef solve(x):\n    time.sleep(60)\n", Status.TIMED_OUT, "3 s"),
        (
            "kept = []\ndef solve(x):\n    while True: kept.append(bytearray(10**7))\n",
            Status.OUT_OF_MEMORY,
            "256 MiB",
        ),
        ("def solve(x):\n    while True: print('x' * 9999)\n", Status.REJECTED, "printed far more"),
    ],
)
def test_bad_endings(level: str, source: str, status: Status, words: str) -> None:
    ended = ending(source)
    assert ended.status is status
    assert words in ended.text.en


def test_an_answer_before_the_question_is_refused(closed_level: str) -> None:
    early = (
        "import os, numpy as np\n"
        "for fd in range(3, 64):\n"
        "    try: os.write(fd, np.zeros(5, '<f4').tobytes())\n"
        "    except OSError: pass\n"
    )
    assert "before it was asked" in ending(early + SUM).text.en


def test_state_of_one_submission_does_not_reach_the_next(closed_level: str) -> None:
    call(
        "import builtins, os, sys, numpy\n"
        "builtins.leaked = numpy.leaked = True\nos.environ['LEAKED'] = '1'\n"
        "open('left', 'w').write('1')\nsys.path.append('/leaked')\n" + SUM
    )
    run = call(
        "import builtins, os, sys, numpy as np\n"
        "def solve(x):\n"
        "    return np.array([hasattr(builtins, 'leaked') + hasattr(np, 'leaked')\n"
        "        + ('LEAKED' in os.environ) + os.path.exists('left') + ('/leaked' in sys.path)])\n"
    )
    assert run.outputs.ravel().tolist() == [0] * 5


def test_libraries_can_be_imported_and_threads_used(closed_level: str) -> None:
    run = call(
        "import asyncio, json, tempfile, threading\nimport numpy as np, scipy.signal\n"
        "def solve(x):\n"
        "    found = []\n"
        "    thread = threading.Thread(target=found.append, args=(x.sum(),))\n"
        "    thread.start(); thread.join()\n"
        "    tempfile.NamedTemporaryFile().close()\n"
        "    asyncio.run(asyncio.sleep(0))\n"
        "    return np.array(found)\n"
    )
    assert run.outputs.ravel().tolist() == [0, 4, 8, 12, 16]


@pytest.fixture
def attempt(closed_level: str, tmp_path: Path) -> Callable[..., bool]:
    """Whether a statement succeeds in the sandbox. `HERE` in it is a folder of ours."""

    def succeeds(statement: str, **names: object) -> bool:
        source = "import numpy as np, os, socket, ctypes, signal, subprocess\n"
        source += "".join(f"{name} = {value!r}\n" for name, value in names.items())
        source += f"HERE = {str(tmp_path)!r}\n"
        source += f"try:\n    {statement}\n    got = 1\nexcept OSError as e:\n    got = 0\n"
        source += "def solve(x): return np.array([got])\n"
        run = call(source)
        return bool(run.outputs[0, 0])

    return succeeds


def test_the_private_folder_can_be_used(attempt: Callable[..., bool]) -> None:
    """Without this, the refusals below might have any reason."""
    assert attempt("os.mkdir('d'); open('d/f', 'w').write('x'); os.rename('d/f', 'd/g')")
    assert attempt("open('/dev/urandom', 'rb').read(1); open(np.__file__).read()")
    assert attempt("open(os.devnull, 'w').write('x')")


@pytest.mark.parametrize(
    "statement",
    [
        "open(HERE + '/secret').read()",
        "os.listdir(HERE)",
        "open(HERE + '/written', 'w')",
        "open('/tmp/written-by-a-submission', 'w')",
        "open('/etc/passwd').read()",
        "os.listdir(os.path.expanduser('~root'))",
        "open('/proc/self/environ').read()",
        "open('/proc/1/environ').read()",
        "os.fork()",
        "os.system('true') and None or subprocess.run(['true'])",
        "os.execv('/bin/true', ['true'])",
        "os.kill(os.getppid(), 0)",
        "os.kill(-1, 0)",
        "os.killpg(0, 0)",
        "os.kill(os.getpid(), signal.SIGKILL)",
        "socket.socket()",
        "socket.socket(socket.AF_UNIX)",
        "os.link('/etc/passwd', 'linked')",
        "os.symlink('/etc/passwd', 'l'); open('l').read()",
        "os.chmod(HERE + '/secret', 0o777)",
        "os.utime(HERE + '/secret')",
        "os.truncate(HERE + '/secret', 0)",
        "os.open(HERE + '/secret', os.O_RDONLY | os.O_TRUNC)",
        "os.open(np.__file__, os.O_RDONLY | os.O_TRUNC)",
        "os.fchmod(os.open(np.__file__, os.O_RDONLY), 0o644)",
        "os.chown(HERE + '/secret', 1, 1)",
        "os.setxattr(HERE + '/secret', 'user.x', b'1')",
        "os.mknod('device', 0o600 | 0o020000, 259)",
        "os.memfd_create('x')",
        "os.sched_setaffinity(0, {0})",
        "os.setpriority(os.PRIO_PROCESS, 0, -5)",
        "open('big', 'wb').write(bytes(32 * 2**20))",
    ],
)
def test_out_of_reach(attempt: Callable[..., bool], tmp_path: Path, statement: str) -> None:
    (tmp_path / "secret").write_text("secret", encoding="utf-8")
    assert not attempt(statement)
    assert [path.name for path in tmp_path.iterdir()] == ["secret"]


@pytest.mark.parametrize("name", ["unshare", "mount", "ptrace", "setns", "io_uring_setup", "bpf"])
def test_system_calls_out_of_reach(attempt: Callable[..., bool], name: str) -> None:
    number = {
        "unshare": 272,
        "mount": 165,
        "ptrace": 101,
        "setns": 308,
        "io_uring_setup": 425,
        "bpf": 321,
    }
    if os.uname().machine != "x86_64":
        pytest.skip("numbers of x86-64")
    assert not attempt(
        "libc = ctypes.CDLL(None, use_errno=True)\n"
        "    r = libc.syscall(NUMBER, 0x10000000, 0, 0, 0, 0)\n"
        "    if r < 0: raise OSError(ctypes.get_errno())",
        NUMBER=number[name],
    )


def test_a_listening_port_of_the_host_is_out_of_reach(attempt: Callable[..., bool]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert not attempt("socket.create_connection(('127.0.0.1', PORT), 1)", PORT=port)


def test_lessons_and_references_are_out_of_reach(
    attempt: Callable[..., bool], repository: Path
) -> None:
    for tree in ("assignments", "reference_solutions", "tests", "grader/lesson.py"):
        path = repository / tree
        assert not attempt("os.listdir(P) if os.path.isdir(P) else open(P).read()", P=str(path))
