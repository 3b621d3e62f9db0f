"""What a graded ONNX model may be and how large it may grow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

MIB = 2**20


@dataclass(frozen=True)
class GraphLimits:
    """The bounds under which `inspect` counts a model; beyond them it is refused."""

    opsets: range = range(13, 27)
    """Opsets of ai.onnx: 13 moved shapes into inputs; 26 is the newest that both onnx 1.23 and
    ONNX Runtime 1.31 know."""
    ir_versions: range = range(4, 14)
    max_file_bytes: int = 512 * MIB
    max_nodes: int = 5_000
    """Nodes after functions are inlined."""
    max_inputs: int = 512
    """Inputs and outputs of the graph together, without stored tensors that are also inputs."""
    max_tensor_bytes: int = 512 * MIB
    """Any one tensor, stored or computed, at batch 1 (times the batch otherwise)."""
    max_constant_bytes: int = 1024 * MIB
    """All tensors computed from constants alone, together."""
    max_constant_macs: int = 10**10
    """Work on constants alone, done once when the model is loaded."""
    max_macs: int = 10**13
    """MACs at batch 1."""
    batches: tuple[int, ...] = (1, 2, 3, 128)
    """Batch sizes at which the graph is counted. The first must be 1 and is the one reported; at
    the others the cost per example must not be higher. Put the sizes that are run in here."""
    sizes: Mapping[str, int] = field(default_factory=dict)
    """Sizes of named dynamic dimensions other than the batch, as {"samples": 1600}."""
    length: int | None = None
    """Size of a dynamic second axis of an input, whatever it is called: tokens of a sequence."""
    charge_additions: bool = True
    """Count an addition that does not follow a multiplication as one MAC (see COSTS)."""
