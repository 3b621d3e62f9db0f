"""The seminar's keyword spotter: a convolution, a GRU, and attention over time.

Everything a student may want to make smaller is one number of `CrnnConfig`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor, nn

BANDS = 40
"""Log-mel bands of a clip."""
FRAMES = 101
"""10 ms frames of a one-second clip."""


@dataclass(frozen=True)
class CrnnConfig:
    """The sizes of a `Crnn`. The defaults are the seminar's baseline: 70,443 parameters."""

    channels: int = 8
    """Feature maps of the convolution; times the bands it keeps, the input size of the GRU."""
    kernel: tuple[int, int] = (5, 20)
    """(bands, frames) seen at once: 200 ms, about a syllable."""
    stride: tuple[int, int] = (2, 8)
    """A frame stride of 8 leaves 11 GRU steps of the 101 frames; each step costs the same."""
    hidden_size: int = 64
    """GRU state; its cost grows with the square."""
    layers: int = 2
    """The second GRU layer adds 6 * hidden_size^2 weights."""
    dropout: float = 0.1
    """Between GRU layers; a small student underfits rather than overfits, and wants 0."""


BASELINE = CrnnConfig()
STUDENT = CrnnConfig(
    channels=4,  # a quarter of the GRU's input
    kernel=(9, 20),  # a larger kernel makes up for the larger stride
    stride=(4, 10),  # half the bands, 9 steps for 11
    hidden_size=20,  # a tenth of the GRU's own weights
)
"""10.1 times fewer parameters and 8.5 times fewer MACs than the baseline: a place to start."""


class Activations(NamedTuple):
    """What a teacher can show a student."""

    logits: Tensor
    """(batch, 2): not the keyword, the keyword."""
    attention: Tensor
    """(batch, steps): sums to 1 over the steps."""
    states: Tensor
    """(batch, steps, hidden_size): what the GRU heard so far."""


class Crnn(nn.Module):
    """Log-mel clips (batch, 40, 101) in, logits (batch, 2) out."""

    def __init__(self, config: CrnnConfig = BASELINE) -> None:
        super().__init__()
        self.config = config
        bands = (BANDS - config.kernel[0]) // config.stride[0] + 1
        hidden = config.hidden_size
        self.conv = nn.Conv2d(1, config.channels, config.kernel, config.stride)
        self.gru = nn.GRU(
            config.channels * bands,
            hidden,
            config.layers,
            batch_first=True,
            dropout=config.dropout if config.layers > 1 else 0.0,
        )
        self.energy = nn.Sequential(nn.Linear(hidden, hidden), nn.Tanh(), nn.Linear(hidden, 1))
        self.classifier = nn.Linear(hidden, 2)

    def forward(self, features: Tensor) -> Tensor:
        return self.activations(features).logits

    def activations(self, features: Tensor) -> Activations:
        """The logits, and what led to them."""
        maps = self.conv(features.unsqueeze(1))  # (batch, channels, bands, steps)
        states, _ = self.gru(maps.flatten(1, 2).transpose(1, 2))  # (batch, steps, hidden)
        attention = self.energy(states).softmax(dim=1)  # (batch, steps, 1)
        context = (states * attention).sum(dim=1)  # (batch, hidden)
        return Activations(self.classifier(context), attention.squeeze(2), states)
