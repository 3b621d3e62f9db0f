"""Intake: a folder or archive becomes a Submission. Nothing in it is executed or unpickled.

Every member of an archive is judged before the first byte is written.
"""

from __future__ import annotations

import hashlib
import lzma
import stat
import struct
import tarfile
import tempfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from grader.errors import Rejected, UsageError
from grader.lesson import Intake
from grader.text import Text, ru_number

ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
PICKLES = (".pt", ".pth", ".pt2", ".ckpt", ".pkl", ".pickle", ".joblib", ".dill")
IGNORED_PARTS = frozenset(
    {"__MACOSX", "__pycache__", ".git", ".venv", "venv", ".ipynb_checkpoints", ".pytest_cache"}
)
IGNORED_FILES = frozenset({".DS_Store", "Thumbs.db", "desktop.ini"})
MAX_PATH = 240
MAX_DEPTH = 32
"""Folders within folders."""


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
        if path.is_dir() or _archive_suffix(path):
            found.append((submission_name(path), path))
        else:
            ignored.append(path)
    # Where two would be called the same, also on a disk that ignores case, archives keep their
    # suffix: whole names are unique in a folder.
    taken = Counter(name.casefold() for name, _ in found)
    taken += Counter(path.name.casefold() for name, path in found if name != path.name)
    return [
        Candidate(name if taken[name.casefold()] == 1 else _readable(path.name), path)
        for name, path in found
    ], ignored


def submission_name(path: Path) -> str:
    """Name of the folder or archive, without an archive's suffix."""
    suffix = _archive_suffix(path)
    name = _readable(path.name if path.name not in ("", "..") else path.resolve().name)
    return name[: -len(suffix)] if suffix else name


def require_submission(path: Path) -> None:
    """Raises UsageError unless `path` is a folder or an archive."""
    if not path.exists():
        raise UsageError(Text(en=f"{path} does not exist.", ru=f"Путь {path} не существует."))
    if not path.is_dir() and not _archive_suffix(path):
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
        if _readable(str(relative)) != str(relative):
            raise Rejected(_unreadable(str(relative)))
        if len(relative.parts) > MAX_DEPTH:
            raise Rejected(_deep(str(relative)))
        status = path.lstat()
        if stat.S_ISLNK(status.st_mode):
            raise Rejected(_link(str(relative)))
        if not stat.S_ISREG(status.st_mode):
            raise Rejected(_not_a_file(str(relative)))
        found.append(SubmittedFile(relative, status.st_size))
        total += status.st_size
        _check_sizes(str(relative), status.st_size, len(found), total, rules)
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
    artefact = PurePosixPath(rules.artefact)
    roots = [
        PurePosixPath(*file.path.parts[: -len(artefact.parts)])
        for file in files
        if file.path.parts[-len(artefact.parts) :] == artefact.parts
    ]
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


# Archives -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Member:
    name: str
    size: int
    kind: str
    """`file`, `folder`, `link` or `other`."""


def unpack(archive: Path, folder: Path, rules: Intake) -> None:
    """Unpack into an empty folder. Raises Rejected before anything is written when a member
    is a link or a device, would land outside the folder, is there twice or is too large."""
    try:
        if archive.name.lower().endswith(".zip"):
            with zipfile.ZipFile(archive) as file:
                _judge(_zip_members(file), rules)
                _extract_zip(file, folder, rules)
        else:
            with tarfile.open(archive) as file:
                _judge(_tar_members(file, rules), rules)
                _extract_tar(file, folder, rules)
    except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
        # One member is a file where another needs a folder.
        raise Rejected(_damaged(archive.name)) from error
    except OSError as error:
        if error.errno is not None:  # our disk, not their archive
            raise
        raise Rejected(_damaged(archive.name)) from error
    except _BROKEN_ARCHIVE as error:
        raise Rejected(_damaged(archive.name)) from error


_BROKEN_ARCHIVE = (
    zipfile.BadZipFile,
    tarfile.TarError,
    EOFError,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    ArithmeticError,
    # zipfile's words for encrypted members and unknown compression
    RuntimeError,
    NotImplementedError,
    ValueError,
)


def _zip_members(file: zipfile.ZipFile) -> Iterator[_Member]:
    for info in file.infolist():
        mode = info.external_attr >> 16
        if info.is_dir():
            kind = "folder"
        elif stat.S_ISLNK(mode):
            kind = "link"
        elif stat.S_IFMT(mode) in (0, stat.S_IFREG):
            kind = "file"
        else:
            kind = "other"
        yield _Member(info.filename, info.file_size, kind)


def _tar_members(file: tarfile.TarFile, rules: Intake) -> Iterator[_Member]:
    for info in file:
        kind = (
            "folder"
            if info.isdir()
            else "link"
            if info.issym() or info.islnk()
            else "file"
            if info.isreg()
            else "other"
        )
        yield _Member(info.name, info.size, kind)


