"""Does another machine see what this one sees? Asked before it grades anything.

Grades of one class must not depend on where they were made: the same grader, lesson, libraries
and isolation, the same data files and the same submissions, or none at all.
"""

from __future__ import annotations

import hashlib
import io
import os
import pickle
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

import msgspec

from grader import grading
from grader.batch.worker_pool import START_SECONDS
from grader.grading import Examination
from grader.intake import Candidate
from grader.lesson import loading
from grader.lesson.grades import Provenance, SubmissionId
from grader.sandbox.isolation.launch import python
from grader.text import EMPTY, Text
from grader.text.errors import GraderError, UsageError

BLOCK_BYTES = 2**20


@dataclass(frozen=True)
class DataFile:
    """A file that an exam refers to by its path."""

    path: Path
    sha256: str


def data_files(examination: Examination) -> tuple[DataFile, ...]:
    """The files whose paths the examination holds, wherever in it they are."""
    finder = _PathFinder(io.BytesIO())
    finder.dump(examination)
    files = sorted({path.absolute() for path in map(Path, finder.paths) if path.is_file()})
    return tuple(DataFile(path, _sha256(path)) for path in files)


def disagreement(lesson: str, expected: Provenance, files: tuple[DataFile, ...]) -> Text | None:
    """What differs on this machine from the one that prepared the examination, in a sentence;
    None when nothing does."""
    try:
        found = _found_by_a_worker(lesson, expected.data)
    except (OSError, subprocess.SubprocessError, msgspec.MsgspecError) as error:
        return _other(str(error), str(error))
    if found.provenance is None:
        trouble = found.trouble or EMPTY
        return _other(trouble.en.rstrip("."), trouble.ru.rstrip("."))
    differing = list(_differences(expected, found.provenance))
    if differing:
        return _other(", ".join(differing), ", ".join(differing))
    for file in files:
        if not file.path.is_file():
            return _unseen(file.path)
        if _sha256(file.path) != file.sha256:
            return _differs(file.path)
    return None


def unseen(candidate: Candidate, expected: SubmissionId, lesson: str) -> Text | None:
    """A sentence when the submission is missing here, or is not what `expected` says."""
    if identity(candidate, lesson) == expected:
        return None
    there = os.path.lexists(candidate.path)
    return _differs(candidate.path) if there else _unseen(candidate.path)


def identity(candidate: Candidate, lesson: str) -> SubmissionId:
    """Name and fingerprint as seen from here; without a fingerprint when it cannot be read."""
    try:
        return grading.identify(candidate.path, candidate.name, loading.load(lesson).spec)
    except (OSError, UsageError):  # it vanished just now
        return SubmissionId(candidate.name, "")


def main() -> None:
    """`python -m grader.batch.agreement LESSON DATA` prints the provenance of a grade made here,
    or a sentence, as JSON."""
    try:
        found = _Found(provenance=grading.provenance(loading.load(sys.argv[1]), sys.argv[2]))
    except GraderError as error:
        found = _Found(trouble=error.text)
    sys.stdout.buffer.write(msgspec.json.encode(found))


class _Found(msgspec.Struct, frozen=True):
    """One of the two."""

    provenance: Provenance | None = None
    trouble: Text | None = None


def _found_by_a_worker(lesson: str, data: str) -> _Found:
    """In a process like those that grade: trying out the isolation starts others, which a
    Dask worker with its many threads should not have."""
    done = subprocess.run(
        [*python(), "-m", "grader.batch.agreement", lesson, data],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=START_SECONDS,
        check=False,
    )
    if done.returncode != 0:
        lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise subprocess.SubprocessError((lines or [f"exit code {done.returncode}"])[-1])
    return msgspec.json.decode(done.stdout, type=_Found)


class _PathFinder(pickle.Pickler):
    """Pickles, and notes every path it comes across."""

    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file)
        self.paths: list[PurePath] = []

    def reducer_override(self, value: Any) -> Any:
        if isinstance(value, PurePath):
            self.paths.append(value)
        return NotImplemented


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


def _differences(expected: Provenance, found: Provenance) -> Iterator[str]:
    ours, theirs = _flat(expected), _flat(found)
    for name, value in ours.items():
        if theirs[name] != value:
            yield f"{name} {theirs[name][:20]} ≠ {value[:20]}"


def _flat(provenance: Provenance) -> dict[str, str]:
    facts = msgspec.to_builtins(provenance)
    versions = facts.pop("versions")
    return facts | versions


def _other(en: str, ru: str) -> Text:
    host = socket.gethostname()
    return Text(
        en=f"The worker on {host} would grade differently (there ≠ here): {en}. Install the same "
        "grader, libraries and lessons there, and start its workers again.",
        ru=f"Рабочий процесс на {host} оценивал бы иначе (там ≠ здесь): {ru}. Установите там тот "
        "же грейдер, те же библиотеки и занятия и перезапустите рабочие процессы.",
    )


def _unseen(path: Path) -> Text:
    host = socket.gethostname()
    return Text(
        en=f"The worker on {host} does not see {path}; put submissions and data on a disk that "
        "all machines share under the same path.",
        ru=f"Рабочий процесс на {host} не видит {path}; поместите работы и данные на диск, общий "
        "для всех машин и доступный по одному и тому же пути.",
    )


def _differs(path: Path) -> Text:
    host = socket.gethostname()
    return Text(
        en=f"The worker on {host} sees other contents in {path} than this machine; put submissions "
        "and data on a disk that all machines share, and change nothing while a batch runs.",
        ru=f"Рабочий процесс на {host} видит в {path} не то же, что эта машина; поместите работы и "
        "данные на общий диск и ничего не меняйте, пока идёт проверка.",
    )


if __name__ == "__main__":
    main()
