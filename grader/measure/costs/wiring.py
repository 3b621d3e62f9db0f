"""Who makes and who uses every tensor of a counted graph, and the values of what is stored."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray

from grader.measure.costs.graph import Counted
from grader.measure.costs.walk import Step


@dataclass(frozen=True)
class Use:
    """One input of one node."""

    index: int
    """Of the step."""
    step: Step
    position: int
    """Which input it is."""


class Wiring:
    """Look-ups over the steps of a counted graph, in the order in which they run."""

    def __init__(self, counted: Counted) -> None:
        self.steps = counted.steps
        self.outputs = [info.name for info in counted.graph.output]
        self.tensors = {tensor.name: tensor for tensor in counted.graph.initializer}
        self.uses: dict[str, list[Use]] = {}
        self._producers: dict[str, int] = {}
        for index, step in enumerate(self.steps):
            for position, name in enumerate(step.node.inputs):
                if name:
                    self.uses.setdefault(name, []).append(Use(index, step, position))
            self._producers |= dict.fromkeys(filter(None, step.node.outputs), index)
            if step.node.op == "Constant":
                for attribute in step.node.proto.attribute:
                    if attribute.HasField("t"):
                        self.tensors[step.node.outputs[0]] = attribute.t

    def producer(self, name: str) -> Step | None:
        """The node that makes `name`; None for inputs and initializers."""
        index = self._producers.get(name)
        return None if index is None else self.steps[index]

    def producer_index(self, name: str) -> int | None:
        return self._producers.get(name)

    def is_constant(self, name: str) -> bool:
        """Whether `name` is stored, or computed from what is stored alone."""
        made = self.producer(name)
        return name in self.tensors or (made is not None and made.constant)

    def data_inputs(self, step: Step) -> list[str]:
        """Inputs that depend on the data."""
        return [name for name in step.node.inputs if name and not self.is_constant(name)]

    def value(self, name: str) -> NDArray[np.generic] | None:
        """What a stored tensor holds, also behind Identity, Cast and Reshape."""
        while name not in self.tensors:
            made = self.producer(name)
            if made is None or made.node.op not in ("Identity", "Cast", "Reshape", "Unsqueeze"):
                return None
            name = made.node.inputs[0]
        return onnx.numpy_helper.to_array(self.tensors[name])

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape of a stored tensor, or of a node's first output; () when unknown."""
        if name in self.tensors:
            return tuple(self.tensors[name].dims)
        made = self.producer(name)
        return made.shape if made is not None and made.node.outputs[0] == name else ()
