"""Sandbox A: a student's notebook, run from its first cell to its last by nbclient.

Blob 0 is the submission's files, as `pack` wrote them, blob 1 the cells as JSON. There are no
requests; answers are a byte (`BEGUN`: the index of a cell, `SHOWN`: that index and its outputs,
`FAILED`, or `LEFT`: names and sizes of the files that are there at the end, whose contents follow),
a uint32 length and that much JSON.
"""

from __future__ import annotations

import asyncio
import json
import os
import stat
import struct
import sys
from pathlib import Path
from typing import Any, cast

from jupyter_client import KernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat import from_dict

from grader.sandbox.isolation.task import Channel, Work, write_files
from grader.sandbox.runners.child.kernel import Kernel, kernel

BEGUN, SHOWN, FAILED, LEFT = range(4)
HEADER = struct.Struct("<BI")
INDEX = struct.Struct("<I")
BLOCK = 2**20
KINDS = {stat.S_IFREG: "file", stat.S_IFLNK: "link"}


def run(work: Work) -> None:
    folder = _make_folders(Path.cwd())
    write_files(work.blob(0), folder)
    os.chdir(folder)
    log, own = _discard_output(), (sys.stdout, sys.stderr)
    found = kernel()
    found.open()
    channel = work.channel
    try:
        asyncio.run(_client(json.loads(work.blob(1)), found, channel).async_execute())
    except CellExecutionError as error:
        _send(channel, FAILED, _reason(error, found.failure))
        return
    finally:
        sys.stdout, sys.stderr = own
        for target in (1, 2):
            os.dup2(log, target)
    _send_files(channel, folder)


def _make_folders(place: Path) -> Path:
    """A folder for the submission, apart from the home folder, into which libraries write."""
    for name in ("submission", "home", "temporary"):
        (place / name).mkdir()
    home = str(place / "home")
    os.environ.update(HOME=home, USERPROFILE=home, MPLCONFIGDIR=home, IPYTHONDIR=home)
    os.environ["TMPDIR"] = str(place / "temporary")
    sys.dont_write_bytecode = True
    return place / "submission"


def _discard_output() -> int:
    """Discard what is printed past Python, of which there may be too much; a descriptor of the
    log."""
    log = os.dup(2)
    nothing = os.open(os.devnull, os.O_WRONLY)
    for target in (1, 2):
        os.dup2(nothing, target)
    os.close(nothing)
    return log


def _client(cells: list[dict[str, Any]], found: Kernel, channel: Channel) -> NotebookClient:
    def begun(cell: Any, cell_index: int) -> None:
        _send(channel, BEGUN, INDEX.pack(cell_index))

    def shown(cell: Any, cell_index: int, execute_reply: Any) -> None:
        data = json.dumps(cell.outputs, default=str).encode()
        _send(channel, SHOWN, INDEX.pack(cell_index) + data)

    return NotebookClient(
        from_dict({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}),
        km=cast(KernelManager, found),
        timeout=None,
        record_timing=False,
        coalesce_streams=True,
        on_cell_execute=begun,
        on_cell_executed=shown,
    )


def _reason(error: CellExecutionError, failure: BaseException | None) -> bytes:
    starved = isinstance(failure, MemoryError) or "can't allocate memory" in error.evalue
    return json.dumps([error.ename[:200], error.evalue[:2000], starved]).encode()


def _send_files(channel: Channel, folder: Path) -> None:
    """Send all files of the folder; the trusted side chooses among them."""
    found = []
    for place, _, names in os.walk(folder, onerror=None):
        found += [Path(place, name) for name in names]
        found += [path for path in Path(place).iterdir() if path.is_symlink() and path.is_dir()]
    listed = []
    for path in sorted(found):
        status = path.lstat()
        kind = KINDS.get(stat.S_IFMT(status.st_mode), "other")
        listed.append((path, status.st_size if kind == "file" else 0, kind))
    index = [[path.relative_to(folder).as_posix(), size, kind] for path, size, kind in listed]
    _send(channel, LEFT, json.dumps(index).encode())
    for path, size, kind in listed:
        if kind == "file":
            _send_contents(channel, path, size)


def _send_contents(channel: Channel, path: Path, size: int) -> None:
    with path.open("rb") as file:
        while size > 0:
            block = file.read(min(size, BLOCK))
            if not block:
                raise OSError(f"{path.name} shrank while it was read")
            channel.write(block)
            size -= len(block)


def _send(channel: Channel, kind: int, data: bytes) -> None:
    channel.write(HEADER.pack(kind, len(data)) + data)
