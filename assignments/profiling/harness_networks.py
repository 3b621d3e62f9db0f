"""Networks on which a profiler is tested. They exist in the process that runs a student's code, so
nothing here holds a family's name, a size or a count: the classes are numbered."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


# A recurrent layer before a linear one.
class Network1(nn.Module):
    def __init__(self, cell: nn.RNNBase, width: int, outputs: int) -> None:
        super().__init__()
        self.recurrent = cell
        self.head = nn.Linear(width, outputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.recurrent(x)[0])


# nn.MultiheadAttention between two sequences.
class Network2(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(width, heads, batch_first=True)

    def forward(self, queries: Tensor, memory: Tensor) -> Tensor:
        return self.attention(queries, memory, memory, need_weights=False)[0]


# Attention without a layer of its own.
class Network3(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.projection = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        batch, steps, width = x.shape
        parts = self.projection(x).view(batch, steps, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(parts[0], parts[1], parts[2])
        return self.out(mixed.transpose(1, 2).reshape(batch, steps, width))


# An embedding tied to the output layer, and one layer that is used several times.
class Network4(nn.Module):
    def __init__(self, words: int, width: int, calls: int) -> None:
        super().__init__()
        self.calls = calls
        self.embedding = nn.Embedding(words, width)
        self.block = nn.Linear(width, width)

    def forward(self, words: Tensor) -> Tensor:
        x = self.embedding(words)
        for _ in range(self.calls):
            x = F.relu(self.block(x))
        return F.linear(x, self.embedding.weight)


# Matrix products outside of layers.
class Network5(nn.Module):
    def __init__(self, inputs: int, middle: int, outputs: int) -> None:
        super().__init__()
        self.first = nn.Parameter(torch.randn(inputs, middle) / inputs**0.5)
        self.second = nn.Parameter(torch.randn(outputs, middle) / middle**0.5)
        self.bias = nn.Parameter(torch.randn(outputs))

    def forward(self, x: Tensor) -> Tensor:
        hidden = torch.relu(x @ self.first)
        similar = torch.matmul(hidden, hidden.transpose(1, 2))
        return F.linear(similar @ hidden, self.second, self.bias)


# Layers in plain lists, which parameters() and apply() do not visit.
class Network6(nn.Module):
    def __init__(self, width: int, layers: int, outputs: int) -> None:
        super().__init__()
        self.steps = [nn.Linear(width, width) for _ in range(layers)]
        self.named = {"last": nn.Conv1d(width, outputs, 3, padding=1)}

    def forward(self, x: Tensor) -> Tensor:
        for step in self.steps:
            x = torch.tanh(step(x))
        return self.named["last"](x.transpose(1, 2))


# Two products by torch.einsum.
class Network7(nn.Module):
    def __init__(self, inputs: int, heads: int, depth: int) -> None:
        super().__init__()
        self.into = nn.Parameter(torch.randn(inputs, heads, depth) / inputs**0.5)

    def forward(self, x: Tensor) -> Tensor:
        heads = torch.einsum("bti,ihd->bhtd", x, self.into)
        return torch.einsum("bhqd,bhkd->bhqk", heads, heads)


# A bag of embeddings and an embedding.
class Network8(nn.Module):
    def __init__(self, words: int, width: int, outputs: int) -> None:
        super().__init__()
        self.bag = nn.EmbeddingBag(words, width, mode="mean")
        self.position = nn.Embedding(words, width)
        self.head = nn.Linear(width, outputs)

    def forward(self, words: Tensor) -> Tensor:
        return self.head(self.bag(words) + self.position(words[:, 0]))


# A matrix product and a gate, written as elementwise products.
class Network9(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(inputs, outputs) / inputs**0.5)
        self.gate = nn.Parameter(torch.randn(outputs))

    def forward(self, x: Tensor) -> Tensor:
        product = (x.unsqueeze(-1) * self.weight).sum(-2)
        return torch.mul(product, self.gate)


# Convolutions with norms, around which the input is added.
class Network10(nn.Module):
    def __init__(self, channels: int, outputs: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.first_norm = nn.BatchNorm2d(channels)
        self.second = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.second_norm = nn.BatchNorm2d(channels)
        self.norm = nn.LayerNorm(channels)
        self.head = nn.Linear(channels, outputs)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.first_norm(self.first(x)))
        x = F.relu(x + self.second_norm(self.second(y)))
        return self.head(self.norm(x.mean((2, 3))))


# A recurrent cell that is called for each step.
class Network11(nn.Module):
    def __init__(self, inputs: int, hidden: int, outputs: int) -> None:
        super().__init__()
        self.cell = nn.GRUCell(inputs, hidden)
        self.head = nn.Linear(hidden, outputs)

    def forward(self, x: Tensor) -> Tensor:
        state = x.new_zeros(x.shape[0], self.cell.hidden_size)
        for step in x.unbind(1):
            state = self.cell(step, state)
        return self.head(state)
