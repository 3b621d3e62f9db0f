"""What every attack here shares: what the attacker knows, and how it says what it managed.

The attacker is told more than any student is: `known.json`, written by the test, names the paths
of the secrets, a process to kill and ports to reach. Whatever must not work prints BREACH when it
does; the tests look for that word in the log.
"""

from __future__ import annotations

import ctypes
import json
import os
import platform
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

KNOWN = json.loads(Path(__file__).with_name("known.json").read_text(encoding="utf-8"))
MARK = "left-behind"
"""Names of everything that an attack tries to leave somewhere begin with this."""


def honest(x: np.ndarray) -> np.ndarray:
    """The right answer."""
    return np.array([x.max() - x.min()], dtype=np.float32)


def say(text: str) -> None:
    os.write(2, text.encode() + b"\n")


def breach(what: str) -> None:
    say(f"BREACH: {what}")


def attempt(what: str, action: Callable[[], object]) -> None:
    """Try `action`; anything but an exception, None, False or an empty result is a breach."""
    say(f"attempt: {what}")
    try:
        result = action()
    except Exception as error:
        say(f"  {type(error).__name__}")
    else:
        if result is not None and result is not False and result not in (b"", "", [], ()):
            breach(f"{what}: {str(result)[:200]}")


def read(path: str) -> str:
    return Path(path).read_text(encoding="utf-8", errors="replace")


def write(folder: str) -> bool:
    """Leave a file in `folder`; it must not be there afterwards."""
    path = Path(folder) / f"{MARK}-{os.getpid()}.txt"
    path.write_text("hostile", encoding="utf-8")
    return path.exists()


_NUMBERS = {  # x86-64, aarch64
    "bpf": (321, 280),
    "clone": (56, 220),
    "clone3": (435, 435),
    "execveat": (322, 281),
    "fanotify_init": (300, 262),
    "getpid": (39, 172),
    "io_uring_setup": (425, 425),
    "keyctl": (250, 219),
    "add_key": (248, 217),
    "memfd_create": (319, 279),
    "mount": (165, 40),
    "name_to_handle_at": (303, 264),
    "perf_event_open": (298, 241),
    "personality": (135, 92),
    "pidfd_getfd": (438, 438),
    "pidfd_open": (434, 434),
    "pidfd_send_signal": (424, 424),
    "pivot_root": (155, 41),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "ptrace": (101, 117),
    "rt_sigqueueinfo": (129, 138),
    "setns": (308, 268),
    "tgkill": (234, 131),
    "tkill": (200, 130),
    "unshare": (272, 97),
    "userfaultfd": (323, 282),
    "vmsplice": (278, 75),
}


def syscall(name: str, *arguments: object) -> int:
    """The raw system call. Raises OSError when the kernel, or its filter, says no."""
    number = _NUMBERS[name][platform.machine() == "aarch64"]
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    widened = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    result = int(libc.syscall(ctypes.c_long(number), *widened))
    if result == -1:
        raise OSError(ctypes.get_errno(), f"{name}: {os.strerror(ctypes.get_errno())}")
    return result


def others() -> list[int]:
    """Processes that an attacker would like to reach: its parent and one that it was told of."""
    return [pid for pid in (os.getppid(), KNOWN["bystander"]) if pid > 1]


if __name__ == "__main__":
    sys.exit("imported by the attacks; alone it does nothing")
