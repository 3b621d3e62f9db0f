"""Notebooks for tests, written by hand: what stands in the file is what a student's would hold."""

from __future__ import annotations

import json
from typing import Any


def notebook(*sources: str | dict[str, Any], **other: Any) -> bytes:
    """Code cells from their sources; a cell that is more than that as it is."""
    cells = [cell if isinstance(cell, dict) else code(cell) for cell in sources]
    return json.dumps(
        {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells} | other
    ).encode()


def code(source: str, *tags: str, **other: Any) -> dict[str, Any]:
    return {
        "cell_type": "code",
        "id": "x",
        "metadata": {"tags": list(tags)},
        "source": source.splitlines(keepends=True),
        "outputs": [],
        "execution_count": None,
    } | other


def written(path: str, text: str) -> str:
    """The source of a cell that writes a file."""
    return f"%%writefile {path}\n{text}"
