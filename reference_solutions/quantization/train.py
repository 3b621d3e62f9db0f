"""Train the tokenizer and the teacher, a small transformer in float32.

    python train.py                                          on posts-synthetic, into this folder
    python train.py --data rusentiment --from DIR --out DIR  on posts that people wrote

Writes tokenizer.json, teacher.onnx and teacher.pt, which distill.py and quantize.py read. The
teacher learns from the labels; on posts that people wrote, from a linear model on n-grams, too.
One thread and fixed seeds repeat the files with the same versions on the same kind of processor.
"""

from __future__ import annotations

import argparse
import copy
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np
import onnx
import torch
from export import export
from losses import DEFAULT, BatchLoss, LossWeights, distillation_loss, hard_loss
from model import CLASSES, PAD, NgramConfig, StudentConfig, TeacherConfig, Transformer
from tokenization import compact, encode, train_tokenizer
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from grader.data import load_posts
from grader.data.text.posts import PostSet
from grader.text.errors import GraderError
from grader.text.progress import Reporter

HERE = Path(__file__).resolve().parent
UNKNOWN, START = 1, 2
"""Numbers of tokens; see tokenization.py."""

M = TypeVar("M", bound=nn.Module)


@dataclass(frozen=True)
class Recipe:
    """How long and how fast to train."""

    epochs: int
    learning_rate: float
    """The peak of a one-cycle schedule, which warms up and falls to 0 at the end."""
    weight_decay: float = 0.05
    batch_size: int = 64
    word_dropout: float = 0.1
    """Share of tokens replaced by [UNK] in every epoch anew: no word may decide alone."""
    averaging: float = 0.995
    """Decay of the running mean of the weights, which is the model that is kept."""
    bfloat16: bool = False
    """Whether products may be of bfloat16: they take half the time in wide layers."""
    seed: int = 0


@dataclass(frozen=True)
class Posts:
    """One part of a data set, as a model reads it."""

    ids: list[Tensor]
    """Token numbers of every post."""
    labels: Tensor
    """(posts,), int64."""

    def batch(self, numbers: Tensor) -> tuple[Tensor, Tensor]:
        """input_ids and attention_mask, (batch, longest of the batch)."""
        ids = pad_sequence([self.ids[i] for i in numbers], batch_first=True, padding_value=PAD)
        return ids, (ids != PAD).long()


@dataclass(frozen=True)
class Setup:
    """The networks of a data set and how they are trained."""

    teacher: TeacherConfig
    teacher_recipe: Recipe
    student: StudentConfig | NgramConfig
    student_recipe: Recipe
    weights: LossWeights = DEFAULT
    """How the student learns from its teachers."""
    ngrams: bool = False
    """Whether a linear model on n-grams teaches, too: it needs as much text as people wrote."""


NGRAMS = LossWeights(hard=0.3, soft=1.0, temperature=1.0)
"""How to learn from the linear model; it has seen no post that it speaks of, so it is soft."""
BOTH = LossWeights(hard=0.5, soft=0.7, temperature=1.0)
"""How to learn from the linear model and the teacher, which knows some labels by heart."""
SETUPS = {
    "posts-synthetic": Setup(
        # As large as a file of 6 MB lets it be.
        teacher=TeacherConfig(vocabulary=2500, width=192, heads=4, hidden=768, dropout=0.05),
        teacher_recipe=Recipe(
            epochs=4, learning_rate=1e-3, batch_size=64, word_dropout=0.03, bfloat16=True
        ),
        student=StudentConfig(vocabulary=2000, width=48, kernel=5, dropout=0.05),
        student_recipe=Recipe(8, 4e-3, word_dropout=0.02),
    ),
    "rusentiment": Setup(
        teacher=TeacherConfig(vocabulary=8000, dropout=0.3),
        teacher_recipe=Recipe(
            epochs=3, learning_rate=6e-4, batch_size=96, word_dropout=0.25, bfloat16=True
        ),
        student=NgramConfig(),
        student_recipe=Recipe(6, 5e-3, weight_decay=0.0, word_dropout=0.0),
        weights=BOTH,
        ngrams=True,
    ),
}


def main() -> None:
    arguments = parser(__doc__).parse_args()
    torch.set_num_threads(1)  # one thread repeats exactly
    setup = SETUPS[arguments.data]
    train, validation = load(arguments)
    tokenizer = train_tokenizer(train.texts, setup.teacher.vocabulary)
    (arguments.out / "tokenizer.json").write_bytes(compact(tokenizer))
    teacher = train_teacher(
        setup.teacher,
        read_posts(tokenizer, train),
        read_posts(tokenizer, validation),
        replace(setup.teacher_recipe, seed=arguments.seed),
        ngram_logits(train) if setup.ngrams else None,
    )
    torch.save(teacher.state_dict(), arguments.out / "teacher.pt")
    onnx.save(export(teacher), arguments.out / "teacher.onnx")


