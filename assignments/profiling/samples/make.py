"""Sample submissions for the demonstration: what a class hands in, good and bad."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

from grader.lesson.loading import Lesson

_IGNORED = shutil.ignore_patterns("__pycache__", "*.pyc", ".pytest_cache")


def make(folder: Path, lesson: Lesson) -> None:
    """One submission for each ending that an instructor meets."""
    reference = lesson.reference
    shutil.copytree(reference, folder / "reference", ignore=_IGNORED)
    shutil.copytree(lesson.template, folder / "untouched-starter", ignore=_IGNORED)
    _written(folder / "thop-wrapped", "profiler.py", _THOP)
    _copied(folder / "crash-in-one-family", reference, ("profiler.py",))
    _edited(folder / "crash-in-one-family" / "profiler.py", _SIGNATURE, _CRASH)
    analysis = ("analysis.toml", "report.md", "model.onnx")
    _copied(folder / "over-promising", reference, analysis)
    path = folder / "over-promising" / "analysis.toml"
    _edited(path, "speedup = 1.7", "speedup = 5.0")
    _edited(path, "speedup = 2.2", "speedup = 10.0")
    _copied(folder / "analysis-misread", reference, analysis)
    path = folder / "analysis-misread" / "analysis.toml"
    _edited(path, "macs = 914624", "macs = 932224")
    _edited(path, 'bound = "memory"', 'bound = "compute"')
    _edited(path, "ram_bytes = 327680", "ram_bytes = 532480")
    _copied(folder / "unknown-platform", reference, analysis)
    _edited(folder / "unknown-platform" / "analysis.toml", '"esp32"', '"esp-32"')
    _copied(folder / "cyrillic-names", reference, analysis)
    path = folder / "cyrillic-names" / "report.md"
    path.rename(path.with_name("отчёт.md"))
    _copied(folder / "only-faster", reference, _faster_files(reference))
    _zip(folder / "zipped.zip", reference, analysis)
    (folder / "empty").mkdir()


_SIGNATURE = "def profile_model("
_THOP = '''"""What thop says, as it says it."""

import time

import thop


def profile_model(model, example_inputs):
    started = time.perf_counter()
    model(*example_inputs)
    seconds = time.perf_counter() - started
    macs, parameters = thop.profile(model, tuple(example_inputs), verbose=False)
    return {
        "parameters": int(parameters),
        "bytes": 4 * int(parameters),
        "macs": int(macs),
        "activation_bytes": 0,
        "seconds": seconds,
        "layers": [],
    }
'''
_CRASH = """def profile_model(model, example_inputs):
    if any(isinstance(module, nn.LSTM) for module in model.modules()):
        raise NotImplementedError("LSTM comes tomorrow")
    return _profile_model(model, example_inputs)


def _profile_model("""


def _faster_files(reference: Path) -> tuple[str, ...]:
    """`faster.py` and what it reads."""
    return ("faster.py", *(path.name for path in sorted(reference.glob("*.npz"))), "slow.py")


def _copied(folder: Path, reference: Path, names: tuple[str, ...]) -> None:
    folder.mkdir()
    for name in names:
        shutil.copyfile(reference / name, folder / name)


def _written(folder: Path, name: str, text: str) -> None:
    folder.mkdir()
    (folder / name).write_text(text, encoding="utf-8")


def _edited(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    if old not in text:
        raise ValueError(f"{path.name} of the reference has no {old!r} any more")
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def _zip(archive: Path, reference: Path, names: tuple[str, ...]) -> None:
    """As an LMS packs it: everything one folder down."""
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        for name in names:
            file.write(reference / name, f"homework/{name}")
