"""Convolutions, matrix products, recurrent cells and attention against independent counts."""

from __future__ import annotations

from math import prod

import numpy as np
import pytest
import thop
import torch
import torch.nn.functional as F
from graph_models import export, model, node, weights
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from grader.measure.costs.graph import GraphReport, inspect
from grader.measure.costs.refusals import Refused

few = settings(max_examples=40, deadline=None)


def torch_macs(function: object, *arguments: Tensor, **options: object) -> int:
    """MACs as torch's own counter sees them."""
    with (
        torch.no_grad(),
        sdpa_kernel(SDPBackend.MATH),  # the counter does not know fused attention on a CPU
        FlopCounterMode(display=False) as counter,
    ):
        function(*arguments, **options)  # type: ignore[operator]
    return counter.get_total_flops() // 2


def linear(report: GraphReport) -> int:
    return report.macs - report.elementwise_macs


@st.composite
def convolutions(draw: st.DrawFn) -> dict:
    axes = draw(st.integers(1, 3))
    kernel = draw(st.lists(st.integers(1, 3), min_size=axes, max_size=axes))
    dilation = draw(st.lists(st.integers(1, 2), min_size=axes, max_size=axes))
    return {
        "groups": draw(st.integers(1, 3)),
        "in": draw(st.integers(1, 3)),
        "out": draw(st.integers(1, 3)),
        "kernel": kernel,
        "dilation": dilation,
        "stride": draw(st.lists(st.integers(1, 3), min_size=axes, max_size=axes)),
        "padding": draw(st.lists(st.integers(0, 2), min_size=axes, max_size=axes)),
        "size": draw(st.lists(st.integers(5, 8), min_size=axes, max_size=axes)),
    }


@few
@given(convolutions())
def test_convolution_agrees_with_torch(c: dict) -> None:
    channels = c["groups"] * c["in"]
    weight = weights(c["groups"] * c["out"], c["in"], *c["kernel"])
    raw = model(
        [
            node(
                *("Conv", "x w", "y"),
                group=c["groups"],
                strides=c["stride"],
                dilations=c["dilation"],
                pads=c["padding"] * 2,
            )
        ],
        {"x": ["n", channels, *c["size"]]},
        {"w": weight},
    )
    function = (F.conv1d, F.conv2d, F.conv3d)[len(c["size"]) - 1]
    expected = torch_macs(
        function,
        torch.zeros(1, channels, *c["size"]),
        torch.from_numpy(weight),
        stride=c["stride"],
        padding=c["padding"],
        dilation=c["dilation"],
        groups=c["groups"],
    )
    report = inspect(raw)
    assert (report.macs, report.elementwise_macs) == (expected, 0)
    assert report.params == weight.size


@few
@given(convolutions())
def test_transposed_convolution_counts_every_input_once_per_tap(c: dict) -> None:
    channels = c["groups"] * c["in"]
    weight = weights(channels, c["out"], *c["kernel"])
    raw = model(
        [node("ConvTranspose", "x w", "y", group=c["groups"], strides=c["stride"])],
        {"x": ["n", channels, *c["size"]]},
        {"w": weight},
    )
    by_hand = channels * prod(c["size"]) * c["out"] * prod(c["kernel"])
    assert inspect(raw).macs == by_hand


def test_transposed_convolution_agrees_with_torch() -> None:
    weight = weights(6, 4, 3, 3)
    x = torch.zeros(1, 6, 7, 5)
    raw = model(
        [node("ConvTranspose", "x w", "y", strides=[2, 2])], {"x": ["n", 6, 7, 5]}, {"w": weight}
    )
    expected = torch_macs(F.conv_transpose2d, x, torch.from_numpy(weight), stride=2)
    assert inspect(raw).macs == expected


