"""A profiler: what a PyTorch model costs, in total and by layer.

`grader check` calls profile_model on 18 models, one of each family: convolutions (grouped,
depthwise, transposed), linear layers, GRU and LSTM, attention, shared weights, matrix products
outside of layers, modules in plain lists, quantized layers, einsum, embeddings, products of
elements, a residual block with norms, a cell in a loop. Every count has to be right within 1%. The
hidden models have other sizes.
"""

from __future__ import annotations

# BEGIN SOLUTION
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import prod
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules import module as module_hooks
from torch.utils._python_dispatch import TorchDispatchMode

# Hooks on layers do not see `x @ w`, and a list of known layers is never complete. So this looks
# from two sides at once: hooks on *all* modules say whose forward is running, and a
# TorchDispatchMode sees every operator below them, with the shapes that it works on.

TIMED_RUNS = 5
# STARTER
# from collections.abc import Sequence
# from typing import Any
#
# from torch import Tensor, nn
# END SOLUTION


def profile_model(model: nn.Module, example_inputs: Sequence[Tensor]) -> dict[str, Any]:
    """Profile one call `model(*example_inputs)`, the whole batch; the model is in eval mode.

    Returns a dict of plain Python numbers (no tensors, no numpy):

    parameters        learnt numbers, each stored number once, wherever it is used: registered
                      Parameters, those of modules that are called but not registered (in a plain
                      list), weights and biases inside quantized layers
    bytes             what these and the buffers take as they are stored: 4 a float32, 1 an int8.
                      Scales and zero points of quantized weights do not count
    macs              multiplications: matrix products, convolutions, attention and recurrent cells
                      exactly, without their scales and gates; an elementwise multiplication (`*`)
                      1 an output. Everything else counts 0: additions, norms, softmax,
                      activations, look-ups
    activation_bytes  bytes of the tensors that were returned by calls of modules during which no
                      other module was called. Every call counts, and every tensor of a tuple. It is
                      what a layer-by-layer run writes to memory, and what training has to keep;
                      what operators write inside one module is not in it
    seconds           one call, without hooks or modes
    layers            a list of dicts, one a module: "name" and the five figures above. The name is
                      that in model.named_modules(), "" for what the model's own forward does
                      outside of other modules; what has no name there gets one of yours. What is
                      shared counts where it is met first. The layers' counts add up to the totals
    """
    # BEGIN SOLUTION
    with torch.no_grad():
        seconds = _timed(model, example_inputs)
        with _following(model) as layers, _Operators(layers):
            model(*example_inputs)
        with _following(model) as timed:
            model(*example_inputs)
    weights = _Weights(model, layers)
    rows = [
        {
            "name": layer.name,
            "parameters": weights.parameters(layer),
            "bytes": weights.bytes(layer),
            "macs": layer.macs,
            "activation_bytes": layer.activation_bytes,
            "seconds": timed.of(layer.module).seconds,
        }
        for layer in layers.all
    ]
    totals = ("parameters", "bytes", "macs", "activation_bytes")
    return {
        **{name: sum(row[name] for row in rows) for name in totals},
        "seconds": seconds,
        "layers": rows,
    }
    # STARTER
    # # TODO: these see only what is registered. What does the model do that no layer does?
    # parameters = sum(parameter.numel() for parameter in model.parameters())
    # totals = {
    #     "parameters": parameters,
    #     "bytes": 4 * parameters,
    #     "macs": 0,  # TODO: hooks on layers, or better a TorchDispatchMode
    #     "activation_bytes": 0,  # TODO
    #     "seconds": 0.0,  # TODO
    # }
    # return {**totals, "layers": [{"name": "", **totals}]}
    # END SOLUTION


# BEGIN SOLUTION
def _timed(model: nn.Module, inputs: Sequence[Tensor]) -> float:
    """Median seconds of a call; the first ones fill caches and are not counted."""
    samples = []
    for _ in range(2 + TIMED_RUNS):
        started = time.perf_counter()
        model(*inputs)
        samples.append(time.perf_counter() - started)
    return statistics.median(samples[2:])


# Whose forward is running -------------------------------------------------------------------


@dataclass(eq=False)
class Layer:
    module: nn.Module
    name: str
    macs: int = 0
    activation_bytes: int = 0
    seconds: float = 0.0
    """In its own forward, without the modules that it calls."""
    used: dict[int, Tensor] = field(default_factory=dict)
    """Parameters that its operators were given."""


class _Layers:
    """Layers in the order of their first call, and those that are running, innermost last."""

    def __init__(self, model: nn.Module) -> None:
        self._names = {module: name for name, module in model.named_modules()}
        self._found: dict[nn.Module, Layer] = {}
        self._running: list[tuple[Layer, bool]] = []
        self._since = 0.0
        # What is registered and never called still has parameters.
        for module in model.modules():
            self.of(module)

    @property
    def all(self) -> list[Layer]:
        return list(self._found.values())

    @property
    def running(self) -> Layer | None:
        return self._running[-1][0] if self._running else None

    def of(self, module: nn.Module) -> Layer:
        name = self._names.get(module, f"({type(module).__name__} {len(self._found)})")
        return self._found.setdefault(module, Layer(module, name))

    def enter(self, module: nn.Module) -> None:
        self._charge()
        if self._running:
            self._running[-1] = (self._running[-1][0], True)
        self._running.append((self.of(module), False))

    def leave(self, output: Any) -> None:
        self._charge()
        layer, called_others = self._running.pop()
        if not called_others:
            layer.activation_bytes += sum(t.numel() * t.element_size() for t in _tensors(output))

    def _charge(self) -> None:
        now = time.perf_counter()
        if self._running:
            self._running[-1][0].seconds += now - self._since
        self._since = now


