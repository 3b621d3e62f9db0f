"""Hostile notebooks for the lesson of `course/`: what running somebody's cells has to survive.

Each function returns the cells of a submission.ipynb, or the bytes of a file that is none. Beside
it lie the right solution.py and attack.py, so that most would earn full marks if all they do came
to nothing, and a notebook prints what its attack managed: its executed copy is looked through.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

from grader.text import notebooks
from tests.hostile import cases

Cells = list[str] | bytes
OPENING = """\
import attack, sys
attack.say = lambda text: print(text, file=sys.stderr)
from attack import *"""
ATTACKS: dict[str, Callable[[], Cells]] = {}
NOT_THERE = frozenset({"notebook_that_writes_nothing"})
"""Attacks without the solution beside them."""


def build(name: str, place: Path) -> None:
    """Write the attack into the folder `place`, which holds what attackers know."""
    cells = ATTACKS[name]()
    raw = cells if isinstance(cells, bytes) else notebook([OPENING, *cells])
    (place / notebooks.FILE).write_bytes(raw)
    if name not in NOT_THERE:
        shutil.copy(SOLUTION, place)


def honest(place: Path) -> None:
    """A notebook that writes the right solution."""
    place.mkdir()
    source = SOLUTION.read_text(encoding="utf-8")
    (place / notebooks.FILE).write_bytes(notebook([f"%%writefile solution.py\n{source}"]))


def notebook(sources: list[str]) -> bytes:
    cells = [
        {"cell_type": "code", "id": f"c{n}", "metadata": {}, "source": source, "outputs": []}
        for n, source in enumerate(sources)
    ]
    return json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells}).encode()


SOLUTION = cases.HERE / "course" / "reference_solutions" / "spread" / "solution.py"


def _attack(function: Callable[[], Cells]) -> Callable[[], Cells]:
    ATTACKS[function.__name__] = function
    return function


# What a cell leaves ------------------------------------------------------------------------------


@_attack
def notebook_leaves_a_process() -> Cells:
    """Forks, starts programs and a daemon: nothing may stay, and the grade is that of the files."""
    return [
        """
import os, subprocess, multiprocessing
def daemon():
    if os.fork() == 0:
        os.setsid()
        import ctypes, time
        ctypes.CDLL(None).prctl(15, b"left-behind")
        time.sleep(600)
    return "forked"
attempt("fork", daemon)
attempt("start a program", lambda: subprocess.Popen(["sleep", "600"]))
attempt("a shell", lambda: os.system("sleep 600 &") == 0)
def process():
    multiprocessing.get_context("fork").Process(target=print).start()
    return "started"
attempt("multiprocessing", process)
""",
        "!sleep 600 &",
    ]


@_attack
def notebook_leaves_threads() -> Cells:
    """Threads that go on after the last cell and rewrite the solution while it is being taken."""
    return [
        """
import threading, time
from pathlib import Path
say("attempt: threads")
def rewrite():
    while True:
        try:
            Path("other.py").write_text("x" * 100_000)
            Path("other.py").write_text("")
        except OSError:
            pass
for _ in range(4):
    threading.Thread(target=rewrite).start()
""",
    ]


@_attack
def notebook_floods_its_output() -> Cells:
    """Prints and displays gigabytes: it costs its own time, and neither memory nor points."""
    return [
        """
from IPython.display import display, HTML
say("attempt: flood")
for _ in range(20_000):
    print("x" * 1000)
for _ in range(200):
    display(HTML("<b>y</b>" * 1000), "z" * 10_000)
""",
    ]


@_attack
def notebook_floods_descriptors() -> Cells:
    """Writes past Python to standard output and errors: what C prints costs no points."""
    return [
        """
import os
say("attempt: flood")
for _ in range(3000):
    os.write(1, b"w" * 10_000)
    os.write(2, b"w" * 10_000)
""",
    ]


# What runs it ------------------------------------------------------------------------------------


@_attack
def notebook_rewrites_ipython() -> Cells:
    """Replaces the shell that runs its cells: those after it run all the same, or are named."""
    return [
        """
say("attempt: rewrite")
from IPython.core.interactiveshell import InteractiveShell
shell = get_ipython()
shell.run_cell = shell.run_cell_async = None
InteractiveShell.showtraceback = InteractiveShell.run_code = lambda *a, **k: None
shell.display_pub.publish = lambda *a, **k: None
sys.stdout = sys.__stdout__
""",
        "print('still here')",
    ]


@_attack
def notebook_rewrites_nbclient() -> Cells:
    """Patches what drives it to say that all is well: only the files that are there count."""
    return [
        """
