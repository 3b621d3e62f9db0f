"""The folder that students get: package, starters, handouts, and public data if asked for."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

import grader
from grader.handout import starter
from grader.lesson import course, loading
from grader.lesson.loading import Lesson
from grader.release import audit, contents, wheel
from grader.text import LANGS, Text
from grader.text.errors import DataError, Fault, UsageError

MANIFEST = "release.json"
"""Lists every file with its sha256; only a folder with this file in it is replaced."""
DATA = "data"
STARTERS = "starters"
HANDOUTS = "handouts"
_FILES = Path(__file__).parent / "files"
_README = {"en": "README.md", "ru": "README.ru.md"}

PACKAGE = Text(en="the package", ru="пакет")
PAGES = Text(en="handouts", ru="лекции")
PUBLIC_DATA = Text(en="public data", ru="открытые данные")
SEARCH = Text(en="search for secrets", ru="поиск секретов")
Progress = Callable[[int, int, Text], None]


@dataclass(frozen=True)
class Order:
    """What to release, and where to."""

    out: Path
    lessons: tuple[str, ...] = ()
    """All of the course when empty."""
    formats: tuple[str, ...] = ("html",)
    """Of the handouts; none when empty."""
    data: bool = False
    """Also the prepared public data, some hundred megabytes."""


class FileSum(msgspec.Struct, frozen=True):
    bytes: int
    sha256: str


class Released(msgspec.Struct, frozen=True):
    """What `release.json` says."""

    schema: int
    grader: str
    lessons: list[str]
    files: dict[str, FileSum]


def release(order: Order, progress: Progress) -> Released:
    """Build the release beside `order.out`, search it, and only then move it there.

    Raises UsageError when `order.out` holds anything that is no release, SpecError for a lesson
    that withholds what is not there, and Fault when something private would have been in it.
    """
    chosen = [loading.load(name) for name in order.lessons or loading.names()]
    _require_free(order.out)
    with tempfile.TemporaryDirectory(
        prefix=f".{order.out.name}-", dir=_parent(order.out)
    ) as scratch:
        staged = Path(scratch) / "release"
        staged.mkdir()
        steps = _steps(order, chosen, staged, Path(scratch) / "course")
        for done, (what, step) in enumerate(steps):
            progress(done, len(steps), what)
            step()
        progress(len(steps), len(steps), SEARCH)
        made = _manifest(staged, chosen)
        (staged / MANIFEST).write_bytes(msgspec.json.format(msgspec.json.encode(made)) + b"\n")
        if order.out.exists():
            shutil.rmtree(order.out)
        staged.rename(order.out)
    return made


def _steps(
    order: Order, chosen: Sequence[Lesson], staged: Path, tree: Path
) -> list[tuple[Text, Callable[[], None]]]:
    files = [*contents.engine(), *contents.for_students(chosen)]

    def package() -> None:
        wheel.write(staged, files)
        shutil.copy(course.constraints(), staged / "constraints.txt")
        _write_readme(staged, chosen, order)
        (staged / STARTERS).mkdir()
        for lesson in chosen:
            (staged / STARTERS / f"{lesson.name}.zip").write_bytes(starter.archive(lesson))
        _unpack(files, tree)

    def search() -> None:
        private = [path for one in _every() for path in contents.withheld(one)]
        private += contents.references(_every())
        audit.audit(staged, audit.forbidden(private, (file.source for file in files)))

    steps = [(PACKAGE, package)]
    if order.formats:
        steps.append((PAGES, lambda: _handouts(tree, staged / HANDOUTS, order.formats)))
    if order.data:
        steps.append((PUBLIC_DATA, lambda: _data(tree, staged)))
    return [*steps, (SEARCH, search)]


def _every() -> list[Lesson]:
    """A lesson that is not released yet is the more private."""
    return [loading.load(name) for name in loading.names()]


def _require_free(out: Path) -> None:
    if out.exists() and not (out / MANIFEST).is_file() and (out.is_file() or any(out.iterdir())):
        raise UsageError(
            Text(
                en=f"{out} is not empty and no earlier release; choose a new folder.",
                ru=f"{out} — не пустая папка и не прежний выпуск; выберите новую папку.",
            )
        )


def _parent(out: Path) -> Path:
    parent = out.absolute().parent
    parent.mkdir(parents=True, exist_ok=True)
    return parent


def _unpack(files: Sequence[contents.File], tree: Path) -> None:
    """The course as it is in the wheel: handouts and data are made from nothing else."""
    for file in files:
        if file.place.parts[0] == "_course":
            path = tree.joinpath(*file.place.parts[1:])
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file.source, path)
    (tree / "reference_solutions").mkdir()


def _handouts(tree: Path, out: Path, formats: Sequence[str]) -> None:
    chosen = [argument for kind in formats for argument in ("--format", kind)]
    _run(tree, {}, "-m", "grader", "handout", "--all", "--no-execute", "--out", str(out), *chosen)


def _data(tree: Path, staged: Path) -> None:
    """What a student's machine would prepare, prepared by a process that knows no secret."""
    cache = tree.parent / "cache"
    _run(tree, {"GRADER_CACHE": str(cache)}, "-m", "grader.release.public_data")
    (staged / DATA).mkdir()
    for entry in sorted((cache / DATA).iterdir()):
        if "-hidden-" in entry.name:
            raise Fault(
                Text(
                    en=f"Nothing was released: the data {entry.name} is hidden.",
                    ru=f"Ничего не выпущено: данные {entry.name} — скрытые.",
                )
            )
        if not entry.name.startswith("."):
            shutil.move(entry, staged / DATA / entry.name)


