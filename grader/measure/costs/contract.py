"""What a lesson demands of a model's input and output."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from grader.measure.costs.graph import GraphReport, Port
from grader.text import Text
from grader.text.errors import Rejected
from grader.text.untrusted import quoted

_SHOWN = 3
"""Inputs or outputs that a sentence lists."""


@dataclass(frozen=True)
class Tensor:
    """A float32 tensor with a batch in front of `shape`; the batch may be free or 1."""

    name: str
    shape: tuple[int, ...]

    def __str__(self) -> str:
        return f"`{self.name}` float32 [batch, {', '.join(map(str, self.shape))}]"


def require(report: GraphReport, *, given: Tensor, answer: Tensor) -> None:
    """Raises Rejected unless the model has `given` as its only input and `answer` as its only
    output. An output's size may be unknown: the run shows it."""
    if not (len(report.inputs) == 1 and _fits(report.inputs[0], given)):
        raise Rejected(_unexpected("input", "вход", given, report.inputs))
    if not (len(report.outputs) == 1 and _fits(report.outputs[0], answer, unknown=True)):
        raise Rejected(_unexpected("output", "выход", answer, report.outputs))


def _fits(port: Port, wanted: Tensor, *, unknown: bool = False) -> bool:
    if (port.name, port.dtype) != (wanted.name, "float32"):
        return False
    if len(port.shape) != len(wanted.shape) + 1:
        return False
    batch, *sizes = port.shape
    return not (isinstance(batch, int) and batch != 1) and all(
        size == expected or (unknown and not isinstance(size, int))
        for size, expected in zip(sizes, wanted.shape, strict=True)
    )


def _unexpected(what: str, what_ru: str, wanted: Tensor, found: Sequence[Port]) -> Text:
    shown = ", ".join(map(_port, found[:_SHOWN])) or "-"
    more = len(found) - _SHOWN
    return Text(
        en=f"Expected one {what} {wanted} with batch free or 1, found {shown}"
        f"{f' and {more:,} more' if more > 0 else ''}; export with export.py of the template.",
        ru=f"Ожидался один {what_ru} {wanted} с батчем свободного размера или 1, найдено: {shown}"
        f"{f' и ещё {more}' if more > 0 else ''}; экспортируйте модель с помощью export.py из "
        "шаблона.",
    )


def _port(port: Port) -> str:
    sizes = ", ".join("?" if size is None else str(size) for size in port.shape)
    return f"`{quoted(port.name)}` {port.dtype} {quoted(f'[{sizes}]')}"