@pytest.mark.parametrize("auto_pad", ["SAME_UPPER", "SAME_LOWER", "VALID"])
def test_automatic_padding_gives_the_sizes_of_the_definition(auto_pad: str) -> None:
    raw = model(
        [node("Conv", "x w", "y", strides=[2], auto_pad=auto_pad)],
        {"x": ["n", 3, 11]},
        {"w": weights(5, 3, 4)},
    )
    outputs = 6 if auto_pad != "VALID" else 4
    assert inspect(raw).macs == outputs * 5 * 3 * 4


@st.composite
def matrix_pairs(draw: st.DrawFn) -> tuple[list[int], list[int]]:
    """Two shapes that broadcast in a matrix product, vectors included."""
    m, k, n = (draw(st.integers(1, 4)) for _ in range(3))
    batch = draw(st.lists(st.integers(1, 3), max_size=3))
    a = [*(draw(st.sampled_from([1, s])) for s in batch[draw(st.integers(0, len(batch))) :]), m, k]
    b = [*(draw(st.sampled_from([1, s])) for s in batch[draw(st.integers(0, len(batch))) :]), k, n]
    return (a if draw(st.booleans()) else [k]), (b if draw(st.booleans()) else [k])


@few
@given(matrix_pairs())
def test_matmul_of_any_ranks_counts_the_inner_size_for_each_output(pair: tuple) -> None:
    a, b = pair
    outputs = np.matmul(np.zeros(a), np.zeros(b)).size
    raw = model([node("MatMul", "a b", "y")], {"a": a}, {"b": weights(*b)})
    assert inspect(raw).macs == outputs * a[-1]


def test_batched_matmul_agrees_with_torch() -> None:
    raw = model([node("MatMul", "a b", "y")], {"a": ["n", 6, 5, 4], "b": ["n", 6, 4, 3]})
    expected = torch_macs(torch.matmul, torch.zeros(1, 6, 5, 4), torch.zeros(1, 6, 4, 3))
    assert inspect(raw).macs == expected


@pytest.mark.parametrize("trans_a", [0, 1])
@pytest.mark.parametrize("trans_b", [0, 1])
def test_gemm_and_its_scales(trans_a: int, trans_b: int) -> None:
    a = [6, 1] if trans_a else ["n", 6]
    b = weights(*((4, 6) if trans_b else (6, 4)))
    raw = model(
        [node("Gemm", "a b c", "y", transA=trans_a, transB=trans_b, alpha=0.5)],
        {"a": a},
        {"b": b, "c": weights(4)},
    )
    report = inspect(raw)
    assert (linear(report), report.elementwise_macs) == (24, 4)


@pytest.mark.parametrize(
    ("equation", "shapes"),
    [
        ("bik,bkj->bij", [(1, 3, 4), (1, 4, 5)]),
        ("bhqd,bhkd->bhqk", [(1, 2, 3, 4), (1, 2, 5, 4)]),
        ("...ik,kj->...ij", [(1, 2, 3, 4), (4, 5)]),
        ("bi,ij", [(1, 3), (3, 4)]),
    ],
)
def test_einsum_of_two_operands_agrees_with_torch(equation: str, shapes: list) -> None:
    inputs = {f"x{i}": ["n", *s[1:]] if s[0] == 1 else s for i, s in enumerate(shapes)}
    raw = model([node("Einsum", " ".join(inputs), "y", equation=equation)], inputs)
    expected = torch_macs(torch.einsum, equation, *(torch.zeros(s) for s in shapes))
    assert inspect(raw).macs == expected


def test_einsum_of_three_operands_is_contracted_from_the_left() -> None:
    raw = model(
        [node("Einsum", "a b c", "y", equation="ij,jk,kl->il")],
        {"a": ["n", 4]},
        {"b": weights(4, 5), "c": weights(5, 6)},
    )
    assert inspect(raw).macs == 1 * 4 * 5 + 1 * 5 * 6


def test_einsum_of_one_operand_moves_for_free_and_sums_at_a_cost() -> None:
    def macs(equation: str) -> int:
        raw = model([node("Einsum", "x", "y", equation=equation)], {"x": ["n", 4, 5]})
        return inspect(raw).macs

    assert macs("bij->bji") == 0
    assert macs("bij->bi") == 4 * 5 - 4


