"""Train the student: small, and taught by the teacher as well as by the labels.

    python distill.py      student_tokenizer.json, student.onnx and student.pt

Reads what train.py wrote. The tokenizer of a convolutional student is the teacher's without its
rarer pieces: the table of embeddings is most of a small language model, and most of its rows are
rarely read. A student of n-grams reads letters.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import onnx
import torch
from export import export
from losses import DEFAULT, LossWeights, adjusted, distillation_loss, ensemble, hard_loss
from model import NgramConfig, Student, StudentConfig, Transformer, student_of
from tokenization import compact, letters_tokenizer, trim
from tokenizers import Tokenizer
from torch import Tensor
from train import (
    SETUPS,
    Posts,
    Recipe,
    Setup,
    fit,
    load,
    ngram_logits,
    parser,
    predict,
    read_posts,
)

from grader.data.text.posts import PostSet
from grader.text.errors import GraderError


def main() -> None:
    arguments = parser(__doc__).parse_args()
    torch.set_num_threads(1)
    setup = SETUPS[arguments.data]
    train, validation = load(arguments)
    tokenizer = Tokenizer.from_file(str(arguments.out / "tokenizer.json"))
    taught = answers(setup, tokenizer, load_teacher(arguments.out, setup), train)
    small = small_tokenizer(setup.student, tokenizer, train)
    (arguments.out / "student_tokenizer.json").write_bytes(compact(small))
    student = train_student(
        setup.student,
        read_posts(small, train),
        read_posts(small, validation),
        replace(setup.student_recipe, seed=arguments.seed),
        taught,
        setup.weights,
    )
    torch.save(student.state_dict(), arguments.out / "student.pt")
    onnx.save(export(student), arguments.out / "student.onnx")


def answers(setup: Setup, tokenizer: Tokenizer, teacher: Transformer, train: PostSet) -> Tensor:
    """What the student is taught of every training post, (posts, 5) logits."""
    own = torch.from_numpy(predict(teacher, read_posts(tokenizer, train)))
    return ensemble(own, ngram_logits(train)) if setup.ngrams else own


def small_tokenizer(
    config: StudentConfig | NgramConfig, tokenizer: Tokenizer, train: PostSet
) -> Tokenizer:
    """The student's, of the teacher's `tokenizer` or of the training posts."""
    if isinstance(config, NgramConfig):
        return letters_tokenizer(train.texts)
    return trim(tokenizer, config.vocabulary)


def load_teacher(folder: Path, setup: Setup) -> Transformer:
    """The teacher that train.py left in `folder`."""
    teacher = Transformer(setup.teacher)
    teacher.load_state_dict(torch.load(folder / "teacher.pt", weights_only=True))
    return teacher.eval()


def train_student(
    config: StudentConfig | NgramConfig,
    train: Posts,
    validation: Posts,
    recipe: Recipe,
    taught: Tensor | None,
    weights: LossWeights = DEFAULT,
) -> Student:
    """`taught` (posts, 5): the teacher's logits of the training posts; None: labels alone."""
    torch.manual_seed(recipe.seed)
    print(f"student, seed {recipe.seed}, {'labels' if taught is None else 'distilled'}")
    loss = (
        hard_loss(train.labels)
        if taught is None
        else distillation_loss(train.labels, taught, weights)
    )
    student = fit(student_of(config), train, validation, loss, recipe)
    with torch.no_grad():
        bias = student.classifier.bias
        bias.copy_(adjusted(bias, train.labels, weights.adjustment))
    return student


if __name__ == "__main__":
    try:
        main()
    except GraderError as error:
        raise SystemExit(str(error)) from None
