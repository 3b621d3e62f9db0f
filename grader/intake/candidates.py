"""The submissions in a folder: which entries they are, their names, and what is missing."""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from grader.intake.archives import OTHER_ARCHIVES
from grader.intake.listing import SubmittedFile
from grader.intake.rules import ARCHIVES, IGNORED_PARTS, archive_suffix, indistinct
from grader.text import Text
from grader.text.errors import UsageError
from grader.text.notebooks import FILE, SUFFIX
from grader.text.untrusted import quoted, readable

PICKLES = (".pt", ".pth", ".pt2", ".ckpt", ".pkl", ".pickle", ".joblib", ".dill")
EXPORTED = (".onnx", ".ts")
"""Suffixes of artefacts that are exported models; students write the others themselves."""
_MODELS = (".onnx", ".ort", ".tflite", ".safetensors", ".h5", ".keras", ".npz", ".npy", ".bin")
_DOCUMENTS = (SUFFIX, ".pdf", ".doc", ".docx", ".odt", ".rtf")
_HANDED_IN = frozenset({*OTHER_ARCHIVES, *PICKLES, *_MODELS, *_DOCUMENTS})
"""Suffixes of loose files that are a student's work in the wrong form. Others, such as a README or
a list of grades, belong to the download."""
_MOST_FILES = 10_000
"""Files of one submission that are searched for a notebook."""


@dataclass(frozen=True)
class Candidate:
    """An entry in a folder of submissions that looks like a submission."""

    name: str
    path: Path


def candidates(folder: Path) -> tuple[list[Candidate], list[Path]]:
    """The submissions in `folder`, by name, and the entries that are none (loose files such as a
    README). Links, pipes and files in a wrong form are submissions too, so that their students are
    told."""
    if not folder.is_dir():
        raise UsageError(
            "{folder} is not a folder; expected a folder with one submission each.", folder=folder
        )
    found: list[tuple[str, Path]] = []
    left_out: list[Path] = []
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.name in IGNORED_PARTS:
            continue
        if not stat.S_ISREG(path.lstat().st_mode) or is_work(path):
            found.append((submission_name(path), path))
        else:
            left_out.append(path)
    return _with_distinct_names(found), left_out


def is_work(path: PurePosixPath | Path) -> bool:
    """Whether a loose file of this name is a student's work, perhaps in a wrong form."""
    return bool(archive_suffix(path)) or path.suffix.lower() in _HANDED_IN


def submission_name(path: Path) -> str:
    """The name of a folder, or of an archive or notebook without its suffix."""
    suffix = "" if path.is_dir() else archive_suffix(path) or _notebook_suffix(path)
    name = readable(path.name if path.name not in ("", "..") else path.resolve().name)
    return name[: -len(suffix)] if suffix else name


def require_submission(path: Path) -> None:
    """Raises UsageError unless `path` is a folder, an archive or a notebook."""
    if not path.exists():
        raise UsageError("{path} does not exist.", path=path)
    if not path.is_dir() and not (
        path.is_file() and (archive_suffix(path) or _notebook_suffix(path))
    ):
        kinds = ", ".join((*ARCHIVES, SUFFIX))
        raise UsageError(
            "{path} is neither a folder nor an archive or notebook ({kinds}); give the folder "
            "that holds the submission.",
            path=path,
            kinds=kinds,
        )


def may_be_notebook(path: Path) -> bool:
    """Whether grading may have to run a notebook. True for an archive, whose contents are not known
    before it is unpacked."""
    if not path.is_dir():
        return bool(archive_suffix(path) or _notebook_suffix(path))
    seen = 0
    for _, _, names in os.walk(path):
        if FILE in names or any(archive_suffix(Path(name)) for name in names):
            return True
        seen += len(names) + 1
        if seen > _MOST_FILES:
            return True
    return False


def _with_distinct_names(found: list[tuple[str, Path]]) -> list[Candidate]:
    """Archives keep their suffix when two names would be equal; names that are equal even then (not
    UTF-8, or different only in case) get a number."""
    both = ({name, readable(path.name)} for name, path in found)
    taken = Counter(indistinct(name) for names in both for name in names)
    used: set[str] = set()
    named = []
    for name, path in found:
        full, number = readable(path.name), 2
        chosen = name if taken[indistinct(name)] == 1 else full
        while indistinct(chosen) in used:
            chosen, number = f"{full} ({number})", number + 1
        used.add(indistinct(chosen))
        named.append(Candidate(chosen, path))
    return named


def _notebook_suffix(path: Path) -> str:
    return path.suffix if path.suffix.lower() == SUFFIX else ""


# Sentences for students ---------------------------------------------------------------------


def missing(artefact: str, files: Sequence[SubmittedFile]) -> Text:
    """What was found instead of the artefact, and what to do."""

    def is_hidden(path: PurePosixPath) -> bool:  # such as a starter's .github and .gitignore
        return any(part.startswith(".") for part in path.parts)

    paths = sorted((file.path for file in files), key=is_hidden)  # stable: names stay in order
    if pickles := [quoted(path) for path in paths if path.suffix.lower() in PICKLES]:
        return Text(
            "Expected {artefact}, found the checkpoint {first}. Checkpoints are pickles, which "
            "can run code, and are never opened; export the model (the template's export.py does "
            "it) and submit {artefact}.",
            artefact=artefact,
            first=pickles[0],
        )
    if archives := [
        quoted(path)
        for path in paths
        if archive_suffix(path) or path.suffix.lower() in OTHER_ARCHIVES
    ]:
        return Text(
            "Expected {artefact}, found the archive {first} inside; submit either that archive "
            "alone (.zip or .tar.gz) or the unpacked folder.",
            artefact=artefact,
            first=archives[0],
        )
    notebooks = [quoted(path) for path in paths if path.suffix.lower() == SUFFIX]
    if len(notebooks) == 1:
        return Text(
            "Expected {artefact} or {file}, found the notebook {first}; call the notebook that "
            "is to be run {file}.",
            artefact=artefact,
            file=FILE,
            first=notebooks[0],
        )
    if any(artefact in path.parts[:-1] for path in paths):
        return Text(
            "Expected a file {artefact}, found a folder of that name; put the file there.",
            artefact=artefact,
        )
    exported = PurePosixPath(artefact).suffix in EXPORTED
    if not paths and exported:
        return Text(
            "Expected {artefact}, found an empty folder; put the exported model into it.",
            artefact=artefact,
        )
    if not paths:
        return Text(
            "Expected {artefact}, found an empty folder; put the files of the template into it, "
            "with your work in them.",
            artefact=artefact,
        )
    shown = ", ".join(map(quoted, paths[:3])) + (", ..." if len(paths) > 3 else "")
    advice = Text("keep the names that the template gives")
    if exported:
        advice = Text("train a model and export it to {artefact}", artefact=artefact)
    return Text(
        "Expected {artefact}, found only {shown}; {advice}.",
        artefact=artefact,
        shown=shown,
        advice=advice,
    )


def wrong_form(path: Path, artefact: str) -> Text:
    """Why the loose file at `path` among the submissions cannot be graded."""
    name = quoted(path.name)
    if path.suffix.lower() in OTHER_ARCHIVES:
        return Text(
            "{name} is an archive of a kind that is not read; pack the folder as a .zip.", name=name
        )
    return Text(
        "Expected a folder or a .zip with {artefact} in it, found the single file {name}; pack "
        "everything that the handout asks for.",
        artefact=artefact,
        name=name,
    )
