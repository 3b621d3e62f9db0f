"""Clips that sound a little different every time they are seen.

The voices of the hidden clips are none of the training clips'. A student that has heard each
training clip in a hundred variations knows what does not matter; another one learns it by heart.
"""

from __future__ import annotations

import torch
from torch import Tensor


def augment(features: Tensor, generator: torch.Generator) -> Tensor:
    """A fresh variation of each log-mel clip (batch, 40, 101); it must not change the labels."""
    # TODO: what may change in a clip without changing the word? In a log-mel a louder voice is
    # an added constant; a later start a shift along the frames; a longer throat a stretch of
    # the bands; other noise a `torch.logaddexp`. Draw with `generator`, or runs do not repeat.
    return features