@contextmanager
def _following(model: nn.Module) -> Iterator[_Layers]:
    """Hooks on every module there is, registered with the model or not."""
    layers = _Layers(model)
    before = module_hooks.register_module_forward_pre_hook(lambda m, _: layers.enter(m))
    after = module_hooks.register_module_forward_hook(lambda m, _, output: layers.leave(output))
    try:
        yield layers
    finally:
        before.remove()
        after.remove()


def _tensors(value: Any) -> list[Tensor]:
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, dict):
        return _tensors(list(value.values()))
    if isinstance(value, list | tuple):
        return [tensor for one in value for tensor in _tensors(one)]
    return []


# What each operator multiplies --------------------------------------------------------------


class _Operators(TorchDispatchMode):
    """Adds the MACs of every operator to the layer that is running."""

    def __init__(self, layers: _Layers) -> None:
        super().__init__()
        self._layers = layers

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        output = func(*args, **(kwargs or {}))
        layer = self._layers.running
        if layer is not None:
            layer.used |= {id(p): p for p in args if isinstance(p, nn.Parameter)}
            layer.macs += self._macs(func, args, output, layer.module)
        return output

    def _macs(self, func: Any, args: Any, output: Any, module: nn.Module) -> int:
        name = func._schema.name.split("::")[-1]
        if name in ("mul", "mul_"):
            # The products of gates are part of the cell.
            inside = isinstance(module, nn.RNNBase | nn.RNNCellBase)
            return 0 if inside else output.numel()
        if name.startswith("linear") and func.namespace == "quantized":
            return output.numel() * args[0].shape[-1]
        rule = RULES.get(name)
        return 0 if rule is None else rule(args, output)


def _matrix_product(args: Any, output: Tensor) -> int:
    """(..., m, k) x (k, n)"""
    return output.numel() * args[0].shape[-1]


def _matrix_product_added(args: Any, output: Tensor) -> int:
    """c + (m, k) x (k, n)"""
    return output.numel() * args[1].shape[-1]


def _convolution(args: Any, output: Tensor) -> int:
    """Weight (outputs, inputs / groups, *kernel); transposed (inputs, outputs / groups, *kernel),
    and then it is every input that is multiplied by a kernel."""
    values, weight, transposed = args[0], args[1], bool(args[6])
    return (values if transposed else output).numel() * prod(weight.shape[1:])


def _attention(args: Any, output: Any) -> int:
    """Query (batch, heads, q, d), key (.., k, d), value (.., k, v): scores, then their mixture."""
    query, key, value = args[:3]
    return query.shape[:-1].numel() * key.shape[-2] * (query.shape[-1] + value.shape[-1])


def _fused_attention(args: Any, output: Any) -> int:
    """nn.MultiheadAttention's own operator: query, key, value (batch, steps, width)."""
    query, key, width = args[0], args[1], args[3]
    batch, q, k = query.shape[0], query.shape[1], key.shape[1]
    return batch * (2 * width * width * (q + k) + 2 * q * k * width)


def _recurrent_layer(args: Any, output: Any) -> int:
    """One layer in one direction: input (steps, batch, n), weights (gates x hidden, ...)."""
    return args[0].shape[:2].numel() * (args[1].numel() + args[2].numel())


RULES: dict[str, Callable[[Any, Any], int]] = {
    "mm": _matrix_product,
    "bmm": _matrix_product,
    "mv": lambda args, _: args[0].numel(),
    "dot": lambda args, _: args[0].numel(),
    "addmm": _matrix_product_added,
    "baddbmm": _matrix_product_added,
    "addmv": lambda args, _: args[1].numel(),
    "convolution": _convolution,
    "_convolution": _convolution,
    "mkldnn_rnn_layer": _recurrent_layer,
    "_native_multi_head_attention": _fused_attention,
    "_scaled_dot_product_flash_attention_for_cpu": _attention,
    "_scaled_dot_product_flash_attention": _attention,
    "_scaled_dot_product_efficient_attention": _attention,
    "_scaled_dot_product_cudnn_attention": _attention,
}
"""By operator of ATen; torch.einsum, F.linear, matmul and @ are made of these. An operator that is
not here multiplies nothing that we count."""


# What is stored -----------------------------------------------------------------------------


class _Weights:
    """Every stored tensor once, with the first layer that owns it."""

    def __init__(self, model: nn.Module, layers: _Layers) -> None:
        self._parameters: dict[Layer, list[Tensor]] = {}
        self._buffers: dict[Layer, list[Tensor]] = {}
        seen: set[int] = set()
        for own in (_registered, _used):
            for layer in layers.all:
                for tensor, learnt in own(layer):
                    if id(tensor) not in seen:
                        seen.add(id(tensor))
                        kind = self._parameters if learnt else self._buffers
                        kind.setdefault(layer, []).append(tensor)

    def parameters(self, layer: Layer) -> int:
        return sum(tensor.numel() for tensor in self._parameters.get(layer, []))

    def bytes(self, layer: Layer) -> int:
        stored = self._parameters.get(layer, []) + self._buffers.get(layer, [])
        return sum(tensor.numel() * tensor.element_size() for tensor in stored)


def _registered(layer: Layer) -> Iterator[tuple[Tensor, bool]]:
    for parameter in layer.module.parameters(recurse=False):
        yield parameter, True
    for buffer in layer.module.buffers(recurse=False):
        yield buffer, False
    # Quantized layers pack their weights out of sight, and hand them out through methods.
    for name in ("weight", "bias"):
        method = getattr(layer.module, name, None)
        if callable(method) and isinstance(tensor := method(), Tensor):
            yield tensor, True


def _used(layer: Layer) -> Iterator[tuple[Tensor, bool]]:
    return ((parameter, True) for parameter in layer.used.values())


# END SOLUTION
