"""The lessons of a course: each folder's `lesson.toml`, its autograder and its samples."""

from __future__ import annotations

import difflib
import hashlib
import importlib.util
import math
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path, PurePosixPath
from types import ModuleType
from typing import Protocol, cast

import msgspec

from grader.lesson import course, formula
from grader.lesson.contract import Autograder
from grader.lesson.spec import LATE_VALUES, RUBRIC, LessonSpec
from grader.text import add_catalogs, from_toml
from grader.text.errors import SpecError, UsageError


class Samples(Protocol):
    """The part of `samples/make.py` that the engine calls."""

    def make(self, folder: Path, lesson: Lesson) -> None:
        """Write sample submissions into the empty `folder`, each a subfolder or an archive."""


JUNK = (
    *("__pycache__", "*.py[co]", ".*_cache", ".ipynb_checkpoints", ".venv", ".env"),
    *(".git", ".hg", ".svn", ".idea", ".vscode", ".DS_Store", "Thumbs.db", "desktop.ini"),
    *("*~", "*.sw[op]", "*.bak", "*.orig", "*.rej", "*.partial"),
)
"""What tools leave beside sources; an old version of a file may hold what was removed from it."""


@dataclass(frozen=True)
class Lesson:
    """One lesson on disk."""

    spec: LessonSpec
    folder: Path

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def template(self) -> Path:
        return course.student_template() / self.name

    @property
    def reference(self) -> Path:
        return course.reference_solutions() / self.name

    @property
    def given(self) -> tuple[tuple[str, Path], ...]:
        """Folders whose files every student gets: their place in a student's project, and where
        they are in the course."""
        shared = self.spec.starter.shared.items()
        return ((".", self.template), *((place, self.folder / name) for place, name in shared))

    def data_set(self, name: str | None) -> str:
        """The data set called `name`, or the default. Raises UsageError for one that is not the
        lesson's."""
        names = self.spec.data.names
        if name is not None and name not in names:
            raise UsageError(
                "The lesson {name} does not use the data set {name2!r}; it uses {names}.",
                name=self.name,
                name2=name,
                names=", ".join(names),
            )
        return name or names[0]

    @cached_property
    def samples(self) -> Samples | None:
        """`samples/make.py`, which builds the demonstration's submissions, where there is one."""
        path = self.folder / "samples" / "make.py"
        if not path.is_file():
            return None
        return cast(Samples, _import(path, f"grader_samples_{self.name}", ("make",)))

    @cached_property
    def autograder(self) -> Autograder:
        """The lesson's `autograder.py`, imported. Raises SpecError naming what is missing."""
        path = self.folder / "autograder.py"
        functions = ("prepare", "examine")
        return cast(Autograder, _import(path, f"grader_lesson_{self.name}", functions))

    @cached_property
    def fingerprint(self) -> str:
        """sha256 over the files that decide a grade: no handouts, samples or translations."""
        return content_digest(
            (inside, path)
            for inside, path in files_of(self.folder)
            if inside.parts[0] not in ("samples", "figures", "locale")
            and not inside.name.startswith(("handout.", "handout_", "seminar.", "README"))
        )


def files_of(folder: Path) -> Iterator[tuple[PurePosixPath, Path]]:
    """Paths within the folder and files, sorted, without what tools leave beside sources."""
    for path in sorted(folder.rglob("*")):
        inside = PurePosixPath(path.relative_to(folder).as_posix())
        if path.is_file() and not is_junk(inside):
            yield inside, path


def is_junk(inside: PurePosixPath) -> bool:
    """Whether a tool left the file, or a folder that it is in."""
    return any(fnmatchcase(part, pattern) for part in inside.parts for pattern in JUNK)


def content_digest(files: Iterable[tuple[PurePosixPath, Path]]) -> str:
    """sha256 over names and contents, in any order; line ends of text do not matter."""
    digest = hashlib.sha256()
    for name, path in sorted((inside.as_posix(), path) for inside, path in files):
        raw = path.read_bytes()
        if b"\0" not in raw:
            raw = raw.replace(b"\r\n", b"\n")
        digest.update(name.encode() + b"\0" + hashlib.sha256(raw).digest())
    return digest.hexdigest()


def names() -> list[str]:
    """Names of all lessons of the course, sorted."""
    return sorted(path.parent.name for path in course.assignments().glob("*/lesson.toml"))


def every() -> list[Lesson]:
    """All lessons in the order of the course. Raises SpecError for a bad spec."""
    found = [load(name) for name in names()]
    return sorted(found, key=lambda lesson: (lesson.spec.order, lesson.name))


