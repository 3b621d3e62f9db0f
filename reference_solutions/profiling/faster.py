"""The same outputs with less work: another network instead of slow.py's.

build() returns a torch module in eval mode that takes float32 [1, 40, 96] and gives float32
[1, 12], for every input equal to what slow.py's network gives, up to rounding (the largest
difference may be 0.01% of the largest output). It is exported to ONNX as it is; its MACs,
bytes and latency are measured there, against the slow network exported the same way. Weights may
be stored in files beside this one (.npz, no pickles), or computed from slow.npz here.

Look at the profile first (`profile_model`, `grader profile slow.onnx`), then at the weights:
which layers can be merged, which products are with zeros, what is computed and never used, what
is computed more than once? `python export.py` writes both ONNX files and compares them.
"""

from __future__ import annotations

# BEGIN SOLUTION
import slow
import torch
import torch.nn.functional as F
from torch import Tensor, nn

# STARTER
# import slow
# from torch import nn
# END SOLUTION


# BEGIN SOLUTION
# Every step is exact algebra; what is left is rounding (1e-6 of the largest output). In the order
# of the network, with what a profile of it showed:
#
# - stem: 5x5 kernels whose outer ring is 0 are 3x3 kernels, and of its outputs every second row
#   and column is used: stride 2;
# - batch norms after a linear layer are a scale and a shift of its outputs: folded into it;
# - spread: weights outside the diagonal are 0: depthwise;
# - widen: a Linear between two copies is a 1x1 convolution;
# - texture: each input channel has one 5x5 kernel up to a factor (an SVD of (outputs, 25) has rank
#   1): depthwise, then 1x1. Each of those 5x5 kernels is also two 3x3 kernels one after another, 18
#   products instead of 25, but two small layers take longer than one: left as it is;
# - shape: an SVD of (outputs x rows, inputs x columns) has rank 6: 1x5, then 5x1 (Jaderberg et al.,
#   2014, "Speeding up Convolutional Neural Networks with Low Rank Expansions");
# - detail is multiplied by a gate of zeros: gone;
# - mix + mirror, gather and embed have nothing nonlinear between them: one matrix;
# - context: means of growing prefixes are one running sum;
# - memory: one GRU operator instead of 48 times six products;
# - head: the mean over time of a linear layer is that layer of the mean.

BANDS, FRAMES = slow.BANDS // 2, slow.FRAMES // 2
NEGLIGIBLE = 1e-5
"""Singular values below this part of the largest are rounding."""


class FasterNet(nn.Module):
    def __init__(self, rank: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 16, 3, stride=2, padding=1)
        self.spread = nn.Conv2d(16, 16, 3, padding=1, groups=16)
        self.widen = nn.Conv2d(16, 32, 1)
        self.texture = nn.Conv2d(32, 32, 5, padding=2, groups=32, bias=False)
        self.texture_mixed = nn.Conv2d(32, 32, 1)
        self.along = nn.Conv2d(32, rank, (1, 5), padding=(0, 2), bias=False)
        self.down = nn.Conv2d(rank, 32, (5, 1), padding=(2, 0))
        # A Linear of all bands and channels of a frame: a convolution as high as the image.
        self.embed = nn.Conv2d(32, 48, (BANDS, 1))
        self.context = nn.Linear(48, 48)
        self.memory = nn.GRU(48, 48)
        self.head = nn.Linear(48, slow.CLASSES)
        self.register_buffer("each", 1 / torch.arange(1.0, FRAMES + 1).view(FRAMES, 1, 1))

    def forward(self, spectrogram: Tensor) -> Tensor:
        x = F.relu(self.stem(spectrogram.unsqueeze(1)))
        x = F.relu(self.spread(x))
        x = F.relu(self.widen(x))
        x = F.relu(self.texture_mixed(self.texture(x)))
        x = F.relu(self.down(self.along(x)))
        x = self.embed(x).squeeze(2).permute(2, 0, 1)
        x = x + torch.tanh(self.context(x.cumsum(0) * self.each))
        states, _ = self.memory(x)
        return self.head(states.mean(0))


