"""Random models of one operator: plausible ones, most of which run, and hostile ones."""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np
import onnx
from onnx import AttributeProto, helper, numpy_helper

from grader.measure.costs.operators import COSTS
from grader.measure.costs.refusals import GraphLimits

Array = np.ndarray
Arrays = list[tuple[Array | None, bool]]
"""Inputs of a node, each with True when it is a stored constant."""

OPS = sorted(op for op in COSTS if op != "Constant")
_INT, _INTS = onnx.defs.OpSchema.AttrType.INT, onnx.defs.OpSchema.AttrType.INTS
_FLOAT, _STRING = onnx.defs.OpSchema.AttrType.FLOAT, onnx.defs.OpSchema.AttrType.STRING
_FLOATS, _TENSOR = onnx.defs.OpSchema.AttrType.FLOATS, onnx.defs.OpSchema.AttrType.TENSOR

_TEXTS = {
    "auto_pad": ["NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID"],
    "mode": [
        *("nearest", "linear", "cubic", "constant", "reflect", "edge", "wrap"),
        *("DCR", "CRD", "bilinear", "bicubic"),
    ],
    "direction": ["forward", "reverse", "bidirectional", "LEFT", "RIGHT"],
    "reduction": ["none", "add", "mul", "max"],
    "coordinate_transformation_mode": ["half_pixel", "asymmetric", "align_corners"],
    "equation": [
        *("ij,jk->ik", "...ij,jk->...ik", "ij->ji", "ii->i", "i,j->ij", "ijk,kl", "ij"),
        *("ij,ij->", "ij,ij->ij"),
    ],
    "padding_mode": ["zeros", "border"],
}
_AT_LEAST_ONE = (
    *("kernel_shape", "strides", "dilations", "group", "num_outputs", "blocksize"),
    *("hidden_size", "num_groups", "q_num_heads", "kv_num_heads"),
)
_FLAGS = (
    *("keepdims", "noop_with_empty_axes", "ceil_mode", "transA", "transB", "onesided"),
    *("inverse", "select_last_index", "exclusive", "reverse", "fmod", "allowzero", "upper"),
    *("count_include_pad", "largest", "sorted", "layout", "linear_before_reset"),
    *("input_forget", "align_corners", "is_causal", "interleaved"),
)


def plausible(rng: random.Random, op: str) -> tuple[bytes, dict[str, Array]] | None:
    """A model of one `op` with inputs to feed it, or None where the opset does not have it."""
    opset = rng.choice(GraphLimits().opsets)
    if not onnx.defs.has(op, opset, ""):
        return None
    schema = onnx.defs.get_schema(op, opset, "")
    directed = _DIRECTED.get(op)
    arrays, fixed = directed(rng, opset) if directed else (_arrays(rng, schema), {})
    rank = arrays[0][0].ndim if arrays and arrays[0][0] is not None else 1
    attributes = []
    for name, definition in schema.attributes.items():
        if name in fixed:
            if fixed[name] is not None:
                attributes.append(helper.make_attribute(name, fixed[name]))
        elif definition.required or rng.random() < 0.35:
            attributes += _attribute(rng, name, definition.type, rank)
    outputs = rng.randint(max(1, schema.min_output), min(schema.max_output, 3))
    return _model(op, opset, arrays, attributes, outputs)


def hostile(rng: random.Random) -> bytes:
    """A model of one operator with arbitrary inputs and attributes."""
    op, opset = rng.choice(OPS), rng.choice(GraphLimits().opsets)
    while not onnx.defs.has(op, opset, ""):
        op = rng.choice(OPS)
    schema = onnx.defs.get_schema(op, opset, "")
    base = rng.choice(_SHAPES)
    arrays: Arrays = []
    for index in range(rng.randint(schema.min_input, max(schema.min_input, 6))):
        if index >= schema.min_input and rng.random() < 0.2:
            arrays.append((None, False))
            continue
        shape = base if rng.random() < 0.5 else rng.choice(_SHAPES)
        dtype = rng.choice(["f4"] * 5 + ["i8", "i8", "i4", "u1", "i1", "?", "f2", "f8", "u8"])
        values = [_number(rng) for _ in range(int(np.prod(shape)))]
        with np.errstate(all="ignore"):
            array = np.array(values, np.float64).astype(dtype).reshape(shape)
        arrays.append((array, rng.random() < 0.4))
    attributes = [
        attribute
        for name, definition in schema.attributes.items()
        if definition.required or rng.random() < 0.4
        for attribute in _hostile_attribute(rng, name, definition.type)
    ]
    return _model(op, opset, arrays, attributes, rng.randint(1, 3))[0]


