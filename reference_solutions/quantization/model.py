"""Classifiers of posts: a transformer that teaches, and smaller students.

All take token numbers and a mask and give one logit a class, so that one can stand in for
another in every script of this folder.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np  # SOLUTION
import torch
from torch import Tensor, nn
from torch.nn import functional as F

CLASSES = 5
PAD = 0
"""The number of the padding token; its row of every embedding stays zero."""


@dataclass(frozen=True)
class TeacherConfig:
    """The sizes of a `Transformer`."""

    vocabulary: int
    """Rows of the embedding table: most of the bytes of a small language model."""
    positions: int = 64
    """Tokens and padding; the tokenizer cuts off what is longer."""
    width: int = 384
    layers: int = 2
    heads: int = 6
    hidden: int = 1536
    """Four times the width, as in BERT; two thirds of a layer's multiplications."""
    dropout: float = 0.1


@dataclass(frozen=True)
class StudentConfig:
    """The sizes of a `Convolutional` network."""

    vocabulary: int
    width: int = 96
    """Bytes of a row of the embedding table in int8: with the vocabulary, the size of the file."""
    channels: int = 256
    """Feature detectors; each looks for one pattern of `kernel` neighbouring tokens."""
    kernel: int = 3
    dropout: float = 0.3


# BEGIN SOLUTION
@dataclass(frozen=True)
class NgramConfig:
    """The sizes of a `Ngrams` network."""

    rows: int = 65_521
    """Of its table; a prime number, so that every letter of an n-gram counts in the remainder."""
    width: int = 8
    longest: int = 5
    """Letters of the longest n-gram; there is one of every length at every letter."""
    hashes: int = 2
    """Rows of an n-gram, which are added: two n-grams that share one row rarely share the other."""
    hidden: int = 64
    dropout: float = 0.2
    left_out: float = 0.3
    """Share of a post's n-grams that are not read, in every step of training anew."""


AnyStudent = StudentConfig | NgramConfig
# STARTER
# AnyStudent = StudentConfig | TeacherConfig
# END SOLUTION


class Dense(nn.Module):
    """x @ weight + bias, (..., inputs) to (..., outputs).

    nn.Linear stores its weight the other way round, and an exported model then holds a nameless
    transposed copy; this one keeps its name in the ONNX file.
    """

    def __init__(self, inputs: int, outputs: int, *, bias: bool = True) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(inputs, outputs))
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None
        nn.init.xavier_uniform_(self.weight)

    def forward(self, x: Tensor) -> Tensor:
        product = x @ self.weight
        return product if self.bias is None else product + self.bias


