"""What the student learns from: the labels, and what the teacher thinks of the same clip.

A part of the loss counts when it has a weight in `LossWeights`: one row of experiments.csv for
each setting.
"""

from __future__ import annotations

from dataclasses import dataclass

from model import Activations
from torch import Tensor, nn
from torch.nn import functional as F


@dataclass(frozen=True)
class LossWeights:
    """How much each part of the loss counts; a part with weight 0 is not computed."""

    hard: float = 1.0
    soft: float = 0.0
    temperature: float = 4.0
    """Above 1 it softens the teacher's answer; 2.5 to 4 suits small students."""
    attention: float = 0.0
    states: float = 0.0

    @property
    def teaches(self) -> bool:
        """Whether a teacher is listened to at all."""
        return bool(self.soft or self.attention or self.states)


def loss(
    student: Activations,
    teacher: Activations,
    labels: Tensor,
    weights: LossWeights,
    projection: nn.Module,
) -> Tensor:
    """The weighted sum, a scalar. `labels` has shape (batch,), 1 for the keyword.

    `projection` is learned with the student: it maps its states to the teacher's size.
    """
    total = weights.hard * F.cross_entropy(student.logits, labels)
    if weights.soft:
        total = total + weights.soft * soft_loss(
            student.logits, teacher.logits, weights.temperature
        )
    if weights.attention:
        total = total + weights.attention * attention_loss(student.attention, teacher.attention)
    if weights.states:
        total = total + weights.states * states_loss(projection(student.states), teacher.states)
    return total


def soft_loss(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """How far the student's softened answer is from the teacher's; logits (batch, 2) in.

    The Kullback-Leibler divergence at a temperature, times its square, which keeps the
    gradient as large as the hard loss's (Hinton, Vinyals, Dean 2015, section 2).
    """
    # TODO: softmax(logits / temperature) of both, averaged over the batch.
    # torch.nn.functional.kl_div wants the student's log-probabilities first.
    raise NotImplementedError("write soft_loss in distill.py before you give it a weight")


def attention_loss(student: Tensor, teacher: Tensor) -> Tensor:
    """How far apart the two look in time; attention (batch, steps) in, summing to 1.

    The Kullback-Leibler divergence, after the teacher's steps are resampled to the student's.
    """
    # TODO: the two may have different numbers of steps. Bring them to the same number
    # (torch.nn.functional.interpolate, then divide by the sum) and compare.
    raise NotImplementedError("write attention_loss in distill.py before you give it a weight")


def states_loss(student: Tensor, teacher: Tensor) -> Tensor:
    """Mean squared difference of inner states (batch, steps, hidden), equally wide.

    The FitNets loss (Romero et al. 2015, section 2.2) with its projection already applied.
    """
    # TODO: as above, over steps, then the mean squared error.
    raise NotImplementedError("write states_loss in distill.py before you give it a weight")
