"""The models on which a profiler is tested, by family and sizes. Runs in a sandbox with the
student's code, so it holds no counts."""

from __future__ import annotations

import warnings

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Sizes = dict[str, int]
Model = tuple[nn.Module, tuple[Tensor, ...]]


def build(family: str, sizes: Sizes, seed: int) -> Model:
    """A module in eval mode, with random weights, and the inputs to call it with."""
    torch.manual_seed(seed)
    module, inputs = BUILDERS[family](sizes)
    return module.eval(), inputs


def convolution(s: Sizes) -> Model:
    k = s["kernel"]
    module = nn.Sequential(
        nn.Conv2d(s["channels"], s["middle"], k, stride=s["stride"], padding=k // 2),
        nn.ReLU(),
        nn.Conv2d(s["middle"], s["outputs"], 3, bias=False),
    )
    return module, (torch.randn(s["batch"], s["channels"], s["height"], s["width"]),)


def grouped_convolution(s: Sizes) -> Model:
    channels = s["groups"] * s["each"]
    module = nn.Sequential(
        nn.Conv2d(channels, 2 * channels, 3, padding=1, groups=s["groups"]),
        nn.ReLU(),
        nn.Conv2d(2 * channels, channels, 1),
    )
    return module, (torch.randn(s["batch"], channels, s["height"], s["width"]),)


def depthwise_convolution(s: Sizes) -> Model:
    channels, k = s["channels"], s["kernel"]
    module = nn.Sequential(
        nn.Conv1d(channels, channels, k, padding=k // 2, groups=channels),
        nn.ReLU(),
        nn.Conv1d(channels, s["outputs"], 1),
    )
    return module, (torch.randn(s["batch"], channels, s["length"]),)


def transposed_convolution(s: Sizes) -> Model:
    module = nn.Sequential(
        nn.Conv2d(s["channels"], s["middle"], 3, stride=2, padding=1),
        nn.ReLU(),
        nn.ConvTranspose2d(s["middle"], s["outputs"], 4, stride=2, padding=1),
    )
    return module, (torch.randn(s["batch"], s["channels"], 2 * s["height"], 2 * s["width"]),)


def linear(s: Sizes) -> Model:
    module = nn.Sequential(
        nn.Linear(s["inputs"], s["middle"]),
        nn.GELU(),
        nn.Linear(s["middle"], s["outputs"], bias=False),
    )
    return module, (torch.randn(s["batch"], s["steps"], s["inputs"]),)


class Recurrent(nn.Module):
    def __init__(self, cell: nn.RNNBase, width: int, outputs: int) -> None:
        super().__init__()
        self.recurrent = cell
        self.head = nn.Linear(width, outputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.recurrent(x)[0])


def _recurrent(kind: type[nn.RNNBase], s: Sizes) -> Model:
    cell = kind(
        s["inputs"],
        s["hidden"],
        num_layers=s["layers"],
        bidirectional=s["directions"] == 2,
        batch_first=bool(s["batch_first"]),
    )
    order = (s["batch"], s["steps"]) if s["batch_first"] else (s["steps"], s["batch"])
    module = Recurrent(cell, s["directions"] * s["hidden"], s["outputs"])
    return module, (torch.randn(*order, s["inputs"]),)


def gru(s: Sizes) -> Model:
    return _recurrent(nn.GRU, s)


def lstm(s: Sizes) -> Model:
    return _recurrent(nn.LSTM, s)


class CrossAttention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(width, heads, batch_first=True)

    def forward(self, queries: Tensor, memory: Tensor) -> Tensor:
        return self.attention(queries, memory, memory, need_weights=False)[0]


def multihead_attention(s: Sizes) -> Model:
    width = s["heads"] * s["depth"]
    queries = torch.randn(s["batch"], s["queries"], width)
    memory = torch.randn(s["batch"], s["keys"], width)
    return CrossAttention(width, s["heads"]), (queries, memory)


class SelfAttention(nn.Module):
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


def scaled_dot_product(s: Sizes) -> Model:
    width = s["heads"] * s["depth"]
    return SelfAttention(width, s["heads"]), (torch.randn(s["batch"], s["steps"], width),)


class TiedWeights(nn.Module):
    """An embedding tied to the output layer, and one layer that is used several times."""

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


def shared_weights(s: Sizes) -> Model:
    words = torch.randint(s["words"], (s["batch"], s["steps"]))
    return TiedWeights(s["words"], s["width"], s["calls"]), (words,)


class Functional(nn.Module):
    """Matrix products outside of layers."""

    def __init__(self, inputs: int, middle: int, outputs: int) -> None:
        super().__init__()
        self.first = nn.Parameter(torch.randn(inputs, middle) / inputs**0.5)
        self.second = nn.Parameter(torch.randn(outputs, middle) / middle**0.5)
        self.bias = nn.Parameter(torch.randn(outputs))

    def forward(self, x: Tensor) -> Tensor:
        hidden = torch.relu(x @ self.first)
        similar = torch.matmul(hidden, hidden.transpose(1, 2))
        return F.linear(similar @ hidden, self.second, self.bias)


def functional_matmul(s: Sizes) -> Model:
    module = Functional(s["inputs"], s["middle"], s["outputs"])
    return module, (torch.randn(s["batch"], s["steps"], s["inputs"]),)


class InLists(nn.Module):
    """Layers in plain lists, which parameters() and apply() do not visit."""

    def __init__(self, width: int, layers: int, outputs: int) -> None:
        super().__init__()
        self.steps = [nn.Linear(width, width) for _ in range(layers)]
        self.named = {"last": nn.Conv1d(width, outputs, 3, padding=1)}

    def forward(self, x: Tensor) -> Tensor:
        for step in self.steps:
            x = torch.tanh(step(x))
        return self.named["last"](x.transpose(1, 2))


def modules_in_lists(s: Sizes) -> Model:
    module = InLists(s["width"], s["layers"], s["outputs"])
    return module, (torch.randn(s["batch"], s["steps"], s["width"]),)


def quantised_linear(s: Sizes) -> Model:
    module = nn.Sequential(
        nn.Linear(s["inputs"], s["middle"]), nn.ReLU(), nn.Linear(s["middle"], s["outputs"])
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        quantized = torch.ao.quantization.quantize_dynamic(module.eval(), {nn.Linear}, torch.qint8)
    return quantized, (torch.randn(s["batch"], s["steps"], s["inputs"]),)


class Einsum(nn.Module):
    def __init__(self, inputs: int, heads: int, depth: int) -> None:
        super().__init__()
        self.into = nn.Parameter(torch.randn(inputs, heads, depth) / inputs**0.5)

    def forward(self, x: Tensor) -> Tensor:
        heads = torch.einsum("bti,ihd->bhtd", x, self.into)
        return torch.einsum("bhqd,bhkd->bhqk", heads, heads)


def einsum(s: Sizes) -> Model:
    module = Einsum(s["inputs"], s["heads"], s["depth"])
    return module, (torch.randn(s["batch"], s["steps"], s["inputs"]),)


class Bag(nn.Module):
    def __init__(self, words: int, width: int, outputs: int) -> None:
        super().__init__()
        self.bag = nn.EmbeddingBag(words, width, mode="mean")
        self.position = nn.Embedding(words, width)
        self.head = nn.Linear(width, outputs)

    def forward(self, words: Tensor) -> Tensor:
        return self.head(self.bag(words) + self.position(words[:, 0]))


def embedding_bag(s: Sizes) -> Model:
    words = torch.randint(s["words"], (s["batch"], s["steps"]))
    return Bag(s["words"], s["width"], s["outputs"]), (words,)


class Elementwise(nn.Module):
    """A matrix product and a gate, written as elementwise products."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(inputs, outputs) / inputs**0.5)
        self.gate = nn.Parameter(torch.randn(outputs))

    def forward(self, x: Tensor) -> Tensor:
        product = (x.unsqueeze(-1) * self.weight).sum(-2)
        return torch.mul(product, self.gate)


def elementwise(s: Sizes) -> Model:
    module = Elementwise(s["inputs"], s["outputs"])
    return module, (torch.randn(s["batch"], s["steps"], s["inputs"]),)


class Residual(nn.Module):
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


def normalised_residual(s: Sizes) -> Model:
    module = Residual(s["channels"], s["outputs"])
    return module, (torch.randn(s["batch"], s["channels"], s["height"], s["width"]),)


class Loop(nn.Module):
    def __init__(self, inputs: int, hidden: int, outputs: int) -> None:
        super().__init__()
        self.cell = nn.GRUCell(inputs, hidden)
        self.head = nn.Linear(hidden, outputs)

    def forward(self, x: Tensor) -> Tensor:
        state = x.new_zeros(x.shape[0], self.cell.hidden_size)
        for step in x.unbind(1):
            state = self.cell(step, state)
        return self.head(state)


def recurrent_loop(s: Sizes) -> Model:
    module = Loop(s["inputs"], s["hidden"], s["outputs"])
    return module, (torch.randn(s["batch"], s["steps"], s["inputs"]),)


BUILDERS = {
    builder.__name__: builder
    for builder in (
        convolution,
        grouped_convolution,
        depthwise_convolution,
        transposed_convolution,
        linear,
        gru,
        lstm,
        multihead_attention,
        scaled_dot_product,
        shared_weights,
        functional_matmul,
        modules_in_lists,
        quantised_linear,
        einsum,
        embedding_bag,
        elementwise,
        normalised_residual,
        recurrent_loop,
    )
}