class Attention(nn.Module):
    """Every token looks at all others; (batch, length, width) in and out."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = Dense(width, width)
        self.key = Dense(width, width)
        self.value = Dense(width, width)
        self.output = Dense(width, width)

    def forward(self, x: Tensor, masked: Tensor) -> Tensor:
        """`masked` (batch, 1, 1, length) is 0 for tokens and very negative for padding."""
        query, key, value = (
            projection(x)
            .unflatten(2, (self.heads, -1))
            .transpose(1, 2)  # (batch, heads, length, size)
            for projection in (self.query, self.key, self.value)
        )
        scores = query @ key.transpose(2, 3) * query.shape[3] ** -0.5 + masked
        heads = scores.softmax(dim=3) @ value
        return self.output(heads.transpose(1, 2).flatten(2))


class Layer(nn.Module):
    """Attention, then a network for each token; both are added to what comes in."""

    def __init__(self, config: TeacherConfig) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(config.width)
        self.attention = Attention(config.width, config.heads)
        self.hidden_norm = nn.LayerNorm(config.width)
        self.hidden = Dense(config.width, config.hidden)
        self.output = Dense(config.hidden, config.width)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: Tensor, masked: Tensor) -> Tensor:
        x = x + self.dropout(self.attention(self.attention_norm(x), masked))
        return x + self.dropout(self.output(F.gelu(self.hidden(self.hidden_norm(x)))))


class Transformer(nn.Module):
    """Tokens (batch, length) in, logits (batch, 5) out.

    Before the first layer every token hears its two neighbours: attention has to learn from many
    posts what a convolution knows from the start, that a word stands next to its negation.
    """

    def __init__(self, config: TeacherConfig) -> None:
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(config.vocabulary, config.width, padding_idx=PAD)
        self.neighbours = Dense(3 * config.width, config.width)
        self.positions = nn.Parameter(0.02 * torch.randn(config.positions, config.width))
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.width)
        self.dropout = nn.Dropout(config.dropout)
        self.classifier = Dense(config.width, CLASSES)
        with torch.no_grad():
            self.embedding.weight.mul_(0.05)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        mask = attention_mask.to(self.positions.dtype)
        masked = ((1 - mask) * -1e4)[:, None, None, :]
        tokens = self.embedding(input_ids)
        heard = self.neighbours(side_by_side(tokens, size=3, margin=1))
        x = self.dropout(tokens + heard + self.positions[: input_ids.shape[1]])
        for layer in self.layers:
            x = layer(x, masked)
        return self.classifier(self.dropout(_mean(self.norm(x), mask)))


class Convolutional(nn.Module):
    """Tokens (batch, length) in, logits (batch, 5) out: a TextCNN whose every step is a matmul.

    A convolution over tokens is a product with the neighbours side by side, and a matrix product
    is what int8 kernels do best.
    """

    def __init__(self, config: StudentConfig) -> None:
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(config.vocabulary, config.width, padding_idx=PAD)
        self.convolution = Dense(config.kernel * config.width, config.channels, bias=False)
        self.dropout = nn.Dropout(config.dropout)
        self.classifier = Dense(config.channels, CLASSES)
        with torch.no_grad():
            self.embedding.weight.mul_(0.2)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        # BEGIN SOLUTION
        x = self.dropout(self.embedding(input_ids))
        # A bias would let padding, which is all zeros, outdo every token.
        windows = side_by_side(x, self.config.kernel, margin=self.config.kernel - 1)
        features = F.relu(self.convolution(windows).amax(dim=1))
        return self.classifier(self.dropout(features))
        # STARTER
        # # TODO, in three steps:
        # #
        # # 1. look the rows up in `embedding`;
        # # 2. put every `kernel` neighbours `side_by_side`, with a margin of kernel - 1;
        # # 3. `convolution`, the largest of each feature over the length, ReLU, `classifier`.
        # #
        # # export.py writes exactly this. The padding's rows are zero, and the convolution has no
        # # bias, so no mask is needed.
        # raise NotImplementedError("write Convolutional.forward in model.py before you train it")
        # END SOLUTION


# BEGIN SOLUTION
class Ngrams(nn.Module):
    """Letters (batch, length) in, logits (batch, 5) out: a bag of n-grams of letters (fastText).

    Millions of different n-grams share the few rows of a table: the row of an n-gram is a hash of
    its letters (Joulin et al., Bag of Tricks for Efficient Text Classification, 2016), and with a
    second hash its neighbours there are others (Svenstrup et al., Hash Embeddings, 2017).
    """

    hashing: Tensor

    def __init__(self, config: NgramConfig) -> None:
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(config.rows, config.width, padding_idx=PAD)
        self.register_buffer("hashing", multipliers(config.longest, config.hashes))
        self.norm = nn.LayerNorm(config.width)
        self.hidden = Dense(config.width, config.hidden)
        self.dropout = nn.Dropout(config.dropout)
        self.classifier = Dense(config.hidden, CLASSES)
        with torch.no_grad():
            self.embedding.weight.mul_(0.02)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        rows = self.embedding(self.numbers(input_ids))
        if self.training:
            read = torch.rand(rows.shape[:3]) >= self.config.left_out
            rows = rows * (read / (1 - self.config.left_out)).unsqueeze(3)
        features = F.relu(self.hidden(self.dropout(self.norm(rows.sum(dim=(1, 2))))))
        return self.classifier(self.dropout(features))

    def numbers(self, input_ids: Tensor) -> Tensor:
        """Rows of the table, (batch, hashes * longest, length), of the n-grams from each letter on.

        What ends behind the post has padding for its last letters, which is 0 and adds nothing.
        Nothing but padding is row 0, which is all zeros: so no mask is needed.
        """
        longest = self.config.longest
        windows = F.pad(input_ids, (0, longest - 1)).unfold(1, longest, 1)
        return (windows @ self.hashing.T % self.config.rows).transpose(1, 2)


def multipliers(longest: int, hashes: int) -> Tensor:
    """What letters are multiplied by, (hashes * longest, longest): n letters by the first n.

    So small that the sum over five of 200 letters is exact in float32 (< 2**24), which ONNX Runtime
    adds up in one convolution.
    """
    size = (hashes, longest, longest)
    drawn = np.random.default_rng(0).integers(1, 2**24 // (200 * longest), size)
    return torch.from_numpy(np.tril(drawn).reshape(hashes * longest, longest))


def student_of(config: AnyStudent) -> Convolutional | Ngrams:
    """The untrained network of these sizes."""
    return Convolutional(config) if isinstance(config, StudentConfig) else Ngrams(config)


# STARTER
# def student_of(config: AnyStudent) -> Convolutional | Transformer:
#     """The untrained network of these sizes."""
#     return Convolutional(config) if isinstance(config, StudentConfig) else Transformer(config)
#
#
# END SOLUTION
def side_by_side(x: Tensor, size: int, margin: int) -> Tensor:
    """Every token with its neighbours; zeros stand in the margin before and behind.

    (batch, length, width) to (batch, length + 2 * margin - size + 1, size * width).
    """
    x = F.pad(x, (0, 0, margin, margin))
    length = x.shape[1] - size + 1
    return torch.cat([x[:, i : i + length] for i in range(size)], dim=2)


def _mean(x: Tensor, mask: Tensor) -> Tensor:
    """The mean over the tokens of (batch, length, width), padding left out."""
    share = mask / mask.sum(dim=1, keepdim=True)
    return (share.unsqueeze(1) @ x).squeeze(1)
