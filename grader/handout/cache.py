"""Things that take long to make, kept by what they are made from."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable, Iterable
from pathlib import Path

import platformdirs

from grader import __version__
from grader.grades import write_atomically


def kept(name: str, made_from: Iterable[str | bytes], make: Callable[[], bytes]) -> bytes:
    """What `make()` returns, or what it returned when `made_from` was the same.

    `name` is a path within the cache that a person recognises. Where the cache cannot be written
    things are made anew.
    """
    digest = hashlib.sha256(__version__.encode())
    for part in made_from:
        raw = part.encode("utf-8") if isinstance(part, str) else part
        digest.update(len(raw).to_bytes(8, "little") + raw)
    place = Path(name)
    path = _root() / place.with_name(f"{place.stem}-{digest.hexdigest()[:24]}{place.suffix}")
    with contextlib.suppress(OSError):
        return path.read_bytes()
    content = make()
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, content)
    return content


def _root() -> Path:
    given = os.environ.get("GRADER_CACHE")
    root = Path(given).expanduser().absolute() if given else None
    return (root or platformdirs.user_cache_path("small-fast-nets", appauthor=False)) / "handout"
