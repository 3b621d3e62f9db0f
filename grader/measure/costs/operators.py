"""MACs of one node, from its shapes: one short function per kind of operator.

Letters in the comments: N batch, C channels, T time steps, H hidden size, k kernel elements.
A padded position counts like any other. 64-bit arithmetic counts four times (`View.width`).
"""

from __future__ import annotations

from math import prod

from grader.measure.costs.storage import DTYPES
from grader.measure.costs.view import Cost, Credit, Value, View


def free(_: View) -> Cost:
    return Cost()


# Exact: convolutions, products of matrices, recurrent cells.


def conv(view: View) -> Cost:
    """X (N, C, ...), W (M, C/group, k...) -> (N, M, ...): outputs * C/group * k."""
    weight = _conv_weight(view, 3 if view.op == "QLinearConv" else 1)
    linear = view.out.size * prod(weight.shape[1:]) * view.width
    return Cost(linear, view.out.size if view.op == "QLinearConv" else 0)


def conv_transpose(view: View) -> Cost:
    """X (N, C, ...), W (C, M/group, k...): inputs * M/group * k."""
    x, weight = view.input(0), _conv_weight(view, 1)
    return Cost(x.size * prod(weight.shape[1:]) * view.width)


def matmul(view: View) -> Cost:
    """A (..., M, K), B (..., K, N), broadcast, either may be a vector: outputs * K."""
    quantised = view.op == "QLinearMatMul"
    a, b = view.input(0), view.input(3 if quantised else 1)
    if not a.shape or not b.shape:
        view.misfit("a scalar has no matrix product")
    depth = a.shape[-1]
    if depth != b.shape[-2 if len(b.shape) > 1 else 0]:
        view.misfit(f"{a.shape} by {b.shape}")
    return Cost(view.out.size * depth * view.width, view.out.size if quantised else 0)


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


def attention(view: View) -> Cost:
    """Q (N, heads, Lq, dk), K, V (N, kv heads, Lk, d): N * heads * Lq * Lk * (dk + dv).

    Scaling of Q and K, and softcap twice a score, count elementwise. 3-D inputs carry the heads
    in their last axis. Masks and causality save nothing.
    """
    q, k, v = view.input(0), view.input(1), view.input(2)
    batch, q_heads, q_length, depth = _heads(view, q, "q_num_heads")
    _, kv_heads, kv_length, k_depth = _heads(view, k, "kv_num_heads")
    value_depth = _heads(view, v, "kv_num_heads")[3]
    past = view.optional(4)
    if past is not None:
        kv_length += past.shape[2]
    if k_depth != depth or kv_heads == 0 or q_heads % kv_heads:
        view.misfit(f"Q {q.shape}, K {k.shape}, V {v.shape}")
    scores = batch * q_heads * q_length * kv_length
    scaled = q.size + batch * kv_heads * kv_length * depth
    capped = 2 * scores if view.number("softcap", 0.0) else 0
    return Cost(scores * (depth + value_depth) * view.width, (scaled + capped) * view.width)


def affine_grid(view: View) -> Cost:
    """theta (N, d, d + 1): outputs * (d + 1)."""
    return Cost(view.out.size * view.input(0).shape[-1])


# Elementwise: one per output, per input, or per output times a small factor.


def per_output(view: View) -> Cost:
    return Cost(0, view.out.size * view.width)


def per_input(view: View) -> Cost:
    """Products or sums of squares over the first input, and one more per output for a root."""
    return Cost(0, (view.input(0).size + view.out.size) * view.width)


def bitwise(view: View) -> Cost:
    """An n-bit AND is n one-bit products."""
    return Cost(0, view.out.size * DTYPES[view.out.dtype].bits)


def normalisation(view: View) -> Cost:
    """Mean, sum of squares, division by the deviation, scale: 4 per element (RMS and Lp: 3)."""
    passes = 3 if view.op in ("RMSNormalization", "LpNormalization") else 4
    return Cost(0, passes * view.input(0).size * view.width)


def local_response(view: View) -> Cost:
    """Square, window of `size` sums, power, division."""
    return Cost(0, view.out.size * (view.integer("size", 1) + 3))


def rotary(view: View) -> Cost:
    """Each pair of elements is rotated by four multiplications."""
    return Cost(0, 2 * view.out.size)


def softplus_like(view: View) -> Cost:
    """ReduceLogSumExp: exponential and sum per input, logarithm per output."""
    return Cost(0, (2 * view.input(0).size + view.out.size) * view.width)


def pooling(view: View) -> Cost:
    """A mean over a window is a convolution with constant weights: outputs * k."""
    return Cost(0, view.out.size * prod(view.integers("kernel_shape")) * view.width)


def resize(view: View) -> Cost:
    """Interpolation reads 2 (linear) or 4 (cubic) neighbours along each resized axis."""
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


def grid_sample(view: View) -> Cost:
    """X (N, C, ...), grid (N, ..., d): taps per output, taps and d coordinates per location."""
    grid = view.input(1)
    axes = grid.shape[-1]
    mode = view.text("mode", "linear")
    taps = {"nearest": 1, "cubic": 4**axes, "bicubic": 4**axes}.get(mode, 2**axes)
    locations = prod(grid.shape[:-1])
    return Cost(0, view.out.size * taps + locations * (taps + axes))


