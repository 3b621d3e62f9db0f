"""Builds the models on which a profiler is tested, by family and sizes.

Runs in a sandbox of its own: the process of the student's code gets the packed models only.

Request: {"cases": [...]}. The answer has for each case the packed model, the seconds of a call and
the MACs that thop counts.
"""

from __future__ import annotations

import base64
import contextlib
import io
import pickle
import time
import warnings
from typing import Any

import harness_networks
import torch
from torch import Tensor, nn

Sizes = dict[str, int]
Model = tuple[nn.Module, tuple[Tensor, ...]]


def answer(order: dict[str, Any], student: Any) -> dict[str, Any]:
    warnings.simplefilter("ignore")
    return {"models": [_prepared(*build(**case)) for case in order["cases"]]}


def _prepared(model: nn.Module, inputs: tuple[Tensor, ...]) -> dict[str, Any]:
    """The model and its inputs pickled, in base64; seconds of one call, the median of several;
    thop's MACs, None where it fails."""
    packed = base64.b64encode(pickle.dumps((model, inputs))).decode()  # thop changes the model
    seconds = []
    with torch.no_grad():
        for _ in range(6):
            started = time.perf_counter()
            model(*inputs)
            seconds.append(time.perf_counter() - started)
    return {"packed": packed, "seconds": sorted(seconds[1:])[2], "thop": _thop(model, inputs)}


def _thop(model: nn.Module, inputs: tuple[Tensor, ...]) -> float | None:
    try:
        import thop

        with contextlib.redirect_stdout(io.StringIO()), torch.no_grad():
            macs, _ = thop.profile(model, inputs=inputs, verbose=False)
        return float(macs)
    except Exception:  # shown for comparison only; thop has no exception of its own
        return None


def build(family: str, sizes: Sizes, seed: int) -> Model:
    """A module in eval mode, with random weights, and the inputs to call it with."""
    torch.manual_seed(seed)
    module, inputs = BUILDERS[family](sizes)
    return module.eval(), inputs


