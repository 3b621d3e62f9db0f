"""A streaming model before it runs: its form, its contract and its costs.

ONNX:        inputs `chunk` float32 [1, samples] and any `state_...` float32 of fixed shapes;
             outputs `probability` float32 of one number, and `state_..._next` for every state.
TorchScript: `reset()` and `forward(chunk)`, which returns one probability.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import prod

import numpy as np
from numpy.typing import NDArray

from grader.lesson.grades import Layer
from grader.measure.costs.graph import GraphLimits, GraphReport, Port, inspect
from grader.measure.costs.refusals import Refused
from grader.measure.streams.detections import SAMPLE_RATE
from grader.sandbox.runners.stream import Form
from grader.text import Text
from grader.text.errors import Rejected

HOP = 160
LENGTH = "samples"
"""Name of the free dimension of `chunk`."""
NEXT = "_next"


@dataclass(frozen=True)
class StreamModel:
    """A model that keeps the contract."""

    form: Form
    data: bytes
    bytes: int = 0
    """Weights and constants as stored. Nothing is counted of TorchScript: it is a program, and
    one that counts itself can lie."""
    params: int = 0
    state_bytes: int = 0
    """Bytes of the states in the contract."""
    macs: dict[int, int] = field(default_factory=dict)
    """Multiplications for one chunk, by its size in samples."""
    layers: tuple[Layer, ...] = ()
    """Costs by layer at the cheapest chunk size."""

    @property
    def counted(self) -> bool:
        return bool(self.macs)

    @property
    def macs_per_second(self) -> dict[int, float]:
        """Multiplications for a second of audio, by chunk size in samples."""
        return {size: macs * SAMPLE_RATE / size for size, macs in self.macs.items()}

    def spent(self, ends: NDArray[np.int64]) -> float:
        """Multiplications for a second of the audio whose chunks end at these samples, or of audio
        that comes in whole seconds, whichever is more: a model is judged on both."""
        sizes = Counter(np.diff(ends, prepend=0).tolist())
        total = sum(number * self.macs[size] for size, number in sizes.items())
        return max(total * SAMPLE_RATE / int(ends[-1]), float(self.macs[SAMPLE_RATE]))


def read(data: bytes, form: Form, hops: Sequence[int]) -> StreamModel:
    """Check the contract of an ONNX model and count it at chunk sizes of `hops` hops.

    Raises Rejected. What keeps no contract in TorchScript is found when it runs.
    """
    if form == "torchscript":
        return StreamModel(form, data)
    reports = {hop * HOP: _inspect(data, hop * HOP) for hop in hops}
    first = next(iter(reports.values()))
    state_bytes = _require_contract(first)
    model = StreamModel(
        form=form,
        data=data,
        bytes=first.bytes,
        params=first.params,
        state_bytes=state_bytes,
        macs={size: report.macs for size, report in reports.items()},
    )
    costs = model.macs_per_second
    return replace(model, layers=reports[min(costs, key=lambda size: (costs[size], size))].layers)


def _inspect(data: bytes, samples: int) -> GraphReport:
    try:
        return inspect(data, GraphLimits(sizes={LENGTH: samples}, batches=(1,)))
    except Refused as refused:
        if refused.code not in ("dynamic_dimension", "batch_growth"):
            raise
        form, why = f"`chunk` float32 [1, {LENGTH}]", refused.text
        raise Rejected(
            "Expected {form} and states of fixed sizes: {why}", form=form, why=why
        ) from refused


def _require_contract(report: GraphReport) -> int:
    """Bytes of the states. Raises Rejected when inputs or outputs break the contract."""
    inputs = {port.name: port for port in report.inputs}
    outputs = {port.name: port for port in report.outputs}
    chunk, probability = inputs.pop("chunk", None), outputs.pop("probability", None)
    if chunk is None or chunk.dtype != "float32" or len(chunk.shape) != 2:
        raise Rejected(_wrong_port(Text("input"), "chunk", f"[1, {LENGTH}]", chunk))
    if isinstance(chunk.shape[1], int):
        raise Rejected(
            "The model needs {shape:,} samples at once, but a stream comes in chunks of any "
            "multiple of {hop}; give `chunk` the free length `{length}` and keep the past in "
            "states.",
            shape=chunk.shape[1],
            hop=HOP,
            length=LENGTH,
        )
    if chunk.shape[0] != 1 or chunk.shape[1] != LENGTH:
        raise Rejected(_wrong_port(Text("input"), "chunk", f"[1, {LENGTH}]", chunk))
    if probability is None or probability.dtype != "float32" or _elements(probability) != 1:
        raise Rejected(_wrong_port(Text("output"), "probability", "[1, 1]", probability))
    numbers = [_require_state(p, outputs.pop(p.name + NEXT, None)) for p in inputs.values()]
    if outputs:
        extra = next(iter(outputs.values()))
        raise Rejected(_unmatched(extra.name.removesuffix(NEXT), None, extra))
    return 4 * sum(numbers)


def _require_state(port: Port, after: Port | None) -> int:
    """How many numbers the state holds; `after` is the output that returns it."""
    before, named = _elements(port), port.name.startswith("state")
    if not named or before is None or port.dtype != "float32":
        raise Rejected(_wrong_port(Text("input"), "state_...", "[fixed sizes]", port))
    if after is None:
        raise Rejected(_unmatched(port.name, port, None))
    later = _elements(after)
    if later is None or later > before:
        raise Rejected(
            "The state grows: {port} goes in and {after} comes out; keep only what later answers "
            "need, and drop the oldest.",
            port=_shown(port),
            after=_shown(after),
        )
    if after.shape != port.shape or after.dtype != "float32":
        raise Rejected(_unmatched(port.name, port, after))
    return before


def _elements(port: Port) -> int | None:
    """How many numbers it holds; None where a size is free."""
    sizes = [size for size in port.shape if isinstance(size, int)]
    return prod(sizes) if len(sizes) == len(port.shape) else None


def _shown(port: Port | None) -> str:
    if port is None:
        return "-"
    sizes = ", ".join("?" if size is None else str(size) for size in port.shape)
    return f"`{port.name}` {port.dtype} [{sizes}]"


def _wrong_port(what: Text, name: str, shape: str, found: Port | None) -> Text:
    return Text(
        "Expected the {what} `{name}` float32 {shape}, found {found}; export with export.py of "
        "the template.",
        what=what,
        name=name,
        shape=shape,
        found=_shown(found),
    )


def _unmatched(name: str, port: Port | None, after: Port | None) -> Text:
    return Text(
        "Every state goes in and comes out in one shape: for `{name}` there is {port} going in "
        "and {after} coming out; name the output `{name}{next}`.",
        name=name,
        port=_shown(port),
        after=_shown(after),
        next=NEXT,
    )
