"""Which files of a submission are compared as text, and how a notebook is read as one."""

from __future__ import annotations

import json
from pathlib import PurePosixPath

PYTHON = (".py", ".ipynb")
FIRMWARE = (".c", ".h", ".cpp", ".hpp", ".cc", ".ino", ".s", ".asm")
PROSE = (".md", ".toml", ".csv", ".txt", ".yaml", ".yml")
CELL = "# ---- cell {number}"


def is_code(path: str) -> bool:
    return PurePosixPath(path).suffix.lower() in (*PYTHON, *FIRMWARE)


def is_text(path: str) -> bool:
    return is_code(path) or PurePosixPath(path).suffix.lower() in PROSE


def readable_text(raw: bytes, path: str) -> str:
    """The file as text with plain line ends; of a notebook its cells, in order."""
    text = raw.decode("utf-8-sig", "replace").replace("\r\n", "\n").replace("\r", "\n")
    if path.lower().endswith(".ipynb"):
        return _cells(text)
    return text


def _cells(text: str) -> str:
    """Sources of the code cells; what they printed says nothing about who wrote them."""
    try:
        cells = json.loads(text)["cells"]
        sources = ["".join(cell["source"]) for cell in cells if cell.get("cell_type") == "code"]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return ""
    return "\n".join(
        f"{CELL.format(number=number)}\n{source}" for number, source in enumerate(sources, 1)
    )
