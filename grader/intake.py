"""Intake: a folder or archive becomes a Submission. Nothing in it is executed or unpickled."""

from __future__ import annotations

import hashlib
import stat
import tempfile
import unicodedata
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from grader.archives import ARCHIVES, archive_suffix, unpack
from grader.errors import Rejected, UsageError
from grader.file_rules import (
    MAX_DEPTH,
    check_sizes,
    link,
    not_a_file,
    readable,
    too_deep,
    unreadable,
)
from grader.lesson import Intake
from grader.text import Text

PICKLES = (".pt", ".pth", ".pt2", ".ckpt", ".pkl", ".pickle", ".joblib", ".dill")
IGNORED_PARTS = frozenset(
    {"__MACOSX", "__pycache__", ".git", ".venv", "venv", ".ipynb_checkpoints", ".pytest_cache"}
)
IGNORED_FILES = frozenset({".DS_Store", "Thumbs.db", "desktop.ini"})


@dataclass(frozen=True)
class SubmittedFile:
    path: PurePosixPath
    """Relative to the submission's root, with forward slashes."""
    size: int


@dataclass(frozen=True)
class Submission:
    """One student's files, on disk under `root`."""

    name: str
    root: Path
    files: tuple[SubmittedFile, ...]
    fingerprint: str

    def has(self, path: str) -> bool:
        return any(file.path == PurePosixPath(path) for file in self.files)

    def read(self, path: str) -> bytes:
        """Contents of one submitted file."""
        return (self.root / path).read_bytes()


@dataclass(frozen=True)
class Candidate:
    """Something in a folder of submissions that looks like one."""

    name: str
    path: Path


def candidates(folder: Path) -> tuple[list[Candidate], list[Path]]:
    """Submissions in `folder`, by name, and the entries that are none (loose files)."""
    if not folder.is_dir():
        raise UsageError(
            Text(
                en=f"{folder} is not a folder; expected a folder with one submission each.",
                ru=f"{folder} — не папка; ожидалась папка, в которой каждая работа отдельно.",
            )
        )
    found: list[tuple[str, Path]] = []
    ignored: list[Path] = []
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.name in IGNORED_PARTS:
            continue
        if path.is_dir() or archive_suffix(path):
            found.append((submission_name(path), path))
        else:
            ignored.append(path)
    return _named_apart(found), ignored


def _named_apart(found: list[tuple[str, Path]]) -> list[Candidate]:
    """Where two would be called the same, archives keep their suffix, and what is still alike
    (a name that is no UTF-8, or case on a disk that ignores it) gets a number."""
    taken = Counter(_alike(name) for name, _ in found)
    taken += Counter(_alike(_readable(path)) for name, path in found if name != _readable(path))
    used: set[str] = set()
    named = []
    for name, path in found:
        chosen = name if taken[_alike(name)] == 1 else _readable(path)
        number = 2
        while _alike(chosen) in used:
            chosen, number = f"{_readable(path)} ({number})", number + 1
        used.add(_alike(chosen))
        named.append(Candidate(chosen, path))
    return named


def _readable(path: Path) -> str:
    return readable(path.name)


def _alike(name: str) -> str:
    """Equal for names that some file system takes for one."""
    return unicodedata.normalize("NFC", name).casefold()


def submission_name(path: Path) -> str:
    """Name of the folder or archive, without an archive's suffix."""
    suffix = archive_suffix(path)
    name = readable(path.name if path.name not in ("", "..") else path.resolve().name)
    return name[: -len(suffix)] if suffix else name


def require_submission(path: Path) -> None:
    """Raises UsageError unless `path` is a folder or an archive."""
    if not path.exists():
        raise UsageError(Text(en=f"{path} does not exist.", ru=f"Путь {path} не существует."))
    if not path.is_dir() and not archive_suffix(path):
        kinds = ", ".join(ARCHIVES)
        raise UsageError(
            Text(
                en=f"{path} is neither a folder nor an archive ({kinds}); give the folder that "
                "holds the submission.",
                ru=f"{path} — не папка и не архив ({kinds}); укажите папку с работой.",
            )
        )


@contextmanager
def open_submission(path: Path, rules: Intake, name: str | None = None) -> Iterator[Submission]:
    """The submission at `path`; an archive is unpacked into a folder that goes away again.

    Raises Rejected when it breaks a rule, UsageError when nothing is there.
    """
    require_submission(path)
    name = name or submission_name(path)
    if path.is_dir():
        yield _from_folder(name, path, rules)
    else:
        with tempfile.TemporaryDirectory(prefix="grader-intake-") as folder:
            unpack(path, Path(folder), rules)
            yield _from_folder(name, Path(folder), rules)


def fingerprint(path: Path, rules: Intake) -> str:
    """What changes when the submission changes. An archive counts by its bytes, so that a
    rerun need not unpack it; a folder by the paths and contents of its files."""
    if path.is_dir():
        try:
            return _fingerprint(path, _list_files(path, rules))
        except Rejected:
            return _fingerprint_of_refused(path)
    # A pipe would be read for ever; it is no submission, but it has to be named as one.
    return _sha256(path) if path.is_file() else hashlib.sha256(b"no file").hexdigest()


