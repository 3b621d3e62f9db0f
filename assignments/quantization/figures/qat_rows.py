"""What the quantization handout says of training with rounded weights: the reference's student,
rounded after training, and trained on while it is rounded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import onnx
import torch
from onnx import ModelProto, numpy_helper
from rubert_rows import REFERENCE, REFERENCE_MODULES, in_onnxruntime
from tokenizers import Tokenizer
from torch import nn

from grader.data import load_posts
from grader.data.text.posts import LABELS, PostSet
from grader.measure.quality import classification
from grader.starter import Posts
from grader.text import Text, verbatim

losses = REFERENCE_MODULES.losses
model = REFERENCE_MODULES.model
quantize = REFERENCE_MODULES.quantize
train = REFERENCE_MODULES.train
export = REFERENCE_MODULES.export
qat = REFERENCE_MODULES.qat

DATA = "posts-synthetic"
BITS = (4, 3, 2)
EPOCHS = 1


@dataclass(frozen=True)
class Pair:
    """Accuracies of one way to store the student's weights, a scale per row."""

    name: Text
    after: float
    """Of the trained student, rounded."""
    during: float
    """Of the student that was trained on while rounded; for float32, trained on for as long."""


def pairs() -> Iterator[Pair]:
    """float32 first, then fewer and fewer bits, on the validation posts."""
    tokenizer = Tokenizer.from_file(str(REFERENCE / "student_tokenizer.json"))
    seen, unseen = (load_posts(DATA, part) for part in ("train", "validation"))
    posts = [Posts.of(part, tokenizer) for part in (seen, unseen)]
    setup = train.SETUPS[DATA]
    recipe = replace(
        setup.student_recipe, epochs=EPOCHS, learning_rate=setup.student_recipe.learning_rate / 4
    )
    loss = losses.hard_loss(posts[0].labels)

    def judged(small: ModelProto) -> float:
        return accuracy(small, posts[1], unseen)

    longer = train.fit(student(setup), *posts, loss, recipe)
    yield Pair(
        verbatim("float32"),
        judged(export.export(student(setup))),
        judged(export.export(longer)),
    )
    for bits in BITS:
        storage = quantize.Storage(bits, "channel")
        aware = qat.train_qat(student(setup), storage, *posts, loss, recipe)
        yield Pair(
            Text("int{bits}, a scale per row", bits=bits),
            judged(quantize.weight_only(export.export(student(setup)), storage)),
            judged(quantize.weight_only(export.export(aware), storage)),
        )


def student(setup: Any) -> nn.Module:
    """The student of the reference solution, trained; its ONNX file names weights as torch does."""
    found: nn.Module = model.Convolutional(setup.student)
    stored = onnx.load(REFERENCE / "student.onnx").graph.initializer
    weights = {tensor.name: torch.tensor(numpy_helper.to_array(tensor)) for tensor in stored}
    found.load_state_dict({name: weights[name] for name in found.state_dict()})
    return found.eval()


def accuracy(small: ModelProto, posts: Any, part: PostSet) -> float:
    run = in_onnxruntime(small.SerializeToString())
    logits = [run(post.numpy()[None])[0] for post in posts.ids]
    predicted = classification.predictions(np.concatenate(logits))
    return classification.quality(predicted, part.labels, len(LABELS)).accuracy.value