_SHAPES = [
    *([], [0], [1], [3], [2, 3], [3, 2], [1, 12, 4], [1, 12, 5], [1, 3, 8, 8], [1, 4, 10]),
    *([4, 3, 3, 3], [2, 3, 3, 3], [2, 2, 2, 2], [1, 3, 1], [5, 1, 4], [1, 6, 2, 4]),
]


def _model(
    op: str, opset: int, arrays: Arrays, attributes: list[AttributeProto], outputs: int
) -> tuple[bytes, dict[str, Array]]:
    arrays = list(arrays)
    while arrays and arrays[-1][0] is None:
        arrays.pop()
    names = ["" if array is None else f"x{i}" for i, (array, _) in enumerate(arrays)]
    pairs = zip(names, arrays, strict=True)
    given = [(n, np.asarray(a), constant) for n, (a, constant) in pairs if a is not None]
    node = helper.make_node(op, names, [f"y{i}" for i in range(outputs)])
    node.attribute.extend(attributes)
    graph = helper.make_graph(
        [node],
        "g",
        [
            helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(a.dtype), a.shape)
            for n, a, constant in given
            if not constant
        ],
        [helper.make_empty_tensor_value_info(name) for name in node.output],
        [numpy_helper.from_array(a, n) for n, a, constant in given if constant],
    )
    imports = [helper.make_opsetid("", opset)]
    raw = helper.make_model(graph, opset_imports=imports, ir_version=9).SerializeToString()
    return raw, {n: a for n, a, constant in given if not constant}


def _number(rng: random.Random) -> int:
    if rng.random() < 0.7:
        return rng.randint(-5, 6)
    return rng.choice([7, 8, -100, 100, 2**31, 2**31 - 1, -(2**31), 2**63 - 1, -(2**63), 2**40])


def _hostile_attribute(rng: random.Random, name: str, kind: object) -> list[AttributeProto]:
    if kind == _INT:
        return [helper.make_attribute(name, _number(rng))]
    if kind == _INTS:
        numbers = [_number(rng) for _ in range(rng.choice([0, 1, 2, 2, 2, 4, 4, 20]))]
        return [helper.make_attribute(name, numbers, attr_type=AttributeProto.INTS)]
    if kind == _FLOAT:
        return [helper.make_attribute(name, rng.choice([0.0, 1.0, -1.0, np.nan, np.inf, 1e30]))]
    if kind == _FLOATS:
        return [helper.make_attribute(name, [1.0, np.nan])]
    if kind == _STRING:
        texts = ["", "->", "\xff", "x" * 300, "...ii->...i", "ab->", "a,b,c->abc", "SAME_UPPER"]
        return [helper.make_attribute(name, rng.choice(texts + _TEXTS.get(name, [])))]
    if kind == _TENSOR:
        return [_tensor_attribute(rng, name)]
    return [helper.make_attribute(name, 1)]


def _tensor_attribute(rng: random.Random, name: str) -> AttributeProto:
    array = np.ones(rng.choice([(1,), (2,), ()]), rng.choice([np.float32, np.int64]))
    return helper.make_attribute(name, numpy_helper.from_array(array))


def _sensible(rng: random.Random, name: str) -> int:
    if name in _AT_LEAST_ONE:
        return rng.choice([1, 1, 2, 2, 3, 4])
    if name in _FLAGS:
        return rng.choice([0, 1])
    if name in ("to", "dtype", "output_datatype", "output_dtype"):
        return rng.choice([1, 6, 7, 9, 10, 3, 2])
    return (
        rng.choice([0, 0, 1, 2]) if name == "pads" else rng.choice([-3, -2, -1, 0, 0, 1, 1, 2, 3])
    )