def train_teacher(
    config: TeacherConfig, train: Posts, validation: Posts, recipe: Recipe, taught: Tensor | None
) -> Transformer:
    """`taught` (posts, 5): logits of a teacher's own teacher; None: labels alone."""
    torch.manual_seed(recipe.seed)
    print(f"teacher, seed {recipe.seed}")
    loss = (
        hard_loss(train.labels)
        if taught is None
        else distillation_loss(train.labels, taught, NGRAMS)
    )
    return fit(Transformer(config), train, validation, loss, recipe)


def ngram_logits(train: PostSet) -> Tensor:
    """What the linear model thinks of the training posts."""
    from ngrams import out_of_fold  # the built-in data needs no scikit-learn

    return out_of_fold(train.texts, train.labels)


def fit(model: M, train: Posts, validation: Posts, loss: BatchLoss, recipe: Recipe) -> M:
    """Train `model`; the running mean of its weights is returned, in evaluation mode."""
    generator = torch.Generator().manual_seed(recipe.seed)
    steps = recipe.epochs * -(-len(train.ids) // recipe.batch_size)
    optimizer = torch.optim.AdamW(
        model.parameters(),
        lr=recipe.learning_rate,
        weight_decay=recipe.weight_decay,
        fused=True,
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, recipe.learning_rate, total_steps=steps, pct_start=0.1
    )
    half = recipe.bfloat16 and has_bfloat16()
    mean, step = copy.deepcopy(model), 0
    for epoch in range(1, recipe.epochs + 1):
        started, losses = time.perf_counter(), []
        model.train()
        for numbers in batches(train.ids, recipe.batch_size, generator):
            ids, mask = train.batch(numbers)
            ids = drop_words(ids, recipe.word_dropout, generator)
            with torch.autocast("cpu", torch.bfloat16, enabled=half):
                logits = model(ids, mask)
            value = loss(logits.float(), numbers)
            optimizer.zero_grad()
            value.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            step += 1
            follow(mean, model, min(recipe.averaging, step / (step + 9)))
            losses.append(value.item())
        print(
            f"  epoch {epoch:2}/{recipe.epochs}  loss {np.mean(losses):.4f}  validation "
            f"{100 * accuracy(predict(mean, validation), validation.labels):.1f}%  "
            f"{time.perf_counter() - started:.0f} s",
            flush=True,
        )
    return mean.eval()


def has_bfloat16() -> bool:
    """Whether this processor multiplies bfloat16; elsewhere it would be slower than float32."""
    return torch.cpu._is_avx512_bf16_supported()


def batches(ids: Sequence[Tensor], size: int, generator: torch.Generator) -> list[Tensor]:
    """The numbers of all posts in batches of about equal length, in random order."""
    lengths = torch.tensor([len(post) for post in ids])
    jitter = 1 + 0.2 * torch.rand(len(ids), generator=generator)
    alike = (lengths * jitter).argsort().split(size)
    return [alike[i] for i in torch.randperm(len(alike), generator=generator)]


def drop_words(ids: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """Replace a random share of the tokens by [UNK]; padding and [CLS] stay."""
    dropped = torch.rand(ids.shape, generator=generator) < share
    return torch.where(dropped & (ids > START), UNKNOWN, ids)


@torch.no_grad()
def follow(mean: nn.Module, model: nn.Module, decay: float) -> None:
    """Move the running mean a step towards the model."""
    for kept, new in zip(mean.parameters(), model.parameters(), strict=True):
        kept.lerp_(new, 1 - decay)


@torch.no_grad()
def predict(model: nn.Module, posts: Posts) -> np.ndarray:
    """Logits (posts, 5) in evaluation mode."""
    model.eval()
    logits = torch.empty(len(posts.ids), CLASSES)
    order = torch.tensor([len(post) for post in posts.ids]).argsort()
    for numbers in order.split(256):
        logits[numbers] = model(*posts.batch(numbers))
    return logits.numpy()


def accuracy(logits: np.ndarray, labels: Tensor) -> float:
    return float((logits.argmax(axis=1) == labels.numpy()).mean())


def read_posts(tokenizer: Tokenizer, part: PostSet) -> Posts:
    return Posts(encode(tokenizer, part.texts), torch.from_numpy(np.array(part.labels)))


def load(arguments: argparse.Namespace) -> tuple[PostSet, PostSet]:
    """Training and validation posts."""
    with Reporter() as progress:
        train, validation = (
            load_posts(arguments.data, part, source=arguments.source, progress=progress)
            for part in ("train", "validation")
        )
    return train, validation


def parser(description: str | None) -> argparse.ArgumentParser:
    """The options that every script of this folder has."""
    options = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--data", default="posts-synthetic", choices=SETUPS)
    options.add_argument("--from", dest="source", type=Path, help="a copy of the data on disk")
    options.add_argument("--out", type=Path, default=HERE, help="where the models lie")
    options.add_argument("--seed", type=int, default=0)
    return options


if __name__ == "__main__":
    try:
        main()
    except GraderError as error:  # data that is missing, say: a sentence, not a traceback
        raise SystemExit(str(error)) from None
