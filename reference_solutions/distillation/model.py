"""Keyword spotters: the seminar's has a convolution, a GRU, and attention over time.

Everything that one may want to make smaller is a number of `CrnnConfig`. Any network with
`activations` and `classifier` can teach or learn from another one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
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


# BEGIN SOLUTION
@dataclass(frozen=True)
class SeparableConfig:
    """The sizes of a `Separable` network."""

    channels: int
    """Feature maps of the first convolution; it sees every input, so each map costs the most."""
    width: int
    """Channels of everything after it; a pointwise convolution costs its square a step."""
    blocks: int
    """Each lets a step hear two more steps to either side."""
    kernel: int = 5
    """Steps of 80 ms: one block spans 400 ms, two the whole word."""


TEACHER = SeparableConfig(channels=16, width=48, blocks=3)
SMALL = SeparableConfig(channels=4, width=16, blocks=2)
TINY = SeparableConfig(channels=2, width=12, blocks=2)


# END SOLUTION
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


# BEGIN SOLUTION
class Block(nn.Module):
    """A separable convolution over time with a shortcut; (batch, width, steps) in and out.

    Depthwise, then pointwise: kernel + width multiplications an output for kernel * width.
    The shortcut is an addition, and both normalizations fold into the convolutions.
    """

    def __init__(self, width: int, kernel: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv1d(
            width, width, kernel, padding=kernel // 2, groups=width, bias=False
        )
        self.depthwise_norm = nn.BatchNorm1d(width)
        self.pointwise = nn.Conv1d(width, width, 1, bias=False)
        self.pointwise_norm = nn.BatchNorm1d(width)

    def forward(self, maps: Tensor) -> Tensor:
        heard = self.depthwise_norm(self.depthwise(maps))
        return torch.relu(maps + self.pointwise_norm(self.pointwise(heard)))


class Separable(nn.Module):
    """Log-mel clips (batch, 40, 101) in, logits (batch, 2) out, without recurrence."""

    def __init__(self, config: SeparableConfig) -> None:
        super().__init__()
        self.config = config
        self.pool = nn.MaxPool2d(2)  # (20, 50): the loudest of 2 bands and 2 frames
        self.conv = nn.Conv2d(1, config.channels, 4, stride=4, bias=False)  # (5, 12)
        self.conv_norm = nn.BatchNorm2d(config.channels)
        self.mix = nn.Conv1d(5 * config.channels, config.width, 1, bias=False)
        self.mix_norm = nn.BatchNorm1d(config.width)
        self.blocks = nn.Sequential(
            *(Block(config.width, config.kernel) for _ in range(config.blocks))
        )
        self.energy = nn.Linear(config.width, 1)
        self.classifier = nn.Linear(config.width, 2)

    def forward(self, features: Tensor) -> Tensor:
        return self.activations(features).logits

    def activations(self, features: Tensor) -> Activations:
        """The logits, and what led to them."""
        maps = torch.relu(self.conv_norm(self.conv(self.pool(features.unsqueeze(1)))))
        maps = torch.relu(self.mix_norm(self.mix(maps.flatten(1, 2))))  # (batch, width, 12)
        states = self.blocks(maps).transpose(1, 2)  # (batch, 12, width)
        attention = self.energy(states).softmax(dim=1)
        context = (states * attention).sum(dim=1)
        return Activations(self.classifier(context), attention.squeeze(2), states)


def build(config: CrnnConfig | SeparableConfig) -> Crnn | Separable:
    """The untrained network of these sizes."""
    return Crnn(config) if isinstance(config, CrnnConfig) else Separable(config)


# STARTER
# def build(config: CrnnConfig) -> Crnn:
#     """The untrained network of these sizes."""
#     return Crnn(config)
#
#
# END SOLUTION
def profiled() -> tuple[nn.Module, Tensor]:
    """The submitted network and one clip: what `grader check` shows to thop and torch."""
    # BEGIN SOLUTION
    network = build(TINY)
    # STARTER
    # network = build(STUDENT)
    # END SOLUTION
    return network, torch.zeros(1, BANDS, FRAMES)
