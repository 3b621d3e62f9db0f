"""Posts: short Russian texts of social networks in five classes, as one part of a data set."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from grader.data.dataset import Part
from grader.text import EMPTY, Text

LABELS = ("negative", "neutral", "positive", "skip", "speech")
"""The classes in the order of a model's logits. `speech` is formulas (greetings, thanks,
congratulations), `skip` what cannot be judged. Definitions: Rogers et al., RuSentiment: An
Enriched Sentiment Analysis Dataset for Social Media in Russian, COLING 2018."""


@dataclass(frozen=True, eq=False)
class PostSet:
    """One part of one set of posts."""

    name: str
    part: Part
    texts: tuple[str, ...]
    """Posts as written; they may contain line breaks."""
    labels: npt.NDArray[np.int64]
    """(posts,), places in LABELS."""
    groups: tuple[str, ...]
    """What decides each label ("negation", "irony" ...); "" for posts that people wrote."""
    notes: Text = EMPTY
    """What was corrected in the files that they are from."""

    def __len__(self) -> int:
        return len(self.texts)

    @cached_property
    def fingerprint(self) -> str:
        """sha256 over texts and labels, in hexadecimal."""
        digest = hashlib.sha256()
        for text, label in zip(self.texts, self.labels.tolist(), strict=True):
            digest.update(f"{LABELS[label]}\0{text}\0".encode())
        return digest.hexdigest()

    @property
    def summary(self) -> Text:
        count = len(self)
        counts = Counter(self.labels.tolist())
        shares = ", ".join(
            f"{label} {100 * counts[index] / max(count, 1):.1f}%"
            for index, label in enumerate(LABELS)
        )
        notes = Text(" ({notes})", notes=self.notes) if self.notes else EMPTY
        return Text("{count:,} posts: {shares}{notes}", count=count, shares=shares, notes=notes)


def spelling_key(text: str) -> str:
    """A post without case, punctuation, emoji, repeated letters and spaces.

    Posts with the same key belong to the same part.
    """
    letters = re.sub(r"[^0-9a-zа-я]+", " ", text.lower().replace("ё", "е"))
    return re.sub(r"(.)\1+", r"\1", " ".join(letters.split())) or " ".join(text.split())