say("attempt: rewrite")
from nbclient import NotebookClient
async def pretend(self, cell, *a, **k):
    return cell
NotebookClient.async_execute_cell = pretend
import grader.sandbox.runners.child.notebook as task
task._reason = lambda *a: b'["Fine", "nothing happened", false]'
""",
        "1 / 0",
    ]


@_attack
def notebook_forges_answers() -> Cells:
    """Writes to the grader's own socket: cells, outputs and files that were never there."""
    return [
        """
import os, struct
say("attempt: forge")
for number in range(3, 20):
    try:
        os.write(number, struct.pack("<BI", 0, 4) + struct.pack("<I", 10**9))
    except OSError:
        pass
""",
    ]


@_attack
def notebook_forges_files() -> Cells:
    """Announces files with names that lead out of the folder: judged as an archive is."""
    return [
        """
import json, os, struct
say("attempt: forge")
for name in ("../../left-behind.txt",):
    index = json.dumps([[name, 4, "file"]]).encode()
    os.write(3, struct.pack("<BI", 3, len(index)) + index + b"evil")
""",
    ]


@_attack
def notebook_announces_terabytes() -> Cells:
    """Announces an output of four gigabytes: nobody makes room for it."""
    return [
        """
import os, struct
say("attempt: forge")
os.write(3, struct.pack("<BI", 1, 2**32 - 1))
""",
    ]


# What it reaches ---------------------------------------------------------------------------------


@_attack
def notebook_reads_secrets() -> Cells:
    """Looks for seeds, lessons, references, neighbours and the cache: none may be there."""
    return [
        """
for name in ("secret", "seed", "autograder", "reference", "neighbour", "cached", "self"):
    attempt(name, lambda name=name: read(KNOWN[name]))
for name in ("home", "course", "class", "out", "cache"):
    attempt(f"list {name}", lambda name=name: os.listdir(KNOWN[name]))
attempt("environment", lambda: [n for n in os.environ if "SEED" in n or "CANARY" in n])
attempt("other processes", lambda: b"CANARY" in open("/proc/1/environ", "rb").read())
"""
    ]


@_attack
def notebook_writes_outside() -> Cells:
    """Leaves files with the class, the lessons and the system: none may stay."""
    return [
        """
for folder in (KNOWN["home"], KNOWN["course"], KNOWN["class"], KNOWN["out"], "/tmp", "/dev/shm"):
    attempt(folder, lambda folder=folder: write(folder))
attempt("own folder", lambda: write(KNOWN["self"]))
"""
    ]


@_attack
def notebook_uses_the_network() -> Cells:
    """Connects to a waiting server and opens one itself."""
    return [
        """
import socket
attempt("connect", lambda: socket.create_connection(("127.0.0.1", KNOWN["port"]), 1))
attempt("serve", lambda: socket.create_server(("127.0.0.1", 0)))
def abstract():
    door = socket.socket(socket.AF_UNIX)
    door.connect("\\0" + KNOWN["abstract"])
    return "connected"
attempt("abstract", abstract)
"""
    ]


@_attack
def notebook_kills() -> Cells:
    """Signals everyone that it can name."""
    return [
        """
import signal
for pid in others():
    attempt(f"kill {pid}", lambda pid=pid: os.kill(pid, signal.SIGKILL) or True)
attempt("ptrace", lambda: syscall("ptrace", 16, os.getppid(), 0, 0) == 0)
"""
    ]


# What it leaves in its folder --------------------------------------------------------------------


@_attack
def notebook_leaves_a_link() -> Cells:
    """Puts a link to the reference solution in the place of its own."""
    return [
        """
say("attempt: link")
os.unlink("solution.py")
os.symlink(KNOWN["reference"], "solution.py")
"""
    ]


@_attack
def notebook_leaves_many_files() -> Cells:
    """Leaves more files than may be handed in."""
    return ["for n in range(210): open(f'{n}.txt', 'w').close()"]


@_attack
def notebook_fills_the_disk() -> Cells:
    """Writes until the disk is full: it is its own disk."""
    return [
        """
say("attempt: fill")
import shutil
try:
    for n in range(1000):
        with open(f"big{n}", "wb") as file:
            for _ in range(16):
                file.write(bytes(2**20))
except OSError as error:
    say(f"stopped: {error}")
for n in range(1000):
    if os.path.exists(f"big{n}"):
        os.unlink(f"big{n}")
"""
    ]


