"""Bytes of the constants that an ONNX file stores: tensors, attributes and lists of numbers.

A tensor counts as it is stored: elements times the width of its type (int8 one byte, float16
two, int4 half a byte, rounded up per tensor). A sparse tensor counts its values and indices. So do
the tensors in attributes of any node, in the graph and in functions. Other numbers:

- a float attribute counts 4 bytes unless it has the operator's default value;
- a list of floats counts 4 bytes an entry; a list of integers 8 bytes an entry, and a list of
  strings its characters, when it is longer than `FREE_ENTRIES` (strides, axes and pads are free);
- integers and short strings configure an operator and are free;
- a tensor without elements counts 8 bytes for each dimension above 1: Shape can read them.

Parameters are the elements of initializers and Constant nodes, without scalars, booleans and
int64 (shapes, axes, indices).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from math import prod

import numpy as np
import onnx
from onnx import AttributeProto, NodeProto, SparseTensorProto, TensorProto

from grader.measure.costs.refusals import GraphLimits, refuse

FREE_ENTRIES = 16
FREE_CHARACTERS = 256
MAX_RANK = 16
FOLDABLE_ELEMENTS = 4096
"""Constants up to this size keep their values, to compute shapes from."""


@dataclass(frozen=True)
class Constant:
    """One stored constant."""

    name: str
    nbytes: int
    params: int


@dataclass(frozen=True)
class DType:
    name: str
    bits: int
    field: str
    """The field of TensorProto that holds the elements when raw_data does not."""
    foldable: bool = False
    """True when numpy has the type and shapes are computed with it."""

    def nbytes(self, elements: int) -> int:
        return (elements * self.bits + 7) // 8


DTYPES: dict[int, DType] = {
    TensorProto.FLOAT: DType("float32", 32, "float_data", True),
    TensorProto.DOUBLE: DType("float64", 64, "double_data", True),
    TensorProto.FLOAT16: DType("float16", 16, "int32_data"),
    TensorProto.BFLOAT16: DType("bfloat16", 16, "int32_data"),
    TensorProto.FLOAT8E4M3FN: DType("float8e4m3fn", 8, "int32_data"),
    TensorProto.FLOAT8E4M3FNUZ: DType("float8e4m3fnuz", 8, "int32_data"),
    TensorProto.FLOAT8E5M2: DType("float8e5m2", 8, "int32_data"),
    TensorProto.FLOAT8E5M2FNUZ: DType("float8e5m2fnuz", 8, "int32_data"),
    TensorProto.FLOAT8E8M0: DType("float8e8m0", 8, "int32_data"),
    TensorProto.FLOAT4E2M1: DType("float4e2m1", 4, "int32_data"),
    TensorProto.INT64: DType("int64", 64, "int64_data", True),
    TensorProto.INT32: DType("int32", 32, "int32_data", True),
    TensorProto.INT16: DType("int16", 16, "int32_data"),
    TensorProto.INT8: DType("int8", 8, "int32_data"),
    TensorProto.INT4: DType("int4", 4, "int32_data"),
    TensorProto.INT2: DType("int2", 2, "int32_data"),
    TensorProto.UINT64: DType("uint64", 64, "uint64_data"),
    TensorProto.UINT32: DType("uint32", 32, "uint64_data"),
    TensorProto.UINT16: DType("uint16", 16, "int32_data"),
    TensorProto.UINT8: DType("uint8", 8, "int32_data"),
    TensorProto.UINT4: DType("uint4", 4, "int32_data"),
    TensorProto.UINT2: DType("uint2", 2, "int32_data"),
    TensorProto.BOOL: DType("bool", 8, "int32_data", True),
}

_FIELDS = ("raw_data", "float_data", "double_data", "int32_data", "int64_data", "uint64_data")
_NO_PARAMETERS = (TensorProto.INT64, TensorProto.BOOL)


def dtype_of(code: int, owner: str) -> DType:
    """The supported type with this ONNX code; refuses strings, complex and unknown types."""
    if code == TensorProto.STRING:
        refuse("string", tensor=owner)
    if code not in DTYPES:
        known = code in TensorProto.DataType.values()
        name = TensorProto.DataType.Name(code).lower() if known else f"number {code}"
        refuse("tensor_type", tensor=owner, dtype=name)
    return DTYPES[code]


def stored_tensor(tensor: TensorProto, limits: GraphLimits, owner: str = "") -> Constant:
    """Check that `tensor` holds exactly what its type and shape say; refuses it otherwise."""
    name = tensor.name or owner or "a constant"
    if tensor.data_location == TensorProto.EXTERNAL or tensor.external_data:
        refuse("external_data", tensor=name)
    dtype = dtype_of(tensor.data_type, name)
    shape = checked_shape(tensor.dims, dtype, limits.max_tensor_bytes, name)
    elements = prod(shape)
    _check_payload(tensor, dtype, elements, name)
    nbytes = dtype.nbytes(elements) if elements else 8 * sum(size > 1 for size in shape)
    counted = bool(shape) and tensor.data_type not in _NO_PARAMETERS
    return Constant(name, nbytes, elements if counted else 0)


def stored_sparse(sparse: SparseTensorProto, limits: GraphLimits, owner: str = "") -> Constant:
    """Values and indices of a sparse tensor; its dense shape must be within the limits."""
    name = sparse.values.name or owner or "a sparse constant"
    values = stored_tensor(sparse.values, limits, name)
    indices = stored_tensor(sparse.indices, limits, f"{name} (indices)")
    shape = checked_shape(
        sparse.dims, DTYPES[sparse.values.data_type], limits.max_tensor_bytes, name
    )
    nonzeros = prod(sparse.values.dims)
    expected = ([nonzeros], [nonzeros, len(shape)])
    if sparse.indices.data_type != TensorProto.INT64 or list(sparse.indices.dims) not in expected:
        refuse("tensor_data", tensor=name, found="bad indices", expected=f"{nonzeros} int64")
    if len(sparse.values.dims) != 1 or nonzeros > prod(shape):
        refuse("tensor_data", tensor=name, found=f"{nonzeros} values", expected=f"<= {prod(shape)}")
    return Constant(name, values.nbytes + indices.nbytes, values.params)


def stored_attributes(
    node: NodeProto, limits: GraphLimits, schema: onnx.defs.OpSchema | None
) -> list[Constant]:
    """Constants in the attributes of a node, by the rules in the module docstring."""
    owner = node.name or (node.output[0] if node.output else node.op_type)
    found = []
    for attribute in node.attribute:
        label = f"{owner}.{attribute.name}"
        tensors = [attribute.t] if attribute.HasField("t") else []
        sparse = [attribute.sparse_tensor] if attribute.HasField("sparse_tensor") else []
        inside = [stored_tensor(t, limits, label) for t in [*tensors, *attribute.tensors]]
        inside += [stored_sparse(t, limits, label) for t in [*sparse, *attribute.sparse_tensors]]
        constant = node.op_type == "Constant" and node.domain in ("", "ai.onnx")
        found += inside if constant else [replace(item, params=0) for item in inside]
        defined = schema.attributes.get(attribute.name) if schema is not None else None
        default = defined.default_value if defined is not None else AttributeProto()
        found += _numbers(attribute, label, constant, default)
    return found


def checked_shape(dims: Iterable[int], dtype: DType, max_bytes: int, owner: str) -> tuple[int, ...]:
    """`dims` as a shape; refuses negative or too many dimensions and too many bytes."""
    shape = tuple(dims)
    if len(shape) > MAX_RANK:
        refuse("dimension", tensor=owner, size=f"of {len(shape)} axes")
    for size in shape:
        if size < 0:
            refuse("dimension", tensor=owner, size=size)
    if dtype.nbytes(prod(shape)) > max_bytes:
        refuse("tensor_size", tensor=owner, size=dtype.nbytes(prod(shape)), limit=max_bytes)
    return shape


def small_array(tensor: TensorProto) -> np.ndarray | None:
    """The values of a checked tensor that is small enough to compute shapes from, or None."""
    if not DTYPES[tensor.data_type].foldable or prod(tensor.dims) > FOLDABLE_ELEMENTS:
        return None
    return onnx.numpy_helper.to_array(tensor)


def _check_payload(tensor: TensorProto, dtype: DType, elements: int, name: str) -> None:
    if tensor.HasField("segment") or tensor.string_data:
        refuse("tensor_data", tensor=name, found="segments or strings", expected="plain data")
    filled = [field for field in _FIELDS if len(getattr(tensor, field))]
    if len(filled) > 1:
        refuse("tensor_data", tensor=name, found=" + ".join(filled), expected="one field")
    if filled and filled[0] not in ("raw_data", dtype.field):
        refuse("tensor_data", tensor=name, found=filled[0], expected=dtype.field)
    if filled == ["raw_data"] or not filled:
        found, expected, unit = len(tensor.raw_data), dtype.nbytes(elements), "bytes"
    else:
        found, unit = len(getattr(tensor, filled[0])), "elements"
        expected = dtype.nbytes(elements) if dtype.bits < 8 else elements
    if found != expected:
        refuse("tensor_data", tensor=name, found=f"{found} {unit}", expected=f"{expected} {unit}")


def _numbers(
    attribute: AttributeProto, label: str, constant: bool, default: AttributeProto
) -> list[Constant]:
    """Floats, long lists and long strings; all of them when the node is a Constant."""
    found = []
    usual = default.HasField("f") and default.f == attribute.f
    if attribute.HasField("f") and (constant or not usual):
        found.append(Constant(label, 4, 0))
    if attribute.floats:
        entries = len(attribute.floats)
        found.append(Constant(label, 4 * entries, entries if constant else 0))
    if attribute.HasField("i") and constant:
        found.append(Constant(label, 8, 0))
    if (constant and attribute.ints) or len(attribute.ints) > FREE_ENTRIES:
        found.append(Constant(label, 8 * len(attribute.ints), 0))
    texts = [*([attribute.s] if attribute.HasField("s") else []), *attribute.strings]
    if constant and texts:
        refuse("string", tensor=label)
    length = sum(map(len, texts))
    if len(texts) > FREE_ENTRIES or length > FREE_CHARACTERS:
        found.append(Constant(label, length, 0))
    return found
