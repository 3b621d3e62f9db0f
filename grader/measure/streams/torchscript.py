"""Static check of a TorchScript file: the functions that it calls, and what it stores.

A TorchScript archive is a zip of Python-like source, raw tensors and a pickle. The source is
parsed (`ast`), the pickle is read as a list of instructions (`pickletools`), and neither is
executed. Loading such a file can run its code, and its code can write files, read clocks and draw
random numbers, so every function that it calls must be on a list. The sandbox is a second barrier.
"""

from __future__ import annotations

import ast
import io
import pickletools
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass

from grader.text import Text
from grader.text.errors import Rejected

MAX_BYTES = 64 * 2**20
MAX_ENTRIES = 2_000
FREE_NUMBERS = 1_024
"""Numbers in the source and the pickle (sizes, strides, axes) that count nothing; every one
beyond counts `NUMBER_BYTES`, or weights could be written as source."""
NUMBER_BYTES = 4
FREE_TEXT = 16_384
"""Characters of texts in the source (error messages of torch's own layers)."""

_BUILTINS = (
    "annotate unchecked_cast uninitialized int float bool str len range getattr isinstance "
    "max min abs List Dict Tuple Optional Final NamedTuple torch_assert tuple list"
)
BUILTINS = frozenset(_BUILTINS.split())
_FUNCTIONS = (
    "__contains__ __getitem__ __is__ __isnot__ __not__ __or__ __and__ __xor__ __derive_index "
    "__range_length _set_item _unwrap_optional abs add add_ addmm all amax amin any append "
    "arange argmax argmin as_tensor baddbmm batch_norm bmm cat ceil chunk clamp clamp_ "
    "clamp_max clamp_min clone constant_pad_nd contiguous conv1d conv2d copy_ cos cumsum dim "
    "div div_ dot dropout einsum elu empty empty_like eq exp expand expand_as extend extract "
    "fill_ flatten flip float floor floor_divide floordiv format full full_like gather ge "
    "gelu gru gru_cell gt hardsigmoid hardswish index index_copy index_copy_ index_put_ "
    "index_select insert int isfinite isinf isnan item layer_norm le leaky_relu len linear "
    "linspace list log log10 log1p log2 log_softmax logaddexp logical_and logical_not "
    "logical_or logsumexp lstm lstm_cell lt masked_fill masked_fill_ matmul max maximum mean "
    "min minimum mm mul mul_ narrow ne neg new_empty new_zeros numel ones ones_like pad "
    "permute pop pow quantize_per_tensor dequantize relu relu_ remainder repeat reshape "
    "rnn_relu rnn_tanh rnn_tanh_cell roll round rsqrt rsub scalar_tensor select "
    "select_scatter sigmoid sigmoid_ sign silu sin size slice slice_scatter softmax softplus "
    "split split_with_sizes sqrt square squeeze squeeze_ stack std sub sub_ sum t tanh tanh_ "
    "tensor to topk transpose tril triu truediv type_as unbind unflatten unfold unsqueeze "
    "unsqueeze_ var view where zero_ zeros zeros_like storage_offset stride is_floating_point "
    "ScalarImplicit IntImplicit FloatImplicit Bool Float Int device is_complex keys values "
    "items copy clear join startswith endswith warn"
)
FUNCTIONS = frozenset(_FUNCTIONS.split())
"""Functions of torch that only compute."""
_PRIMITIVES = (
    "RaiseException dtype device is_cuda min max abs layout unchecked_unwrap_optional "
    "NumToTensor ImplicitTensorToNum Uninitialized data shape tolist is_nested"
)
PRIMITIVES = frozenset(_PRIMITIVES.split())
_PLAIN = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


@dataclass(frozen=True)
class ScriptReport:
    """What a TorchScript file stores."""

    bytes: int
    """Raw tensors, and numbers written as source beyond what is free."""
    functions: frozenset[str]
    """Functions of torch that it calls."""
    file_bytes: int


def inspect(data: bytes) -> ScriptReport:
    """Check the archive in `data`. Raises Rejected with a sentence when it is no archive, is too
    large, or calls a function that is not on the list."""
    archive = _open(data)
    # Without the top folder of the archive.
    entries = {i.filename.split("/", 1)[-1]: i for i in archive.infolist() if not i.is_dir()}
    if "data.pkl" not in entries or not any(name.startswith("code/") for name in entries):
        raise Rejected(_no_torchscript())
    functions: set[str] = set()
    numbers = text = 0
    for name, info in entries.items():
        if name.startswith("code/") and name.endswith(".py"):
            source = _parse(archive.read(info).decode("utf-8", "replace"), name)
            functions |= set(_calls(source))
            found = _literals(source)
            numbers, text = numbers + found[0], text + found[1]
        elif name.endswith("data.pkl") or name == "constants.pkl":
            numbers += _pickled_numbers(archive.read(info))
    stored = sum(i.file_size for n, i in entries.items() if n.startswith(("data/", "constants/")))
    stored += NUMBER_BYTES * max(numbers - FREE_NUMBERS, 0) + max(text - FREE_TEXT, 0)
    return ScriptReport(stored, frozenset(functions), len(data))


