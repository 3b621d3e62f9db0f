"""Seeds of built-in data: a fixed one for the public parts, the instructor's for the hidden one."""

from __future__ import annotations

import hashlib
import hmac
import math
import os
import secrets
from functools import lru_cache
from pathlib import Path

import platformdirs

from grader.data import cache
from grader.data.dataset import Part
from grader.text import Text
from grader.text.errors import UsageError

ENVIRONMENT = "GRADER_HIDDEN_SEED"
PUBLIC_SEED = "public"

GUESS_SECONDS = 0.1
"""About what one guess of a seed costs on one core (`lesson_seed`)."""


def entropy(name: str, part: Part, seed: str | None, purpose: str = "") -> int:
    """128 bits for the random generators of one part; the seed cannot be read back from them.

    `seed` is the instructor's and decides the hidden part only. `name` is the data set's;
    `purpose` tells apart several generators of one part.
    """
    hidden = part == "hidden"
    key = seed if hidden and seed is not None else PUBLIC_SEED
    message = f"small-fast-nets/{name}/{purpose or ('hidden' if hidden else 'public')}"
    return int.from_bytes(hmac.digest(key.encode(), message.encode(), "sha256")[:16])


@lru_cache
def lesson_seed(seed: str, lesson: str) -> str:
    """The secret of one lesson, 256 bits in hexadecimal, from the instructor's seed.

    All hidden data of a lesson are drawn from it, so whatever a page shows of them (a digest, the
    counts of a hidden model) lets a guess of the seed be checked only at the price of scrypt
    (RFC 7914): 32 MiB and about `GUESS_SECONDS`. The secret of one lesson tells nothing of others.
    """
    salt = f"small-fast-nets/lesson/{lesson}".encode()
    cost = {"n": 2**15, "r": 8, "p": 1, "maxmem": 2**26}
    return hashlib.scrypt(seed.encode(), salt=salt, dklen=32, **cost).hex()


def weakness(seed: str) -> Text | None:
    """What a seed is worth against guessing, where that is not enough."""
    alphabet = 10 if seed.isdigit() else 26 if seed.islower() and seed.isalpha() else 95
    bits = len(seed) * math.log2(alphabet)
    if bits >= 64:
        return None
    return Text(
        "Warning: the seed of the hidden data is short: {length} characters, at most 2**{bits:.0f} "
        "possibilities. With a graded page and the students' package it can be found in at most "
        "{hours:,.1f} hours on one core, at once if it is a word. For grading, leave out --seed "
        "and {environment}: a random seed is then made and kept.",
        length=len(seed),
        bits=bits,
        hours=2**bits * GUESS_SECONDS / 3600,
        environment=ENVIRONMENT,
    )


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