def _judge(members: Iterator[_Member], rules: Intake) -> None:
    seen: set[str] = set()
    total = 0
    for member in members:
        path = PurePosixPath(member.name.replace("\\", "/"))
        if member.kind == "folder" and path in (PurePosixPath("."), PurePosixPath()):
            continue
        if not path.parts or path.is_absolute() or ".." in path.parts or ":" in path.parts[0]:
            raise Rejected(_escapes(member.name))
        if _readable(member.name) != member.name:
            raise Rejected(_unreadable(member.name))
        if len(member.name.encode()) > MAX_PATH or "\0" in member.name:
            raise Rejected(_long_name(member.name))
        if len(path.parts) > MAX_DEPTH:
            raise Rejected(_deep(member.name))
        if member.kind == "link":
            raise Rejected(_link(member.name))
        if member.kind == "other":
            raise Rejected(_not_a_file(member.name))
        if member.kind == "folder":
            continue
        key = path.as_posix().casefold()
        if key in seen:
            raise Rejected(_twice(member.name))
        seen.add(key)
        total += member.size
        _check_sizes(member.name, member.size, len(seen), total, rules)


def _extract_zip(file: zipfile.ZipFile, folder: Path, rules: Intake) -> None:
    for info in file.infolist():
        if not info.is_dir():
            with file.open(info) as source:
                _write(folder / info.filename.replace("\\", "/"), source, info.file_size)


def _extract_tar(file: tarfile.TarFile, folder: Path, rules: Intake) -> None:
    for info in file.getmembers():
        if info.isreg():
            source = file.extractfile(info)
            assert source is not None  # a regular member always has contents
            with source:
                _write(folder / info.name, source, info.size)


def _write(path: Path, source, size: int) -> None:  # type: ignore[no-untyped-def]
    """Copy at most the declared size: a header that lies does not fill the disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as target:
        left = size
        while left > 0 and (block := source.read(min(left, 2**20))):
            target.write(block)
            left -= len(block)


def _readable(name: str) -> str:
    """The name with bytes that are no UTF-8 written out, fit for JSON, pages and terminals."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _archive_suffix(path: Path) -> str:
    if not path.is_file():
        return ""
    lower = path.name.lower()
    return max((suffix for suffix in ARCHIVES if lower.endswith(suffix)), key=len, default="")


# Fingerprints -------------------------------------------------------------------------------


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


# Sentences ----------------------------------------------------------------------------------


def _check_sizes(name: str, size: int, count: int, total: int, rules: Intake) -> None:
    if size > rules.max_file_bytes:
        raise Rejected(
            Text(
                en=f"{name} has {size:,} bytes, at most {rules.max_file_bytes:,} are allowed; "
                "leave data and checkpoints out.",
                ru=f"Файл {name} занимает {ru_number(size)} байт, допустимо не более "
                f"{ru_number(rules.max_file_bytes)}; не включайте данные и чекпойнты.",
            )
        )
    if total > rules.max_total_bytes:
        raise Rejected(
            Text(
                en=f"The files add up to more than {rules.max_total_bytes:,} bytes (at {name}); "
                "leave data and checkpoints out.",
                ru=f"Файлы вместе занимают больше {ru_number(rules.max_total_bytes)} байт "
                f"(на {name}); не включайте данные и чекпойнты.",
            )
        )
    if count > rules.max_files:
        raise Rejected(
            Text(
                en=f"There are more than {rules.max_files:,} files; submit only the project's own.",
                ru=f"В работе больше {ru_number(rules.max_files)} файлов; сдавайте только свои.",
            )
        )


def _link(name: str) -> Text:
    return Text(
        en=f"{name} is a link; replace it with the file itself.",
        ru=f"{name} — это ссылка; замените её самим файлом.",
    )


def _not_a_file(name: str) -> Text:
    return Text(
        en=f"{name} is a device, pipe or socket, not a file; remove it.",
        ru=f"{name} — устройство, канал или сокет, а не файл; удалите его.",
    )


def _unreadable(name: str) -> Text:
    shown = _readable(name)
    return Text(
        en=f"The name {shown} is not UTF-8; rename the file.",
        ru=f"Имя {shown} записано не в UTF-8; переименуйте файл.",
    )


def _deep(name: str) -> Text:
    return Text(
        en=f"{name[:60]}... lies more than {MAX_DEPTH} folders deep; submit only the project.",
        ru=f"{name[:60]}... лежит глубже {MAX_DEPTH} папок; сдавайте только файлы проекта.",
    )


def _escapes(name: str) -> Text:
    return Text(
        en=f"The archive holds {name}, which would land outside the submission's folder; pack the "
        "folder again with relative paths.",
        ru=f"В архиве есть путь {name}, ведущий за пределы папки работы; упакуйте папку заново "
        "с относительными путями.",
    )


def _long_name(name: str) -> Text:
    return Text(
        en=f"The archive holds a name of {len(name.encode())} bytes ({name[:40]}...); at most "
        f"{MAX_PATH} are allowed.",
        ru=f"В архиве есть имя длиной {len(name.encode())} байт ({name[:40]}...); допустимо не "
        f"более {MAX_PATH}.",
    )


def _twice(name: str) -> Text:
    return Text(
        en=f"The archive holds {name} twice (or twice but for upper and lower case); keep one.",
        ru=f"В архиве файл {name} встречается дважды (возможно, с разным регистром букв); "
        "оставьте один.",
    )


def _damaged(name: str) -> Text:
    return Text(
        en=f"The archive {name} is damaged, encrypted or not an archive; pack the folder again.",
        ru=f"Архив {name} повреждён, зашифрован или не является архивом; упакуйте папку заново.",
    )


__all__ = [
    "Candidate",
    "Submission",
    "SubmittedFile",
    "candidates",
    "fingerprint",
    "open_submission",
    "submission_name",
    "unpack",
]
