"""The autograder of one lesson as Gradescope takes it: a zip with setup.sh and run_autograder.

Layout: https://gradescope-autograders.readthedocs.io/en/latest/specs/. On the platform the zip is
unpacked into /autograder/source; `on_gradescope.py` runs there.
"""

from __future__ import annotations

import io
import shutil
import tempfile
import zipfile
from pathlib import Path

import msgspec

from grader.gradebook.gradescope import Shown
from grader.lesson import course
from grader.lesson.grades import write_atomically
from grader.lesson.loading import Lesson
from grader.release import audit, contents, wheel
from grader.text import Lang

SETTINGS = "settings.json"
SEED = "hidden_seed"
_FILES = Path(__file__).parent / "files"
_PROGRAMS = ("setup.sh", "run_autograder")


class Platform(msgspec.Struct, frozen=True):
    """How the platform grades; `settings.json` in the zip."""

    lesson: str
    lang: Lang = "en"
    shown: Shown = "after_due_date"
    """When students see what depends on hidden data."""
    data: str | None = None
    trust: bool = False
    """Grade although the platform's container does not isolate a submission well."""


def export(lesson: Lesson, platform: Platform, seed: str, out: Path) -> int:
    """Write the zip `out`; its size in bytes.

    It holds the seed of the hidden data and what the lesson withholds from students. Raises Fault
    when a reference solution would have been in it.
    """
    with tempfile.TemporaryDirectory(prefix="grader-export-") as scratch:
        folder = Path(scratch)
        files = [*contents.engine(), *contents.for_grading(lesson)]
        wheel.write(folder, files)
        shutil.copy(course.constraints(), folder / "constraints.txt")
        for name in _PROGRAMS:
            shutil.copy(_FILES / name, folder / name)
        (folder / SETTINGS).write_bytes(msgspec.json.format(msgspec.json.encode(platform)))
        found = audit.forbidden(contents.references([lesson]), (file.source for file in files))
        audit.audit(folder, audit.Forbidden(found.files, ()))
        (folder / SEED).write_text(seed + "\n", encoding="utf-8")
        written = io.BytesIO()
        with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
            for file in sorted(folder.iterdir()):  # at the top, where the platform looks for them
                mode = 0o755 if file.name in _PROGRAMS else 0o600
                wheel.add_file(archive, file.name, file.read_bytes(), mode)
        write_atomically(out.absolute(), written.getvalue())
        out.chmod(0o600)  # the seed is in it
    return out.stat().st_size