def determinant(view: View) -> Cost:
    """Elimination, bounded by n^3 per matrix."""
    return Cost(view.out.size * view.input(0).shape[-1] ** 3)


def dft(view: View) -> Cost:
    """N bins: fast transform for powers of two, otherwise the product with the DFT matrix."""
    x = view.input(0)
    axis = _dft_axis(view) % len(x.shape)
    length = x.shape[axis]
    if view.optional(1) is not None:
        length = int(view.known(1).reshape(-1)[0])
    if axis == len(x.shape) - 1:
        view.misfit("the last axis holds the real and imaginary parts")
    signals = prod(x.shape[:axis]) * prod(x.shape[axis + 1 : -1])
    bins = view.out.shape[axis]
    return Cost(signals * _transform(length, bins, x.shape[-1] == 1))


def stft(view: View) -> Cost:
    """signal (N, L, 1 or 2) -> (N, frames, bins, 2): window and transform of every frame."""
    signal, window = view.input(0), view.optional(2)
    if view.optional(3) is not None:
        length = int(view.known(3).reshape(-1)[0])
    elif window is not None:
        length = window.shape[0]
    else:
        length = signal.shape[1]
    batch, frames, bins = view.out.shape[:3]
    real = len(signal.shape) < 3 or signal.shape[-1] == 1
    windowed = length if window is not None else 0
    return Cost(batch * frames * _transform(length, bins, real), batch * frames * windowed)


# Additions: free where they follow a multiplication that is already counted (view.Credit).


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


def mean(view: View) -> Cost:
    """Mean of several tensors: their additions and a division per output."""
    cost = addition(view)
    view.out.credit = Credit(view.out.size)
    return Cost(0, cost.elementwise + view.out.size * view.width)


def reduce_sum(view: View) -> Cost:
    """All inputs but the first of every sum are additions."""
    x = view.input(0)
    charged = view.additions(max(x.size - view.out.size, 0))
    view.out.credit = x.credit
    return Cost(0, charged)


def reduce_mean(view: View) -> Cost:
    """The sum, and a division per output."""
    cost = reduce_sum(view)
    view.out.credit = Credit(view.out.size)
    return Cost(0, cost.elementwise + view.out.size * view.width)


def softmax(view: View) -> Cost:
    """The sum of the exponentials, free after a product, like the exponentials themselves."""
    x = view.input(0)
    axis = view.integer("axis", -1)
    rows = x.size // max(x.shape[axis], 1) if x.shape else 1
    return Cost(0, view.additions(x.size - rows))


def cumulative_sum(view: View) -> Cost:
    charged = view.additions(view.out.size)
    view.out.credit = view.input(0).credit
    return Cost(0, charged)


def scatter(view: View) -> Cost:
    """Movement, unless updates are combined or placed by the data: one per element updated."""
    moved = view.text("reduction", "none") == "none" and view.input(1).constant
    return Cost(0, 0 if moved else view.input(2).size * view.width)


def combination(view: View) -> Cost:
    """Free with one input that depends on the data and is not enlarged, else one per output."""
    data = [value for value in view.given if not value.constant]
    alone = len(data) == 1 and data[0].size == view.out.size
    return Cost(0, 0 if alone else view.out.size)


def look_up(view: View) -> Cost:
    """Movement at constant indices; at others a table: one per output and per index."""
    index = view.input(1)
    return Cost(0, 0 if index.constant else view.out.size + index.size)


def column_to_image(view: View) -> Cost:
    """Overlapping blocks are summed: one per input."""
    return Cost(0, view.input(0).size * view.width)


def _conv_weight(view: View, index: int) -> Value:
    """W, checked against X: (M, C/group, k...), or (C, M/group, k...) when transposed."""
    x, weight, group = view.input(0), view.input(index), view.integer("group", 1)
    transposed = view.op == "ConvTranspose"
    fits = len(weight.shape) == len(x.shape) >= 3 and group > 0
    if fits and transposed:
        fits = x.shape[1] == weight.shape[0] and weight.shape[0] % group == 0
    elif fits:
        fits = x.shape[1] == weight.shape[1] * group and weight.shape[0] % group == 0
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
    labelled = []
    for term, value in zip(terms, view.given, strict=True):
        labels = _labels(view, term, len(value.shape))
        for label, size in zip(labels, value.shape, strict=True):
            if sizes.setdefault(label, size) != size:  # runtimes differ on broadcasting here
                view.misfit(f"{equation}: {label} is {sizes[label]} and {size}")
        labelled.append(labels)
    if "->" in equation:
        return labelled, _labels(view, right, len(view.out.shape)), sizes
    every = [label for labels in labelled for label in labels]
    implicit = [label for label in sizes if every.count(label) == 1 or label.isdigit()]
    return labelled, implicit, sizes


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


def _dft_axis(view: View) -> int:
    if view.opset < 20:
        return view.integer("axis", 1)
    return int(view.known(2).reshape(-1)[0]) if view.optional(2) is not None else -2


def _transform(length: int, bins: int, real: bool) -> int:
    """Real multiplications of one transform; a real signal needs half of them."""
    if length > 0 and length & (length - 1) == 0:
        return (1 if real else 2) * length * max(length.bit_length() - 1, 1)
    return (2 if real else 4) * length * bins
