"""Real folders and archives for the tests of intake."""

from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from grader.intake import open_submission
from grader.lesson.spec import Intake
from grader.text.errors import Rejected

RULES = Intake(artefact="model.onnx", max_files=20, max_file_bytes=10_000, max_total_bytes=30_000)


def make(folder: Path, **files: bytes) -> Path:
    """A folder with these files: `a__b_dot_txt` is a/b.txt."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        path = folder / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def make_tar(path: Path, *members: tuple[tarfile.TarInfo, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as file:
        for info, content in members:
            info.size = len(content) if info.isreg() else 0
            file.addfile(info, io.BytesIO(content))
    return path


def make_zip(path: Path, **files: bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in files.items():
            file.writestr(name, content)
    return path


def refusal(path: Path) -> str:
    """The sentence with which the submission at `path` is rejected."""
    with pytest.raises(Rejected) as caught, open_submission(path, RULES):
        pass
    assert caught.value.text.to("ru")
    return caught.value.text.to("en")
