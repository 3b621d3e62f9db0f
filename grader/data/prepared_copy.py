"""Prepared data that somebody hands over: copied into the cache, where loading checks it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from grader.data import store
from grader.errors import UsageError
from grader.text import Text

MANIFEST = "manifest.json"


def add(folder: Path) -> list[str]:
    """Copy the entries of `folder` that the cache does not have yet; their names.

    A file that was damaged on the way is found by its checksum when the entry is loaded, and the
    entry is then made anew. Raises UsageError when `folder` holds no prepared data.
    """
    found = [path for path in sorted(folder.glob("*")) if _prepared(path)]
    if not found:
        raise UsageError(
            Text(
                en=f"{folder} holds no prepared data; give the folder data/ of a release.",
                ru=f"В {folder} нет подготовленных данных; укажите папку data/ из выпуска.",
            )
        )
    cache = store.cache_root() / "data"
    return [path.name for path in found if _copy(path, cache / path.name)]


def _prepared(path: Path) -> bool:
    if path.is_symlink() or path.name.startswith("."):
        return False
    return (path / MANIFEST).is_file() or (path.is_file() and path.suffix == ".json")


def _copy(source: Path, target: Path) -> bool:
    with store.locked(target):
        if target.exists():
            return False
        partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
        try:
            if source.is_dir():
                partial.mkdir(mode=0o700)
                for path in source.iterdir():
                    if path.is_file() and not path.is_symlink():
                        shutil.copyfile(path, partial / path.name)
            else:
                shutil.copyfile(source, partial)
            partial.rename(target)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
            if partial.is_file():
                partial.unlink()
    return True
