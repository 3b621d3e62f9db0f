"""What is kept of a submission to compare it with others; never shown to students.

    OUT/evidence/NAME.json    its own texts, sketches of its weights, its mistakes on hidden items

Files that equal a file of the template, byte for byte, are left out.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from functools import cache
from pathlib import Path, PurePosixPath

import msgspec
import numpy as np
from numpy.typing import NDArray

from grader.intake import Submission
from grader.intake.rules import ignored
from grader.similarity.weights import MODELS, Sketch, sketches_of

SCHEMA = 1
MAX_TEXT_BYTES = 128 * 2**10
"""Of a file; longer texts are generated."""
MAX_TEXTS_BYTES = 2**20
MAX_MODEL_BYTES = 64 * 2**20
PYTHON = (".py", ".ipynb")
FIRMWARE = (".c", ".h", ".cpp", ".hpp", ".cc", ".ino", ".s", ".asm")
PROSE = (".md", ".toml", ".csv", ".txt", ".yaml", ".yml")
CELL = "# ---- cell {number}"


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """The evidence of one submission."""

    schema: int = SCHEMA
    lesson: str
    name: str
    fingerprint: str
    files: dict[str, str]
    """sha256 of its own files by path: those that differ from the template's."""
    texts: bytes
    """Its own texts by path, {path: text} as JSON, compressed."""
    own_code: bool
    """False if all of its code equals the template's."""
    given_code: bool
    """True if it contains code files of the template, unchanged."""
    sketches: list[Sketch] = []
    items: str = ""
    """Which hidden items were asked; mistakes on other items cannot be compared."""
    mistakes: bytes = b""
    """uint8 for each item, compressed: 0 if right, otherwise which wrong answer."""

    def read_texts(self) -> dict[str, str]:
        found: dict[str, str] = msgspec.json.decode(zlib.decompress(self.texts))
        return found

    def read_mistakes(self) -> NDArray[np.uint8]:
        raw = zlib.decompress(self.mistakes) if self.mistakes else b""
        return np.frombuffer(raw, np.uint8)


def collect(submission: Submission, lesson: str, folders: tuple[Path, ...]) -> Evidence:
    """The evidence of `submission`; the files in `folders` were given to all students.

    Reads files and runs nothing; files that cannot be read are left out, because evidence does not
    affect a grade."""
    given = _hashes(folders)
    files, texts, sketches, left = {}, {}, [], MAX_TEXTS_BYTES
    given_code = False
    for file in submission.files:
        path = file.path.as_posix()
        size_fits = file.size <= (MAX_MODEL_BYTES if path.endswith(MODELS) else MAX_TEXT_BYTES)
        raw = submission.read(path) if size_fits else None
        digest = file.sha256 if raw is None else hashlib.sha256(raw).hexdigest()
        if digest in given:
            given_code |= is_code(path)
            continue
        files[path] = digest
        if raw is None:
            continue
        if path.endswith(MODELS):
            sketches += sketches_of(raw, path)
        elif is_text(path) and len(raw) <= left:
            texts[path] = readable_text(raw, path)
            left -= len(raw)
    return Evidence(
        lesson=lesson,
        name=submission.name,
        fingerprint=submission.fingerprint,
        files=files,
        texts=zlib.compress(msgspec.json.encode(texts)),
        own_code=any(is_code(path) for path in files),
        given_code=given_code,
        sketches=sketches,
    )


def with_mistakes(evidence: Evidence, items: str, mistakes: NDArray[np.uint8] | None) -> Evidence:
    """The evidence with the mistakes on the hidden `items`, if there are any."""
    if mistakes is None:
        return evidence
    codes = np.ascontiguousarray(mistakes, np.uint8).ravel()
    return msgspec.structs.replace(
        evidence, items=f"{items}#{codes.size}", mistakes=zlib.compress(codes.tobytes())
    )


def to_json(evidence: Evidence) -> bytes:
    return msgspec.json.encode(evidence)


def read(path: Path) -> Evidence | None:
    """The evidence at `path`; None when it is missing or damaged."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Evidence)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return None


def is_code(path: str) -> bool:
    return PurePosixPath(path).suffix.lower() in (*PYTHON, *FIRMWARE)


def is_text(path: str) -> bool:
    return is_code(path) or PurePosixPath(path).suffix.lower() in PROSE


def readable_text(raw: bytes, path: str) -> str:
    """A file as text with \\n line ends; of a notebook the sources of its code cells."""
    text = raw.decode("utf-8-sig", "replace").replace("\r\n", "\n").replace("\r", "\n")
    if not path.lower().endswith(".ipynb"):
        return text
    try:
        cells = json.loads(text)["cells"]
        sources = ["".join(cell["source"]) for cell in cells if cell.get("cell_type") == "code"]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return ""
    return "\n".join(
        f"{CELL.format(number=number)}\n{source}" for number, source in enumerate(sources, 1)
    )


@cache
def _hashes(folders: tuple[Path, ...]) -> frozenset[str]:
    """sha256 of the files in the folders."""
    return frozenset(
        hashlib.sha256(path.read_bytes()).hexdigest()
        for folder in folders
        for path in folder.rglob("*")
        if path.is_file() and not ignored(path.relative_to(folder))
    )
