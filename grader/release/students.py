"""The folder that students get: package, starters, handouts, and public data if asked for."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

import grader
from grader.data.cache import FileSum
from grader.data.dataset import Progress
from grader.handout import starter
from grader.lesson import course, loading
from grader.lesson.loading import Lesson
from grader.release import audit, contents, wheel
from grader.text import ENGLISH, Text
from grader.text.errors import DataError, Fault, UsageError

MANIFEST = "release.json"
"""Lists every file with its sha256; only a folder with this file in it is replaced."""
DATA = "data"
STARTERS = "starters"
HANDOUTS = "handouts"
_FILES = Path(__file__).parent / "files"

SEARCH = Text("search for secrets")


@dataclass(frozen=True)
class ReleaseRequest:
    """What to release, and where to."""

    out: Path
    lessons: tuple[str, ...] = ()
    """All of the course when empty."""
    formats: tuple[str, ...] = ("html",)
    """Formats of the handouts; empty for no handouts."""
    data: bool = False
    """Also the prepared public data, some hundred megabytes."""


class Released(msgspec.Struct, frozen=True):
    """What `release.json` says."""

    schema: int
    grader: str
    lessons: list[str]
    files: dict[str, FileSum]


def release(request: ReleaseRequest, progress: Progress) -> Released:
    """Build the release beside `request.out`, search it, and only then move it there.

    Raises UsageError when `request.out` holds anything but an earlier release, SpecError for a
    lesson that withholds what is not there, and Fault when something private would have been in
    it.
    """
    chosen = [loading.load(name) for name in request.lessons or loading.names()]
    out = request.out
    if out.exists() and not (out / MANIFEST).is_file() and (out.is_file() or any(out.iterdir())):
        raise UsageError("{out} is not empty and no earlier release; choose a new folder.", out=out)
    parent = out.absolute().parent
    parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{out.name}-", dir=parent) as scratch:
        staged = Path(scratch) / "release"
        staged.mkdir()
        steps = _steps(request, chosen, staged, Path(scratch) / "course")
        for done, (what, step) in enumerate(steps):
            progress(done, len(steps), what)
            step()
        progress(len(steps), len(steps), SEARCH)
        sums = {
            path.relative_to(staged).as_posix(): FileSum.of(path)
            for path in sorted(staged.rglob("*"))
            if path.is_file()
        }
        made = Released(1, grader.__version__, [one.name for one in chosen], sums)
        (staged / MANIFEST).write_bytes(msgspec.json.format(msgspec.json.encode(made)) + b"\n")
        if out.exists():
            shutil.rmtree(out)
        staged.rename(out)
    return made


def prepare_public_data() -> None:
    """Prepare the public data of every lesson in GRADER_CACHE, as a student's first check would.

    `release` runs it in a process without the instructor's secrets.
    """
    from grader import data, grading  # here, since they take long to import

    for name in loading.names():
        lesson = loading.load(name)
        first = data.DATASETS.get(lesson.spec.data.names[0])
        if first is not None and not first.needs_download:
            data.get(first.name)
        grading.prepare(lesson, "public")


def _steps(
    request: ReleaseRequest, chosen: Sequence[Lesson], staged: Path, tree: Path
) -> list[tuple[Text, Callable[[], None]]]:
    files = list(contents.for_students(chosen))

    def package() -> None:
        wheel.write(staged, files)
        shutil.copy(course.constraints(), staged / "constraints.txt")
        _write_readme(staged, chosen, request)
        (staged / STARTERS).mkdir()
        for lesson in chosen:
            (staged / STARTERS / f"{lesson.name}.zip").write_bytes(starter.archive(lesson))
        # The course as it is in the wheel: handouts and data are made from nothing else.
        for file in files:
            if file.place.is_relative_to(contents.COURSE):
                path = tree / file.place.relative_to(contents.COURSE)
                path.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file.source, path)
        (tree / "reference_solutions").mkdir()

    def handouts() -> None:
        chosen = [argument for kind in request.formats for argument in ("--format", kind)]
        out = str(staged / HANDOUTS)
        _run(tree, {}, "-m", "grader", "handout", "--all", "--no-execute", "--out", out, *chosen)

    def search() -> None:
        every = [loading.load(name) for name in loading.names()]  # also what is not released yet
        private = [path for one in every for path in contents.withheld(one)]
        private += [*contents.references(every), *contents.withheld_of_engine()]
        audit.audit(staged, audit.forbidden(private, (file.source for file in files)))

    steps = [(Text("the package"), package)]
    if request.formats:
        steps.append((Text("handouts"), handouts))
    if request.data:
        public = Text("public data")
        steps.append((public, lambda: _data(tree, staged)))
    return [*steps, (SEARCH, search)]


def _data(tree: Path, staged: Path) -> None:
    """What a student's machine would prepare, prepared by a process that knows no secret."""
    cache = tree.parent / "cache"
    code = "from grader.release import students; students.prepare_public_data()"
    _run(tree, {"GRADER_CACHE": str(cache)}, "-c", code)
    (staged / DATA).mkdir()
    for entry in sorted((cache / DATA).iterdir()):
        if "-hidden-" in entry.name:
            raise Fault("Nothing was released: the data {name} is hidden.", name=entry.name)
        if not entry.name.startswith("."):
            shutil.move(entry, staged / DATA / entry.name)


def _run(tree: Path, extra: Mapping[str, str], *arguments: str) -> None:
    """Our interpreter on the course in `tree`, without the instructor's settings and secrets."""
    harmless = ("GRADER_LANG", "GRADER_CHROMIUM", "GRADER_CACHE")
    kept = {
        name: value
        for name, value in os.environ.items()
        if name in harmless or not name.startswith("GRADER_")
    }
    engine = str(Path(grader.__file__).resolve().parents[1])
    path = os.pathsep.join(p for p in (engine, kept.get("PYTHONPATH")) if p)
    ended = subprocess.run(
        [sys.executable, "-P", *arguments],
        env=kept | {"GRADER_COURSE": str(tree), "PYTHONPATH": path, **extra},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        check=False,
    )
    if ended.returncode:
        last = (ended.stderr.strip().splitlines() or ["it said nothing"])[-1]
        what, code = " ".join(arguments[1:4]), ended.returncode
        raise DataError(
            "{what} ended with exit code {code} on the material that students get: {last}",
            what=what,
            code=code,
            last=last,
        )


def _write_readme(staged: Path, chosen: Sequence[Lesson], request: ReleaseRequest) -> None:
    for source in sorted(_FILES.glob("students.*.md")):
        lang = source.suffixes[0].removeprefix(".")
        text = source.read_text(encoding="utf-8")
        rows = "\n".join(
            f"| `{one.name}` | {one.spec.title.to(lang)} | `{STARTERS}/{one.name}.zip` |"
            for one in chosen
        )
        values = {"wheel": wheel.file_name(), "lessons": rows, "first": chosen[0].name}
        for name, value in values.items():
            text = text.replace(f"<<{name}>>", value)
        for part, wanted in (("handouts", bool(request.formats)), ("data", request.data)):
            section = re.compile(rf"<<if {part}>>\n(.*?)<<end>>\n", re.DOTALL)
            text = section.sub(r"\1" if wanted else "", text)
        name = "README.md" if lang == ENGLISH else f"README.{lang}.md"
        (staged / name).write_text(text, encoding="utf-8")
