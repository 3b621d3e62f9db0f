"""The seminar notebook: text and code of a source as cells, executed once and cached."""

from __future__ import annotations

import base64
import os
import re
import sys
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from grader.handout.blocks import Block
from grader.handout.cache import cached
from grader.handout.document import Document
from grader.handout.drawing import KINDS
from grader.handout.render import FIGURE, drawn
from grader.text.errors import SpecError

if TYPE_CHECKING:
    from jupyter_client import AsyncKernelManager
    from nbformat import NotebookNode

SECONDS = 600
"""Time limit of one cell."""
_VERSIONS = ("torch", "numpy", "scipy", "nbclient", "ipykernel")
LONGEST = 80
"""Characters in the path of a folder for sockets, whose names have a limited length."""
_MARKS = re.compile(r"^(?:<!--.*?-->|\{[^{}\n]*\}|:::.*)\n?", re.MULTILINE)
_PICTURE = re.compile(r'!\[([^\]]*)\]\(([^)\s]+)(?:\s+"([^"]*)")?\)')
_CODE = re.compile(r"(```.*?```|`[^`\n]*`)", re.DOTALL)
_LINK = re.compile(r"(?<!!)\[([^\]]+)\]\((?!https?:|mailto:)[^)]*\)")


@dataclass(frozen=True)
class Cell:
    """A cell of the notebook; `line` is its first line in the source."""

    code: bool
    text: str
    line: int


def notebook(document: Document, *, execute: bool = True) -> bytes:
    """The notebook of a source as JSON.

    Raises SpecError naming the cell that failed, with its code and its error.
    """
    import nbformat

    result = nbformat.v4.new_notebook()
    lang = document.source.lang
    result.metadata = nbformat.from_dict(
        {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
            "title": document.heading.tokens[1].content,
            "lang": lang,
        }
    )
    cells = list(_cells(document))
    for number, cell in enumerate(cells):
        node = nbformat.v4.new_code_cell(cell.text) if cell.code else _text(cell, document)
        node.id = f"cell-{number:03d}"
        result.cells.append(node)
    if execute:
        _run(result, cells, document)
    nbformat.validate(result)
    return (nbformat.writes(result) + "\n").encode("utf-8")


def _cells(document: Document) -> Iterable[Cell]:
    """Code blocks in Python, and the text between them, split at headings."""
    lines = document.source.text.split("\n")
    text: list[tuple[int, str]] = []

    def written() -> Iterable[Cell]:
        whole = "\n\n".join(part for _, part in text).strip()
        if whole:
            yield Cell(False, whole, text[0][0])
        text.clear()

    for block in _flat(document):
        if block.kind == "heading":
            yield from written()
        if block.kind == "code" and block.name == "python":
            yield from written()
            yield Cell(True, block.tokens[0].content.rstrip("\n"), block.line)
        elif block.kind not in ("slide", "notes", "break", "footnotes"):
            part = "\n".join(lines[block.line - 1 : block.end - 1])
            text.append((block.line, _MARKS.sub("", part).strip("\n")))
    yield from written()
    if notes := _footnotes(document):
        below = "\n\n".join(f"<sup>{number}</sup> {text}" for number, (_, text) in notes.items())
        yield Cell(False, f"---\n\n{below}", 0)


def _flat(document: Document) -> Iterable[Block]:
    for one in (document, *document.headed()):
        yield one.heading
        for block in one.blocks:
            yield from block.inner if block.kind == "chapter" else (block,)


def _text(cell: Cell, document: Document) -> NotebookNode:
    """A Markdown cell with its pictures as attachments; links to other pages become text."""
    import nbformat

    attachments: dict[str, dict[str, str]] = {}

    def attach(found: re.Match[str]) -> str:
        alt, source, caption = found.groups()
        if source.startswith(FIGURE):
            name = f"{source.removeprefix(FIGURE)}.png"
            content = drawn(document, source.removeprefix(FIGURE), "png")
        else:
            path = document.source.path.parent / source
            name, content = path.name, path.read_bytes()
        kind = KINDS[Path(name).suffix]
        attachments[name] = {kind: base64.b64encode(content).decode("ascii")}
        below = f"\n\n*{caption}*" if caption else ""
        return f"![{alt}](attachment:{name}){below}"

    # Notebooks have no footnotes: each reference outside code becomes a superscript number.
    parts = _CODE.split(cell.text)
    for number, (mark, _) in _footnotes(document).items():
        parts[::2] = [part.replace(mark, f"<sup>{number}</sup>") for part in parts[::2]]
    text = _LINK.sub(r"\1", _PICTURE.sub(attach, "".join(parts)))
    node = nbformat.v4.new_markdown_cell(text)
    if attachments:
        node.attachments = nbformat.from_dict(attachments)
    return node


