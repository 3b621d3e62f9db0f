"""An ONNX model cut into models of one operator each, so that each can be timed alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import onnx
from onnx import GraphProto, ModelProto, NodeProto

from grader.measure.costs.attributes import check_nodes
from grader.measure.costs.inline import flatten
from grader.measure.costs.storage import DTYPES
from grader.measure.costs.validate import read_model, standard_opset
from grader.measure.costs.view import GraphLimits, Value
from grader.measure.costs.walk import Step, walk
from grader.measure.hardware.traffic import VIEWS, named
from grader.sandbox.runners.rows import TimedModel


@dataclass(frozen=True)
class Cut:
    """The model whole, and each of its operators alone by name."""

    whole: TimedModel
    parts: Mapping[str, TimedModel]


def cut(model: bytes, *, batch: int = 1, sizes: Mapping[str, int] | None = None) -> Cut:
    """Cut the model at a batch size. Views and what is computed at load time are no parts.

    Raises Refused as traffic.of_onnx does.
    """
    limits = GraphLimits(batches=(1,), sizes=dict(sizes or {}))
    parsed = read_model(model, limits)
    opset = standard_opset(parsed, limits)
    nodes = flatten(parsed, limits)
    check_nodes(nodes, opset)
    walked = walk(parsed.graph, nodes, opset, batch, limits)
    cutter = _Cutter(parsed, opset, walked.values, walked.steps)
    running = named(step for step in walked.steps if not step.constant)
    given = [info.name for info in parsed.graph.input if not walked.values[info.name].constant]
    return Cut(
        TimedModel(model, tuple(_port(name, walked.values[name]) for name in given)),
        {name: cutter.part(step) for name, step in running if step.node.op not in VIEWS},
    )


class _Cutter:
    def __init__(
        self, model: ModelProto, opset: int, values: Mapping[str, Value], steps: list[Step]
    ) -> None:
        self._ir_version, self._opset, self._values = model.ir_version, opset, values
        self._stored = {tensor.name: tensor for tensor in model.graph.initializer}
        self._sparse = {one.values.name: one for one in model.graph.sparse_initializer}
        self._makers = {
            name: step.node.proto for step in steps if step.constant for name in step.node.outputs
        }

    def part(self, step: Step) -> TimedModel:
        """The operator with the constants that it reads; data come from outside."""
        graph = GraphProto(name="part")
        needed: list[NodeProto] = []
        data: dict[str, Value] = {}
        self._collect(step.node.proto, needed, data, graph)
        for name, value in data.items():
            graph.input.append(_info(name, value))
        for name in filter(None, step.node.outputs):
            graph.output.append(_info(name, self._values[name]))
        graph.node.extend([*needed, step.node.proto])
        model = onnx.helper.make_model(
            graph,
            opset_imports=[onnx.helper.make_opsetid("", self._opset)],
            ir_version=self._ir_version,
        )
        ports = tuple(_port(name, value) for name, value in data.items())
        return TimedModel(model.SerializeToString(), ports)

    def _collect(
        self, node: NodeProto, needed: list[NodeProto], data: dict[str, Value], graph: GraphProto
    ) -> None:
        """Stored tensors into `graph`, nodes that make constants into `needed`, before their
        readers, and everything else into `data`."""
        stored = {tensor.name for tensor in graph.initializer}
        for name in filter(None, node.input):
            maker = self._makers.get(name)
            if name in self._stored:
                if name not in stored:
                    graph.initializer.append(self._stored[name])
                    stored.add(name)
            elif name in self._sparse:
                if all(one.values.name != name for one in graph.sparse_initializer):
                    graph.sparse_initializer.append(self._sparse[name])
            elif maker is None:
                data[name] = self._values[name]
            elif maker not in needed:
                self._collect(maker, needed, data, graph)
                stored = {tensor.name for tensor in graph.initializer}
                needed.append(maker)


def _info(name: str, value: Value) -> onnx.ValueInfoProto:
    return onnx.helper.make_tensor_value_info(name, value.dtype, value.shape)


def _port(name: str, value: Value) -> tuple[str, str, tuple[int, ...]]:
    return name, DTYPES[value.dtype].name, value.shape
