"""The starter that a student gets: the lesson's template, as files, as an archive or as a notebook.

Values of the lesson in Markdown files are filled in. In a notebook, the files that a student writes
are cells, and all other files lie beside it.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from grader.handout.values import Values
from grader.lesson.loading import Lesson
from grader.text import Lang, Text, notebooks

TRAINING = "train.py"
_SKIPPED = frozenset({"__pycache__", ".pytest_cache", ".ipynb_checkpoints"})
_TIME = (2000, 1, 1, 0, 0, 0)
"""The time of every file: the same template gives the same bytes of the archive."""
_WRITTEN = frozenset({".py", ".toml", ".md", ".c", ".h", ".S", ".ino"})
"""Files that a student writes. Tables are not among them: training adds rows to them."""
_KEPT = frozenset({"tests", ".github"})
_MAX_BYTES = 64 * 2**10
_TRAIN = Text(
    "## Training\n\nTakes a while and needs data, so it is not repeated when the notebook is "
    "graded (tag `{skipped}`). Run the cells above first.",
    skipped=notebooks.SKIPPED,
)


def files(lesson: Lesson) -> Iterator[tuple[PurePosixPath, bytes]]:
    """Paths within the student's project, and the contents of its files.

    The language of a Markdown file is that of its name (`README.ru.md`), else English. Raises
    SpecError for a value that does not exist.
    """
    for place, folder in lesson.given:
        for path in sorted(folder.rglob("*")):
            inside = path.relative_to(folder)
            if path.is_file() and not _SKIPPED & set(inside.parts) and path.suffix != ".pyc":
                yield PurePosixPath(place, inside.as_posix()), _content(lesson, path)


def archive(lesson: Lesson) -> bytes:
    """A zip whose only folder has the name of the lesson. Raises SpecError."""
    # `grader check` finds the lesson by this file, which `grader new` writes too.
    marker = (PurePosixPath("grader.toml"), f'lesson = "{lesson.name}"\n'.encode())
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as target:
        for path, content in [*files(lesson), marker]:
            about = zipfile.ZipInfo(f"{lesson.name}/{path}", _TIME)
            about.compress_type = zipfile.ZIP_DEFLATED
            about.external_attr = 0o100644 << 16
            target.writestr(about, content)
    return written.getvalue()


def notebook_files(lesson: Lesson, lang: Lang) -> Iterator[tuple[PurePosixPath, bytes]]:
    """Paths and contents of the starter with a notebook. Raises SpecError."""
    cells: dict[PurePosixPath, str] = {}
    readme = ""
    for path, content in files(lesson):
        if path.name.startswith("README"):
            if path.name == ("README.ru.md" if lang == "ru" else "README.md"):
                readme = content.decode("utf-8")
            yield path, content
        elif (
            path.suffix in _WRITTEN
            and path.parts[0] not in _KEPT
            and len(content) <= _MAX_BYTES
            and b"\r" not in content
        ):
            cells[path] = content.decode("utf-8")
        else:
            yield path, content
    yield PurePosixPath(notebooks.FILE), _notebook(lesson, lang, readme, cells)


def _content(lesson: Lesson, path: Path) -> bytes:
    raw = path.read_bytes()
    if path.suffix != ".md" or b"{{" not in raw:
        return raw
    lang: Lang = "ru" if path.name.endswith(".ru.md") else "en"
    return Values(lesson, lang).fill(raw.decode("utf-8"), path).encode("utf-8")


def _notebook(lesson: Lesson, lang: Lang, readme: str, files: dict[PurePosixPath, str]) -> bytes:
    cells = [_markdown(readme), _markdown(_rules(lesson).to(lang))]
    folders = sorted({str(path.parent) for path in files} - {"."})
    if folders:
        lines = ["from pathlib import Path", ""]
        lines += [f"Path({folder!r}).mkdir(parents=True, exist_ok=True)" for folder in folders]
        cells.append(_code("\n".join(lines)))
    for path, content in files.items():
        cells += [_markdown(f"## `{path}`"), _code(f"%%writefile {path}\n{content}")]
    if PurePosixPath(TRAINING) in files:
        cells += [_markdown(_TRAIN.to(lang)), _code(f"%run {TRAINING}", notebooks.SKIPPED)]
    for number, cell in enumerate(cells):
        cell["id"] = f"cell-{number}"
    file = {
        "cells": cells,
        "metadata": {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return (json.dumps(file, ensure_ascii=False, indent=1) + "\n").encode("utf-8")


def _markdown(text: str) -> dict[str, Any]:
    return {"cell_type": "markdown", "metadata": {}, "source": _lines(text)}


def _code(text: str, *tags: str) -> dict[str, Any]:
    return {
        "cell_type": "code",
        "execution_count": None,
        "metadata": {"tags": list(tags)} if tags else {},
        "outputs": [],
        "source": _lines(text),
    }


def _lines(text: str) -> list[str]:
    return text.rstrip("\n").splitlines(keepends=True)


def _rules(lesson: Lesson) -> Text:
    limits = lesson.spec.notebook.limits
    seconds, megabytes = int(limits.wall_seconds), limits.memory_bytes // 2**20
    return Text(
        "## How this notebook is graded\n\n- It is run from the first cell to the last in a copy "
        "of this folder, with what lies beside it. The\n  files that are there at the end are "
        "graded, `{artefact}` first of all.\n- It has {seconds} seconds and {megabytes:,} MiB of "
        "memory, no network, and starts no\n  programs (`!command` does nothing).\n- A cell that "
        "raises ends it. Cells with the tag `{skipped}` are not run: training is one,\n  so hand "
        "in what it made beside the notebook.\n- `grader check` in this folder does the same.",
        artefact=lesson.spec.intake.artefact,
        seconds=seconds,
        megabytes=megabytes,
        skipped=notebooks.SKIPPED,
    )
