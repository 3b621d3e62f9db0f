"""Untrusted notebook files (nbformat 4): reading submitted ones, writing executed copies.

Of a submitted file only the cells' types, sources and tags are used, not its outputs, attachments
and metadata. The outputs of a run are kept as text and bitmaps, without HTML, JavaScript and SVG,
which a reader's browser would execute.
"""

from __future__ import annotations

import base64
import contextlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from grader.text import Text, untrusted
from grader.text.errors import Rejected

FILE = "submission.ipynb"
"""Name of a notebook that is to be graded."""
SUFFIX = ".ipynb"
MAX_CELLS = 2_000
MAX_SOURCE = 4 * 2**20
"""Characters of all cells together."""
MAX_TEXT = 64 * 2**10
"""Characters of one output that are kept."""
MAX_OUTPUTS = 100
"""Outputs of one cell that are kept."""
MAX_COPY = 6 * 2**20
"""Characters of all outputs together."""
SKIPPED = "skip-execution"
"""Tag of a cell that is not run."""
_TAGS = frozenset({SKIPPED, "raises-exception"})
_PICTURES = {"image/png": b"\x89PNG\r\n\x1a\n", "image/jpeg": b"\xff\xd8\xff"}
_ANSI = re.compile(r"\x1b\[[0-9;:?]*[ -/]*[@-~]")
"""Colors of a terminal (ECMA-48, control sequences)."""


@dataclass(frozen=True)
class Cell:
    """A cell of a notebook, with those of its tags that change how it is run."""

    kind: Literal["code", "markdown", "raw"]
    source: str
    tags: tuple[str, ...] = ()

    @property
    def runs(self) -> bool:
        """True for code that is neither empty nor tagged to be skipped."""
        return self.kind == "code" and bool(self.source.strip()) and SKIPPED not in self.tags


@dataclass(frozen=True)
class Notebook:
    """The cells of a notebook, in order."""

    cells: tuple[Cell, ...]

    def number(self, index: int) -> int:
        """The execution count of the cell at `index` when all cells run once in order."""
        return sum(cell.runs for cell in self.cells[: index + 1])


class Output(msgspec.Struct, frozen=True):
    """One output of a cell as the process that ran it describes it; its contents are untrusted."""

    output_type: str
    name: str = "stdout"
    text: str = ""
    data: dict[str, Any] = {}
    ename: str = ""
    evalue: str = ""
    traceback: list[str] = []


_outputs = msgspec.json.Decoder(list[Output])


class _Cell(msgspec.Struct):
    cell_type: str
    source: str | list[str] = ""
    metadata: dict[str, Any] = {}


class _File(msgspec.Struct):
    nbformat: int
    cells: list[_Cell] | None = None
    metadata: dict[str, Any] = {}


_file = msgspec.json.Decoder(_File)


def read(raw: bytes) -> Notebook:
    """The cells of the notebook file `raw`.

    Raises Rejected when it cannot be read, has another format or language, or is too large.
    """
    try:
        found = _file.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Rejected(_damaged(str(error))) from error
    if found.nbformat != 4 or found.cells is None:
        raise Rejected(
            "{file} is of notebook format {nbformat}, expected 4; open it in Jupyter and save it.",
            file=FILE,
            nbformat=found.nbformat,
        )
    language = _language(found.metadata)
    if language not in ("", "python"):
        shown = untrusted.quoted(language)
        raise Rejected(
            "{file} is a notebook for {shown}, expected Python; choose a Python kernel.",
            file=FILE,
            shown=shown,
        )
    cells = tuple(_cell(cell) for cell in found.cells)
    if len(cells) > MAX_CELLS or sum(len(cell.source) for cell in cells) > MAX_SOURCE:
        raise Rejected(
            "{file} has more than {max_cells:,} cells or {max_source:,} characters of source; "
            "keep data in files beside it.",
            file=FILE,
            max_cells=MAX_CELLS,
            max_source=MAX_SOURCE,
        )
    return Notebook(cells)


