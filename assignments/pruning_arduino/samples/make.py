"""Sample submissions for the demonstration: what a class hands in, good and bad."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import numpy as np

from grader.data.text.chat import CLASSES, END
from grader.lesson.loading import Lesson

_IGNORED = shutil.ignore_patterns(
    "__pycache__", "*.pyc", ".pytest_cache", "*.ckpt", "tinychat", "binary"
)


def make(folder: Path, lesson: Lesson) -> None:
    """One submission for each ending that an instructor meets."""
    reference = lesson.reference
    shutil.copytree(reference, folder / "reference", ignore=_IGNORED)
    for place, given in lesson.given:
        target = folder / "untouched-starter" / place
        shutil.copytree(given, target, ignore=_IGNORED, dirs_exist_ok=True)
    _zip(folder / "zipped.zip", reference)
    _edited(folder / "does-not-compile", reference, "uart_begin();", "uart_begin()")
    _edited(folder / "endless-loop", reference, "GPIOR0 = INFERENCE_BEGINS;", "for (;;)\n        ;")
    _edited(folder / "ignores-the-query", reference, "network_run();", "16;")
    _edited(folder / "times-itself", reference, "uart_begin();", "uart_begin(), TCCR1B = 1;")
    _edited(folder / "markers-around-nothing", reference, "network_run();", _OUTSIDE)
    _silent(folder / "silent-misses-gate", reference)
    _copy(folder / "no-model", reference)
    (folder / "no-model" / "model.npz").unlink()
    (folder / "empty").mkdir()


_OUTSIDE = "(GPIOR0 = INFERENCE_ENDS, network_run());"


def _copy(folder: Path, reference: Path) -> None:
    shutil.copytree(reference / "firmware", folder / "firmware")
    for name in ("model.npz", "experiments.csv"):
        shutil.copyfile(reference / name, folder / name)


def _edited(folder: Path, reference: Path, old: str, new: str) -> None:
    """The reference with one edit in the body of main.c."""
    _copy(folder, reference)
    path = folder / "firmware" / "main.c"
    head, mark, body = path.read_text(encoding="utf-8").rpartition(old)
    if not mark:
        raise ValueError(f"main.c of the reference has no {old!r} any more")
    path.write_text(f"{head}{new}{body}", encoding="utf-8")


def _silent(folder: Path, reference: Path) -> None:
    """A network of 40 biases that ends every reply at once: small, fast, and wrong."""
    _edited(folder, reference, "network_run();", "END_OF_REPLY;")
    np.savez(
        folder / "model.npz",
        query_buckets=1,
        context_buckets=1,
        context_length=1,
        weight0=np.zeros((CLASSES, 2), np.int8),
        bias0=np.array([0] * END + [300], np.int16),
        multiplier0=np.full(CLASSES, 255, np.uint8),
    )


def _zip(archive: Path, reference: Path) -> None:
    """As an LMS packs it: everything one folder down."""
    files = [*(reference / "firmware").iterdir(), reference / "model.npz"]
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        for path in files:
            file.write(path, f"homework/{path.relative_to(reference).as_posix()}")