class Recurrent(nn.Module):
    def __init__(self, cell: type[nn.RNNBase], **options: object) -> None:
        super().__init__()
        self.cell = cell(5, 7, batch_first=True, **options)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        return self.cell(x)[0]


@pytest.mark.parametrize("cell", [nn.RNN, nn.GRU, nn.LSTM])
@pytest.mark.parametrize("options", [{}, {"bidirectional": True}, {"num_layers": 2}])
def test_recurrent_layers_use_every_weight_once_a_step(cell: type, options: dict) -> None:
    module = Recurrent(cell, **options)
    matrices = sum(p.numel() for name, p in module.named_parameters() if "weight" in name)
    report = inspect(export(module, torch.zeros(1, 9, 5)))
    assert (linear(report), report.elementwise_macs) == (9 * matrices, 0)
    assert report.params == sum(p.numel() for p in module.parameters())


def test_gru_agrees_with_torchs_counter() -> None:
    module = Recurrent(nn.GRU, num_layers=2, bidirectional=True)
    assert inspect(export(module, torch.zeros(1, 9, 5))).macs == torch_macs(
        module.eval(), torch.zeros(1, 9, 5)
    )


def test_lstm_peepholes_are_elementwise_products() -> None:
    stored = {"w": weights(1, 12, 4), "r": weights(1, 12, 3), "p": weights(1, 9)}
    raw = model([node("LSTM", "x w r - - - - p", "y", hidden_size=3)], {"x": [5, "n", 4]}, stored)
    with pytest.raises(Refused, match="Axis 1 of input x"):
        inspect(raw)
    raw = model([node("LSTM", "x w r - - - - p", "y", hidden_size=3)], {"x": [5, 1, 4]}, stored)
    report = inspect(raw)
    assert (linear(report), report.elementwise_macs) == (5 * 12 * (4 + 3), 5 * 9)


def test_gru_reset_order_changes_nothing() -> None:
    stored = {"w": weights(1, 9, 4), "r": weights(1, 9, 3)}

    def macs(order: int) -> int:
        gru = node("GRU", "x w r", "y", hidden_size=3, linear_before_reset=order)
        return inspect(model([gru], {"x": [5, 1, 4]}, stored)).macs

    assert macs(0) == macs(1) == 5 * 9 * 7


