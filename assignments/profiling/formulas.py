"""Counts of the models of every family by formula; withheld from students.

Every function takes the sizes of one model and gives its layers; truth.py has the definitions.
`python -m assignments.profiling.formulas` writes the counts of the public models, which students
get.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from .families import FAMILIES, PUBLIC_SEED, drawn
from .truth import PUBLIC, Part, Truth

Sizes = Mapping[str, int]


def truth_of(family: str, sizes: Sizes) -> Truth:
    return Truth(tuple(FORMULAS[family](sizes)))


def _conv(name: str, inputs: int, outputs: int, kernel: int, places: int, **more: int) -> Part:
    """`inputs` to one output (channels / groups), `kernel` its elements, `places` batch × space."""
    bias = more.get("bias", 1)
    return Part(
        name,
        "Conv",
        macs=places * outputs * inputs * kernel,
        parameters=outputs * inputs * kernel + bias * outputs,
        returned=places * outputs,
    )


def _linear(name: str | None, inputs: int, outputs: int, rows: int, bias: int = 1) -> Part:
    return Part(
        name,
        "Linear",
        macs=rows * inputs * outputs,
        parameters=(inputs + bias) * outputs,
        returned=rows * outputs,
    )


def _activation(name: str, numbers: int) -> Part:
    return Part(name, "activation", returned=numbers)


def _convolution(s: Sizes) -> list[Part]:
    k, stride = s["kernel"], s["stride"]
    height, width = ((s[side] - 1) // stride + 1 for side in ("height", "width"))
    places, inner = s["batch"] * height * width, s["batch"] * (height - 2) * (width - 2)
    return [
        _conv("0", s["channels"], s["middle"], k * k, places),
        _activation("1", places * s["middle"]),
        _conv("2", s["middle"], s["outputs"], 9, inner, bias=0),
    ]


def _grouped_convolution(s: Sizes) -> list[Part]:
    channels = s["groups"] * s["each"]
    places = s["batch"] * s["height"] * s["width"]
    return [
        _conv("0", s["each"], 2 * channels, 9, places),
        _activation("1", places * 2 * channels),
        _conv("2", 2 * channels, channels, 1, places),
    ]


def _depthwise_convolution(s: Sizes) -> list[Part]:
    places = s["batch"] * s["length"]
    return [
        _conv("0", 1, s["channels"], s["kernel"], places),
        _activation("1", places * s["channels"]),
        _conv("2", s["channels"], s["outputs"], 1, places),
    ]


def _transposed_convolution(s: Sizes) -> list[Part]:
    """Each input is multiplied into outputs × kernel products (Dumoulin and Visin, chapter 4)."""
    places, middle, outputs = s["batch"] * s["height"] * s["width"], s["middle"], s["outputs"]
    return [
        _conv("0", s["channels"], middle, 9, places),
        _activation("1", places * middle),
        Part(
            "2",
            "ConvTranspose",
            macs=places * middle * outputs * 16,
            parameters=middle * outputs * 16 + outputs,
            returned=4 * places * outputs,
        ),
    ]


def _mlp(s: Sizes) -> list[Part]:
    rows = s["batch"] * s["steps"]
    return [
        _linear("0", s["inputs"], s["middle"], rows),
        _activation("1", rows * s["middle"]),
        _linear("2", s["middle"], s["outputs"], rows, bias=0),
    ]


def _recurrent(gates: int, states: int, s: Sizes) -> list[Part]:
    """MACs of a step of one layer and direction: gates × hidden × (inputs + hidden)."""
    hidden, directions, rows = s["hidden"], s["directions"], s["batch"] * s["steps"]
    fan_in = [s["inputs"]] + [hidden * directions] * (s["layers"] - 1)
    each = sum(gates * hidden * (inputs + hidden) for inputs in fan_in)
    biases = s["layers"] * 2 * gates * hidden
    return [
        Part(
            "recurrent",
            "GRU" if gates == 3 else "LSTM",
            macs=rows * directions * each,
            parameters=directions * (each + biases),
            returned=directions * hidden * (rows + states * s["layers"] * s["batch"]),
        ),
        _linear("head", directions * hidden, s["outputs"], rows),
    ]


def _multihead_attention(s: Sizes) -> list[Part]:
    width, batch, queries, keys = s["heads"] * s["depth"], s["batch"], s["queries"], s["keys"]
    projections = batch * width * width * (2 * queries + 2 * keys)
    products = 2 * batch * queries * keys * width
    rest = Part(
        "attention", "products of attention", macs=products, returned=batch * queries * width
    )
    weights = 4 * (width * width + width)
    return [Part("attention", "MultiheadAttention", macs=projections, parameters=weights), rest]


def _scaled_dot_product(s: Sizes) -> list[Part]:
    width, rows = s["heads"] * s["depth"], s["batch"] * s["steps"]
    return [
        _linear("projection", width, 3 * width, rows),
        Part("", "scaled_dot_product_attention", macs=2 * rows * s["steps"] * width),
        _linear("out", width, width, rows),
    ]


def _shared_weights(s: Sizes) -> list[Part]:
    width, rows, calls = s["width"], s["batch"] * s["steps"], s["calls"]
    return [
        Part("embedding", "Embedding", parameters=s["words"] * width, returned=rows * width),
        Part(
            "block",
            "a layer called several times",
            macs=calls * rows * width * width,
            parameters=(width + 1) * width,
            returned=calls * rows * width,
        ),
        Part("", "F.linear", macs=rows * width * s["words"]),
    ]


def _functional_matmul(s: Sizes) -> list[Part]:
    middle, outputs, rows = s["middle"], s["outputs"], s["batch"] * s["steps"]
    similar = 2 * rows * s["steps"] * middle
    return [
        Part("", "matmul", rows * s["inputs"] * middle + similar, s["inputs"] * middle),
        Part("", "F.linear", rows * middle * outputs, (middle + 1) * outputs, rows * outputs),
    ]


def _modules_in_lists(s: Sizes) -> list[Part]:
    width, outputs, rows = s["width"], s["outputs"], s["batch"] * s["steps"]
    return [
        *(_linear(None, width, width, rows) for _ in range(s["layers"])),
        Part(
            None,
            "Conv in a dict",
            macs=rows * 3 * width * outputs,
            parameters=(3 * width + 1) * outputs,
            returned=rows * outputs,
        ),
    ]


def _quantised_linear(s: Sizes) -> list[Part]:
    """Weights of one byte, biases of four; a scale and a zero point are not counted."""
    rows, parts = s["batch"] * s["steps"], []
    pairs = (("0", s["inputs"], s["middle"]), ("2", s["middle"], s["outputs"]))
    for name, inputs, outputs in pairs:
        parts.append(
            Part(
                name,
                "quantized Linear",
                macs=rows * inputs * outputs,
                parameters=(inputs + 1) * outputs,
                returned=rows * outputs,
                stored_bytes=(inputs + 4) * outputs,
            )
        )
    return [parts[0], _activation("1", rows * s["middle"]), parts[1]]


def _einsum(s: Sizes) -> list[Part]:
    """The product of the sizes of all indices."""
    rows, wide = s["batch"] * s["steps"], s["heads"] * s["depth"]
    out = rows * s["heads"] * s["steps"]
    return [
        Part("", "einsum", rows * s["inputs"] * wide, s["inputs"] * wide),
        Part("", "einsum", out * s["depth"], returned=out),
    ]


def _embedding_bag(s: Sizes) -> list[Part]:
    table, batch = s["words"] * s["width"], s["batch"]
    return [
        Part("bag", "EmbeddingBag", parameters=table, returned=batch * s["width"]),
        Part("position", "Embedding", parameters=table, returned=batch * s["width"]),
        _linear("head", s["width"], s["outputs"], batch),
    ]


def _elementwise(s: Sizes) -> list[Part]:
    rows, outputs = s["batch"] * s["steps"], s["outputs"]
    weights = s["inputs"] * outputs
    return [
        Part("", "mul and sum", rows * weights, weights),
        Part("", "mul", rows * outputs, outputs, rows * outputs),
    ]


def _normalised_residual(s: Sizes) -> list[Part]:
    """The buffers of a batch norm: two float32 a channel, and an int64 that counts batches."""
    channels, places = s["channels"], s["batch"] * s["height"] * s["width"]
    norms = [
        Part(
            name,
            "BatchNorm",
            parameters=2 * channels,
            returned=places * channels,
            buffer_bytes=8 * channels + 8,
        )
        for name in ("first_norm", "second_norm")
    ]
    last = Part("norm", "LayerNorm", parameters=2 * channels, returned=s["batch"] * channels)
    return [
        _conv("first", channels, channels, 9, places, bias=0),
        _conv("second", channels, channels, 9, places, bias=0),
        *norms,
        last,
        _linear("head", channels, s["outputs"], s["batch"]),
    ]


def _recurrent_loop(s: Sizes) -> list[Part]:
    hidden, rows = s["hidden"], s["batch"] * s["steps"]
    weights = 3 * hidden * (s["inputs"] + hidden)
    return [
        Part("cell", "GRUCell", rows * weights, weights + 6 * hidden, rows * hidden),
        _linear("head", hidden, s["outputs"], s["batch"]),
    ]


FORMULAS: dict[str, Callable[[Sizes], list[Part]]] = {
    "convolution": _convolution,
    "grouped_convolution": _grouped_convolution,
    "depthwise_convolution": _depthwise_convolution,
    "transposed_convolution": _transposed_convolution,
    "linear": _mlp,
    "gru": lambda s: _recurrent(3, 1, s),
    "lstm": lambda s: _recurrent(4, 2, s),
    "multihead_attention": _multihead_attention,
    "scaled_dot_product": _scaled_dot_product,
    "shared_weights": _shared_weights,
    "functional_matmul": _functional_matmul,
    "modules_in_lists": _modules_in_lists,
    "quantised_linear": _quantised_linear,
    "einsum": _einsum,
    "embedding_bag": _embedding_bag,
    "elementwise": _elementwise,
    "normalised_residual": _normalised_residual,
    "recurrent_loop": _recurrent_loop,
}


def public_counts() -> bytes:
    """The content of public_counts.json."""
    counts = {one.name: FORMULAS[one.name](drawn(one, PUBLIC_SEED)[0]) for one in FAMILIES}
    return msgspec.json.format(msgspec.json.encode(counts), indent=1) + b"\n"


if __name__ == "__main__":
    PUBLIC.write_bytes(public_counts())