@_attack
def notebook_that_writes_nothing() -> Cells:
    """Runs to its end and leaves no solution: there is nothing to grade."""
    return ["1 + 1"]


@_attack
def notebook_removes_its_folder() -> Cells:
    """Deletes all that it was given, its working folder too."""
    return ["import shutil\nshutil.rmtree(os.getcwd(), ignore_errors=True)"]


# Endings -----------------------------------------------------------------------------------------


@_attack
def notebook_never_ends() -> Cells:
    """An endless cell: it is named, and the batch goes on."""
    return ["while True:\n    pass"]


@_attack
def notebook_sleeps() -> Cells:
    """A cell that waits for ever without using a processor."""
    return ["import time\ntime.sleep(10_000)"]


@_attack
def notebook_takes_memory() -> Cells:
    """Allocates without end: it is stopped, and nobody else is."""
    return ["kept = []\nwhile True:\n    kept.append(bytearray(10**7))"]


@_attack
def notebook_exits() -> Cells:
    """Ends its process with code 0: the cells after it were not run."""
    return ["os._exit(0)", "print('never')"]


@_attack
def notebook_crashes() -> Cells:
    """Reads address 0."""
    return ["import ctypes\nctypes.string_at(0)"]


@_attack
def notebook_ignores_signals() -> Cells:
    """Ignores every signal that it can, and goes on for ever."""
    return [
        """
import signal
for number in range(1, 65):
    try:
        signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError):
        pass
while True:
    pass
"""
    ]


# What people read --------------------------------------------------------------------------------


@_attack
def notebook_shows_scripts() -> Cells:
    """Scripts, terminal codes and reversed text in outputs: none is in the copy."""
    return [
        """
from IPython.display import display, HTML, Javascript
say("attempt: scripts")
page = "BROKEN-" + "PAGE"
display(HTML(f"<script>document.title='{page}'</script>"))
display({"image/svg+xml": f"<svg onload='{page}'/>", "text/plain": "picture"}, raw=True)
display(Javascript(f"{page}()"))
display({"image/png": f"<script>{page}</script>"}, raw=True)
print("\\x1b]0;title\\x07\\x1b[2J\\u202egnp.exe")
"""
    ]


@_attack
def notebook_error_with_escapes() -> Cells:
    """Raises an error whose words and whose cell move a terminal's cursor."""
    return ["#\x1b[2J\u202e hidden\nraise ValueError('\\x1b[2J' * 1000)"]


@_attack
def notebook_error_that_errs() -> Cells:
    """Raises an exception whose own words raise, and whose name is megabytes long."""
    return [
        """
class Evil(Exception):
    def __str__(self):
        raise Evil
Evil.__name__ = "E" * 10**6
raise Evil
"""
    ]


# Files that are no notebooks ---------------------------------------------------------------------


@_attack
def notebook_of_bytes() -> Cells:
    """Random bytes called a notebook."""
    return bytes(range(256)) * 100


@_attack
def notebook_nested_deep() -> Cells:
    """A hundred thousand brackets, which overflow a careless parser."""
    return b'{"nbformat": 4, "cells": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"


@_attack
def notebook_for_another_kernel() -> Cells:
    """Asks for a kernel of its own, which would be started as any program."""
    raw = json.loads(notebook(["1"]))
    raw["metadata"] = {"kernelspec": {"name": "/bin/sh", "language": "bash", "argv": ["sh"]}}
    return json.dumps(raw).encode()


@_attack
def notebook_with_a_past() -> Cells:
    """Brings outputs and attachments that were never computed here: they are not kept."""
    raw = json.loads(notebook(["1"]))
    script = {"text/html": "<script>BROKEN-PAGE</script>"}
    raw["cells"][0]["outputs"] = [{"output_type": "display_data", "data": script, "metadata": {}}]
    raw["cells"].append(
        {
            "cell_type": "markdown",
            "id": "m",
            "metadata": {"BROKEN-PAGE": 1},
            "source": "![x](attachment:x.svg)",
            "attachments": {"x.svg": {"image/svg+xml": "BROKEN-PAGE"}},
        }
    )
    return json.dumps(raw).encode()
