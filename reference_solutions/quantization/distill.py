"""Train the student: smaller than the teacher, and taught by it as well as by the labels.

    python distill.py      student_tokenizer.json, student.onnx and student.pt

Reads what train.py wrote. The student may have a tokenizer of its own, the teacher's without its
rarer pieces: the table of embeddings is most of a small language model, and most of its rows are
rarely read.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import letters  # SOLUTION
import losses  # SOLUTION
import model  # SOLUTION
import onnx
import torch
from export import export
from losses import DEFAULT, LossWeights, distillation_loss, hard_loss
from model import AnyStudent, Transformer, student_of
from tokenization import trim
from tokenizers import Tokenizer
from torch import Tensor, nn
from train import SETUPS, Recipe, Setup, fit, load, parser

from grader import starter
from grader.data.text.posts import PostSet
from grader.starter import Posts


def main() -> None:
    arguments = parser(__doc__).parse_args()
    setup = SETUPS[arguments.data]
    train, validation = load(arguments)
    tokenizer = Tokenizer.from_file(str(arguments.out / "tokenizer.json"))
    taught = answers(setup, tokenizer, load_teacher(arguments.out, setup), train)
    small = small_tokenizer(setup.student, tokenizer, train)
    (arguments.out / "student_tokenizer.json").write_bytes(starter.compact(small))
    posts = Posts.of(train, small), Posts.of(validation, small)
    recipe = replace(setup.student_recipe, seed=arguments.seed)
    student = train_student(setup.student, *posts, recipe, taught, setup.weights)
    torch.save(student.state_dict(), arguments.out / "student.pt")
    onnx.save(export(student), arguments.out / "student.onnx")


def answers(setup: Setup, tokenizer: Tokenizer, teacher: Transformer, train: PostSet) -> Tensor:
    """What the student is taught of every training post, (posts, 5) logits."""
    # BEGIN SOLUTION
    own = starter.predict(teacher, Posts.of(train, tokenizer))
    if setup.ngrams:
        from ngrams import out_of_fold  # the built-in data needs no scikit-learn

        return losses.ensemble(own, out_of_fold(train.texts, train.labels))
    return own
    # STARTER
    # return starter.predict(teacher, Posts.of(train, tokenizer))
    # END SOLUTION


def small_tokenizer(config: AnyStudent, tokenizer: Tokenizer, train: PostSet) -> Tokenizer:
    """The student's, of the teacher's `tokenizer` or of the training posts."""
    # BEGIN SOLUTION
    if isinstance(config, model.NgramConfig):
        return letters.letters_tokenizer(train.texts)
    # END SOLUTION
    fewer = config.vocabulary < tokenizer.get_vocab_size()
    return trim(tokenizer, config.vocabulary) if fewer else tokenizer


def load_teacher(folder: Path, setup: Setup) -> Transformer:
    """The teacher that train.py left in `folder`."""
    teacher = Transformer(setup.teacher)
    teacher.load_state_dict(torch.load(folder / "teacher.pt", weights_only=True))
    return teacher.eval()


def train_student(
    config: AnyStudent,
    train: Posts,
    validation: Posts,
    recipe: Recipe,
    taught: Tensor | None,
    weights: LossWeights = DEFAULT,
) -> nn.Module:
    """`taught` (posts, 5): the teacher's logits of the training posts; None: labels alone."""
    starter.repeatable(recipe.seed)
    print(f"student, seed {recipe.seed}, {'labels' if taught is None else 'distilled'}")
    loss = hard_loss(train.labels)
    if taught is not None:
        loss = distillation_loss(train.labels, taught, weights)
    # BEGIN SOLUTION
    student = fit(student_of(config), train, validation, loss, recipe)
    with torch.no_grad():
        bias = student.classifier.bias
        bias.copy_(losses.adjusted(bias, train.labels, weights.adjustment))
    return student
    # STARTER
    # return fit(student_of(config), train, validation, loss, recipe)
    # END SOLUTION


if __name__ == "__main__":
    starter.run_main(main)
