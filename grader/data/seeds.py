"""Seeds of built-in data: a fixed one for the public parts, the instructor's for the hidden one."""

from __future__ import annotations

import hmac
import os
import secrets
from pathlib import Path

import platformdirs

from grader.data import cache
from grader.data.dataset import Part
from grader.text.errors import UsageError

ENVIRONMENT = "GRADER_HIDDEN_SEED"
PUBLIC_SEED = "public"


def entropy(name: str, part: Part, seed: str | None, purpose: str = "") -> int:
    """128 bits for the random generators of one part; the seed cannot be read back from them.

    `seed` is the instructor's and decides the hidden part only. `name` is the data set's;
    `purpose` tells apart several generators of one part.
    """
    hidden = part == "hidden"
    key = seed if hidden and seed is not None else PUBLIC_SEED
    message = f"small-fast-nets/{name}/{purpose or ('hidden' if hidden else 'public')}"
    return int.from_bytes(hmac.digest(key.encode(), message.encode(), "sha256")[:16])


def hidden_seed(given: str | None = None) -> tuple[str, str]:
    """The seed of the hidden data, and where it came from.

    In this order: `given`; the environment variable GRADER_HIDDEN_SEED; a file in the user's
    configuration folder, made on first use and readable by its owner only.
    Raises UsageError when that file can be neither read nor made.
    """
    if given:
        return given, "argument"
    if from_environment := os.environ.get(ENVIRONMENT):
        return from_environment, ENVIRONMENT
    path = seed_file()
    try:
        return _read(path) or _make(path), str(path)
    except OSError as error:
        raise UsageError(
            "The seed of the hidden data cannot be kept in {path} ({strerror}); set "
            "{environment} instead.",
            path=path,
            strerror=error.strerror,
            environment=ENVIRONMENT,
        ) from error


def seed_file() -> Path:
    return platformdirs.user_config_path("small-fast-nets", appauthor=False) / "hidden_seed"


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return ""


def _make(path: Path) -> str:
    with cache.locked(path):  # two first runs at once agree on one seed
        if seed := _read(path):
            return seed
        seed = secrets.token_hex(32)
        temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        temporary.unlink(missing_ok=True)
        temporary.touch(0o600, exist_ok=False)
        temporary.write_text(seed + "\n", encoding="utf-8")
        temporary.replace(path)
        return seed
