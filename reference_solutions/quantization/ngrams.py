"""A linear model on n-grams of characters and words: it knows what a transformer misses.

On short posts of few thousands this old model is hard to beat: `)))`, `ууу` and half-written words
are features of their own. It is far too large to deploy, and so it teaches. Needs scikit-learn.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import FeatureUnion, make_union
from sklearn.svm import LinearSVC
from torch import Tensor

FOLDS = 5
CLASSES = 5
SHARPNESS = 2.0
"""Turns the machine's margins into logits; near the least cross entropy on held-out folds."""


def vectorizer() -> FeatureUnion:
    """tf-idf of 1 to 5 neighbouring characters, and of words alone and in pairs."""
    return make_union(
        TfidfVectorizer(analyzer="char", ngram_range=(1, 5), sublinear_tf=True, min_df=2),
        TfidfVectorizer(
            token_pattern=r"\w+|[^\w\s]+", ngram_range=(1, 2), sublinear_tf=True, min_df=2
        ),
    )


def classifier() -> LinearSVC:
    return LinearSVC(C=0.3, random_state=0)


def out_of_fold(posts: Sequence[str], labels: NDArray[np.int64], seed: int = 0) -> Tensor:
    """Logits (posts, 5) of every post from a model that was trained without it.

    What a model says of posts that it has learned by heart is their label again; a student learns
    more from what it would have said of new ones.
    """
    rows = vectorizer().fit_transform(posts)
    fold = np.random.default_rng(seed).permutation(len(labels)) % FOLDS
    logits = np.empty((len(labels), CLASSES), np.float32)
    for held in range(FOLDS):
        machine = classifier().fit(rows[fold != held], labels[fold != held])
        logits[fold == held] = SHARPNESS * machine.decision_function(rows[fold == held])
    return torch.from_numpy(logits)