def _attribute(rng: random.Random, name: str, kind: object, rank: int) -> list[AttributeProto]:
    if kind == _INT:
        return [helper.make_attribute(name, _sensible(rng, name))]
    if kind == _INTS:
        length = rng.choice([1, 2, rank, max(rank - 2, 1), 2 * max(rank - 2, 1)])
        numbers = [_sensible(rng, name) for _ in range(length)]
        if name == "perm":
            numbers = rng.sample(range(rank), rank)
        return [helper.make_attribute(name, numbers, attr_type=AttributeProto.INTS)]
    if kind == _FLOAT:
        return [helper.make_attribute(name, rng.choice([0.0, 1.0, -1.0, 0.5]))]
    if kind == _STRING and name in _TEXTS:
        return [helper.make_attribute(name, rng.choice(_TEXTS[name]))]
    return [_tensor_attribute(rng, name)] if kind == _TENSOR else []


def _arrays(rng: random.Random, schema: onnx.defs.OpSchema) -> Arrays:
    """Inputs of allowed types whose shapes are related to the first one's."""
    base = [rng.choice([1, 1, 2, 3, 4, 6]) for _ in range(rng.choice([0, 1, 2, 3, 3, 4, 4, 5]))]
    family = rng.choice(["float"] * 5 + ["int64", "int32", "uint8", "int8", "bool", "float16"])
    arrays: Arrays = []
    count = rng.randint(schema.min_input, min(schema.max_input, max(schema.min_input, 6)))
    for index in range(count):
        if index >= schema.min_input and rng.random() < 0.2:
            arrays.append((None, False))
            continue
        allowed = schema.inputs[min(index, len(schema.inputs) - 1)].types
        names = ["float", "int64", "int32", "bool", "int8", "uint8"]
        possible = [name for name in names if f"tensor({name})" in allowed] or ["float"]
        name = family if f"tensor({family})" in allowed else rng.choice(possible)
        array = _array(rng, name, base if index == 0 else _related(rng, base))
        arrays.append((array, rng.random() < (0.6 if name.startswith("int") else 0.25)))
    return arrays


def _array(rng: random.Random, name: str, shape: list[int]) -> Array:
    size = int(np.prod(shape))
    if name in ("int64", "int32"):
        return np.array([_sensible(rng, "") for _ in range(size)], name).reshape(shape)
    values = np.array([abs(rng.gauss(0, 2)) for _ in range(size)]).reshape(shape)
    return values > 1 if name == "bool" else values.astype("float32" if name == "float" else name)


def _related(rng: random.Random, base: list[int]) -> list[int]:
    start = rng.randint(0, len(base)) if rng.random() < 0.4 else 0
    choices: list[Callable[[], list[int]]] = [
        lambda: list(base),
        lambda: [size if rng.random() < 0.6 else 1 for size in base][start:],
        lambda: [rng.choice([2, 3]), *base],
        lambda: [size if size > 1 else rng.choice([1, 3]) for size in base],
        lambda: [len(base)],
        lambda: [2 * len(base)],
        lambda: [rng.choice(base)] if base else [],
    ]
    return rng.choice(choices)()


def _floats(*shape: int) -> Array:
    return np.asarray(np.random.default_rng(0).random(shape), np.float32)


def _window(rng: random.Random, axes: int) -> dict:
    """Attributes of a sliding window, each given or left out."""
    kernel = [rng.randint(1, 4) for _ in range(axes)]
    return {
        "kernel_shape": kernel,
        "strides": rng.choice([None, [rng.randint(1, 3) for _ in kernel]]),
        "dilations": rng.choice([None, [rng.randint(1, 2) for _ in kernel]]),
        "pads": rng.choice([None, [rng.randint(0, 2) for _ in range(2 * axes)]]),
        "auto_pad": rng.choice([None, None, "NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID"]),
    }


