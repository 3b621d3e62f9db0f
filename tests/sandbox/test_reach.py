"""What a student's code can reach in the sandbox, and that nothing of it reaches the next one."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from grader.lesson.spec import RunLimits
from grader.sandbox.runners.harness import Answered, Call, HarnessJob, run_harness

LIMITS = RunLimits(memory_bytes=256 * 2**20, disk_bytes=8 * 2**20, processes=16)
HARNESS = b"""
import sys, importlib

def answer(order, student):
    sys.path.insert(0, ".")
    return importlib.import_module("solution").got
"""


def asked(source: str) -> Answered:
    """Value of the variable `got` after the submission was imported."""
    job = HarnessJob({"asking": HARNESS}, {"solution.py": source.encode()}, ("numpy",))
    return run_harness(job, [Call("got", {}, 20.0)], LIMITS).answers[0]


def test_state_of_one_submission_does_not_reach_the_next(closed_level: str) -> None:
    left = asked(
        "import builtins, os, sys, numpy\n"
        "builtins.leaked = numpy.leaked = True\nos.environ['LEAKED'] = '1'\n"
        "open('left', 'w').write('1')\nsys.path.append('/leaked')\ngot = 1\n"
    )
    assert left.value == 1
    found = asked(
        "import builtins, os, sys, numpy as np\n"
        "got = [hasattr(builtins, 'leaked'), hasattr(np, 'leaked'), 'LEAKED' in os.environ,\n"
        "    os.path.exists('left'), '/leaked' in sys.path]\n"
    )
    assert found.value == [False] * 5


def test_libraries_can_be_imported_and_threads_used(closed_level: str) -> None:
    answer = asked(
        "import asyncio, json, tempfile, threading\nimport scipy.signal\n"
        "got = []\n"
        "thread = threading.Thread(target=got.append, args=(4,))\n"
        "thread.start(); thread.join()\n"
        "tempfile.NamedTemporaryFile().close()\n"
        "asyncio.run(asyncio.sleep(0))\n"
    )
    assert answer.value == [4], answer.error


@pytest.fixture
def attempt(closed_level: str, tmp_path: Path) -> Callable[..., bool]:
    """Whether a statement succeeds in the sandbox. `HERE` in it is a folder of ours."""

    def succeeds(statement: str, **names: object) -> bool:
        source = "import numpy as np, os, socket, ctypes, signal, subprocess\n"
        source += "".join(f"{name} = {value!r}\n" for name, value in names.items())
        source += f"HERE = {str(tmp_path)!r}\n"
        source += f"try:\n    {statement}\n    got = 1\nexcept OSError as e:\n    got = 0\n"
        answer = asked(source)
        assert answer.error is None, answer.error.to("en")
        return bool(answer.value)

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
        "os.truncate(HERE + '/secret', 0)",
        "os.open(HERE + '/secret', os.O_RDONLY | os.O_TRUNC)",
        "os.open(np.__file__, os.O_RDONLY | os.O_TRUNC)",
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


@pytest.mark.parametrize(
    "statement",
    [
        "os.chmod(PATH, 0o777)",
        "os.utime(PATH, (1, 1))",
        "os.chown(PATH, 1, 1)",
        "os.lchown(PATH, 1, 1)",
        "os.fchmod(os.open(PATH, os.O_RDONLY), 0o777)",
        "os.utime(os.open(PATH, os.O_RDONLY), (1, 1))",
    ],
)
def test_rights_and_times_outside_stay_as_they_are(
    attempt: Callable[..., bool], statement: str
) -> None:
    """The calls pretend to succeed, since shutil.copy and others end with them."""
    library = Path(np.__file__)
    before = library.stat()
    assert attempt(statement, PATH=str(library))
    after = library.stat()
    assert (after.st_mode, after.st_mtime, after.st_uid) == (
        before.st_mode,
        before.st_mtime,
        before.st_uid,
    )


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
    for tree in ("assignments", "reference_solutions", "tests", "grader/lesson/spec.py"):
        path = repository / tree
        assert not attempt("os.listdir(P) if os.path.isdir(P) else open(P).read()", P=str(path))
