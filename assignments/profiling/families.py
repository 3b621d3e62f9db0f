"""Families of models on which a profiler is tested, and the random sizes of one exam."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Mapping
from dataclasses import dataclass

from grader.text import Text, verbatim

from .truth import Truth, hidden_truth, public_truths

PUBLIC_SEED = "public"

Range = tuple[int, int] | tuple[int, int, int]
"""First, last and step of a size."""


@dataclass(frozen=True)
class Family:
    name: str
    title: Text
    ranges: Mapping[str, Range]


@dataclass(frozen=True)
class Case:
    """One model of an exam."""

    family: Family
    sizes: Mapping[str, int]
    seed: int
    """Seed of its random weights."""
    truth: Truth

    @property
    def name(self) -> str:
        return self.family.name


def draw(secret: str) -> tuple[Case, ...]:
    """One model of every family, its sizes drawn from `secret`; the same for the same secret.

    Raises UsageError for hidden models in the students' package, which has no formulas for them.
    """
    return tuple(_case(family, secret) for family in FAMILIES)


def _case(family: Family, secret: str) -> Case:
    sizes, seed = drawn(family, secret)
    if secret == PUBLIC_SEED:
        return Case(family, sizes, seed, public_truths()[family.name])
    return Case(family, sizes, seed, hidden_truth(family.name, sizes))


def drawn(family: Family, secret: str) -> tuple[dict[str, int], int]:
    """Sizes of one model, and the seed of its weights."""
    digest = hashlib.sha256(f"profiling/{family.name}/{secret}".encode()).digest()
    rng = random.Random(digest)
    sizes = {
        name: rng.randrange(bounds[0], bounds[1] + 1, bounds[2] if len(bounds) == 3 else 1)
        for name, bounds in family.ranges.items()
    }
    # The weights are not secret, and their seed reveals nothing about the seed of the sizes.
    return sizes, rng.randrange(2**31)


_IMAGE: dict[str, Range] = {"batch": (1, 3), "height": (13, 22), "width": (13, 22)}
_SEQUENCE: dict[str, Range] = {"batch": (1, 3), "steps": (9, 21)}
_RECURRENT: dict[str, Range] = {
    **_SEQUENCE,
    "inputs": (11, 30),
    "hidden": (17, 40),
    "layers": (1, 3),
    "directions": (1, 2),
    "batch_first": (0, 1),
    "outputs": (5, 12),
}

FAMILIES: tuple[Family, ...] = (
    Family(
        "convolution",
        Text("convolution"),
        {
            **_IMAGE,
            "channels": (2, 5),
            "middle": (9, 20),
            "outputs": (9, 20),
            "kernel": (3, 7, 2),
            "stride": (1, 2),
        },
    ),
    Family(
        "grouped_convolution",
        Text("grouped convolution"),
        {**_IMAGE, "groups": (3, 6), "each": (3, 6)},
    ),
    Family(
        "depthwise_convolution",
        Text("depthwise convolution"),
        {
            "batch": (1, 3),
            "channels": (11, 24),
            "length": (40, 90),
            "kernel": (9, 31, 2),
            "outputs": (11, 24),
        },
    ),
    Family(
        "transposed_convolution",
        Text("transposed convolution"),
        {
            "batch": (1, 3),
            "height": (6, 11),
            "width": (6, 11),
            "channels": (3, 8),
            "middle": (8, 16),
            "outputs": (5, 12),
        },
    ),
    Family(
        "linear",
        Text("linear layers"),
        {**_SEQUENCE, "inputs": (20, 60), "middle": (30, 90), "outputs": (10, 40)},
    ),
    Family("gru", verbatim("GRU"), _RECURRENT),
    Family("lstm", verbatim("LSTM"), _RECURRENT),
    Family(
        "multihead_attention",
        verbatim("nn.MultiheadAttention"),
        {
            "batch": (1, 3),
            "heads": (4, 6),
            "depth": (16, 24),
            "queries": (25, 40),
            "keys": (41, 60),
        },
    ),
    Family(
        "scaled_dot_product",
        Text("scaled dot-product attention"),
        {"batch": (1, 3), "steps": (40, 70), "heads": (2, 4), "depth": (8, 20)},
    ),
    Family(
        "shared_weights",
        Text("shared weights"),
        {**_SEQUENCE, "words": (200, 500), "width": (24, 60), "calls": (2, 4)},
    ),
    Family(
        "functional_matmul",
        Text("matrix products on Parameters"),
        {**_SEQUENCE, "inputs": (20, 50), "middle": (20, 60), "outputs": (10, 40)},
    ),
    Family(
        "modules_in_lists",
        Text("modules in plain lists"),
        {**_SEQUENCE, "width": (20, 48), "layers": (2, 4), "outputs": (10, 30)},
    ),
    Family(
        "quantised_linear",
        Text("dynamically quantized layers"),
        {**_SEQUENCE, "inputs": (40, 90), "middle": (60, 120), "outputs": (30, 60)},
    ),
    Family(
        "einsum",
        verbatim("einsum"),
        {**_SEQUENCE, "inputs": (20, 50), "heads": (2, 5), "depth": (8, 20)},
    ),
    Family(
        "embedding_bag",
        Text("embeddings"),
        {**_SEQUENCE, "words": (150, 400), "width": (20, 60), "outputs": (10, 40)},
    ),
    Family(
        "elementwise",
        Text("products of elements"),
        {**_SEQUENCE, "inputs": (20, 50), "outputs": (15, 40)},
    ),
    Family(
        "normalised_residual",
        Text("residual block with norms"),
        {**_IMAGE, "channels": (12, 24), "outputs": (10, 30)},
    ),
    Family(
        "recurrent_loop",
        Text("a cell in a loop"),
        {**_SEQUENCE, "inputs": (15, 40), "hidden": (20, 48), "outputs": (5, 20)},
    ),
)
