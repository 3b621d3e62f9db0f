"""MACs of torch operators as they run, by the rules of `grader.measure.costs.operators`.

A TorchScript model decides at run time which operators it needs, so they are counted while it
runs, by a TorchDispatchMode, which every operator passes. Products of matrices and convolutions
count exactly, elementwise multiplications count 1 per output, an addition counts 1 unless it can be
fused with a multiplication before it, moving and comparing data is free. Operators that are not in
the tables are refused.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode


def _names(words: str) -> frozenset[str]:
    return frozenset(words.split())


PER_OUTPUT = _names(
    "mul mul_ div div_ pow pow_ reciprocal sqrt rsqrt exp exp_ exp2 expm1 log log2 log10 "
    "log1p sin cos tan asin acos atan sinh cosh remainder fmod square addcmul addcdiv "
    "logaddexp leaky_relu elu gelu hardswish hardsigmoid silu lerp"
)
ADDITIONS = _names("add add_ sub sub_ rsub cumsum index_add index_add_ scatter_add")
REDUCTIONS = _names("sum mean prod _softmax _log_softmax logsumexp var std norm")
COMBINING = _names("minimum maximum")
FREE = _names(
    "_softmax_backward abs alias amax amin aminmax any all arange argmax argmin as_strided "
    "bitwise_and bitwise_not bitwise_or ceil clamp clamp_ clamp_max clamp_min clone "
    "constant_pad_nd contiguous copy copy_ cat chunk detach detach_ empty empty_like eq erf "
    "expand fill fill_ flip floor full full_like gather ge gt index index_copy index_copy_ "
    "index_put index_put_ index_select isfinite isinf isnan item le lift_fresh linspace "
    "logical_and logical_not logical_or lt masked_fill masked_fill_ max min narrow ne neg "
    "neg_ new_empty new_full new_ones new_zeros nonzero ones ones_like permute pad "
    "reflection_pad1d relu relu_ repeat reshape roll round scalar_tensor scatter select "
    "select_scatter sigmoid sigmoid_ sign slice slice_scatter softplus sort split "
    "split_with_sizes squeeze squeeze_ stack t t_ tanh tanh_ to topk transpose transpose_ "
    "tril triu unbind unfold unsafe_split unsqueeze unsqueeze_ view where zero_ zeros "
    "zeros_like _local_scalar_dense _reshape_alias _to_copy _unsafe_view _to_cpu dropout "
    "floor_divide trunc max_pool2d_with_indices"
)


class Counter(TorchDispatchMode):
    """While active, adds up `macs` and collects the names of operators that are in no table."""

    def __init__(self) -> None:
        super().__init__()
        self.macs = 0
        self.unknown: set[str] = set()
        self._credit = 0

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        # Otherwise torch would import its compiler, although nothing is compiled here.
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        self._count(func.overloadpacket.__name__, args, result)
        return result

    def _count(self, name: str, args: Any, result: Any) -> None:
        out = sum(t.numel() for t in _tensors(result))
        product = _product(name, args, out)
        if product is not None:
            self.macs += product
            self._credit += min(out, product)
        elif name in PER_OUTPUT:
            self.macs += out if _floating(result) else 0
            self._credit += out
        elif name in ADDITIONS or name in REDUCTIONS:
            given = max((a.numel() for a in args if isinstance(a, torch.Tensor)), default=0)
            terms = out if name in ADDITIONS else max(given - out, 0)
            # One addition is free for each multiplication before it.
            paid = min(self._credit, terms)
            self._credit -= paid
            self.macs += (terms - paid) if _floating(result) else 0
        elif name in COMBINING:
            self.macs += out if _floating(result) else 0
        elif name not in FREE:
            self.unknown.add(name)


def _product(name: str, args: Any, out: int) -> int | None:
    """MACs of matrix products, convolutions and fused cells; None for other operators."""
    if name in ("mm", "bmm"):
        return out * int(args[0].shape[-1])
    if name in ("addmm", "baddbmm"):
        return out * int(args[1].shape[-1])
    if name in ("mv", "dot"):
        return int(args[0].numel())
    if name == "addmv":
        return int(args[1].numel())
    if name in ("convolution", "_convolution", "mkldnn_convolution", "convolution_overrideable"):
        weight, transposed = args[1], len(args) > 6 and bool(args[6])
        each = int(weight[0].numel())
        return int(args[0].numel()) * each if transposed else out * each
    if name in ("_thnn_fused_gru_cell", "_thnn_fused_lstm_cell"):
        return 0
    return None


def _tensors(result: Any) -> list[torch.Tensor]:
    if isinstance(result, torch.Tensor):
        return [result]
    if isinstance(result, list | tuple):
        return [tensor for one in result for tensor in _tensors(one)]
    return []


def _floating(result: Any) -> bool:
    return any(t.is_floating_point() for t in _tensors(result))
