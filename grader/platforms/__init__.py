"""Hardware that a network may have to run on: memory, bandwidth, peak throughput, each sourced.

    platform = platforms.load("cortex-m4")
    platform.peak["int8"].value        # multiply-accumulates a second
    platforms.names()

`catalogue.toml` beside this file is what comes with the course. A course folder adds its own with
`platforms/*.toml` beside `assignments/`, and a caller with `files`; the same name replaces.
"""

from __future__ import annotations

from grader.platforms.files import Catalogue, read
from grader.platforms.model import (
    DTYPES,
    DType,
    Figure,
    Kind,
    Memory,
    Platform,
    PriceClass,
    Source,
    bits,
)
from grader.platforms.reading import catalogue, load, names

__all__ = [
    "DTYPES",
    "Catalogue",
    "DType",
    "Figure",
    "Kind",
    "Memory",
    "Platform",
    "PriceClass",
    "Source",
    "bits",
    "catalogue",
    "load",
    "names",
    "read",
]
