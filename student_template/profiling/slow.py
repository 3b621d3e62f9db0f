"""The network to make faster. It works, its answers are right, and nobody has ever profiled it.

Input: float32 [1, 40, 96], a spectrogram of 40 bands and 96 frames. Output: float32 [1, 12].
The weights lie in slow.npz, one array a name of the state_dict.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

BANDS, FRAMES, CLASSES = 40, 96, 12
WEIGHTS = Path(__file__).with_name("slow.npz")


class SlowNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 16, 5, padding=2, bias=False)
        self.stem_norm = nn.BatchNorm2d(16)
        self.spread = nn.Conv2d(16, 16, 3, padding=1, bias=False)
        self.spread_norm = nn.BatchNorm2d(16)
        self.widen = nn.Linear(16, 32)
        self.widen_norm = nn.BatchNorm2d(32)
        self.texture = nn.Conv2d(32, 32, 5, padding=2, bias=False)
        self.texture_norm = nn.BatchNorm2d(32)
        self.shape = nn.Conv2d(32, 32, 5, padding=2, bias=False)
        self.shape_norm = nn.BatchNorm2d(32)
        self.detail = nn.Conv2d(32, 32, 3, padding=1)
        self.detail_gate = nn.Parameter(torch.zeros(32))
        self.mix = nn.Conv2d(32, 32, 1)
        self.mirror = nn.Conv2d(32, 32, 1)
        self.gather = nn.Linear(BANDS // 2 * 32, 384)
        self.embed = nn.Linear(384, 48)
        self.context = nn.Linear(48, 48)
        self.memory = Memory(48)
        self.head = nn.Linear(48, CLASSES)

    def forward(self, spectrogram: Tensor) -> Tensor:
        x = self._normalized(spectrogram)
        x = self._image(x)
        x = self._steps(x)
        return self._answers(self._remembered(x))

    def _normalized(self, x: Tensor) -> Tensor:
        """(1, bands, frames) to (1, 1, bands, frames)"""
        x = x.transpose(1, 2).contiguous()
        low, high = x.chunk(2, dim=2)
        return torch.cat([low, high], dim=2).transpose(1, 2).contiguous().unsqueeze(1)

    def _image(self, x: Tensor) -> Tensor:
        """(1, 1, bands, frames) to (1, 32, bands / 2, frames / 2)"""
        x = F.relu(self.stem_norm(self.stem(x)))
        x = x[:, :, ::2, ::2].contiguous()
        x = F.relu(self.spread_norm(self.spread(x)))
        x = self.widen(x.permute(0, 2, 3, 1).contiguous()).permute(0, 3, 1, 2).contiguous()
        x = F.relu(self.widen_norm(x))
        x = F.relu(self.texture_norm(self.texture(x)))
        x = F.relu(self.shape_norm(self.shape(x)))
        gate = self.detail_gate.view(1, -1, 1, 1)
        detail = F.relu(self.detail(x))
        return 0.5 * (self.mix(x) + self.mirror(x)) + gate * detail

    def _steps(self, x: Tensor) -> Tensor:
        """(1, 32, bands / 2, frames / 2) to (1, frames / 2, 48)"""
        x = x.permute(0, 3, 1, 2).contiguous().flatten(2)
        return self.embed(self.gather(x))

    def _remembered(self, x: Tensor) -> Tensor:
        """(1, steps, 48), every state of the memory"""
        state = x.new_zeros(1, 48)
        states = []
        for step in range(x.shape[1]):
            context = torch.tanh(self.context(x[:, : step + 1].mean(1)))
            state = self.memory(x[:, step] + context, state)
            states.append(state)
        return torch.stack(states, dim=1)

    def _answers(self, states: Tensor) -> Tensor:
        return self.head(states).mean(1)


class Memory(nn.Module):
    """A gated recurrent unit, as it stands in the paper (Cho et al., 2014; reset after product)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.input_reset = nn.Linear(width, width)
        self.input_update = nn.Linear(width, width)
        self.input_new = nn.Linear(width, width)
        self.state_reset = nn.Linear(width, width)
        self.state_update = nn.Linear(width, width)
        self.state_new = nn.Linear(width, width)

    def forward(self, x: Tensor, state: Tensor) -> Tensor:
        reset = torch.sigmoid(self.input_reset(x) + self.state_reset(state))
        update = torch.sigmoid(self.input_update(x) + self.state_update(state))
        new = torch.tanh(self.input_new(x) + reset * self.state_new(state))
        return (1 - update) * new + update * state


def build() -> nn.Module:
    """The slow network with its weights, in eval mode."""
    network = SlowNet().eval()
    with np.load(WEIGHTS, allow_pickle=False) as arrays:
        network.load_state_dict({name: torch.from_numpy(arrays[name]) for name in arrays.files})
    return network
