"""What a network learns from: the labels, and what a teacher thinks of the same post."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch  # SOLUTION
from torch import Tensor
from torch.nn import functional as F

BatchLoss = Callable[[Tensor, Tensor], Tensor]
"""The loss of one batch: logits (batch, 5) and the numbers (batch,) of its training posts."""


@dataclass(frozen=True)
class LossWeights:
    """How much labels and teacher count."""

    # BEGIN SOLUTION
    hard: float = 0.3
    soft: float = 0.7
    # STARTER
    # hard: float = 1.0
    # soft: float = 0.0  # TODO: write soft_loss, then listen to the teacher
    # END SOLUTION
    temperature: float = 2.0
    """Above 1 it shows which wrong answers the teacher finds nearly right."""
    # BEGIN SOLUTION
    adjustment: float = 0.0
    """Strength of the logit adjustment after training; see `adjusted`."""
    # END SOLUTION


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
    # BEGIN SOLUTION
    divergence = F.kl_div(
        F.log_softmax(student / temperature, dim=1),
        F.log_softmax(teacher / temperature, dim=1),
        reduction="batchmean",
        log_target=True,
    )
    return divergence * temperature**2
    # STARTER
    # # TODO: softmax(logits / temperature) of both, averaged over the batch.
    # # torch.nn.functional.kl_div wants the student's log-probabilities first.
    # raise NotImplementedError("write soft_loss in losses.py before you give it a weight")
    # END SOLUTION


# BEGIN SOLUTION
def adjusted(bias: Tensor, labels: Tensor, strength: float) -> Tensor:
    """The bias (5,) of a classifier that no longer prefers classes because they are frequent.

    Logit adjustment (Menon et al. 2021): less `strength` times the logarithm of each class's share
    of `labels`. It costs no byte and moves answers from frequent classes to rare ones.
    """
    share = torch.bincount(labels, minlength=len(bias)).clamp(min=1) / len(labels)
    return bias - strength * share.log()


def ensemble(*teachers: Tensor) -> Tensor:
    """Logits (posts, 5) of several teachers as one: the logarithm of their mean probability."""
    return torch.stack([logits.softmax(dim=1) for logits in teachers]).mean(dim=0).log()


# END SOLUTION