def _open(data: bytes) -> zipfile.ZipFile:
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError) as error:
        raise Rejected(_no_torchscript()) from error
    infos = archive.infolist()
    repeated = len({info.filename for info in infos}) < len(infos)
    if repeated or any(info.compress_type not in _PLAIN for info in infos):
        raise Rejected(_no_torchscript())
    if len(infos) > MAX_ENTRIES or sum(info.file_size for info in infos) > MAX_BYTES:
        raise Rejected(
            "The TorchScript file holds more than {max_bytes} MiB or {max_entries} entries; make "
            "the model smaller.",
            max_bytes=MAX_BYTES // 2**20,
            max_entries=MAX_ENTRIES,
        )
    return archive


def _parse(source: str, name: str) -> ast.Module:
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise Rejected(
            "The source in the TorchScript file ({name}) cannot be read; save the model again "
            "with torch.jit.save.",
            name=name[:80],
        ) from error


def _calls(source: ast.Module) -> Iterator[str]:
    """Names of torch's functions that are called. Raises Rejected for any that is not listed."""
    local = {  # `_25 = __torch__.rnn._apply`, functions, classes
        node.id if isinstance(node, ast.Name) else node.name
        for node in ast.walk(source)
        if (isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store))
        or isinstance(node, ast.FunctionDef | ast.ClassDef)
    }
    for node in ast.walk(source):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            if node.name in ("__setstate__", "__getstate__"):
                raise Rejected(_not_allowed(node.name))
        elif isinstance(node, ast.Attribute):
            name = _dotted(node)
            if name is None:
                continue
            root, *rest = name.split(".")
            if root == "ops" and not (rest[:1] == ["prim"] and rest[-1] in PRIMITIVES):
                if len(rest) > 1 or rest[:1] != ["prim"]:
                    raise Rejected(_not_allowed(".".join(rest)))
            elif root == "torch":
                function = ".".join(rest)
                if function not in FUNCTIONS:
                    raise Rejected(_not_allowed(function))
                yield function
        elif (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id not in BUILTINS
            and node.func.id not in local
        ):
            raise Rejected(_not_allowed(node.func.id))


def _dotted(node: ast.Attribute) -> str | None:
    """`a.b.c` as text, None where it does not start with a plain name."""
    parts: list[str] = []
    inner: ast.expr = node
    while isinstance(inner, ast.Attribute):
        parts.append(inner.attr)
        inner = inner.value
    return ".".join([inner.id, *reversed(parts)]) if isinstance(inner, ast.Name) else None


def _literals(source: ast.Module) -> tuple[int, int]:
    """How many numbers, and how many characters of text."""
    constants = [node.value for node in ast.walk(source) if isinstance(node, ast.Constant)]
    numbers = [v for v in constants if isinstance(v, int | float) and not isinstance(v, bool)]
    return len(numbers), sum(len(v) for v in constants if isinstance(v, str | bytes))


def _pickled_numbers(raw: bytes) -> int:
    """Numbers and characters of texts in a pickle, which is parsed and not executed."""
    count = 0
    try:
        for op, argument, _ in pickletools.genops(raw):
            if isinstance(argument, float):
                count += 2
            elif isinstance(argument, int) and op.name in ("BININT", "BININT2", "LONG1", "LONG4"):
                count += 1
            elif isinstance(argument, str | bytes) and op.name != "GLOBAL":
                count += max(len(argument) - 64, 0) // NUMBER_BYTES
    except Exception as error:
        raise Rejected(_no_torchscript()) from error
    return count


def _no_torchscript() -> Text:
    return Text(
        "model.ts is no TorchScript file; write it with torch.jit.script and torch.jit.save, as "
        "export.py of the template does."
    )


def _not_allowed(name: str) -> Text:
    return Text(
        "The TorchScript model calls `{name}`, which is not allowed: a model may compute, but "
        "not touch files, clocks, random numbers or anything outside it; remove the call.",
        name=name[:80],
    )
