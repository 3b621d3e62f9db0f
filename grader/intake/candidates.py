"""What lies in a folder of submissions: which entries are one, and what each is called."""

from __future__ import annotations

import os
import stat
import unicodedata
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from grader.errors import UsageError
from grader.intake.archives import ARCHIVES, OTHER_ARCHIVES, archive_suffix
from grader.intake.missing import PICKLES
from grader.intake.rules import IGNORED_PARTS
from grader.ipynb import FILE, SUFFIX
from grader.text import Text
from grader.untrusted import readable

_LOOKED_AT = 10_000
"""Files of one submission, to know whether a notebook is among them."""
_MODELS = (".onnx", ".ort", ".tflite", ".safetensors", ".h5", ".keras", ".npz", ".npy", ".bin")
_DOCUMENTS = (SUFFIX, ".pdf", ".doc", ".docx", ".odt", ".rtf")
HANDED_IN = frozenset({*OTHER_ARCHIVES, *PICKLES, *_MODELS, *_DOCUMENTS})
"""Loose files of these kinds are a student's work in the wrong form. Others, a README or a list
of grades, come with the download."""


@dataclass(frozen=True)
class Candidate:
    """Something in a folder of submissions that looks like one."""

    name: str
    path: Path


def candidates(folder: Path) -> tuple[list[Candidate], list[Path]]:
    """What students handed in to `folder`, by name, and the entries that nobody did (loose files
    such as a README). Links, pipes and files in a wrong form are candidates too, so that their
    students are told."""
    if not folder.is_dir():
        raise UsageError(
            Text(
                en=f"{folder} is not a folder; expected a folder with one submission each.",
                ru=f"{folder} — не папка; ожидалась папка, в которой каждая работа отдельно.",
            )
        )
    found: list[tuple[str, Path]] = []
    left_out: list[Path] = []
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.name in IGNORED_PARTS:
            continue
        if _is_handed_in(path):
            found.append((submission_name(path), path))
        else:
            left_out.append(path)
    return _named_apart(found), left_out


def _is_handed_in(path: Path) -> bool:
    if not stat.S_ISREG(path.lstat().st_mode):
        return True
    return bool(archive_suffix(path)) or path.suffix.lower() in HANDED_IN


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
    """Name of the folder, archive or notebook, without the suffix of a file."""
    suffix = "" if path.is_dir() else archive_suffix(path) or _notebook_suffix(path)
    name = readable(path.name if path.name not in ("", "..") else path.resolve().name)
    return name[: -len(suffix)] if suffix else name


def require_submission(path: Path) -> None:
    """Raises UsageError unless `path` is a folder, an archive or a notebook."""
    if not path.exists():
        raise UsageError(Text(en=f"{path} does not exist.", ru=f"Путь {path} не существует."))
    if not path.is_dir() and not (
        path.is_file() and (archive_suffix(path) or _notebook_suffix(path))
    ):
        kinds = ", ".join((*ARCHIVES, SUFFIX))
        raise UsageError(
            Text(
                en=f"{path} is neither a folder nor an archive or notebook ({kinds}); give the "
                "folder that holds the submission.",
                ru=f"{path} — не папка, не архив и не ноутбук ({kinds}); укажите папку с работой.",
            )
        )


def may_be_notebook(path: Path) -> bool:
    """Whether a notebook may have to be run: what an archive holds is not known before."""
    if not path.is_dir():
        return bool(archive_suffix(path) or _notebook_suffix(path))
    seen = 0
    for _, _, names in os.walk(path):
        if FILE in names or any(archive_suffix(Path(name)) for name in names):
            return True
        seen += len(names) + 1
        if seen > _LOOKED_AT:
            return True
    return False


def _notebook_suffix(path: Path) -> str:
    return path.suffix if path.suffix.lower() == SUFFIX else ""
