"""The seminar's keyword spotter: a convolution, two GRU layers, attention over a whole clip."""

from __future__ import annotations

from dataclasses import dataclass

from frontend import BANDS, Tables, log_mel
from torch import Tensor, nn


@dataclass(frozen=True)
class CrnnConfig:
    """The sizes of a `Crnn`. The defaults are the seminar's: 70,443 parameters."""

    channels: int = 8
    kernel: tuple[int, int] = (5, 20)
    """(bands, frames) seen at once."""
    stride: tuple[int, int] = (2, 8)
    """(bands, frames): a GRU step every 8 frames, 80 ms."""
    hidden: int = 64
    layers: int = 2

    @property
    def features(self) -> int:
        """What one step of the convolution hands to the GRU."""
        return self.channels * ((BANDS - self.kernel[0]) // self.stride[0] + 1)


BASELINE = CrnnConfig()
SMALL = CrnnConfig(channels=4, kernel=(9, 20), stride=(4, 8), hidden=20)
"""A tenth of the baseline: 6,967 parameters. A past student found it; the stride in time is the
baseline's."""


class Crnn(nn.Module):
    """Log-mel bands (batch, 40, frames) in, logits (batch, 2) out."""

    def __init__(self, config: CrnnConfig) -> None:
        super().__init__()
        self.config = config
        self.conv = nn.Conv2d(1, config.channels, config.kernel, config.stride)
        sizes = [config.features, *[config.hidden] * (config.layers - 1)]
        # One module a layer: a stream has to carry the last state of each.
        self.grus = nn.ModuleList(nn.GRU(size, config.hidden, batch_first=True) for size in sizes)
        hidden = config.hidden
        self.energy = nn.Sequential(nn.Linear(hidden, hidden), nn.Tanh(), nn.Linear(hidden, 1))
        self.classifier = nn.Linear(hidden, 2)

    def steps(self, features: Tensor) -> Tensor:
        """The GRU's outputs from a zero state, (batch, steps, hidden)."""
        states = self.conv(features.unsqueeze(1)).flatten(1, 2).transpose(1, 2)
        for gru in self.grus:
            states, _ = gru(states)
        return states

    def forward(self, features: Tensor) -> Tensor:
        states = self.steps(features)
        attention = self.energy(states).softmax(dim=1)
        return self.classifier((states * attention).sum(dim=1))


class Offline(nn.Module):
    """A whole clip of samples (1, 16000) in, the probability of the keyword (1, 1) out."""

    def __init__(self, crnn: Crnn) -> None:
        super().__init__()
        self.crnn = crnn

    def forward(self, clip: Tensor, constants: Tables) -> Tensor:
        return self.crnn(log_mel(clip, constants)).softmax(dim=1)[:, 1:]
