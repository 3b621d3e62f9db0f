"""What a student reads when there is nothing to grade: what was found instead, and what to do."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from grader.intake.archives import OTHER_ARCHIVES, archive_suffix, other_archive
from grader.intake.listing import SubmittedFile
from grader.ipynb import FILE, SUFFIX
from grader.text import Text
from grader.untrusted import quoted

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
