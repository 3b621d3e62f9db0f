"""How every child of the sandbox is started: which interpreter, flags and environment."""

from __future__ import annotations

import os
import site
import sys

KEPT = ("SYSTEMROOT", "SYSTEMDRIVE", "TEMP", "TMP", "LD_LIBRARY_PATH", "PYTHONPATH")
"""Variables without which an interpreter does not start; nothing else is passed on."""


def python() -> list[str]:
    """The interpreter, not looking for modules in its working folder."""
    return [sys.executable, "-P"]


def environment() -> dict[str, str]:
    """A child's environment: no secrets, no home, one thread."""
    chosen = {name: os.environ[name] for name in KEPT if name in os.environ}
    chosen |= {"OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUTF8": "1"}
    if site.ENABLE_USER_SITE:
        chosen["PYTHONUSERBASE"] = site.getuserbase()
    return chosen
