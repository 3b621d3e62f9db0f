"""Make the slow network's weights, and the ONNX file that submissions are compared with.

    python assignments/profiling/make_slow.py

writes slow.npz beside the reference's slow.py, and slow.onnx here. Fixed seeds. `make starters`
copies slow.npz to the starter.
The waste is in the weights, and removing it is exact up to rounding:

| layer | what is wasted |
|---|---|
| stem | the outer ring of each 5x5 kernel is 0; three of four outputs are thrown away |
| spread | a full convolution whose weights are diagonal: depthwise |
| widen | a 1x1 convolution between two copies |
| texture | each input channel has one 5x5 kernel, scaled for each output: depthwise, then 1x1; |
|         | and each 5x5 kernel is two 3x3 kernels one after another |
| shape | rank 6 across (output, row) x (input, column): 1x5, then 5x1 |
| detail | multiplied by a gate of zeros |
| mix, mirror | their sum is one layer; and linear, as are gather and embed after it: one product |
| context | sums the same frames again in every step |
| memory | a GRU of small products in a loop |
| head | of every state, before their mean |
| norms | all of them follow a linear layer |
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import onnx
import torch
from torch import Tensor, nn

HERE = Path(__file__).resolve().parent
REFERENCE = HERE.parents[1] / "reference_solutions" / "profiling"
SEED = 7
RANK = 6
"""Rank of the `shape` layer."""


def main() -> None:
    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    slow = _load(REFERENCE / "slow.py", "slow")
    network: nn.Module = slow.SlowNet().eval()
    with torch.no_grad():
        _fill(network)
        _settle(network)
    arrays = {name: tensor.numpy() for name, tensor in network.state_dict().items()}
    np.savez(REFERENCE / "slow.npz", **arrays)
    export = _load(HERE / "harness_faster.py", "harness_faster").export
    (HERE / "slow.onnx").write_bytes(_without_paths(export(network)))


def _fill(network: nn.Module) -> None:
    """Fill in weights with the structure in the table above."""
    stem = torch.zeros(16, 1, 5, 5)
    stem[:, :, 1:4, 1:4] = torch.randn(16, 1, 3, 3) / 3
    network.stem.weight.copy_(stem)
    spread = torch.zeros(16, 16, 3, 3)
    spread[range(16), range(16)] = torch.randn(16, 3, 3) / 3
    network.spread.weight.copy_(spread)
    network.texture.weight.copy_(_separable_by_channel())
    network.shape.weight.copy_(_separable_by_axis())
    for layer in (network.widen, network.gather, network.embed, network.context, network.head):
        _spread(layer)
    for layer in (*network.memory.children(), network.mix, network.mirror, network.detail):
        _spread(layer)


def _spread(layer: nn.Module) -> None:
    fan_in = layer.weight[0].numel()
    layer.weight.copy_(torch.randn_like(layer.weight) * 1.4 / fan_in**0.5)
    layer.bias.copy_(torch.randn_like(layer.bias) / 4)


def _separable_by_channel() -> Tensor:
    """(32, 32, 5, 5): K[o, i] = M[o, i] S[i], and S[i] two 3x3 kernels one after another."""
    first, second = torch.randn(2, 32, 3, 3, dtype=torch.float64) / 3
    spatial = torch.zeros(32, 5, 5, dtype=torch.float64)
    for y in range(3):
        for x in range(3):
            spatial[:, y : y + 3, x : x + 3] += first[:, y, x, None, None] * second
    mixing = torch.randn(32, 32, dtype=torch.float64) / 32**0.5
    return (mixing[:, :, None, None] * spatial).float()


def _separable_by_axis() -> Tensor:
    """(32, 32, 5, 5): K[o, i, y, x] = sum over r of V[o, y, r] H[r, i, x]."""
    down = torch.randn(32, 5, RANK, dtype=torch.float64) / (5 * RANK) ** 0.5
    along = torch.randn(RANK, 32, 5, dtype=torch.float64) / (5 * 32) ** 0.5
    return torch.einsum("oyr,rix->oiyx", down, along).float()


def _settle(network: nn.Module) -> None:
    """Set the statistics of the batch norms to those of noise."""
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.weight.copy_(0.75 + 0.5 * torch.rand_like(norm.weight))
        norm.bias.copy_(torch.randn_like(norm.bias) / 4)
        norm.momentum = None  # the plain mean over batches
        norm.train()
    for _ in range(16):
        network(torch.randn(1, 40, 96))
    for norm in norms:
        norm.eval()


def _without_paths(model: bytes) -> bytes:
    """The model without the exporter's notes of source files and lines."""
    parsed = onnx.load_from_string(model)
    for node in parsed.graph.node:
        node.ClearField("doc_string")
    return parsed.SerializeToString()


def _load(path: Path, name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    main()