def outputs(raw: bytes) -> list[Output]:
    """The outputs in the JSON list `raw`. Raises msgspec.MsgspecError."""
    return _outputs.decode(raw)


def executed(notebook: Notebook, shown: Mapping[int, Sequence[Output]]) -> bytes:
    """The notebook as a file, with outputs by the index of their cell.

    It holds only visible text and bitmaps, and at most `MAX_COPY` characters of outputs.
    """
    left = MAX_COPY
    cells = []
    for index, cell in enumerate(notebook.cells):
        made: dict[str, Any] = {
            "cell_type": cell.kind,
            "id": f"cell-{index}",
            "metadata": {"tags": list(cell.tags)} if cell.tags else {},
            "source": untrusted.visible(cell.source),
        }
        if cell.kind == "code":
            count = notebook.number(index) if index in shown else None
            kept = []
            for output in shown.get(index, ())[:MAX_OUTPUTS]:
                written = _written(output, count) if left > 0 else _left_out()
                left -= len(msgspec.json.encode(written))
                kept.append(written if left > 0 else _left_out())
                if left <= 0:
                    break
            made |= {"execution_count": count, "outputs": kept}
        cells.append(made)
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    file = {
        "cells": cells,
        "metadata": {"kernelspec": kernel, "language_info": {"name": "python"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return msgspec.json.format(msgspec.json.encode(file), indent=1) + b"\n"


def plain(text: str) -> str:
    """Text that a cell printed, bounded, without colors and with visible control characters."""
    shortened = untrusted.shorten(_ANSI.sub("", text[: 4 * MAX_TEXT]), MAX_TEXT)
    return untrusted.visible(shortened.replace("\r\n", "\n"))


def _cell(cell: _Cell) -> Cell:
    source = cell.source if isinstance(cell.source, str) else "".join(cell.source)
    if cell.cell_type not in ("code", "markdown", "raw"):
        raise Rejected(_damaged(f"a cell of type {untrusted.quoted(cell.cell_type)}"))
    tags = cell.metadata.get("tags", ())
    known = (tag for tag in tags if tag in _TAGS) if isinstance(tags, list) else ()
    return Cell(cell.cell_type, source, tuple(known))  # type: ignore[arg-type]


def _language(metadata: Mapping[str, Any]) -> str:
    for part, key in (("kernelspec", "language"), ("language_info", "name")):
        about = metadata.get(part)
        if isinstance(about, dict) and isinstance(about.get(key), str) and about[key]:
            return str(about[key]).lower()
    return ""


def _written(output: Output, count: int | None) -> dict[str, Any]:
    match output.output_type:
        case "stream":
            name = output.name if output.name in ("stdout", "stderr") else "stdout"
            return {"output_type": "stream", "name": name, "text": plain(output.text)}
        case "error":
            lines = [plain(str(line)) for line in output.traceback[:100]]
            return {
                "output_type": "error",
                "ename": untrusted.name(output.ename),
                "evalue": plain(output.evalue),
                "traceback": lines,
            }
        case "execute_result" | "display_data" as kind:
            made: dict[str, Any] = {"output_type": kind, "data": _data(output.data), "metadata": {}}
            return made | ({"execution_count": count} if kind == "execute_result" else {})
        case _:
            return _left_out()


def _data(data: Mapping[str, Any]) -> dict[str, str]:
    kept = {}
    if isinstance(text := data.get("text/plain"), str):
        kept["text/plain"] = plain(text)
    for kind, signature in _PICTURES.items():
        if isinstance(picture := data.get(kind), str):
            with contextlib.suppress(ValueError):  # no base64
                if base64.b64decode("".join(picture.split()), validate=True).startswith(signature):
                    kept[kind] = picture
    return kept


def _left_out() -> dict[str, Any]:
    return {"output_type": "stream", "name": "stderr", "text": "[output left out]\n"}


def _damaged(why: str) -> Text:
    shown = untrusted.name(why, 200)
    return Text(
        "{file} is no notebook that can be read ({shown}); save it again in Jupyter.",
        file=FILE,
        shown=shown,
    )
