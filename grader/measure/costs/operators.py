"""The table of costs: the MACs of every operator of ai.onnx, one handler per row.

A MAC is one multiplication with one addition. Convolutions, matrix products and recurrent cells
are counted exactly. Outside them

- a multiplication counts 1 per output, and so does every operator from which multiplication can
  be built (division, powers, square roots, exponentials, logarithms, trigonometry, normalization,
  scales of quantization, activations that contain a product);
- an addition is free where it is the second half of a MAC: directly after a multiplication or a
  linear operator (bias, residual, sum of products), also through views and activations, once
  for each multiplication. Any other addition of data counts 1, so that a matrix product
  written as selecting and summing (ternary weights, look-up tables, |x - w|) is not free;
- moving data, piecewise-linear and saturating activations, and comparing with a constant are
  free, as long as they do not combine numbers that depend on the data. What combines or selects
  counts what it combines: Max, Min, Where, comparisons and logic 1 per output and further
  operand, maxima over an axis or a window 1 per number, sorting its comparisons, a table looked
  up by computed numbers 1 per output and bit of the index;
- quantizing activations and scaling them back is counted on its own (requantizing.py), not in
  the MACs, as long as it does nothing else;
- operators on constants and shapes alone run when the model is loaded and count 0. What they
  are computed from counts in bytes as it is stored: weights may be stored as factors, quantized or
  generated, as in any compression.

Operators without a row are refused by name. To add one, write a row (`@counts`) above a handler,
or its name into an existing row. A handler takes one node at a known batch size (view.View) and
returns its Cost; `view.misfit` refuses shapes that do not fit together.

Letters in the handlers' docstrings: N batch, C channels, T time steps, H hidden size, k kernel
elements. A padded position counts like any other. 64-bit arithmetic counts four times
(`View.width`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Literal

from grader.measure.costs.storage import DTYPES
from grader.measure.costs.view import Cost, Credit, Value, View
from grader.text import Text

Kind = Literal["exact", "charged", "addition", "selection", "free"]
Handler = Callable[[View], Cost]


@dataclass(frozen=True)
class Rule:
    """One row of the table: what its operators cost.

    `product` means that the outputs are products, each of which pays for one later addition
    (view.Credit); selecting and free operators pass on the credit of their input.
    """

    ops: tuple[str, ...]
    kind: Kind
    formula: Text
    count: Handler
    product: bool


COSTS: dict[str, Rule] = {}
"""The row of every operator that is counted, by the operator's name."""


def counts(
    ops: str, kind: Kind, formula: Text, *, product: bool | None = None
) -> Callable[[Handler], Handler]:
    """Enter a row: operators separated by spaces, and the formula that docs and tests show.

    `product` defaults to true for exact and charged operators.
    """

    def enter(handler: Handler) -> Handler:
        products = kind in ("exact", "charged") if product is None else product
        rule = Rule(tuple(ops.split()), kind, formula, handler, products)
        COSTS.update(dict.fromkeys(rule.ops, rule))
        return handler

    return enter


# Exact: convolutions, matrix products, recurrent cells.


@counts(
    "Conv ConvInteger QLinearConv",
    "exact",
    Text("outputs × (input channels / groups) × kernel"),
)
def conv(view: View) -> Cost:
    """X (N, C, ...), W (M, C/group, k...) -> (N, M, ...): outputs * C/group * k."""
    weight = _conv_weight(view, 3 if view.op == "QLinearConv" else 1)
    return Cost(view.out.size * prod(weight.shape[1:]) * view.width)


@counts(
    "ConvTranspose",
    "exact",
    Text("inputs × (output channels / groups) × kernel"),
)
def conv_transpose(view: View) -> Cost:
    """X (N, C, ...), W (C, M/group, k...): inputs * M/group * k."""
    x, weight = view.input(0), _conv_weight(view, 1)
    return Cost(x.size * prod(weight.shape[1:]) * view.width)


@counts(
    "MatMul MatMulInteger QLinearMatMul",
    "exact",
    Text("outputs × inner dimension"),
)
def matmul(view: View) -> Cost:
    """A (..., M, K), B (..., K, N), broadcast, either may be a vector: outputs * K."""
    a, b = view.input(0), view.input(3 if view.op == "QLinearMatMul" else 1)
    if not a.shape or not b.shape:
        view.misfit("a scalar has no matrix product")
    depth = a.shape[-1]
    if depth != b.shape[-2 if len(b.shape) > 1 else 0]:
        view.misfit(f"{a.shape} by {b.shape}")
    return Cost(view.out.size * depth * view.width)


