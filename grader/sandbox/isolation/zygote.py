"""The program of a warm process: imports libraries once, then forks confined children.

Started by `warm` as `python -P -m grader.sandbox.isolation.zygote FD LIBRARIES LEVEL`. It holds no
secrets and runs nothing of a submission itself. Messages on the control socket are JSON from
the trusted side with descriptors attached; the end of a child is reported as the kernel tells it,
never as the child does. When the socket closes, the process and its children end.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import select
import signal
import socket
import sys
from pathlib import Path
from typing import Any

from grader.sandbox.isolation import confine
from grader.sandbox.isolation.task import Channel, ChildExit, Work, guarded

MESSAGE_BYTES = 256 * 1024
MAX_DESCRIPTORS = 16
DISK_TICK_MS = 50
TASKS = ("rows", "harness", "probe", "stream", "tokens", "sequences", "notebook")
_CHANNEL, _FIRST = 3, 4
"""Descriptors of a child: 0 is empty, 1 and 2 are the log, 3 is the channel, then come the rest."""

Request = tuple[dict[str, Any], list[int]]
"""A message of the trusted side, and the descriptors that came with it."""


def main() -> int:
    control = socket.socket(fileno=int(sys.argv[1]))
    control.set_inheritable(False)
    for name in filter(None, sys.argv[2].split(",")):
        _warm(name)
    policy = confine.Policy.here(sys.argv[3])
    kept: dict[str, Any] = {}
    gc.freeze()  # the collector of a child does not copy what it inherited
    _send(control, {"ready": True, "pid": os.getpid()})
    while True:
        message, given, flags, _ = socket.recv_fds(control, MESSAGE_BYTES, MAX_DESCRIPTORS)
        if not message:
            return 0
        if flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC):
            raise ValueError("a request does not fit")
        _serve(control, (json.loads(message), given), policy, kept)


def _warm(library: str) -> None:
    """Import a library, and do in advance what it does on its first use."""
    module = importlib.import_module(library)
    if library.startswith("grader.sandbox.runners."):
        module.warm()
    if library == "onnxruntime":
        module.set_default_logger_severity(3)
        module.disable_telemetry_events()
    if library == "torch":
        module.set_num_threads(1)
        module.set_num_interop_threads(1)


def _serve(
    control: socket.socket, request: Request, policy: confine.Policy, kept: dict[str, Any]
) -> None:
    order, descriptors = request
    if "keep" in order:
        kept.clear()  # only one at a time, since a batch has one baseline
        data = os.pread(descriptors[0], os.fstat(descriptors[0]).st_size, 0)
        os.close(descriptors[0])
        kept[order["keep"]] = _task(order["task"]).keep(data)
        gc.freeze()
        _send(control, {"kept": order["keep"]})
        return
    task = _task(order["task"])
    place = confine.make_place(policy) if order["confine"] == "code" else None
    pid = os.fork()
    if pid == 0:
        code = int(ChildExit.NOT_CONFINED)
        try:
            control.close()
            code = _be_child(task, request, policy, place, kept.get(order["kept"]))
        finally:
            os._exit(code)
    for descriptor in descriptors:
        os.close(descriptor)
    pidfd = os.pidfd_open(pid)
    socket.send_fds(control, [b'{"started":true}'], [pidfd])
    filled = _wait(control, pidfd, place, order["limits"])
    _, status, usage = os.wait4(pid, 0)
    os.close(pidfd)
    if place is not None:
        confine.remove_place(place)
    cpu = usage.ru_utime + usage.ru_stime
    code = os.waitstatus_to_exitcode(status)
    _send(control, {"code": code, "cpu_seconds": cpu, "filled_disk": filled})


def _wait(control: socket.socket, pidfd: int, place: Path | None, limits: dict[str, Any]) -> bool:
    """Wait until the child ends, and kill it when the trusted side is gone or when it has written
    too much; whether it had."""
    filled = False
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    poll.register(control, 0)  # only a hang-up: no message comes meanwhile
    while pidfd not in (ready := {descriptor for descriptor, _ in poll.poll(DISK_TICK_MS)}):
        if control.fileno() in ready:
            poll.unregister(control)
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        elif place is not None and confine.fills(place, limits):
            filled = True
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)
    return filled


def _be_child(
    task: Any, request: Request, policy: confine.Policy, place: Path | None, kept: Any
) -> int:
    order, descriptors = request
    rest = _arrange(descriptors)
    inputs = rest.pop(0) if order["has_inputs"] else -1
    answers = rest.pop(0) if order["has_answers"] else -1
    work = Work(order["order"], Channel(_CHANNEL, _CHANNEL), inputs, answers, rest, kept)
    try:
        confine.limit(order["limits"])
        confine.enter(order["confine"], policy, place, order["limits"])
    except Exception as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
        return ChildExit.NOT_CONFINED
    return guarded(task, work)


def _arrange(descriptors: list[int]) -> list[int]:
    """Move the descriptors to where a child expects them and close every other one; those of the
    inputs, answers and blobs. `descriptors` are the log, the channel, then these."""
    # To high numbers first, so that no target is a source at the same time.
    high = [os.dup2(descriptor, 200 + n, False) for n, descriptor in enumerate(descriptors)]
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    targets = [1, _CHANNEL, *range(_FIRST, _FIRST + len(high) - 2)]
    for source, target in zip(high, targets, strict=True):
        os.dup2(source, target, False)
    os.dup2(1, 2)
    os.closerange(targets[-1] + 1, 4096)
    return targets[2:]


def _task(name: str) -> Any:
    """The module of a task, imported here once and not by every child."""
    if name not in TASKS:
        raise ValueError(f"unknown task {name!r}")
    return importlib.import_module(f"grader.sandbox.runners.child.{name}")


def _send(control: socket.socket, message: dict[str, Any]) -> None:
    control.send(json.dumps(message).encode())


if __name__ == "__main__":
    sys.exit(main())