def convolution(s: Sizes) -> Model:
    k = s["kernel"]
    module = nn.Sequential(
        nn.Conv2d(s["channels"], s["middle"], k, stride=s["stride"], padding=k // 2),
        nn.ReLU(),
        nn.Conv2d(s["middle"], s["outputs"], 3, bias=False),
    )
    return module, (torch.randn(s["batch"], s["channels"], s["height"], s["width"]),)


def grouped_convolution(s: Sizes) -> Model:
    channels = s["groups"] * s["each"]
    module = nn.Sequential(
        nn.Conv2d(channels, 2 * channels, 3, padding=1, groups=s["groups"]),
        nn.ReLU(),
        nn.Conv2d(2 * channels, channels, 1),
    )
    return module, (torch.randn(s["batch"], channels, s["height"], s["width"]),)


def depthwise_convolution(s: Sizes) -> Model:
    channels, k = s["channels"], s["kernel"]
    module = nn.Sequential(
        nn.Conv1d(channels, channels, k, padding=k // 2, groups=channels),
        nn.ReLU(),
        nn.Conv1d(channels, s["outputs"], 1),
    )
    return module, (torch.randn(s["batch"], channels, s["length"]),)


def transposed_convolution(s: Sizes) -> Model:
    module = nn.Sequential(
        nn.Conv2d(s["channels"], s["middle"], 3, stride=2, padding=1),
        nn.ReLU(),
        nn.ConvTranspose2d(s["middle"], s["outputs"], 4, stride=2, padding=1),
    )
    return module, (torch.randn(s["batch"], s["channels"], 2 * s["height"], 2 * s["width"]),)


def linear(s: Sizes) -> Model:
    module = nn.Sequential(
        nn.Linear(s["inputs"], s["middle"]),
        nn.GELU(),
        nn.Linear(s["middle"], s["outputs"], bias=False),
    )
    return module, (torch.randn(s["batch"], s["steps"], s["inputs"]),)


def _recurrent(kind: type[nn.RNNBase], s: Sizes) -> Model:
    cell = kind(
        s["inputs"],
        s["hidden"],
        num_layers=s["layers"],
        bidirectional=s["directions"] == 2,
        batch_first=bool(s["batch_first"]),
    )
    order = (s["batch"], s["steps"]) if s["batch_first"] else (s["steps"], s["batch"])
    module = harness_networks.Network1(cell, s["directions"] * s["hidden"], s["outputs"])
    return module, (torch.randn(*order, s["inputs"]),)


def gru(s: Sizes) -> Model:
    return _recurrent(nn.GRU, s)


def lstm(s: Sizes) -> Model:
    return _recurrent(nn.LSTM, s)


def multihead_attention(s: Sizes) -> Model:
    width = s["heads"] * s["depth"]
    queries = torch.randn(s["batch"], s["queries"], width)
    memory = torch.randn(s["batch"], s["keys"], width)
    return harness_networks.Network2(width, s["heads"]), (queries, memory)


def scaled_dot_product(s: Sizes) -> Model:
    width = s["heads"] * s["depth"]
    return harness_networks.Network3(width, s["heads"]), (
        torch.randn(s["batch"], s["steps"], width),
    )


def shared_weights(s: Sizes) -> Model:
    words = torch.randint(s["words"], (s["batch"], s["steps"]))
    return harness_networks.Network4(s["words"], s["width"], s["calls"]), (words,)


def functional_matmul(s: Sizes) -> Model:
    module = harness_networks.Network5(s["inputs"], s["middle"], s["outputs"])
    return module, (torch.randn(s["batch"], s["steps"], s["inputs"]),)


def modules_in_lists(s: Sizes) -> Model:
    module = harness_networks.Network6(s["width"], s["layers"], s["outputs"])
    return module, (torch.randn(s["batch"], s["steps"], s["width"]),)


def quantised_linear(s: Sizes) -> Model:
    module = nn.Sequential(
        nn.Linear(s["inputs"], s["middle"]), nn.ReLU(), nn.Linear(s["middle"], s["outputs"])
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        quantized = torch.ao.quantization.quantize_dynamic(module.eval(), {nn.Linear}, torch.qint8)
    return quantized, (torch.randn(s["batch"], s["steps"], s["inputs"]),)


def einsum(s: Sizes) -> Model:
    module = harness_networks.Network7(s["inputs"], s["heads"], s["depth"])
    return module, (torch.randn(s["batch"], s["steps"], s["inputs"]),)


def embedding_bag(s: Sizes) -> Model:
    words = torch.randint(s["words"], (s["batch"], s["steps"]))
    return harness_networks.Network8(s["words"], s["width"], s["outputs"]), (words,)


def elementwise(s: Sizes) -> Model:
    module = harness_networks.Network9(s["inputs"], s["outputs"])
    return module, (torch.randn(s["batch"], s["steps"], s["inputs"]),)


def normalised_residual(s: Sizes) -> Model:
    module = harness_networks.Network10(s["channels"], s["outputs"])
    return module, (torch.randn(s["batch"], s["channels"], s["height"], s["width"]),)


def recurrent_loop(s: Sizes) -> Model:
    module = harness_networks.Network11(s["inputs"], s["hidden"], s["outputs"])
    return module, (torch.randn(s["batch"], s["steps"], s["inputs"]),)


BUILDERS = {
    builder.__name__: builder
    for builder in (
        convolution,
        grouped_convolution,
        depthwise_convolution,
        transposed_convolution,
        linear,
        gru,
        lstm,
        multihead_attention,
        scaled_dot_product,
        shared_weights,
        functional_matmul,
        modules_in_lists,
        quantised_linear,
        einsum,
        embedding_bag,
        elementwise,
        normalised_residual,
        recurrent_loop,
    )
}
