"""Notebooks in the sandbox: what runs, what is left, and which cell a sentence names."""

from __future__ import annotations

import errno
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
import pytest

from grader.intake import places
from grader.lesson.grades import Status
from grader.lesson.spec import Intake, RunLimits
from grader.sandbox.runners.notebook import LeftFile, NotebookJob, NotebookRun, run_notebook
from grader.text import notebooks
from grader.text.notebooks import Output
from tests.notebooks.writing import code, notebook, written

LIMITS = RunLimits(
    wall_seconds=120.0, cpu_seconds=60.0, memory_bytes=2**29, processes=32, open_files=128
)
RULES = Intake(artefact="solution.py", max_files=50)


class Ran:
    def __init__(self, run: NotebookRun, folder: Path) -> None:
        self.stopped = run.stopped
        self.shown = run.shown
        self.left = {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in folder.rglob("*")
            if path.is_file()
        }

    @property
    def status(self) -> Status:
        return getattr(self.stopped, "status", Status.REJECTED)

    @property
    def says(self) -> str:
        assert self.stopped is not None
        assert self.stopped.text.to("ru")
        return self.stopped.text.to("en")

    def text(self, cell: int) -> str:
        """All that a cell showed as text."""
        return "".join(output.text + str(_plain(output)) for output in self.shown[cell])


class Runner:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __call__(
        self, *cells: str | dict, files: Mapping[str, bytes] | None = None, **limits: float
    ) -> Ran:
        def choose(left: Sequence[LeftFile]) -> Mapping[int, Path]:
            return places([(f.name, f.size, f.kind) for f in left], self._folder, RULES)

        job = NotebookJob(notebooks.read(notebook(*cells)), files or {}, choose)
        run = run_notebook(job, msgspec.structs.replace(LIMITS, **limits))
        return Ran(run, self._folder)


@pytest.fixture
def run(tmp_path: Path) -> Runner:
    return Runner(tmp_path)


def test_cells_share_a_namespace_and_leave_files(level: str, run: Runner) -> None:
    ran = run(
        "import numpy as np\nrows = np.arange(3)",
        written("solution.py", "def solve(x):\n    return x\n"),
        "from solution import solve\nprint(solve(rows))",
        "from pathlib import Path\nPath('deep/er').mkdir(parents=True)\n"
        "np.save('deep/er/rows.npy', rows)\nPath('beside.txt').read_text()",
        "rows.sum()",
        files={"beside.txt": b"here", "submission.ipynb": b"{}"},
    )
    assert ran.stopped is None
    assert sorted(ran.left) == ["beside.txt", "deep/er/rows.npy", "solution.py"]
    assert ran.left["solution.py"] == b"def solve(x):\n    return x\n"
    assert ran.text(2) == "[0 1 2]\n"
    assert ran.text(4) == "np.int64(3)"


def test_an_error_names_its_cell(level: str, run: Runner) -> None:
    ran = run("a = 1", "\n# divides\n1 / (a - 1)", "print('never')")
    assert ran.status is Status.REJECTED
    assert ran.says.startswith(
        "submission.ipynb, cell [2] (`# divides`): ZeroDivisionError: division by zero. "
    )
    assert "1 / (a - 1)" in ran.stopped.log
    assert "\x1b" not in ran.stopped.log
    assert 2 not in ran.shown
    assert ran.left == {}


@pytest.mark.parametrize(
    "level",
    ["A", "B", *(pytest.param(level, marks=pytest.mark.slow) for level in "CD")],
    indirect=True,
)
def test_a_time_out_names_its_cell(level: str, run: Runner) -> None:
    ran = run("a = 1", "while True:\n    pass", wall_seconds=3.0)
    assert ran.status is Status.TIMED_OUT
    assert ran.says.startswith("submission.ipynb, cell [2] (`while True:`): The code did not")
    assert list(ran.shown) == [0]


@pytest.mark.parametrize(
    ("cell", "limits", "status", "says"),
    [
        ("import time; time.sleep(60)", {"wall_seconds": 3.0}, Status.TIMED_OUT, "within 3 s"),
        ("bytearray(10**12)", {}, Status.OUT_OF_MEMORY, "MemoryError"),
        ("x = []\nwhile True: x.append(bytearray(10**7))", {}, Status.OUT_OF_MEMORY, "cell [1]"),
        ("import os; os._exit(0)", {}, Status.CRASHED, "let the notebook run to its end"),
        ("import os; os.abort()", {}, Status.CRASHED, "SIGABRT"),
        ("exit()", {}, Status.REJECTED, "SystemExit"),
        ("raise KeyboardInterrupt", {}, Status.REJECTED, "KeyboardInterrupt"),
        ("def f(:", {}, Status.REJECTED, "SyntaxError"),
        ("input()", {}, Status.REJECTED, "EOFError"),
        ("class E(Exception):\n  def __str__(s): raise s\nraise E", {}, Status.REJECTED, "E: ?"),
        ("import os; os.write(3, b'x' * 99)", {}, Status.REJECTED, "file descriptors"),
    ],
)  # fmt: skip
def test_every_ending_has_its_status_and_its_cell(
    run: Runner, cell: str, limits: dict, status: Status, says: str
) -> None:
    ran = run(cell, **limits)
    assert ran.status is status
    assert says in ran.says
    assert "submission.ipynb, cell [1] (`" in ran.says


