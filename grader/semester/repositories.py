"""When a clone's last commit was made. The clone is a student's: its configuration, hooks and
attributes are never read, git sees its objects only, from an empty repository of ours."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

from grader.errors import Rejected
from grader.intake.safe_open import open_file

_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_REF = re.compile(r"refs/heads/[\w][\w./-]*")
_COMMITTER = re.compile(rb"^committer [^\n]*> (\d{1,12}) [+-]\d{4}$", re.MULTILINE)
_SECONDS = 20


def committed(clone: Path) -> datetime | None:
    """Time of the commit that is checked out in `clone`; None where git does not tell."""
    folder = clone / ".git"
    objects = folder / "objects"
    git = shutil.which("git")
    if git is None or folder.is_symlink() or objects.is_symlink() or not objects.is_dir():
        return None
    head = _head(folder)
    if head is None:
        return None
    with tempfile.TemporaryDirectory(prefix="grader-git-") as empty:
        own = {"PATH": os.environ.get("PATH", ""), "GIT_CONFIG_NOSYSTEM": "1", "HOME": empty}
        own |= {"GIT_CONFIG_GLOBAL": os.devnull, "SYSTEMROOT": os.environ.get("SYSTEMROOT", "")}
        try:
            _run([git, "init", "--quiet", "--bare", empty], own)
            own["GIT_ALTERNATE_OBJECT_DIRECTORIES"] = str(objects.resolve())
            raw = _run([git, f"--git-dir={empty}", "cat-file", "commit", head], own)
        except (OSError, subprocess.SubprocessError):
            return None
    header = raw.partition(b"\n\n")[0]
    found = _COMMITTER.search(header)
    try:
        return datetime.fromtimestamp(int(found[1]), UTC) if found else None
    except (OverflowError, ValueError, OSError):
        return None


def _head(folder: Path) -> str | None:
    """The commit that HEAD names, directly or by a branch."""
    text = _text(folder, "HEAD")
    if text.startswith("ref: "):
        ref = text.removeprefix("ref: ")
        if not _REF.fullmatch(ref) or ".." in ref:
            return None
        text = _text(folder, ref) or _packed(folder, ref)
    return text if _COMMIT.fullmatch(text) else None


def _packed(folder: Path, ref: str) -> str:
    lines = (line.split(" ") for line in _text(folder, "packed-refs", 2**22).splitlines())
    return next((line[0] for line in lines if len(line) == 2 and line[1] == ref), "")


def _text(folder: Path, name: str, limit: int = 4096) -> str:
    try:
        with open_file(folder, PurePosixPath(name)) as file:
            return file.read(limit).decode("utf-8", "replace").strip()
    except (OSError, Rejected):
        return ""


def _run(command: list[str], environment: dict[str, str]) -> bytes:
    return subprocess.run(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=_SECONDS,
        check=True,
    ).stdout