@counts(
    "Gemm",
    "exact",
    Text("M × N × K; + M × N for each of alpha, beta that is not 1"),
)
def gemm(view: View) -> Cost:
    """A (M, K) or (K, M), B (K, N) or (N, K): M * N * K, and M * N for alpha or beta not 1."""
    a, b = view.input(0), view.input(1)
    if len(a.shape) != 2 or len(b.shape) != 2:
        view.misfit(f"{a.shape} by {b.shape}")
    depth = a.shape[0 if view.integer("transA", 0) else 1]
    if depth != b.shape[1 if view.integer("transB", 0) else 0]:
        view.misfit(f"{a.shape} by {b.shape}")
    scales = (view.number("alpha", 1.0) != 1.0) + (
        view.optional(2) is not None and view.number("beta", 1.0) != 1.0
    )
    return Cost(view.out.size * depth * view.width, view.out.size * scales * view.width)


@counts(
    "Einsum",
    "exact",
    Text(
        "product of the index sizes, operands taken pairwise from the left; one operand: its sums"
    ),
)
def einsum(view: View) -> Cost:
    """Operands are contracted pairwise from the left: the product of a pair's index sizes.

    One operand alone costs the additions of the indices that it sums over.
    """
    terms, result, sizes = _einsum_labels(view)
    if len(terms) == 1:
        summed = prod(sizes[label] for label in set(terms[0]))
        return Cost(0, view.additions(summed - view.out.size if summed > view.out.size else 0))
    linear, left = 0, set(terms[0])
    for index, term in enumerate(terms[1:], start=2):
        pair = left | set(term)
        linear += prod(sizes[label] for label in pair)
        left = pair & set(result).union(*terms[index:])
    return Cost(linear * view.width)


_GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}


@counts(
    "RNN GRU LSTM",
    "exact",
    Text(
        "steps × directions × gates (1, 3, 4) × hidden × (input + hidden); products of gates "
        "are part of the cell; LSTM peepholes: + 3 × hidden a step"
    ),
)
def recurrent(view: View) -> Cost:
    """X (T, N, I), W (D, gates H, I), R (D, gates H, H): T * N * D * gates * H * (I + H).

    Products of gates are part of the cell and not counted; LSTM peepholes are, 3 H a step.
    """
    gates = _GATES[view.op]
    x, w, r = view.input(0), view.input(1), view.input(2)
    if not len(x.shape) == len(w.shape) == len(r.shape) == 3:
        view.misfit("X, W and R need three axes")
    hidden = r.shape[2]
    directions = 2 if view.text("direction", "forward") == "bidirectional" else 1
    expected_w = (directions, gates * hidden, x.shape[2])
    expected_r = (directions, gates * hidden, hidden)
    if w.shape != expected_w or r.shape != expected_r:
        view.misfit(f"W {w.shape}, R {r.shape}, expected {expected_w}, {expected_r}")
    if view.integer("hidden_size", hidden) != hidden:
        view.misfit(f"hidden_size is not {hidden}")
    steps = x.shape[0] * x.shape[1] * directions
    peepholes = 3 * hidden if view.op == "LSTM" and view.optional(7) is not None else 0
    linear = steps * gates * hidden * (x.shape[2] + hidden)
    return Cost(linear * view.width, steps * peepholes)


@counts(
    "Attention",
    "exact",
    Text(
        "heads × queries × keys × (key depth + value depth); + 1 per element of Q and K for "
        "the scale, + 2 per score for softcap"
    ),
)
def attention(view: View) -> Cost:
    """Q (N, heads, Lq, dk), K, V (N, kv heads, Lk, d): N * heads * Lq * Lk * (dk + dv).

    Scaling of Q and K, and softcap twice a score, count elementwise. 3-D inputs carry the heads
    in their last axis. Masks and causality save nothing.
    """
    q, k, v = view.input(0), view.input(1), view.input(2)
    batch, q_heads, q_length, depth = _heads(view, q, "q_num_heads")
    _, kv_heads, kv_length, k_depth = _heads(view, k, "kv_num_heads")
    value_depth = _heads(view, v, "kv_num_heads")[3]
    if (past := view.optional(4)) is not None:
        kv_length += past.shape[2]
    if k_depth != depth or kv_heads == 0 or q_heads % kv_heads:
        view.misfit(f"Q {q.shape}, K {k.shape}, V {v.shape}")
    scores = batch * q_heads * q_length * kv_length
    scaled = q.size + batch * kv_heads * kv_length * depth
    capped = 2 * scores if view.number("softcap", 0.0) else 0
    return Cost(scores * (depth + value_depth) * view.width, (scaled + capped) * view.width)


