"""A cache of files that take long to make: figures, printed pages, executed notebooks."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path

from grader import __version__
from grader.lesson import course
from grader.lesson.grades import write_atomically


def cached(name: str, made_from: Iterable[str | bytes], make: Callable[[], bytes]) -> bytes:
    """The result of `make()`, or that of an earlier call with the same `made_from`.

    `name` is a readable path within the cache. When the cache cannot be written, every call makes
    the result anew.
    """
    digest = hashlib.sha256(__version__.encode())
    for part in made_from:
        raw = part.encode("utf-8") if isinstance(part, str) else part
        digest.update(len(raw).to_bytes(8, "little") + raw)
    place = Path(name)
    file_name = f"{place.stem}-{digest.hexdigest()[:24]}{place.suffix}"
    path = course.cache_root() / "handout" / place.with_name(file_name)
    with contextlib.suppress(OSError):
        return path.read_bytes()
    content = make()
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, content)
    return content
