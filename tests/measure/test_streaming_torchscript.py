"""TorchScript files: checked without running them, and counted by the rules for ONNX.

No `from __future__ import annotations` here: TorchScript reads the annotations.
"""

import io
import zipfile

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from grader.measure.streams import torchscript
from grader.sandbox.runners.child.aten import Counter
from grader.text.errors import Rejected


def saved(module: nn.Module) -> bytes:
    file = io.BytesIO()
    torch.jit.save(torch.jit.script(module), file)
    return file.getvalue()


class Plain(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(10, 6)

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(self.linear(x))


class Saves(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        torch.save(x, "stolen.pt")
        return x


class ReadsFiles(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x + torch.from_file("/etc/hostname", size=4, dtype=torch.uint8)[0]


class Random(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x + torch.rand_like(x)


class Prints(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        print(x)
        return x


class Forks(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.jit.wait(torch.jit.fork(torch.sin, x))


def test_stored_bytes_are_those_of_the_tensors():
    report = torchscript.inspect(saved(Plain()))
    assert report.bytes == 4 * (10 * 6 + 6)
    assert {"linear", "tanh"} <= report.functions


@pytest.mark.parametrize(
    ("module", "name"),
    [
        (Saves, "save"),
        (ReadsFiles, "from_file"),
        (Random, "rand_like"),
        (Prints, "print"),
        (Forks, "fork"),
    ],
)
def test_what_reaches_outside_is_refused_by_name(module, name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Rejected, match=f"calls `{name}`"):
        torchscript.inspect(saved(module()))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("data", [b"", b"no zip at all", b"PK\x05\x06" + bytes(18)])
def test_what_is_no_archive_gets_a_sentence(data):
    with pytest.raises(Rejected, match="no TorchScript file"):
        torchscript.inspect(data)


def rewritten(old: bytes, new: bytes) -> bytes:
    """A saved module with its source changed by hand."""
    target = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(saved(Plain()))) as source,
        zipfile.ZipFile(target, "w") as out,
    ):
        for info in source.infolist():
            raw = source.read(info)
            out.writestr(info.filename, raw.replace(old, new) if ".py" in info.filename else raw)
    return target.getvalue()


def test_code_at_loading_time_is_refused():
    data = rewritten(b"def forward", b"def __setstate__")
    with pytest.raises(Rejected, match="__setstate__"):
        torchscript.inspect(data)


def test_operators_by_other_roads_are_refused():
    for call in (b"ops.aten.save(", b"ops.prim.TimePoint(", b"torch.ops.aten.save(", b"exec("):
        with pytest.raises(Rejected, match="not allowed"):
            torchscript.inspect(rewritten(b"torch.tanh(", call))


def test_source_that_cannot_be_read_is_refused():
    with pytest.raises(Rejected, match="cannot be read"):
        torchscript.inspect(rewritten(b"def forward", b"def (forward"))


def test_weights_written_as_source_count():
    numbers = b"[" + b"0.123, " * 5_000 + b"]"
    plain = torchscript.inspect(saved(Plain())).bytes
    hidden = torchscript.inspect(rewritten(b"torch.tanh(", b"torch.tanh(" + numbers + b", ")).bytes
    assert hidden > plain + 4 * 3_000


@pytest.mark.parametrize(
    ("call", "macs"),
    [
        (lambda: torch.ones(2, 3) @ torch.ones(3, 4), 24),
        (lambda: F.linear(torch.ones(1, 5), torch.ones(7, 5), torch.ones(7)), 35),
        (lambda: torch.ones(3, 4) * torch.ones(3, 4), 12),
        (lambda: torch.ones(3, 4) + torch.ones(3, 4), 12),
        (lambda: torch.ones(3, 4) * 2.0 + 1.0, 12),
        (lambda: torch.ones(3, 4).exp(), 12),
        (lambda: torch.cat([torch.ones(2), torch.ones(3)]).reshape(5, 1).relu(), 0),
        (lambda: F.conv1d(torch.ones(1, 4, 10), torch.ones(8, 2, 3), groups=2), 384),
        (lambda: torch.maximum(torch.ones(3), torch.zeros(3)), 3),
    ],
)
def test_multiplications_are_counted_as_they_run(call, macs):
    with Counter() as counter:
        call()
    assert not counter.unknown
    assert counter.macs == macs


def test_a_gru_counts_its_three_products():
    gru = nn.GRU(12, 8, batch_first=True)
    with torch.no_grad(), Counter() as counter:
        gru(torch.ones(1, 5, 12))
    products = 5 * 3 * 8 * (12 + 8)
    assert products <= counter.macs <= 1.1 * products


def test_unknown_operators_are_named():
    with Counter() as counter:
        torch.linalg.inv(torch.eye(3))
    assert counter.unknown