def load(name: str) -> Lesson:
    """The lesson called `name`. Raises UsageError for an unknown name, SpecError for a bad spec."""
    known = names()
    if name not in known:
        close = difflib.get_close_matches(name, known, n=1)
        wrong, listed = repr(name), ", ".join(known)
        if not close:
            raise UsageError(
                "There is no lesson {name}. Lessons: {known}.", name=wrong, known=listed
            )
        raise UsageError(
            "There is no lesson {name}. Lessons: {known}. Did you mean {close}?",
            name=wrong,
            known=listed,
            close=close[0],
        )
    return load_folder(course.assignments() / name)


def load_folder(folder: Path) -> Lesson:
    """The lesson in `folder`. Raises SpecError for a bad spec."""
    path = folder / "lesson.toml"
    try:
        spec = from_toml(path.read_bytes(), LessonSpec)
    except OSError as error:
        raise SpecError(
            "{path} cannot be read: {strerror}.", path=path, strerror=error.strerror
        ) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise SpecError("{path}: {error}.", path=path, error=error) from error
    _validate(spec, path)
    if (folder / "hints.toml").exists():
        raise SpecError(
            "{folder}/hints.toml is not read: give each check its hints in Python, and put the "
            "table `rejected` into lesson.toml as rejected_hints = [...].",
            folder=folder,
        )
    add_catalogs(folder / "locale")
    return Lesson(spec, folder)


def _validate(spec: LessonSpec, path: Path) -> None:
    if spec.schema != 1:
        raise SpecError(
            "{path}: schema is {schema}, this grader reads schema 1.", path=path, schema=spec.schema
        )
    if spec.name != path.parent.name:
        raise SpecError(
            "{path}: name is {name!r}, but the folder is {path_parent_name!r}.",
            path=path,
            name=spec.name,
            path_parent_name=path.parent.name,
        )
    if not spec.data.names:
        raise SpecError("{path}: data.names is empty; name at least one data set.", path=path)
    try:
        for expression in (*(term.formula for term in spec.terms), spec.report.rank_by):
            formula.names(expression)
        if spec.late_penalty:
            formula.evaluate(spec.late_penalty, dict.fromkeys(LATE_VALUES, 1.0))
    except SpecError as error:
        raise SpecError("{path}: {error}", path=path, error=error) from error
    total = sum(term.max_points for term in spec.terms)
    if abs(total - spec.max_score) > 1e-9:
        raise SpecError(
            "{path}: the terms add up to {total} points, max_score is {max_score}.",
            path=path,
            total=total,
            max_score=spec.max_score,
        )
    names = [criterion.name for criterion in spec.rubric]
    for criterion in spec.rubric:
        if not re.fullmatch(r"[a-z][a-z0-9_]*", criterion.name) or names.count(criterion.name) > 1:
            raise SpecError(
                "{path}: the rubric's criterion {name!r} is there twice, or its name is not of "
                "small Latin letters, digits and _.",
                path=path,
                name=criterion.name,
            )
        if not 0 < criterion.max_points < math.inf:
            raise SpecError(
                "{path}: max_points of the rubric's criterion {name!r} is {max_points}, not a "
                "number above 0.",
                path=path,
                name=criterion.name,
                max_points=criterion.max_points,
            )
    counted = any(RUBRIC in formula.names(term.formula) for term in spec.terms)
    if counted != bool(spec.rubric):
        raise SpecError(
            "{path}: a lesson with [[rubric]] has a term whose formula uses `{rubric}`, the sum "
            "of a person's points, and no other lesson has one.",
            path=path,
            rubric=RUBRIC,
        )


def _import(path: Path, module_name: str, functions: tuple[str, ...]) -> ModuleType:
    if module_name in sys.modules:
        return sys.modules[module_name]
    # With a search path, the autograder can import the lesson's other modules: `from . import x`.
    spec = importlib.util.spec_from_file_location(
        module_name, path, submodule_search_locations=[str(path.parent)]
    )
    if spec is None or spec.loader is None or not path.is_file():
        raise SpecError(
            "{path} is missing; docs/new-lesson.md says what a lesson needs.", path=path
        )
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[module_name]
        raise
    for function in functions:
        if not callable(getattr(module, function, None)):
            del sys.modules[module_name]
            raise SpecError(
                "{path} must define {function}(); see docs/new-lesson.md.",
                path=path,
                function=function,
            )
    return module