def _footnotes(document: Document) -> dict[int, tuple[str, str]]:
    """The footnotes of a document by their numbers, in the order of the references.

    Each is how the source refers to it, `[^label]` or `^[the note itself]`, and its text.
    """
    found: dict[int, tuple[str, str]] = {}
    number, label, parts = 0, None, list[str]()
    for token in document.footnotes.tokens if document.footnotes is not None else ():
        if token.type == "footnote_open":
            number, label, parts = token.meta["id"] + 1, token.meta["label"], []
        elif token.type == "inline":
            parts.append(token.content)
        elif token.type == "footnote_close":
            text = "\n\n".join(parts)
            found[number] = (f"^[{text}]" if label is None else f"[^{label}]", text)
    return found


def _run(result: NotebookNode, cells: Sequence[Cell], document: Document) -> None:
    """Insert the outputs of the code cells, from an execution or from the cache."""
    import nbformat

    code = [cell.text for cell in cells if cell.code]
    lines = [cell.line for cell in cells if cell.code]
    name = document.source.lesson.name
    made_from = [*code, *(f"{one} {version(one)}" for one in _VERSIONS)]
    raw = cached(f"notebooks/{name}.ipynb", made_from, lambda: _executed(code, lines, document))
    ran = nbformat.reads(raw.decode("utf-8"), as_version=4)
    targets = [cell for cell in result.cells if cell.cell_type == "code"]
    for target, source in zip(targets, ran.cells, strict=True):
        # Warnings of libraries on stderr, some with a time and a process id, are left out.
        target.outputs = [out for out in source.outputs if out.get("name") != "stderr"]
        target.execution_count = source.execution_count


def _executed(code: Sequence[str], lines: Sequence[int], document: Document) -> bytes:
    """A notebook of the code cells alone, executed in a kernel of this interpreter."""
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

    ran = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(one) for one in code])
    for number, cell in enumerate(ran.cells):
        cell.id = f"code-{number:03d}"
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        client = NotebookClient(
            ran, _kernel(Path(folder)), timeout=SECONDS, record_timing=False,
            resources={"metadata": {"path": folder}},
        )  # fmt: skip
        try:
            # nbclient shuts down a kernel manager that it did not create only with cleanup_kc.
            # One thread, for reproducible outputs, and no start-up files of the user.
            own = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
            own["IPYTHONDIR"] = str(Path(folder) / "ipython")
            client.execute(cleanup_kc=True, env={**os.environ, **own})
        except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
            number = _at(ran)
            name = getattr(error, "ename", type(error).__name__)
            value = getattr(error, "evalue", "")
            what = f"{name}: {value}".strip().strip(":") if value else name
            where = f"{document.source.path}:{lines[number]}"
            shown = "\n".join(f"    {line}" for line in code[number].splitlines())
            count = f"{number + 1}/{len(code)}"
            raise SpecError(
                "{where}: code cell {count} failed: {what}\n{shown}",
                where=where,
                count=count,
                what=what,
                shown=shown,
            ) from error
    return nbformat.writes(ran).encode("utf-8")


def _kernel(folder: Path) -> AsyncKernelManager:
    """A kernel of this interpreter; on Unix it uses sockets in a folder of its own."""
    from jupyter_client import AsyncKernelManager

    manager = AsyncKernelManager(kernel_name="python3")
    manager.connection_file = str(folder / "kernel.json")
    if sys.platform != "win32" and len(folder.as_posix()) < LONGEST:
        manager.transport, manager.ip = "ipc", str(folder / "k")
    return manager


def _at(ran: NotebookNode) -> int:
    """The cell that stopped the execution: the one with an error, else the one after the last."""
    for number, cell in enumerate(ran.cells):
        if any(output.output_type == "error" for output in cell.outputs):
            return number
    begun = [number for number, cell in enumerate(ran.cells) if cell.execution_count]
    return min(begun[-1] + 1 if begun else 0, len(ran.cells) - 1)
