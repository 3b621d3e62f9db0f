"""TorchScript streams run with whatever operators they compute with, confined by the sandbox.

No `from __future__ import annotations` here: TorchScript reads the annotations.
"""

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from grader.lesson.spec import RunLimits
from grader.measure.streams import stream_model
from grader.sandbox.isolation.process import Stopped
from grader.sandbox.runners.stream import Listener, StreamJob

LIMITS = RunLimits(wall_seconds=60.0)
CHUNK = (0.1 * np.random.default_rng(0).standard_normal(1600)).astype(np.float32)


class Stream(nn.Module):
    """What each of the streams below shares: a state that nothing needs."""

    def __init__(self) -> None:
        super().__init__()
        self.heard = torch.zeros(1)

    @torch.jit.export
    def reset(self) -> None:
        self.heard = torch.zeros(1)


class Spectrum(Stream):
    """Centred frames, as librosa and torchaudio take them: reflection_pad1d and stft."""

    def forward(self, chunk: Tensor) -> Tensor:
        padded = F.pad(chunk.unsqueeze(1), [200, 200], mode="reflect").squeeze(1)
        window = torch.hann_window(400)
        found = torch.stft(padded, 400, 160, window=window, center=False, return_complex=True)
        return torch.sigmoid(torch.log(found.abs() + 1e-6).mean()).reshape(1, 1)


class Quantized(Stream):
    """A dynamically quantized cell and layer, as in the course that this lesson comes from."""

    def __init__(self) -> None:
        super().__init__()
        self.cell = nn.GRU(160, 8, batch_first=True)
        self.head = nn.Linear(8, 1)

    def forward(self, chunk: Tensor) -> Tensor:
        states, _ = self.cell(chunk.reshape(1, -1, 160))
        return torch.sigmoid(self.head(states[:, -1]))


class Talks(Stream):
    def forward(self, chunk: Tensor) -> Tensor:
        print("heard", chunk.shape)
        return torch.sigmoid(chunk.cpu().detach().mean()).reshape(1, 1)


class WritesFiles(Stream):
    """Writing fails without an error; what was written would be read back."""

    def __init__(self, place: str) -> None:
        super().__init__()
        self.place = place

    def forward(self, chunk: Tensor) -> Tensor:
        torch.save(chunk, self.place)
        read = torch.from_file(self.place, size=4, dtype=torch.uint8)
        return torch.sigmoid(chunk.mean() + read[0]).reshape(1, 1)


class ReadsFiles(Stream):
    def forward(self, chunk: Tensor) -> Tensor:
        read = torch.from_file("/etc/hostname", size=4, dtype=torch.uint8)
        return torch.sigmoid(chunk.mean() + read[0]).reshape(1, 1)


def saved(module: nn.Module) -> bytes:
    module = module.eval()
    if isinstance(module, Quantized):
        module = torch.ao.quantization.quantize_dynamic(module, {nn.GRU, nn.Linear})
    file = io.BytesIO()
    torch.jit.save(torch.jit.script(module), file)
    return file.getvalue()


def hear(data: bytes) -> np.ndarray:
    """The probabilities after each of two chunks."""
    with Listener(StreamJob(data, "torchscript"), LIMITS) as listener:
        listener.reset()
        heard = listener.hear(CHUNK, [800, 800])
        listener.finish()
    return heard.probabilities


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("stream", [Spectrum, Quantized, Talks])
def test_any_operator_that_computes_is_accepted(stream: type[Stream]) -> None:
    probabilities = hear(saved(stream()))
    assert ((probabilities > 0) & (probabilities < 1)).all()


@pytest.mark.filterwarnings("ignore")
def test_no_file_is_written(tmp_path: Path) -> None:
    place = tmp_path / "chunk.pt"
    with pytest.raises(Stopped):
        hear(saved(WritesFiles(str(place))))
    assert not place.exists()


@pytest.mark.filterwarnings("ignore")
def test_no_file_is_read() -> None:
    with pytest.raises(Stopped):
        hear(saved(ReadsFiles()))


def test_nothing_is_counted_of_a_program() -> None:
    model = stream_model.read(saved(Talks()), "torchscript", range(1, 11))
    assert not model.counted
    assert (model.bytes, model.macs, model.layers) == (0, {}, ())
