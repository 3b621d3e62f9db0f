"""Sandbox B: a streaming model, one request at a time.

Blob 0 is the model. `order["form"]` is "onnx", whose state is an input and an output, or
"torchscript", which keeps its state inside; there is no student Python in either.

Protocol, raw little-endian. A request is one byte, a uint32 and that many float32 samples:

    RESET           reset the state
    CHUNK n ...     process n samples
    HELD            the size of the state
    END

Every answer is one record `ANSWER`: probability, 1 if probability and state are finite, and two
numbers: for HELD all bytes of the state and those of them that changed since the reset, otherwise
the bytes of the state (0 where it is not visible).
"""

from __future__ import annotations

import io
import pickletools
import struct
import zipfile
import zlib
from typing import Any

import numpy as np

from grader.sandbox.isolation.task import ChildExit, Failure, Work
from grader.sandbox.runners.child.runtime import classified, open_session

RESET, CHUNK, HELD, END = range(4)
REQUEST = struct.Struct("<BI")
ANSWER = struct.Struct("<ffQQ")


def run(work: Work) -> None:
    data = work.blob(0)
    stream = _Onnx(data) if work.order["form"] == "onnx" else _TorchScript(data)
    read, write = work.channel.read, work.channel.write
    while True:
        kind, samples = REQUEST.unpack(read(REQUEST.size))
        chunk = np.frombuffer(read(4 * samples), "<f4").reshape(1, samples)
        probability, finite, first, second = float("nan"), True, 0, 0
        if kind == END:
            return
        if kind == RESET:
            stream.reset()
        elif kind == CHUNK:
            probability, finite, first = stream.hear(chunk)
        else:
            first, second = stream.held()
        write(ANSWER.pack(probability, float(finite), first, second))


class _Onnx:
    def __init__(self, data: bytes) -> None:
        self._session = open_session(data)
        ports = self._session.get_inputs()
        self._shapes = {p.name: tuple(p.shape) for p in ports if p.name != "chunk"}
        self._outputs = ["probability", *(f"{name}_next" for name in self._shapes)]
        self._state: dict[str, np.ndarray] = {}
        self._bytes = sum(4 * int(np.prod(shape)) for shape in self._shapes.values())

    def reset(self) -> None:
        self._state = {name: np.zeros(shape, np.float32) for name, shape in self._shapes.items()}

    def hear(self, chunk: np.ndarray) -> tuple[float, bool, int]:
        """Probability, whether all is finite, bytes of state; `chunk` is (1, samples)."""
        try:
            answer, *new = self._session.run(self._outputs, {"chunk": chunk, **self._state})
        except Exception as error:
            raise classified(error, ChildExit.RUN_FAILED) from error
        for (name, shape), value in zip(self._shapes.items(), new, strict=True):
            if value.shape != shape or value.dtype != np.float32:
                found = f"{value.dtype} {list(value.shape)}"
                raise Failure(
                    ChildExit.BAD_OUTPUT,
                    f"`{name}_next` came out as {found} for `{name}` float32 {list(shape)}",
                )
            self._state[name] = value
        if answer.size != 1 or answer.dtype != np.float32:
            raise Failure(
                ChildExit.BAD_OUTPUT,
                f"`probability` came out as {answer.dtype} {list(answer.shape)}",
            )
        finite = np.isfinite(answer).all() and all(np.isfinite(value).all() for value in new)
        return float(answer.reshape(())), bool(finite), self._bytes

    def held(self) -> tuple[int, int]:
        """Bytes kept, and bytes kept that have changed since the reset."""
        return self._bytes, self._bytes


class _TorchScript:
    def __init__(self, data: bytes) -> None:
        try:
            import torch
        except ImportError as error:
            raise Failure(ChildExit.NO_RUNTIME, f"{error}") from error
        torch.set_num_threads(1)
        torch.set_grad_enabled(False)
        # Otherwise the graph would be specialized, and compiled anew, for every chunk size.
        torch._C._set_graph_executor_optimize(False)
        self._torch = torch
        try:
            self._module = torch.jit.load(io.BytesIO(data), map_location="cpu").eval()
        except Exception as error:
            raise classified(error, ChildExit.LOAD_FAILED) from error
        self._fresh: set[tuple[int, int]] = set()
        if not hasattr(self._module, "reset"):
            raise Failure(ChildExit.LOAD_FAILED, "it has no exported method reset().")

    def reset(self) -> None:
        self._guard(self._module.reset)
        self._fresh = set(self._stored())

    def hear(self, chunk: np.ndarray) -> tuple[float, bool, int]:
        answer = self._guard(self._module, self._torch.from_numpy(chunk.copy()))
        if not isinstance(answer, self._torch.Tensor) or answer.numel() != 1:
            found = list(answer.shape) if hasattr(answer, "shape") else type(answer).__name__
            raise Failure(
                ChildExit.BAD_OUTPUT,
                f"forward(chunk) must return one probability, it returned {found}",
            )
        if answer.dtype != self._torch.float32:
            raise Failure(
                ChildExit.BAD_OUTPUT,
                f"forward(chunk) must return float32, it returned {answer.dtype}",
            )
        probability = float(answer)
        return probability, bool(np.isfinite(probability)), 0

    def held(self) -> tuple[int, int]:
        now = self._stored()
        changed = [size for size, crc in now if (size, crc) not in self._fresh]
        # The pickle of numbers outside tensors is read as instructions, which are not executed.
        archive = zipfile.ZipFile(io.BytesIO(self._module.save_to_buffer()))
        name = next(n for n in archive.namelist() if n.endswith("/data.pkl"))
        sizes = {"BINFLOAT": 8, "LONG1": 8}
        instructions = pickletools.genops(archive.read(name))
        numbers = sum(sizes.get(one.name, 0) for one, _, _ in instructions)
        return sum(size for size, _ in now) + numbers, sum(changed) + numbers

    def _stored(self) -> list[tuple[int, int]]:
        """Size and checksum of every tensor that the module keeps, read from a saved copy."""
        archive = zipfile.ZipFile(io.BytesIO(self._module.save_to_buffer()))
        kept = [i for i in archive.infolist() if "/data/" in i.filename]
        return [(i.file_size, zlib.crc32(archive.read(i))) for i in kept]

    def _guard(self, call: Any, *arguments: Any) -> Any:
        try:
            return call(*arguments)
        except Exception as error:
            raise classified(error, ChildExit.RUN_FAILED) from error
