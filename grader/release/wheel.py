"""A wheel without a build tool: a zip with the package, its metadata and a table of checksums.

Format: Python Packaging User Guide, "Binary distribution format". The same files give the same
wheel, byte for byte.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import re
import zipfile
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from grader import __version__
from grader.release.contents import File
from grader.text.errors import Fault

NAME = "small-fast-nets"
_TAG = "Wheel-Version: 1.0\nGenerator: grader release\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
_ENTRY_POINTS = "[console_scripts]\ngrader = grader.__main__:main\n"


def file_name() -> str:
    """Name of the wheel that `write` makes."""
    return f"{_stem()}-py3-none-any.whl"


def write(folder: Path, files: Iterable[File]) -> Path:
    """Pack `files` as the package `grader` into a wheel in `folder`.

    A folder `_course/reference_solutions` is made, empty but for a line that says why.
    Raises Fault when the package is not installed, and so has no metadata to copy.
    """
    path = folder / file_name()
    about = f"{_stem()}.dist-info"
    record: list[tuple[str, str, int]] = []
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:

        def add(name: str, raw: bytes) -> None:
            add_file(archive, name, raw)
            digest = base64.urlsafe_b64encode(hashlib.sha256(raw).digest()).rstrip(b"=")
            record.append((name, f"sha256={digest.decode()}", len(raw)))

        for file in files:
            add(f"grader/{file.place}", file.source.read_bytes())
        add("grader/_course/reference_solutions/README.md", b"Left out of this package.\n")
        add(f"{about}/METADATA", _metadata())
        add(f"{about}/WHEEL", _TAG.encode())
        add(f"{about}/entry_points.txt", _ENTRY_POINTS.encode())
        table = io.StringIO()
        rows = [*record, (f"{about}/RECORD", "", "")]
        csv.writer(table, lineterminator="\n").writerows(rows)
        add(f"{about}/RECORD", table.getvalue().encode())
    return path


def add_file(archive: zipfile.ZipFile, name: str, raw: bytes, mode: int = 0o644) -> None:
    """Write one file into a zip so that the same content gives the same zip, byte for byte."""
    entry = zipfile.ZipInfo(name, (2000, 1, 1, 0, 0, 0))
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = (0o100000 | mode) << 16
    archive.writestr(entry, raw)


def _stem() -> str:
    return f"{NAME.replace('-', '_')}-{__version__}"


def _metadata() -> bytes:
    """METADATA of the installed package, which may be older, with the version of this one."""
    try:
        text = distribution(NAME).read_text("METADATA")
    except PackageNotFoundError:
        text = None
    if text is None:
        raise Fault(
            "The package {name} is not installed, so that its list of dependencies is unknown; "
            "run `pip install -e .` in the checkout.",
            name=NAME,
        )
    return re.sub(r"(?m)^Version: .*$", f"Version: {__version__}", text, count=1).encode()