def test_what_a_notebook_may_not_reach_is_explained(run: Runner) -> None:
    ran = run("import subprocess\nsubprocess.Popen(['sleep', '60'])")
    assert "PermissionError" in ran.says
    assert "Programs, processes, the network and files outside" in ran.says


def test_files_are_copied_as_in_jupyter(closed_level: str, run: Runner) -> None:
    ran = run(
        "import os, shutil, tarfile, tempfile, zipfile\nfrom pathlib import Path\n"
        "shutil.copy('best.bin', 'solution.py')",
        "shutil.copy2('best.bin', 'two'); shutil.copymode('best.bin', 'two')\n"
        "shutil.copystat('best.bin', 'two'); shutil.copytree('.', '../whole')\n"
        "shutil.move('two', 'moved'); os.replace('moved', 'again')",
        "os.chmod('again', 0o755); os.utime('again'); Path('again').touch()\n"
        "os.chown('again', os.getuid(), os.getgid())",
        "with tarfile.open('packed.tar', 'w') as packed: packed.add('again')\n"
        "tarfile.open('packed.tar').extractall('unpacked')",
        "with zipfile.ZipFile('packed.zip', 'w') as packed: packed.write('again')\n"
        "shutil.unpack_archive('packed.zip', 'unzipped')",
        "try: os.setxattr('again', 'user.x', b'1')\nexcept OSError as error: print(error.errno)",
        files={"best.bin": b"weights"},
    )
    assert ran.stopped is None, ran.says
    for name in ("solution.py", "again", "unpacked/again", "unzipped/again"):
        assert ran.left[name] == b"weights"
    assert ran.text(5) == f"{errno.ENOTSUP}\n"


def test_commands_are_left_out_and_cost_nothing(run: Runner) -> None:
    ran = run("!pip install nothing", "%pip install nothing", "found = !ls\nfound", "1 + 1")
    assert ran.stopped is None
    assert "no program is run here" in ran.text(0)
    assert ran.text(3) == "2"


def test_tags_are_honoured(run: Runner) -> None:
    ran = run(code("while True: pass", "skip-execution"), code("1 / 0", "raises-exception"), "5")
    assert ran.stopped is None
    assert sorted(ran.shown) == [1, 2]
    assert ran.shown[1][0].ename == "ZeroDivisionError"


def test_warnings_and_floods_cost_nothing(run: Runner) -> None:
    ran = run(
        "import sys, warnings, os\nprint('beware', file=sys.stderr)\nwarnings.warn('old')",
        "for _ in range(3000): print('x' * 1000)",
        "from IPython.display import display, clear_output\n"
        "for n in range(3000): display('y' * 1000)",
        "for n in range(300): clear_output(wait=True); display('z' * 10_000, n)",
        "for _ in range(500): os.write(1, b'w' * 10_000), os.write(2, b'w' * 10_000)",
        written("solution.py", "x = 1"),
    )
    assert ran.stopped is None
    assert ran.left == {"solution.py": b"x = 1\n"}
    assert "beware" in ran.text(0)
    assert len(ran.text(1)) < 70_000
    assert len(ran.text(2)) < 2 * 2**20
    assert ran.text(3).endswith("299")


def test_pictures_and_awaiting_work_as_in_jupyter(run: Runner) -> None:
    ran = run(
        "import matplotlib.pyplot as plt\nplt.plot([1, 2]);",
        "import asyncio\nawait asyncio.sleep(0.01)\n7",
        "from IPython.display import display\nh = display(1, display_id=True)\nh.update(2)",
    )
    assert ran.stopped is None
    assert any(output.data.get("image/png") for output in ran.shown[0])
    assert ran.text(1) == "7"
    assert ran.text(2) == "2"


def test_links_are_no_files(run: Runner) -> None:
    ran = run("import os\nos.symlink('/etc/passwd', 'solution.py')")
    assert "solution.py is a link" in ran.says
    assert ran.left == {}


def test_more_files_than_may_be_handed_in(run: Runner) -> None:
    ran = run("for n in range(60): open(f'{n}.txt', 'w').close()")
    assert "more than 50 files" in ran.says


def _plain(output: Output) -> object:
    return output.data.get("text/plain", "")