@torch.no_grad()
# END SOLUTION
def build() -> nn.Module:
    """A network that answers as `slow.build()` does, in eval mode."""
    # BEGIN SOLUTION
    old = slow.build().double()
    along, down, bias = _by_axis(*_folded(old.shape, old.shape_norm))
    new = FasterNet(rank=len(along)).double().eval()
    stem, shift = _folded(old.stem, old.stem_norm)
    _set(new.stem, stem[:, :, 1:4, 1:4], shift)
    spread, shift = _folded(old.spread, old.spread_norm)
    _set(new.spread, spread[range(16), range(16)].unsqueeze(1), shift)
    widen, shift = _folded(old.widen, old.widen_norm)
    _set(new.widen, widen[:, :, None, None], shift)
    texture, mixing, shift = _by_channel(*_folded(old.texture, old.texture_norm))
    _set(new.texture, texture)
    _set(new.texture_mixed, mixing, shift)
    _set(new.along, along)
    _set(new.down, down, bias)
    _set(new.embed, *_merged(old))
    _set(new.context, old.context.weight, old.context.bias)
    _set(new.head, old.head.weight, old.head.bias)
    _set_memory(new.memory, old.memory)
    return new.float()
    # STARTER
    # # TODO: a faster network.
    # return slow.build()
    # END SOLUTION


# BEGIN SOLUTION
def _set(layer: nn.Module, weight: Tensor, bias: Tensor | None = None) -> None:
    layer.weight.copy_(weight)
    if bias is not None:
        layer.bias.copy_(bias)


def _folded(layer: nn.Module, norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """Weight and bias of a layer together with the batch norm that follows it."""
    scale = norm.weight / (norm.running_var + norm.eps).sqrt()
    bias = torch.zeros_like(scale) if layer.bias is None else layer.bias
    weight = layer.weight * scale.view(-1, *[1] * (layer.weight.dim() - 1))
    return weight, (bias - norm.running_mean) * scale + norm.bias


def _by_channel(weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """K[o, i] = M[o, i] S[i]: depthwise kernels (i, 1, 5, 5) and a mixture (o, i, 1, 1)."""
    kernels, mixing = [], []
    for channel in range(weight.shape[1]):
        left, singular, right = torch.linalg.svd(weight[:, channel].flatten(1))
        assert singular[1] < NEGLIGIBLE * singular[0]
        kernels.append(right[0].view(1, 5, 5))
        mixing.append(left[:, 0] * singular[0])
    return torch.stack(kernels), torch.stack(mixing, 1)[:, :, None, None], bias


def _by_axis(weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """K[o, i, y, x] = sum of V[o, y, r] H[r, i, x]: kernels (r, i, 1, 5) and (o, r, 5, 1)."""
    outputs, inputs, rows, columns = weight.shape
    matrix = weight.permute(0, 2, 1, 3).reshape(outputs * rows, inputs * columns)
    left, singular, right = torch.linalg.svd(matrix, full_matrices=False)
    rank = int((singular > NEGLIGIBLE * singular[0]).sum())
    along = right[:rank].view(rank, inputs, 1, columns)
    down = (left[:, :rank] * singular[:rank]).view(outputs, rows, rank).transpose(1, 2)
    return along, down.unsqueeze(3), bias


def _merged(old: nn.Module) -> tuple[Tensor, Tensor]:
    """mix and mirror (1x1), gather and embed as one matrix over (channel, band), and its bias."""
    mix = (old.mix.weight + old.mirror.weight)[:, :, 0, 0] / 2
    mix_bias = (old.mix.bias + old.mirror.bias) / 2
    both = (old.embed.weight @ old.gather.weight).view(48, 32, BANDS)  # (out, mixed, band)
    weight = torch.einsum("omb,mc->ocb", both, mix).unsqueeze(3)
    bias = old.embed.weight @ old.gather.bias + old.embed.bias
    return weight, bias + torch.einsum("omb,m->o", both, mix_bias)


def _set_memory(new: nn.GRU, old: nn.Module) -> None:
    gates = ("reset", "update", "new")
    for side, name in (("input", "ih"), ("state", "hh")):
        layers = [getattr(old, f"{side}_{gate}") for gate in gates]
        getattr(new, f"weight_{name}_l0").copy_(torch.cat([layer.weight for layer in layers]))
        getattr(new, f"bias_{name}_l0").copy_(torch.cat([layer.bias for layer in layers]))


# END SOLUTION
