"""Quantization-aware training: the student trains while its weights are rounded.

Forward passes see the rounded weights; gradients pass to the exact ones as if nothing had been
rounded (the straight-through estimator: Bengio, Léonard, Courville 2013). What is there to gain
at 8 bits, and at 4?
"""

from __future__ import annotations

from losses import BatchLoss
from model import Convolutional, Dense
from quantize import Storage
from torch import Tensor, nn
from torch.nn.utils import parametrize
from train import Recipe, fit

from grader.starter import Posts


def train_qat(
    student: Convolutional,
    storage: Storage,
    train: Posts,
    validation: Posts,
    loss: BatchLoss,
    recipe: Recipe,
) -> Convolutional:
    """Train on while weights are rounded as `weight_only` will store them."""
    for layer, by_row in _layers(student, storage):
        parametrize.register_parametrization(layer, "weight", Rounding(storage, by_row=by_row))
    trained = fit(student, train, validation, loss, recipe)
    for layer, _ in _layers(trained, storage):
        parametrize.remove_parametrizations(layer, "weight")  # leaves the rounded weights
    return trained


class Rounding(nn.Module):
    """Weights as they will be after storage; see `quantize.quantize`, which does it for good."""

    def __init__(self, storage: Storage, *, by_row: bool) -> None:
        super().__init__()
        self.storage = storage
        self.by_row = by_row

    def forward(self, exact: Tensor) -> Tensor:
        # TODO: fake_quantize forwards, the gradient of `exact` backwards, as if nothing had been
        # rounded. `detach` is all it takes.
        raise NotImplementedError("write Rounding.forward in qat.py before you train with it")


def fake_quantize(values: Tensor, storage: Storage, *, by_row: bool) -> Tensor:
    """A matrix rounded to the grid of `storage`, still float32; the shape stays."""
    # TODO: what quantize.quantize does, in torch: group, scale, round, clamp, and multiply back.
    raise NotImplementedError("write fake_quantize in qat.py before you train with rounding")


def _layers(student: Convolutional, storage: Storage) -> list[tuple[nn.Embedding | Dense, bool]]:
    """The layers to round, and whether their rows are used alone."""
    dense = [(layer, False) for layer in (student.convolution, student.classifier)]
    return [*([(student.embedding, True)] if storage.embedding else []), *dense]