def _from_folder(name: str, folder: Path, rules: Intake) -> Submission:
    files = _list_files(folder, rules)
    root = _find_root(files, rules)
    inside = tuple(
        SubmittedFile(file.path.relative_to(root), file.size)
        for file in files
        if file.path.is_relative_to(root)
    )
    return Submission(name, folder / root, inside, _fingerprint(folder, files))


def _list_files(folder: Path, rules: Intake) -> list[SubmittedFile]:
    found: list[SubmittedFile] = []
    total = 0
    for path in _walk(folder):
        relative = PurePosixPath(path.relative_to(folder).as_posix())
        if readable(str(relative)) != str(relative):
            raise Rejected(unreadable(str(relative)))
        if len(relative.parts) > MAX_DEPTH:
            raise Rejected(too_deep(str(relative)))
        status = path.lstat()
        if stat.S_ISLNK(status.st_mode):
            raise Rejected(link(str(relative)))
        if not stat.S_ISREG(status.st_mode):
            raise Rejected(not_a_file(str(relative)))
        found.append(SubmittedFile(relative, status.st_size))
        total += status.st_size
        check_sizes(str(relative), status.st_size, len(found), total, rules)
    return found


def _walk(folder: Path) -> Iterator[Path]:
    """Everything below `folder` that is no folder, in one order everywhere; links are not
    followed, and folders deeper than is allowed are given as they are."""
    waiting = [(folder, 0)]
    while waiting:
        place, depth = waiting.pop()
        if depth and (depth > MAX_DEPTH or place.is_symlink() or not place.is_dir()):
            yield place
            continue
        inside = [
            path
            for path in place.iterdir()
            if path.name not in IGNORED_PARTS and path.name not in IGNORED_FILES
        ]
        waiting += [(path, depth + 1) for path in sorted(inside, reverse=True)]


def _find_root(files: list[SubmittedFile], rules: Intake) -> PurePosixPath:
    """The folder that holds the artefact: LMS downloads often wrap it in one or two folders."""
    roots = []
    for name in (rules.artefact, *rules.alternatives):
        parts = PurePosixPath(name).parts
        roots = [
            PurePosixPath(*file.path.parts[: -len(parts)])
            for file in files
            if file.path.parts[-len(parts) :] == parts
        ]
        if roots:
            break
    if PurePosixPath() in roots:
        return PurePosixPath()
    if len(roots) == 1:
        return roots[0]
    if not roots:
        raise Rejected(_missing(rules.artefact, files))
    places = ", ".join(str(root) for root in roots[:5])
    raise Rejected(
        Text(
            en=f"Expected one {rules.artefact}, found {len(roots)} (in {places}); "
            "keep the one to be graded and delete the others.",
            ru=f"Ожидался один файл {rules.artefact}, найдено {len(roots)} (в папках {places}); "
            "оставьте тот, который нужно оценить, и удалите остальные.",
        )
    )


def _missing(artefact: str, files: list[SubmittedFile]) -> Text:
    pickles = [file.path for file in files if file.path.suffix.lower() in PICKLES]
    if pickles:
        return Text(
            en=f"Expected {artefact}, found the checkpoint {pickles[0]}. Checkpoints are pickles, "
            f"which can run code, and are never opened; export the model (the template's export.py "
            f"does it) and submit {artefact}.",
            ru=f"Ожидался файл {artefact}, найден чекпойнт {pickles[0]}. Чекпойнты — это pickle, "
            f"они могут выполнять код, поэтому их не открывают; экспортируйте модель (это делает "
            f"export.py из шаблона) и сдайте {artefact}.",
        )
    if any(artefact in file.path.parts[:-1] for file in files):
        return Text(
            en=f"Expected a file {artefact}, found a folder of that name; put the file there.",
            ru=f"Ожидался файл {artefact}, найдена папка с таким именем; положите саму модель.",
        )
    if not files:
        return Text(
            en=f"Expected {artefact}, found an empty folder; put the exported model into it.",
            ru=f"Ожидался файл {artefact}, но папка пуста; положите в неё экспортированную модель.",
        )
    shown = ", ".join(str(file.path) for file in files[:5]) + (", ..." if len(files) > 5 else "")
    return Text(
        en=f"Expected {artefact}, found only {shown}; train a model and export it to {artefact}.",
        ru=f"Ожидался файл {artefact}, найдены только {shown}; обучите модель и экспортируйте её "
        f"в {artefact}.",
    )


def _fingerprint(folder: Path, files: list[SubmittedFile]) -> str:
    digest = hashlib.sha256()
    for file in files:
        digest.update(str(file.path).encode("utf-8", "surrogateescape") + b"\0")
        digest.update(bytes.fromhex(_sha256(folder / file.path)))
    return digest.hexdigest()


def _fingerprint_of_refused(folder: Path) -> str:
    """Names, sizes and times: contents of a refused folder may be too large to read."""
    digest = hashlib.sha256(b"refused\0")
    for path in _walk(folder):
        status = path.lstat()
        line = f"{path.relative_to(folder).as_posix()}\0{status.st_size}\0{status.st_mtime_ns}\0"
        digest.update(line.encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
