"""What lies in a folder of submissions: which entries are one, and what each is called."""

from __future__ import annotations

import os
import stat
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from grader.intake.archives import ARCHIVES, OTHER_ARCHIVES, archive_suffix, other_archive
from grader.intake.listing import SubmittedFile
from grader.intake.rules import IGNORED_PARTS
from grader.text import Text
from grader.text.errors import UsageError
from grader.text.notebooks import FILE, SUFFIX
from grader.text.untrusted import quoted, readable

# What a student reads when there is nothing to grade: what was found instead, and what to do.


PICKLES = (".pt", ".pth", ".pt2", ".ckpt", ".pkl", ".pickle", ".joblib", ".dill")
MODELS = (".onnx", ".ts")
"""Artefacts that are exported; the others are written."""


def missing(artefact: str, files: Sequence[SubmittedFile]) -> Text:
    """Why `files` cannot be graded: none of them is the artefact."""
    paths = sorted((file.path for file in files), key=_is_hidden)  # stable: names in order
    if pickles := [quoted(path) for path in paths if path.suffix.lower() in PICKLES]:
        return Text(
            en=f"Expected {artefact}, found the checkpoint {pickles[0]}. Checkpoints are pickles, "
            f"which can run code, and are never opened; export the model (the template's export.py "
            f"does it) and submit {artefact}.",
            ru=f"Ожидался файл {artefact}, найден чекпойнт {pickles[0]}. Чекпойнты — это pickle, "
            f"они могут выполнять код, поэтому их не открывают; экспортируйте модель (это делает "
            f"export.py из шаблона) и сдайте {artefact}.",
        )
    if archives := [quoted(path) for path in paths if _is_any_archive(path)]:
        return Text(
            en=f"Expected {artefact}, found the archive {archives[0]} inside; submit either "
            "that archive alone (.zip or .tar.gz) or the unpacked folder.",
            ru=f"Ожидался файл {artefact}, внутри найден архив {archives[0]}; сдайте либо "
            "один этот архив (.zip или .tar.gz), либо распакованную папку.",
        )
    notebooks = [quoted(path) for path in paths if path.suffix.lower() == SUFFIX]
    if len(notebooks) == 1:
        return Text(
            en=f"Expected {artefact} or {FILE}, found the notebook {notebooks[0]}; call the "
            f"notebook that is to be run {FILE}.",
            ru=f"Ожидался файл {artefact} или {FILE}, найден ноутбук {notebooks[0]}; назовите "
            f"ноутбук, который нужно выполнить, {FILE}.",
        )
    if any(artefact in path.parts[:-1] for path in paths):
        return Text(
            en=f"Expected a file {artefact}, found a folder of that name; put the file there.",
            ru=f"Ожидался файл {artefact}, найдена папка с таким именем; положите саму модель.",
        )
    if PurePosixPath(artefact).suffix not in MODELS:
        return _missing_file(artefact, paths)
    if not paths:
        return Text(
            en=f"Expected {artefact}, found an empty folder; put the exported model into it.",
            ru=f"Ожидался файл {artefact}, но папка пуста; положите в неё экспортированную модель.",
        )
    shown = ", ".join(map(quoted, paths[:3])) + (", ..." if len(paths) > 3 else "")
    return Text(
        en=f"Expected {artefact}, found only {shown}; train a model and export it to {artefact}.",
        ru=f"Ожидался файл {artefact}, найдены только {shown}; обучите модель и экспортируйте её "
        f"в {artefact}.",
    )


def _is_hidden(path: PurePosixPath) -> bool:
    """A starter's .github and .gitignore say nothing about what somebody handed in."""
    return any(part.startswith(".") for part in path.parts)


def _missing_file(artefact: str, paths: Sequence[PurePosixPath]) -> Text:
    """Where the artefact is no exported model but a file that students write."""
    if not paths:
        return Text(
            en=f"Expected {artefact}, found an empty folder; put the files of the template into "
            "it, with your work in them.",
            ru=f"Ожидался файл {artefact}, но папка пуста; положите в неё файлы заготовки с вашей "
            "работой.",
        )
    shown = ", ".join(map(quoted, paths[:3])) + (", ..." if len(paths) > 3 else "")
    return Text(
        en=f"Expected {artefact}, found only {shown}; keep the names that the template gives.",
        ru=f"Ожидался файл {artefact}, найдены только {shown}; сохраните имена файлов заготовки.",
    )


def _is_any_archive(path: PurePosixPath) -> bool:
    return bool(archive_suffix(path)) or path.suffix.lower() in OTHER_ARCHIVES


def wrong_form(path: Path, artefact: str) -> Text:
    """Why the loose file at `path` among the submissions cannot be graded."""
    if path.suffix.lower() in OTHER_ARCHIVES:
        return other_archive(path.name)
    return Text(
        en=f"Expected a folder or a .zip with {artefact} in it, found the single file "
        f"{quoted(path.name)}; pack everything that the handout asks for.",
        ru=f"Ожидалась папка или .zip с файлом {artefact}, найден один файл "
        f"{quoted(path.name)}; упакуйте всё, что требует задание.",
    )


def link_among_submissions(name: str) -> Text:
    """Why the link `name`, perhaps to somebody else's work, is not graded."""
    return Text(
        en=f"{quoted(name)} among the submissions is a link and is never followed; put the folder "
        "or archive itself there.",
        ru=f"{quoted(name)} среди работ — это ссылка, по ссылкам грейдер не переходит; положите "
        "туда саму папку или архив.",
    )


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
