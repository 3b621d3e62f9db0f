"""The workload of an ONNX model: MACs, weights and bytes moved by each operator.

Read from the file, nothing is executed. MACs and stored bytes are those of graph.py. An operator
reads every input and writes every output once (compulsory traffic: no fusion with its neighbors,
nothing fetched twice), with three exceptions: views move nothing, a look-up reads the rows that it
takes, and the recurrent weights of GRU, LSTM and RNN are needed again at every time step
(roofline.py asks whether a cache keeps them).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod

from onnx import GraphProto, TensorProto

from grader.measure.costs.graph import GraphLimits, inspect
from grader.measure.costs.storage import DTYPES
from grader.measure.costs.view import Value
from grader.measure.costs.walk import Step, Walk, walk_file
from grader.measure.hardware.platforms import DType
from grader.measure.hardware.workload import NOTHING, Amount, Work, Workload, total

VIEWS = ("Reshape", "Flatten", "Squeeze", "Unsqueeze", "Identity", "Dropout")
"""Another look at the same bytes."""
LOOK_UPS = ("Gather", "GatherElements", "GatherND", "Slice")
RECURRENT = ("GRU", "LSTM", "RNN")
QUANTIZED = ("QLinearConv", "QLinearMatMul", "ConvInteger", "MatMulInteger")
_COMPUTED: dict[int, DType] = {
    TensorProto.FLOAT16: "float16",
    TensorProto.BFLOAT16: "bfloat16",
    TensorProto.INT8: "int8",
    TensorProto.UINT8: "int8",
    TensorProto.INT16: "int16",
    TensorProto.UINT16: "int16",
}
_FLOATING = (TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16, TensorProto.BFLOAT16)


def of_onnx(model: bytes, *, batch: int = 1, sizes: Mapping[str, int] | None = None) -> Workload:
    """The workload of the model in the bytes `model`, at a batch size; `sizes` gives named dynamic
    dimensions their size. Raises Refused when it is no model that can be counted."""
    limits = GraphLimits(batches=(1,), sizes=dict(sizes or {}))
    report = inspect(model, limits)
    parsed, walked = walk_file(model, batch, limits)
    found = _Graph(parsed.graph, walked)
    weights = total(found.stored.values())
    rest = max(report.bytes - weights.bytes(), 0)
    return Workload(
        dtype=found.dtype(),
        batch=batch,
        works=tuple(found.works()),
        weights=weights + Amount(fixed=rest),
        live=found.live(),
        params=report.params,
    )


def named(steps: Iterable[Step]) -> list[tuple[str, Step]]:
    """Every node with a unique name: repeated names get a number."""
    seen: Counter[str] = Counter()
    pairs = []
    for step in steps:
        seen[step.node.name] += 1
        count = seen[step.node.name]
        pairs.append((step.node.name if count == 1 else f"{step.node.name} ({count})", step))
    return pairs


@dataclass(frozen=True)
class Use:
    """One node: the activations it reads and makes, by name."""

    reads: tuple[str, ...]
    makes: tuple[str, ...]


def live_amounts(
    uses: Sequence[Use],
    sizes: Mapping[str, Amount],
    inputs: Iterable[str],
    outputs: Iterable[str],
) -> tuple[Amount, ...]:
    """Memory, by node, of all activations that exist while it runs.

    A tensor exists from the node that makes it to the last node that reads it, an input of the
    graph from the start, an output to the end. While a node runs, all its inputs and outputs exist:
    nothing is computed in place. `sizes` has every tensor by name; equal names are one piece of
    memory (a view is the tensor it looks at).
    """
    birth = dict.fromkeys(inputs, 0)
    death: dict[str, int] = {}
    for index, use in enumerate(uses):
        for name in use.makes:
            birth.setdefault(name, index)
        for name in (*use.reads, *use.makes):
            death[name] = index
    for name in outputs:
        death[name] = len(uses) - 1
    born: list[list[str]] = [[] for _ in uses]
    dies: list[list[str]] = [[] for _ in uses]
    for name, last in death.items():
        born[birth.get(name, 0)].append(name)
        dies[last].append(name)
    amounts, now = [], NOTHING
    for begun, ended in zip(born, dies, strict=True):
        now = now + total(sizes[name] for name in begun)
        amounts.append(now)
        now = now - total(sizes[name] for name in ended)
    return tuple(amounts)


class _Graph:
    """A walked graph with, for every constant, the stored tensors behind it, and for every
    activation the piece of memory it lies in."""

    def __init__(self, graph: GraphProto, walked: Walk) -> None:
        self.values = walked.values
        self.running = [step for step in walked.steps if not step.constant]
        self.inputs = [info.name for info in graph.input]
        self.outputs = [info.name for info in graph.output]
        self.stored = {t.name: _amount(self.values[t.name]) for t in graph.initializer}
        for sparse in graph.sparse_initializer:
            numbers = Value(sparse.values.data_type, tuple(sparse.values.dims[:1]) or (0,), True)
            places = DTYPES[sparse.indices.data_type].nbytes(prod(sparse.indices.dims))
            self.stored[sparse.values.name] = _amount(numbers) + Amount(fixed=places)
        self.roots = {name: frozenset([name]) for name in self.stored}
        self.home: dict[str, str] = {}
        self.made_by = {name: step for step in walked.steps for name in step.node.outputs}
        for step in walked.steps:
            self._follow(step)

    def works(self) -> Iterable[Work]:
        """Every operator that runs with the data, with the weights it is the first to use."""
        taken: set[str] = set()
        for name, step in named(self.running):
            work = self._work(step, name, taken)
            if step.node.op not in VIEWS and (work.macs or work.activations != NOTHING):
                yield work

    def live(self) -> tuple[Amount, ...]:
        uses: list[Use] = []
        sizes: dict[str, Amount] = {}
        for step in self.running:
            reads = tuple(self._home(name) for name in self._data(step.node.inputs))
            makes = tuple(self._home(name) for name in self._data(step.node.outputs))
            uses.append(Use(reads, makes))
            sizes |= {name: _amount(self.values[name]) for name in (*reads, *makes)}
        given = [self._home(name) for name in self._data(self.inputs)]
        ends = [self._home(name) for name in self._data(self.outputs) if self._home(name) in sizes]
        return live_amounts(uses, sizes, given, ends)

    def dtype(self) -> DType:
        """What most of the MACs are computed in."""
        votes: Counter[DType] = Counter()
        for step in self.running:
            votes[self._computed_in(step)] += step.cost.linear
        most = votes.most_common(1)
        return most[0][0] if most and most[0][1] else "float32"

    def _follow(self, step: Step) -> None:
        node = step.node
        if node.op == "Constant":
            self.stored[node.outputs[0]] = _amount(self.values[node.outputs[0]])
            self.roots[node.outputs[0]] = frozenset(node.outputs[:1])
        elif step.constant:
            behind = [] if node.op in ("Shape", "Size") else node.inputs
            reached = frozenset().union(*(self.roots.get(name, frozenset()) for name in behind))
            self.roots |= dict.fromkeys(filter(None, node.outputs), reached)
        elif node.op in VIEWS and self._data(node.inputs[:1]):
            self.home[node.outputs[0]] = self._home(node.inputs[0])

    def _work(self, step: Step, name: str, taken: set[str]) -> Work:
        node, op = step.node, step.node.op
        constants = [name for name in node.inputs if name and self.values[name].constant]
        behind = {root for name in constants for root in self.roots.get(name, ())}
        own = behind - taken
        taken |= behind
        work = Work(
            name=name,
            op=op,
            macs=step.cost.macs,
            weights=total(self.stored[root] for root in sorted(own)),
            fetched=total(self.stored[root] for root in sorted(behind)),
            activations=NOTHING if op in VIEWS else self._moved(step),
            params=sum(self.stored[root].numbers for root in own),
            output_shape=step.shape,
            dtype=self._computed_in(step),
        )
        if op in LOOK_UPS and node.inputs[0] in constants:
            rows = _amount(self._first_output(step))
            return replace(work, fetched=min(work.fetched, rows, key=Amount.bytes))
        if op in RECURRENT:
            again = total(self.stored[r] for r in sorted(self.roots.get(node.inputs[2], ())))
            return replace(work, repeated=again, steps=self.values[node.inputs[0]].shape[0])
        return work

    def _moved(self, step: Step) -> Amount:
        node = step.node
        reads = [_amount(self.values[self._home(name)]) for name in self._data(node.inputs)]
        writes = total(_amount(self.values[name]) for name in self._data(node.outputs))
        if node.op in LOOK_UPS and reads and not self.values[node.inputs[0]].constant:
            reads[0] = min(reads[0], writes, key=Amount.bytes)
        return total(reads) + writes

    def _computed_in(self, step: Step) -> DType:
        if step.node.op in QUANTIZED:
            return "int8"
        makers = [self.made_by.get(name) for name in step.node.inputs[:2]]
        sources = [m.node.inputs[0] for m in makers if m and m.node.op == "DequantizeLinear"]
        if len(sources) == 2:
            return _COMPUTED.get(self.values[sources[0]].dtype, "int8")
        return _COMPUTED.get(self._first_output(step).dtype, "float32")

    def _first_output(self, step: Step) -> Value:
        return self.values[next(filter(None, step.node.outputs))]

    def _data(self, names: Iterable[str]) -> list[str]:
        """Those that depend on the data, each once."""
        found = dict.fromkeys(name for name in names if name and name in self.values)
        return [name for name in found if not self.values[name].constant]

    def _home(self, name: str) -> str:
        return self.home.get(name, name)


def _amount(value: Value) -> Amount:
    nbytes = DTYPES[value.dtype].nbytes(value.size)
    if value.dtype in _FLOATING:
        return Amount(numbers=value.size, stored=nbytes)
    return Amount(fixed=nbytes)