@counts("AffineGrid", "exact", Text("outputs × (axes + 1)"))
def affine_grid(view: View) -> Cost:
    """theta (N, d, d + 1): outputs * (d + 1)."""
    return Cost(view.out.size * view.input(0).shape[-1])


@counts("Det", "exact", Text("n³ per matrix"))
def determinant(view: View) -> Cost:
    """Elimination, bounded by n^3 per matrix."""
    return Cost(view.out.size * view.input(0).shape[-1] ** 3)


@counts(
    "DFT",
    "exact",
    Text("N log2 N for powers of two, otherwise 2 × N × bins; twice that for complex input"),
)
def dft(view: View) -> Cost:
    """N bins: fast transform for powers of two, otherwise the product with the DFT matrix."""
    x = view.input(0)
    axis = view.integer("axis", 1) if view.opset < 20 else -2
    if view.opset >= 20 and view.optional(2) is not None:
        axis = int(view.known(2).reshape(-1)[0])
    axis %= len(x.shape)
    given = view.optional(1) is not None
    length = int(view.known(1).reshape(-1)[0]) if given else x.shape[axis]
    if axis == len(x.shape) - 1:
        view.misfit("the last axis holds the real and imaginary parts")
    signals = prod(x.shape[:axis]) * prod(x.shape[axis + 1 : -1])
    bins = view.out.shape[axis]
    return Cost(signals * _transform(length, bins, x.shape[-1] == 1))


@counts(
    "STFT",
    "exact",
    Text("DFT of every frame, + 1 per sample of a frame for the window"),
)
def stft(view: View) -> Cost:
    """signal (N, L, 1 or 2) -> (N, frames, bins, 2): window and transform of every frame."""
    signal, window = view.input(0), view.optional(2)
    if view.optional(3) is not None:
        length = int(view.known(3).reshape(-1)[0])
    else:
        length = signal.shape[1] if window is None else window.shape[0]
    batch, frames, bins = view.out.shape[:3]
    real = len(signal.shape) < 3 or signal.shape[-1] == 1
    windowed = length if window is not None else 0
    return Cost(batch * frames * _transform(length, bins, real), batch * frames * windowed)


# Elementwise: one per output, per input, or per output times a small factor.


@counts("Mul Div Pow Reciprocal Sqrt Mod BitShift CumProd", "charged", Text("1 per output"))
@counts(
    "Exp Log Sin Cos Tan Asin Acos Atan Sinh Cosh Asinh Acosh Atanh",
    "charged",
    Text("1 per output (products can be had from logarithms and angles)"),
)
@counts(
    "PRelu LeakyRelu Elu Selu Celu HardSigmoid HardSwish Swish Gelu Mish Softsign",
    "charged",
    Text("1 per output (a slope, or a product of the input with a gate)"),
)
@counts(
    "BatchNormalization",
    "charged",
    Text("1 per output (scale and shift); on constants 0"),
)
@counts(
    "QuantizeLinear DequantizeLinear DynamicQuantizeLinear",
    "charged",
    Text(
        "1 per output (dynamic: 3), and 0 where activations are only quantized for an integer "
        "operator or scaled back; on constants 0"
    ),
)
def per_output(view: View) -> Cost:
    """Quantizing and scaling back is taken out again in requantizing.py where it does no more."""
    return Cost(0, view.out.size * view.width)


@counts(
    "ReduceProd ReduceSumSquare ReduceL1 ReduceL2 ReduceLogSum GlobalLpPool",
    "charged",
    Text("1 per input and 1 per output"),
)
def per_input(view: View) -> Cost:
    """Products or sums of squares over the first input, and one more per output for a root."""
    return Cost(0, (view.input(0).size + view.out.size) * view.width)


