"""What a network learns from: the labels, and what a teacher thinks of the same post."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional as F

BatchLoss = Callable[[Tensor, Tensor], Tensor]
"""The loss of one batch: logits (batch, 5) and the numbers (batch,) of its training posts."""


@dataclass(frozen=True)
class LossWeights:
    """How much labels and teacher count."""

    hard: float = 1.0
    soft: float = 0.0  # TODO: write soft_loss, then listen to the teacher
    temperature: float = 2.0
    """Above 1 it shows which wrong answers the teacher finds nearly right."""


DEFAULT = LossWeights()


def hard_loss(labels: Tensor) -> BatchLoss:
    """Cross entropy with the labels (posts,) of all training posts."""
    return lambda logits, numbers: F.cross_entropy(logits, labels[numbers])


def distillation_loss(labels: Tensor, taught: Tensor, weights: LossWeights = DEFAULT) -> BatchLoss:
    """Both, weighted; `taught` (posts, 5) are a teacher's logits of all training posts. What has no
    weight is not computed."""
    hard = hard_loss(labels)

    def loss(logits: Tensor, numbers: Tensor) -> Tensor:
        total = weights.hard * hard(logits, numbers)
        if weights.soft:
            softly = soft_loss(logits, taught[numbers], weights.temperature)
            total = total + weights.soft * softly
        return total

    return loss


def soft_loss(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """How far the student's softened answer is from the teacher's; logits (batch, 5) in.

    The Kullback-Leibler divergence at a temperature, times its square, which keeps the
    gradient as large as the hard loss's (Hinton, Vinyals, Dean 2015, section 2).
    """
    # TODO: softmax(logits / temperature) of both, averaged over the batch.
    # torch.nn.functional.kl_div wants the student's log-probabilities first.
    raise NotImplementedError("write soft_loss in losses.py before you give it a weight")