class Convolutional(nn.Module):
    """Everything that thop and torch's counter both see."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, 6, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(6, 12, (3, 5), stride=2, groups=3, bias=False),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(12 * 4 * 3, 5),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


@pytest.mark.parametrize("dynamo", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_convolutional_network_agrees_with_torch_and_thop(dynamo: bool) -> None:
    module, x = Convolutional().eval(), torch.zeros(1, 1, 9, 9)
    report = inspect(export(module, x, dynamo=dynamo))
    assert report.macs == torch_macs(module, x)
    assert report.macs == thop.profile(Convolutional().eval(), (x,), verbose=False)[0]
    assert report.params == sum(p.numel() for p in module.parameters())


class SelfAttention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.qkv = nn.Linear(16, 48)
        self.out = nn.Linear(16, 16)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (t.unflatten(-1, (4, 4)).transpose(1, 2) for t in self.qkv(x).chunk(3, -1))
        mixed = F.scaled_dot_product_attention(q, k, v)
        return self.out(mixed.transpose(1, 2).flatten(2))


@pytest.mark.parametrize("dynamo", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_exported_attention_agrees_with_torch_up_to_its_scales(dynamo: bool) -> None:
    module, x = SelfAttention().eval(), torch.zeros(1, 6, 16)
    report = inspect(export(module, x, dynamo=dynamo))
    assert linear(report) == torch_macs(module, x)
    assert 0 <= report.elementwise_macs <= 2 * 6 * 16  # sqrt(scale) on q and k


@pytest.mark.parametrize("kv_heads", [4, 2])
def test_the_attention_operator_agrees_with_torch(kv_heads: int) -> None:
    raw = model(
        [node("Attention", "q k v", "y")],
        {"q": ["n", 4, 5, 8], "k": ["n", kv_heads, 7, 8], "v": ["n", kv_heads, 7, 6]},
        opset=23,
    )
    q, k, v = (
        torch.zeros(1, 4, 5, 8),
        torch.zeros(1, kv_heads, 7, 8),
        torch.zeros(1, kv_heads, 7, 6),
    )
    expected = torch_macs(
        lambda: torch.matmul(
            torch.matmul(q, k.repeat_interleave(4 // kv_heads, 1).transpose(-1, -2)),
            v.repeat_interleave(4 // kv_heads, 1),
        )
    )
    report = inspect(raw)
    assert linear(report) == expected
    assert report.elementwise_macs == 4 * 5 * 8 + kv_heads * 7 * 8


def test_attention_with_heads_in_the_last_axis_and_a_past() -> None:
    raw = model(
        [node("Attention", "q k v - pk pv", "y a b", q_num_heads=2, kv_num_heads=2, softcap=3.0)],
        {
            "q": ["n", 3, 8],
            "k": ["n", 3, 8],
            "v": ["n", 3, 8],
            "pk": ["n", 2, 5, 4],
            "pv": ["n", 2, 5, 4],
        },
        opset=23,
    )
    report = inspect(raw)
    scores = 2 * 3 * (5 + 3)
    assert linear(report) == scores * (4 + 4)
    assert report.elementwise_macs == 3 * 8 + 2 * 8 * 4 + 2 * scores


def test_integer_operators_cost_what_their_float_ones_do() -> None:
    w = np.ones((4, 3), np.int8)
    integer = model([node("MatMulInteger", "x w", "y")], {"x": ["n", 4]}, {"w": w}, dtype=3)
    assert inspect(integer).macs == 12
    kernel = np.ones((5, 2, 3), np.int8)
    integer = model(
        [node("ConvInteger", "x w", "y")], {"x": ["n", 2, 9]}, {"w": kernel}, dtype=TensorProto.INT8
    )
    assert inspect(integer).macs == 7 * 5 * 2 * 3
    scale, zero = np.float32(0.1), np.int8(0)
    names = "x xs xz w ws wz ys yz"
    scalars = dict.fromkeys(["xs", "ws", "ys"], scale) | dict.fromkeys(["xz", "wz", "yz"], zero)
    linear_conv = model(
        [node("QLinearConv", names, "y")], {"x": ["n", 2, 9]}, {"w": kernel} | scalars, dtype=3
    )
    assert inspect(linear_conv).macs == 7 * 5 * 2 * 3 + 7 * 5
    linear_matmul = model(
        [node("QLinearMatMul", names, "y")], {"x": ["n", 4]}, {"w": w} | scalars, dtype=3
    )
    assert inspect(linear_matmul).macs == 12 + 3


@pytest.mark.parametrize(("length", "expected"), [(8, 8 * 3), (400, 2 * 400 * 201), (512, 512 * 9)])
def test_a_real_dft_is_fast_for_powers_of_two_only(length: int, expected: int) -> None:
    raw = model([node("DFT", "x", "y", onesided=1, axis=1)], {"x": ["n", length, 1]}, opset=17)
    assert inspect(raw).macs == expected


def test_stft_counts_windows_and_transforms() -> None:
    raw = model(
        [node("STFT", "x step window length", "y", onesided=1)],
        {"x": ["n", 1600, 1]},
        {"step": np.int64(160), "window": weights(400), "length": np.int64(400)},
        opset=17,
    )
    frames = (1600 - 400) // 160 + 1
    report = inspect(raw)
    assert report.outputs[0].shape == ("n", frames, 201, 2)
    assert report.macs == frames * (2 * 400 * 201 + 400)