@counts(
    "BitwiseAnd BitwiseOr BitwiseXor BitwiseNot",
    "charged",
    Text("1 per bit of output (an AND of n bits is n one-bit products)"),
    product=False,
)
def bitwise(view: View) -> Cost:
    """An n-bit AND is n one-bit products."""
    return Cost(0, view.out.size * DTYPES[view.out.dtype].bits)


@counts(
    "LayerNormalization InstanceNormalization GroupNormalization MeanVarianceNormalization "
    "RMSNormalization LpNormalization",
    "charged",
    Text("4 per element: mean, squares, division, scale (RMS and Lp: 3)"),
)
def normalization(view: View) -> Cost:
    """X (N, C, ...): mean, sum of squares, division by the deviation, scale."""
    passes = 3 if view.op in ("RMSNormalization", "LpNormalization") else 4
    return Cost(0, passes * view.input(0).size * view.width)


@counts("LRN", "charged", Text("(size + 3) per output"))
def local_response(view: View) -> Cost:
    """Square, window of `size` sums, power, division."""
    return Cost(0, view.out.size * (view.integer("size", 1) + 3))


@counts("RotaryEmbedding", "charged", Text("2 per output"))
def rotary(view: View) -> Cost:
    """Each pair of elements is rotated by four multiplications."""
    return Cost(0, 2 * view.out.size)


@counts("ReduceLogSumExp", "charged", Text("2 per input and 1 per output"))
def log_sum_exp(view: View) -> Cost:
    """An exponential and a sum per input, a logarithm per output."""
    return Cost(0, (2 * view.input(0).size + view.out.size) * view.width)


@counts("AveragePool LpPool", "charged", Text("outputs × kernel"))
@counts("MaxPool", "selection", Text("outputs × kernel"))
def pooling(view: View) -> Cost:
    """A mean over a window is a convolution with constant weights, a maximum as many comparisons:
    outputs * k."""
    return Cost(0, view.out.size * prod(view.integers("kernel_shape")) * view.width)


@counts(
    "Resize",
    "charged",
    Text("nearest: 0; linear 2, cubic 4 per output, to the power of the resized axes"),
    product=False,
)
def resize(view: View) -> Cost:
    """Interpolation reads 2 (linear) or 4 (cubic) neighbors along each resized axis."""
    mode = view.text("mode", "nearest")
    if mode == "nearest":
        return Cost()
    if view.integer("antialias", 0):
        view.misfit("antialias is not supported")
    x = view.input(0)
    resized = sum(before != after for before, after in zip(x.shape, view.out.shape, strict=True))
    if view.text("coordinate_transformation_mode", "half_pixel") == "tf_crop_and_resize":
        resized = len(x.shape)
    elif (scales := view.optional(2)) is not None and scales.data is not None and scales.size:
        resized = max(resized, int((scales.data != 1).sum()))
    return Cost(0, view.out.size * (4 if mode == "cubic" else 2) ** max(resized, 1))


@counts(
    "GridSample",
    "charged",
    Text("neighbours (2 or 4 per axis) per output and per location, + 1 per coordinate"),
)
def grid_sample(view: View) -> Cost:
    """X (N, C, ...), grid (N, ..., d): taps per output, taps and d coordinates per location."""
    grid = view.input(1)
    axes = grid.shape[-1]
    mode = view.text("mode", "linear")
    taps = {"nearest": 1, "cubic": 4**axes, "bicubic": 4**axes}.get(mode, 2**axes)
    locations = prod(grid.shape[:-1])
    return Cost(0, view.out.size * taps + locations * (taps + axes))


# Additions: free where they follow a multiplication that is already counted (view.Credit).


@counts(
    "Add Sub Sum",
    "addition",
    Text("1 per output, 0 directly after a multiplication or a linear operator"),
)
def addition(view: View) -> Cost:
    """Add, Sub, Sum: terms - 1 per output. The result of adding a constant stays a product."""
    data = [value for value in view.given if not value.constant]
    additions = view.out.size * (len(view.given) - 1)
    before = sum(value.credit.left for value in data if value.credit is not None)
    charged = view.additions(additions)
    left = [value.credit for value in data if value.credit is not None and value.credit.left]
    if len(data) == 1 and data[0].credit is not None:
        view.out.credit = Credit(min(before, additions))
    elif left:
        view.out.credit = left[0]
    return Cost(0, charged)


