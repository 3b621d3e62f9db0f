"""Train the tokenizer and the teacher, a small transformer in float32.

    python train.py                                          on posts-synthetic, into this folder
    python train.py --data rusentiment --from DIR --out DIR  on posts that people wrote

Writes tokenizer.json, teacher.onnx and teacher.pt, which distill.py and quantize.py read. One
thread and fixed seeds repeat the files with the same versions on the same kind of processor.
"""

from __future__ import annotations

import argparse
import copy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import onnx
import torch
from export import export
from losses import DEFAULT, BatchLoss, LossWeights, hard_loss
from model import AnyStudent, TeacherConfig, Transformer
from torch import nn

from grader import starter
from grader.data import load_posts
from grader.data.text.posts import PostSet
from grader.starter import Posts

HERE = Path(__file__).resolve().parent
M = TypeVar("M", bound=nn.Module)


@dataclass(frozen=True)
class Recipe:
    """How long and how fast to train."""

    epochs: int
    learning_rate: float
    """The peak of a one-cycle schedule, which warms up and falls to 0 at the end."""
    weight_decay: float = 0.05
    batch_size: int = 64
    word_dropout: float = 0.0  # TODO: with 0.05 to 0.25 no word may decide alone
    """Share of tokens replaced by [UNK], in every epoch anew."""
    averaging: float = 0.995
    """Decay of the running mean of the weights, which is the model that is kept."""
    bfloat16: bool = False
    """Whether products may be of bfloat16: they take half the time in wide layers."""
    seed: int = 0


@dataclass(frozen=True)
class Setup:
    """The networks of a data set and how they are trained."""

    teacher: TeacherConfig
    teacher_recipe: Recipe
    student: AnyStudent
    student_recipe: Recipe
    weights: LossWeights = DEFAULT
    """How the student learns from its teacher."""


NARROW = TeacherConfig(vocabulary=2500, width=96, layers=1, heads=2, hidden=192)
"""A smaller transformer: the first thing that comes to mind, and not the best."""
SETUPS = {
    "posts-synthetic": Setup(
        # As large as a file of 6 MB lets it be.
        teacher=TeacherConfig(vocabulary=2500, width=192, heads=4, hidden=768, dropout=0.05),
        teacher_recipe=Recipe(epochs=4, learning_rate=1e-3, batch_size=64, bfloat16=True),
        student=NARROW,  # TODO: StudentConfig(vocabulary=1500, width=32)
        student_recipe=Recipe(8, 4e-3),
    ),
    "rusentiment": Setup(
        teacher=TeacherConfig(vocabulary=8000, dropout=0.3),
        teacher_recipe=Recipe(epochs=3, learning_rate=6e-4, batch_size=96, bfloat16=True),
        student=replace(NARROW, vocabulary=8000),
        student_recipe=Recipe(6, 2e-3, batch_size=96),
    ),
}


def main() -> None:
    arguments = parser(__doc__).parse_args()
    setup = SETUPS[arguments.data]
    parts = load(arguments)
    tokenizer = starter.train_tokenizer(parts[0].texts, setup.teacher.vocabulary)
    (arguments.out / "tokenizer.json").write_bytes(starter.compact(tokenizer))
    train, validation = (Posts.of(part, tokenizer) for part in parts)
    loss = hard_loss(train.labels)
    recipe = replace(setup.teacher_recipe, seed=arguments.seed)
    teacher = train_teacher(setup.teacher, train, validation, loss, recipe)
    torch.save(teacher.state_dict(), arguments.out / "teacher.pt")
    onnx.save(export(teacher), arguments.out / "teacher.onnx")


def train_teacher(
    config: TeacherConfig, train: Posts, validation: Posts, loss: BatchLoss, recipe: Recipe
) -> Transformer:
    starter.repeatable(recipe.seed)
    print(f"teacher, seed {recipe.seed}")
    return fit(Transformer(config), train, validation, loss, recipe)


def fit(network: M, train: Posts, validation: Posts, loss: BatchLoss, recipe: Recipe) -> M:
    """Train `network`; the running mean of its weights is returned, in evaluation mode."""
    generator = torch.Generator().manual_seed(recipe.seed)
    steps = recipe.epochs * -(-len(train.ids) // recipe.batch_size)
    optimizer = torch.optim.AdamW(
        network.parameters(),
        lr=recipe.learning_rate,
        weight_decay=recipe.weight_decay,
        fused=True,
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, recipe.learning_rate, total_steps=steps, pct_start=0.1
    )
    # On other processors bfloat16 would be slower than float32.
    half = recipe.bfloat16 and torch.cpu._is_avx512_bf16_supported()
    mean, step = copy.deepcopy(network), 0
    for epoch in starter.epochs(recipe.epochs):
        network.train()
        for numbers in train.batches(recipe.batch_size, generator):
            ids, mask = train.without_words(numbers, recipe.word_dropout, generator)
            with torch.autocast("cpu", torch.bfloat16, enabled=half):
                logits = network(ids, mask)
            value = loss(logits.float(), numbers)
            epoch.step(value, optimizer, schedule, largest_norm=1.0)
            step += 1
            starter.follow(mean, network, min(recipe.averaging, step / (step + 9)))
        epoch.done(f"validation {starter.accuracy(mean, validation):.1%}")
    return mean.eval()


def load(arguments: argparse.Namespace) -> tuple[PostSet, PostSet]:
    """Training and validation posts."""
    train, validation = starter.load(load_posts, arguments.data, arguments.source)
    few = slice(arguments.posts)
    texts, labels, groups = train.texts[few], train.labels[few], train.groups[few]
    return replace(train, texts=texts, labels=labels, groups=groups), validation


def parser(description: str | None) -> argparse.ArgumentParser:
    """The options that every script of this folder has."""
    options = starter.parser(description, "posts-synthetic", SETUPS)
    options.add_argument("--out", type=Path, default=HERE, help="where the models lie")
    options.add_argument("--posts", type=int, help="train on so many only, for a first look")
    return options


if __name__ == "__main__":
    starter.run_main(main)