def _run(tree: Path, extra: Mapping[str, str], *arguments: str) -> None:
    kept = {name: v for name, v in os.environ.items() if not name.startswith("GRADER_")}
    for name in ("GRADER_LANG", "GRADER_CHROMIUM", "GRADER_CACHE"):
        if name in os.environ:
            kept[name] = os.environ[name]
    engine = str(Path(grader.__file__).resolve().parents[1])
    path = os.pathsep.join(p for p in (engine, kept.get("PYTHONPATH")) if p)
    ended = subprocess.run(
        [sys.executable, *arguments],
        env=kept | {"GRADER_COURSE": str(tree), "PYTHONPATH": path, **extra},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        check=False,
    )
    if ended.returncode:
        said = ended.stderr.strip().splitlines() or ["it said nothing"]
        what, code = " ".join(arguments[1:4]), ended.returncode
        raise DataError(
            Text(
                en=f"{what} ended with exit code {code} on the material that students get: "
                f"{said[-1]}",
                ru=f"{what} завершилась с кодом {code} на том, что получают студенты: {said[-1]}",
            )
        )


def _write_readme(staged: Path, chosen: Sequence[Lesson], order: Order) -> None:
    for lang in LANGS:
        text = (_FILES / f"students.{lang}.md").read_text(encoding="utf-8")
        rows = "\n".join(
            f"| `{one.name}` | {one.spec.title.to(lang)} | `{STARTERS}/{one.name}.zip` |"
            for one in chosen
        )
        values = {"wheel": wheel.file_name(), "lessons": rows, "first": chosen[0].name}
        for name, value in values.items():
            text = text.replace(f"<<{name}>>", value)
        for part, wanted in (("handouts", bool(order.formats)), ("data", order.data)):
            text = _section(text, part, wanted=wanted)
        (staged / _README[lang]).write_text(text, encoding="utf-8")


def _section(text: str, name: str, *, wanted: bool) -> str:
    """`text` with the lines between `<<if name>>` and `<<end>>`, or without them."""
    before, _, rest = text.partition(f"<<if {name}>>\n")
    inside, _, after = rest.partition("<<end>>\n")
    return before + (inside if wanted else "") + after


def _manifest(staged: Path, chosen: Sequence[Lesson]) -> Released:
    sums = {
        path.relative_to(staged).as_posix(): _sum(path)
        for path in sorted(staged.rglob("*"))
        if path.is_file()
    }
    return Released(1, grader.__version__, [one.name for one in chosen], sums)


def _sum(path: Path) -> FileSum:
    with path.open("rb") as file:
        return FileSum(path.stat().st_size, hashlib.file_digest(file, "sha256").hexdigest())