@counts(
    "ReduceSum",
    "addition",
    Text("1 per term after the first, 0 directly after a multiplication or a linear operator"),
)
def reduce_sum(view: View) -> Cost:
    """All inputs but the first of every sum are additions."""
    x = view.input(0)
    view.out.credit = x.credit
    return Cost(0, view.additions(max(x.size - view.out.size, 0)))


@counts("Mean", "addition", Text("as Sum, + 1 per output"))
@counts(
    "ReduceMean GlobalAveragePool",
    "addition",
    Text("as ReduceSum, + 1 per output"),
)
def mean(view: View) -> Cost:
    """The sum, of several tensors or along axes, and a division per output."""
    cost = addition(view) if view.op == "Mean" else reduce_sum(view)
    view.out.credit = Credit(view.out.size)
    return Cost(0, cost.elementwise + view.out.size * view.width)


@counts(
    "Softmax LogSoftmax",
    "addition",
    Text("1 per term after the first of each sum, 0 directly after a linear operator"),
)
def softmax(view: View) -> Cost:
    """The sum of the exponentials, free after a product, like the exponentials themselves."""
    x = view.input(0)
    axis = view.integer("axis", -1)
    rows = x.size // max(x.shape[axis], 1) if x.shape else 1
    return Cost(0, view.additions(x.size - rows))


@counts(
    "CumSum",
    "addition",
    Text("1 per output, 0 directly after a multiplication"),
)
def cumulative_sum(view: View) -> Cost:
    view.out.credit = view.input(0).credit
    return Cost(0, view.additions(view.out.size))


@counts(
    "ScatterElements ScatterND",
    "addition",
    Text("0 at constant places without reduction, otherwise 1 per update"),
)
def scatter(view: View) -> Cost:
    """Movement, unless updates are combined or placed by the data: one per element updated."""
    moved = view.text("reduction", "none") == "none" and view.input(1).constant
    return Cost(0, 0 if moved else view.input(2).size * view.width)


# Selection: numbers that depend on the data are compared with each other, or choose.


COMBINING = (
    *("Max", "Min", "Where", "Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual"),
    *("And", "Or", "Xor"),
)


@counts(
    " ".join(COMBINING),
    "selection",
    Text(
        "0 against a constant that does not enlarge its input (a threshold, a mask), otherwise "
        "1 per output and further operand: combining numbers is a layer, whatever it is made of"
    ),
)
def combination(view: View) -> Cost:
    """Free with one input that depends on the data and is not enlarged, else one per output and
    operand after the first."""
    data = [value for value in view.given if not value.constant]
    alone = len(data) == 1 and data[0].size == view.out.size
    further = len(data) - 1 if view.op in ("Max", "Min") else 1
    return Cost(0, 0 if alone else view.out.size * max(further, 1) * view.width)


@counts(
    "Clip OneHot ReverseSequence Trilu TensorScatter",
    "selection",
    Text("0 with constant bounds, places or values, otherwise 1 per output for each that is data"),
)
def placed_by_data(view: View) -> Cost:
    """A function of one number, or movement; with further data inputs a choice or a maximum."""
    further = sum(not value.constant for value in view.given[1:])
    return Cost(0, further * view.out.size * view.width)


@counts("Col2Im", "addition", Text("1 per input"))
@counts(
    "ReduceMax ReduceMin ArgMax ArgMin GlobalMaxPool Hardmax",
    "selection",
    Text("1 per number that is compared"),
)
def per_number(view: View) -> Cost:
    """Each number of the input is compared once, or added to a block that it overlaps."""
    return Cost(0, view.input(0).size * view.width)


@counts("TopK", "selection", Text("inputs × log2(k + 1), rounded up (comparisons of a sort)"))
def top_k(view: View) -> Cost:
    """A heap of k numbers: each input is compared log2(k + 1) times."""
    kept = view.out.shape[view.integer("axis", -1)]
    return Cost(0, view.input(0).size * kept.bit_length() * view.width)


@counts(
    "Gather GatherElements GatherND",
    "selection",
    Text(
        "0 at constant places; where the data say which, 1 per output and per index; in a table "
        "of stored numbers at computed places 1 per output and bit of the index, and per index (n "
        "rows can hold log2(n) one-bit products)"
    ),
)
def look_up(view: View) -> Cost:
    """Movement at constant indices; at others a table, which can hold products of what the index
    was computed from. Tokens, an input of the graph, were not computed."""
    table, index = view.input(0), view.input(1)
    if index.constant:
        return Cost()
    rows = table.size
    if view.op != "GatherND" and table.shape:
        rows = table.shape[view.integer("axis", 0)]
    bits = max(rows - 1, 1).bit_length() if index.computed and table.table else 1
    return Cost(0, view.out.size * bits + index.size)


