"""Where compiled tools are kept between runs."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

from grader.errors import UsageError
from grader.text import Text


def folder() -> Path:
    """The cache folder of this package; made when it is missing."""
    given = os.environ.get("GRADER_CACHE")
    root = (
        Path(given).expanduser().absolute()
        if given
        else platformdirs.user_cache_path("small-fast-nets", appauthor=False)
    )
    place = root / "avr"
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            Text(
                en=f"The cache folder {place} cannot be made: {error.strerror}; set GRADER_CACHE.",
                ru=f"Не удаётся создать папку кэша {place}: {error.strerror}; задайте "
                "GRADER_CACHE.",
            )
        ) from error
    return place