def _convolution(op: str) -> Callable:
    def make(rng: random.Random, opset: int) -> tuple[Arrays, dict]:
        axes, group = rng.randint(1, 2), rng.randint(1, 2)
        window = _window(rng, axes) | {"group": group}
        channels, outputs = group * rng.randint(1, 2), group * rng.randint(1, 2)
        x = _floats(1, channels, *(rng.randint(3, 9) for _ in range(axes)))
        shape = [outputs, channels // group]
        if op == "ConvTranspose":
            shape = [channels, outputs // group]
            window["output_padding"] = rng.choice([None, [rng.randint(0, 2)] * axes])
            window["output_shape"] = rng.choice([None, None, [rng.randint(5, 20)] * axes])
        w = _floats(*shape, *window["kernel_shape"])
        if rng.random() < 0.3:
            window["kernel_shape"] = None
        if op in ("Conv", "ConvTranspose"):
            return [(x, False), (w, True)], window
        x, w = (9 * x).astype(np.uint8), (9 * w).astype(np.uint8)
        if op == "ConvInteger":
            return [(x, False), (w, True)], window
        scale, zero = (np.float32(0.1), True), (np.uint8(0), True)
        return [(x, False), scale, zero, (w, True), scale, zero, scale, zero], window

    return make


def _pool(rng: random.Random, opset: int) -> tuple[Arrays, dict]:
    axes = rng.randint(1, 2)
    x = _floats(1, rng.randint(1, 3), *(rng.randint(3, 9) for _ in range(axes)))
    return [(x, False)], _window(rng, axes) | {"ceil_mode": rng.choice([None, 0, 1])}


def _recurrent(gates: int) -> Callable:
    def make(rng: random.Random, opset: int) -> tuple[Arrays, dict]:
        direction = rng.choice(["forward", "reverse", "bidirectional"])
        directions = 1 + (direction == "bidirectional")
        size, hidden = rng.randint(1, 4), rng.randint(1, 4)
        x = _floats(rng.randint(1, 5), rng.randint(1, 3), size)
        w = _floats(directions, gates * hidden, size)
        r = _floats(directions, gates * hidden, hidden)
        fixed = {"direction": direction, "hidden_size": hidden, "clip": None}
        fixed |= dict.fromkeys(["activations", "activation_alpha", "activation_beta"])
        return [(x, False), (w, True), (r, True)], fixed

    return make


def _slice(rng: random.Random, opset: int) -> tuple[Arrays, dict]:
    x = _floats(*(rng.randint(1, 7) for _ in range(rng.randint(1, 4))))
    stored = rng.random() < 0.5
    if stored:
        x = (10 * x).astype(np.int64)
    axes = rng.sample(range(x.ndim), rng.randint(1, x.ndim))
    ends = [0, 1, 2, -1, -2, -3, 5, 100, -100, 2**63 - 1, -(2**63) + 1, -(2**63), 2**31 - 1, 2**31]

    def numbers(choices: list[int]) -> tuple[Array, bool]:
        return np.array([rng.choice(choices) for _ in axes]), True

    arrays: Arrays = [(x, stored), numbers(ends), numbers(ends)]
    arrays.append((np.array(axes), True) if rng.random() < 0.7 else (None, False))
    arrays.append(numbers([1, 1, 2, -1, -2, 3]) if rng.random() < 0.7 else (None, False))
    return arrays, {}


def _pad(rng: random.Random, opset: int) -> tuple[Arrays, dict]:
    x = _floats(*(rng.randint(1, 7) for _ in range(rng.randint(1, 4))))
    axes = list(range(x.ndim))
    last: tuple[Array | None, bool] = (None, False)
    if opset >= 18 and rng.random() < 0.3:
        axes = rng.sample(range(-x.ndim, 0), rng.randint(1, x.ndim))
        last = np.array(axes), True
    pads = np.array([rng.randint(-2, 3) for _ in range(2 * len(axes))])
    return [(x, False), (pads, True), (None, False), last], {}


def _resize(rng: random.Random, opset: int) -> tuple[Arrays, dict]:
    x = _floats(1, rng.randint(1, 2), rng.randint(2, 6), rng.randint(2, 6))
    scales = np.array([1, 1, rng.choice([0.5, 2, 1.3, 0.7]), rng.choice([0.5, 2, 1])], np.float32)
    sizes = np.array([1, x.shape[1], rng.randint(1, 9), rng.randint(1, 9)])
    none, fixed = (None, False), dict.fromkeys(["antialias", "axes", "keep_aspect_ratio_policy"])
    if rng.random() < 0.5:
        return [(x, False), none, (scales, True)], fixed
    return [(x, False), none, none, (sizes, True)], fixed


def _stft(rng: random.Random, opset: int) -> tuple[Arrays, dict]:
    length = rng.randint(4, 10)
    step, size = np.int64(rng.randint(1, 4)), np.int64(length)
    window = (_floats(length), True) if rng.random() < 0.7 else (None, False)
    return [(_floats(1, rng.randint(20, 40), 1), False), (step, True), window, (size, True)], {}


def _dft(rng: random.Random, opset: int) -> tuple[Arrays, dict]:
    x = _floats(1, rng.randint(2, 9), rng.randint(2, 9), rng.choice([1, 2]))
    length = (np.int64(rng.randint(2, 12)), True) if rng.random() < 0.4 else (None, False)
    axis = rng.choice([1, 2, -3, -2])
    if opset >= 20:
        return [(x, False), length, (np.int64(axis), True)], {}
    return [(x, False), length], {"axis": axis}


def _attention(rng: random.Random, opset: int) -> tuple[Arrays, dict]:
    kv_heads, queries, keys, depth, values, past = (rng.randint(1, 4) for _ in range(6))
    heads = kv_heads * rng.randint(1, 2)
    fixed = dict.fromkeys(["softmax_precision", "qk_matmul_output_mode", "is_causal"])
    fixed |= dict.fromkeys(["left_window_size", "right_window_size"])
    last: Arrays = []
    if rng.random() < 0.4:
        last = [(None, False), (_floats(1, kv_heads, past, depth), False)]
        last.append((_floats(1, kv_heads, past, values), False))
    if rng.random() < 0.5:
        shapes = [(heads, queries, depth), (kv_heads, keys, depth), (kv_heads, keys, values)]
        fixed |= {"q_num_heads": None, "kv_num_heads": None}
    else:
        shapes = [(queries, heads * depth), (keys, kv_heads * depth), (keys, kv_heads * values)]
        fixed |= {"q_num_heads": heads, "kv_num_heads": kv_heads}
    return [(_floats(1, *shape), False) for shape in shapes] + last, fixed


def _gemm(rng: random.Random, opset: int) -> tuple[Arrays, dict]:
    m, k, n, swap_a, swap_b = (rng.randint(1, 4) for _ in range(5))
    a, b = _floats(m, k), _floats(k, n)
    bias = rng.choice([(n,), (m, n), (1, n), (m, 1), ()])
    arrays: Arrays = [(a.T if swap_a % 2 else a, False), (b.T if swap_b % 2 else b, True)]
    return [*arrays, (_floats(*bias), True)], {"transA": swap_a % 2, "transB": swap_b % 2}


def _reshape(rng: random.Random, opset: int) -> tuple[Arrays, dict]:
    targets = [[0, -1], [24], [-1, 4], [0, 0, 0], [4, 0, 2], [0, 12, 1], [6, -1, 2], [0, 0, -1]]
    return [(_floats(2, 3, 4), False), (np.array(rng.choice(targets)), True)], {}


def _expand(rng: random.Random, opset: int) -> tuple[Arrays, dict]:
    shape = rng.choice([[1], [3, 1], [1, 3], [2, 1, 3]])
    target = rng.choice([[3], [1], [2, 3], [3, 3], [2, 1, 1], [2, 3, 3], [1, 1, 1, 1]])
    return [(_floats(*shape), False), (np.array(target), True)], {}


def _tile(rng: random.Random, opset: int) -> tuple[Arrays, dict]:
    return [(_floats(2, 1, 3), False), (np.array([rng.randint(1, 3) for _ in "xyz"]), True)], {}


def _top_k(rng: random.Random, opset: int) -> tuple[Arrays, dict]:
    k = (np.array([rng.randint(1, 4)]), True)
    return [(_floats(5, 4), False), k], {"axis": rng.choice([0, 1, -1, None])}


def _one_hot(rng: random.Random, opset: int) -> tuple[Arrays, dict]:
    indices = np.zeros([rng.randint(1, 3) for _ in range(rng.randint(0, 3))], np.int64)
    depth = rng.choice([np.int64(4), np.array([3])])
    return [(indices, False), (depth, True), (_floats(2), True)], {"axis": rng.randint(-2, 2)}


def _split(rng: random.Random, opset: int) -> tuple[Arrays, dict]:
    parts = (np.array(rng.choice([[1, 2, 3], [3, 3], [6]])), True)
    return [(_floats(6, 4), False), *([parts] if rng.random() < 0.5 else [])], {"axis": 0}


def _normalization(count: int) -> Callable:
    def make(rng: random.Random, opset: int) -> tuple[Arrays, dict]:
        channels = 4
        size = 2 if count == -1 and opset < 21 else channels
        x = _floats(1, channels, rng.randint(1, 4), 3)
        stored: Arrays = [(_floats(size), True)] * abs(count if count > 0 else 2)
        return [(x, False), *stored], {"training_mode": None, "num_groups": 2}

    return make


def _grid(rng: random.Random, opset: int) -> tuple[Arrays, dict]:
    axes = rng.randint(2, 3) if opset >= 20 else 2
    x = _floats(1, rng.randint(1, 2), *(rng.randint(2, 5) for _ in range(axes)))
    grid = _floats(1, *(rng.randint(2, 4) for _ in range(axes)), axes)
    return [(x, False), (grid, False)], {"mode": rng.choice([None, "nearest"])}


def _crop(rng: random.Random, opset: int) -> tuple[Arrays, dict]:
    x = _floats(*(rng.randint(1, 7) for _ in range(rng.randint(1, 3))))
    target = np.array([rng.randint(1, 9) for _ in x.shape])
    return [(x, False), (target, True)], {"axes": None}


def _rotary(rng: random.Random, opset: int) -> tuple[Arrays, dict]:
    heads, length, half = (rng.randint(1, 3) for _ in range(3))
    caches: Arrays = [(_floats(1, length, half), False)] * 2
    fixed = {"num_heads": None, "rotary_embedding_dim": None}
    return [(_floats(1, heads, length, 2 * half), False), *caches], fixed


def _affine_grid(rng: random.Random, opset: int) -> tuple[Arrays, dict]:
    axes = rng.randint(2, 3)
    size = np.array([1, 2, *(rng.randint(1, 4) for _ in range(axes))])
    return [(_floats(1, axes, axes + 1), False), (size, True)], {}


def _col2im(rng: random.Random, opset: int) -> tuple[Arrays, dict]:
    height, width, kernel = rng.randint(2, 5), rng.randint(2, 5), rng.randint(1, 2)
    blocks = (height - kernel + 1) * (width - kernel + 1)
    x = _floats(1, 3 * kernel * kernel, blocks)
    image, block = np.array([height, width]), np.array([kernel, kernel])
    fixed = dict.fromkeys(["dilations", "pads", "strides"])
    return [(x, False), (image, True), (block, True)], fixed


def _range(rng: random.Random, opset: int) -> tuple[Arrays, dict]:
    dtype = rng.choice([np.int64, np.int32, np.float32])
    numbers = [rng.randint(-3, 3), rng.randint(-9, 9), rng.choice([-3, -2, -1, 1, 2, 3])]
    if dtype is np.float32:
        numbers = [number * rng.choice([0.1, 0.5, 1.0]) for number in numbers]
    return [(np.array(number, dtype), True) for number in numbers], {}


def _scatter_nd(rng: random.Random, opset: int) -> tuple[Arrays, dict]:
    x, indices = _floats(4, 5), np.array([[0], [2], [3]])
    return [(x, False), (indices, True), (_floats(3, 5), False)], {}


_DIRECTED: dict[str, Callable[[random.Random, int], tuple[Arrays, dict]]] = {
    **{op: _convolution(op) for op in ("Conv", "ConvTranspose", "ConvInteger", "QLinearConv")},
    **dict.fromkeys(["MaxPool", "AveragePool", "LpPool"], _pool),
    **{"RNN": _recurrent(1), "GRU": _recurrent(3), "LSTM": _recurrent(4)},
    **{"BatchNormalization": _normalization(4), "InstanceNormalization": _normalization(2)},
    **{"GroupNormalization": _normalization(-1), "Slice": _slice, "Pad": _pad, "Resize": _resize},
    **{"STFT": _stft, "DFT": _dft, "Attention": _attention, "Gemm": _gemm, "Reshape": _reshape},
    **{"Expand": _expand, "Tile": _tile, "TopK": _top_k, "OneHot": _one_hot, "Split": _split},
    **{"GridSample": _grid, "CenterCropPad": _crop, "RotaryEmbedding": _rotary},
    **{"AffineGrid": _affine_grid, "Col2Im": _col2im, "Range": _range, "ScatterND": _scatter_nd},
}