# Free.


@counts(
    "Relu Sigmoid Tanh Softplus Erf ThresholdedRelu Shrink Abs Neg Sign Ceil Floor Round Dropout "
    "Not IsInf IsNaN",
    "free",
    Text("0 (a function of one number that multiplies nothing)"),
)
@counts(
    "Identity Cast CastLike BitCast Reshape Flatten Squeeze Unsqueeze Transpose Concat Split "
    "Slice Expand Tile Pad CenterCropPad DepthToSpace SpaceToDepth",
    "free",
    Text("0 (moving data)"),
)
@counts(
    "Constant ConstantOfShape Range EyeLike Shape Size HannWindow HammingWindow BlackmanWindow "
    "MelWeightMatrix",
    "free",
    Text("0 (constants)"),
)
def free(_: View) -> Cost:
    return Cost()


# Helpers of the handlers.


def _conv_weight(view: View, index: int) -> Value:
    """W, checked against X: (M, C/group, k...), or (C, M/group, k...) when transposed."""
    x, weight, group = view.input(0), view.input(index), view.integer("group", 1)
    fits = len(weight.shape) == len(x.shape) >= 3 and group > 0
    if fits:
        channels = weight.shape[0] if view.op == "ConvTranspose" else weight.shape[1] * group
        fits = x.shape[1] == channels and weight.shape[0] % group == 0
    kernel = view.integers("kernel_shape")
    if not fits or (kernel and kernel != weight.shape[2:]):
        view.misfit(f"X {x.shape}, W {weight.shape}, group {group}, kernel {kernel}")
    return weight


def _einsum_labels(view: View) -> tuple[list[list[str]], list[str], dict[str, int]]:
    """Labels of every operand and of the result, and the size of each label."""
    equation = view.text("equation", "").replace(" ", "")
    left, _, right = equation.partition("->")
    terms = left.split(",")
    if len(terms) != len(view.given) or equation.count("->") > 1:
        view.misfit(f"{equation} for {len(view.given)} inputs")
    sizes: dict[str, int] = {}
    labeled = []
    for term, value in zip(terms, view.given, strict=True):
        labels = _labels(view, term, len(value.shape))
        for label, size in zip(labels, value.shape, strict=True):
            if sizes.setdefault(label, size) != size:  # runtimes differ on broadcasting here
                view.misfit(f"{equation}: {label} is {sizes[label]} and {size}")
        labeled.append(labels)
    if "->" in equation:
        return labeled, _labels(view, right, len(view.out.shape)), sizes
    every = [label for labels in labeled for label in labels]
    implicit = [label for label in sizes if every.count(label) == 1 or label.isdigit()]
    return labeled, implicit, sizes


def _labels(view: View, term: str, rank: int) -> list[str]:
    """One label per axis; axes under an ellipsis are numbered from the right."""
    before, dots, after = term.partition("...")
    wild = rank - len(before) - len(after)
    letters = before + after
    if wild < 0 or (wild and not dots) or not all(c.isascii() and c.isalpha() for c in letters):
        view.misfit(f"the term {term} for {rank} axes")
    return [*before, *(str(wild - i) for i in range(wild)), *after]


def _heads(view: View, value: Value, attribute: str) -> tuple[int, int, int, int]:
    """(N, heads, length, depth) of a 3-D or 4-D input of Attention."""
    if len(value.shape) == 4:
        batch, heads, length, depth = value.shape
        return batch, heads, length, depth
    heads = view.integer(attribute, 0)
    if len(value.shape) != 3 or heads < 1 or value.shape[2] % heads:
        view.misfit(f"{value.shape} for {heads} heads")
    return value.shape[0], heads, value.shape[1], value.shape[2] // heads


def _transform(length: int, bins: int, real: bool) -> int:
    """Real multiplications of one transform; a real signal needs half of them."""
    if length > 0 and length & (length - 1) == 0:
        return (1 if real else 2) * length * max(length.bit_length() - 1, 1)
    return (2 if real else 4) * length * bins
