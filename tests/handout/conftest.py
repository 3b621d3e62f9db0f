"""The lessons that have a handout, and a small course of its own to change."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from grader.handout import document as source
from grader.handout.chapter import chapter
from grader.handout.document import Document, Links, document
from grader.handout.slides import slides
from grader.lesson import loading
from grader.lesson.loading import Lesson
from grader.text import Lang, languages

LECTURES = [
    (name, lang)
    for name in loading.names()
    for lang in languages()
    if source.exists(loading.load(name), lang)
]
"""Every handout of the course, by lesson and language."""


@dataclass(frozen=True)
class Course:
    """A copy of one lesson whose files a test may change."""

    root: Path
    name: str

    @property
    def lesson(self) -> Lesson:
        return loading.load_folder(self.folder)

    @property
    def folder(self) -> Path:
        return self.root / "assignments" / self.name

    def change(self, file: str, old: str, new: str) -> None:
        path = self.root / file
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new), encoding="utf-8")

    def handout(self, text: str, lang: Lang = "en") -> Document:
        """A document of these words."""
        (self.folder / f"handout.{lang}.md").write_text(text, encoding="utf-8")
        return document(source.read(self.lesson, lang))


@pytest.fixture
def course(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, repository: Path) -> Course:
    """The distillation lesson in a course of its own."""
    for tree in ("assignments", "student_template", "reference_solutions"):
        shutil.copytree(
            repository / tree / "distillation",
            tmp_path / tree / "distillation",
            ignore=shutil.ignore_patterns("__pycache__", "*.onnx", "*.pt"),
        )
    monkeypatch.setenv("GRADER_COURSE", str(tmp_path))
    return Course(tmp_path, "distillation")


@pytest.fixture(scope="session")
def lecture() -> Callable[[str, Lang], Document]:
    def load(name: str, lang: Lang) -> Document:
        return document(source.read(loading.load(name), lang))

    return load


@pytest.fixture(scope="session")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, Lang, str], Path]:
    """Files of every chapter and lecture, by lesson, language and format."""
    folder = tmp_path_factory.mktemp("pages")
    written = {}
    for name, lang in LECTURES:
        found = document(source.read(loading.load(name), lang))
        for kind, page in (("html", chapter(found, Links())), ("slides", slides(found, Links()))):
            path = folder / f"{name}.{lang}.{kind}.html"
            path.write_text(page, encoding="utf-8")
            written[name, lang, kind] = path
    return written
