"""Train the student: smaller than the teacher, and taught by it once `soft_loss` is written.

    python distill.py      student_tokenizer.json, student.onnx and student.pt

Reads what train.py wrote. The student may have a tokenizer of its own, the teacher's without its
rarer pieces: the table of embeddings is most of a small language model, and most of its rows are
rarely read.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import onnx
import torch
from export import export
from losses import DEFAULT, LossWeights, distillation_loss, hard_loss
from model import Convolutional, StudentConfig, TeacherConfig, Transformer
from tokenization import compact, trim
from tokenizers import Tokenizer
from torch import Tensor
from train import (
    SETUPS,
    Posts,
    Recipe,
    Setup,
    fit,
    load,
    parser,
    predict,
    read_posts,
)

from grader.text.errors import GraderError


def main() -> None:
    arguments = parser(__doc__).parse_args()
    torch.set_num_threads(1)
    setup = SETUPS[arguments.data]
    train, validation = load(arguments)
    tokenizer = Tokenizer.from_file(str(arguments.out / "tokenizer.json"))
    teacher = load_teacher(arguments.out, setup)
    taught = torch.from_numpy(predict(teacher, read_posts(tokenizer, train)))
    fewer = setup.student.vocabulary < setup.teacher.vocabulary
    small = trim(tokenizer, setup.student.vocabulary) if fewer else tokenizer
    (arguments.out / "student_tokenizer.json").write_bytes(compact(small))
    student = train_student(
        setup.student,
        read_posts(small, train),
        read_posts(small, validation),
        replace(setup.student_recipe, seed=arguments.seed),
        taught,
    )
    torch.save(student.state_dict(), arguments.out / "student.pt")
    onnx.save(export(student), arguments.out / "student.onnx")


def load_teacher(folder: Path, setup: Setup) -> Transformer:
    """The teacher that train.py left in `folder`."""
    teacher = Transformer(setup.teacher)
    teacher.load_state_dict(torch.load(folder / "teacher.pt", weights_only=True))
    return teacher.eval()


def train_student(
    config: StudentConfig | TeacherConfig,
    train: Posts,
    validation: Posts,
    recipe: Recipe,
    taught: Tensor | None,
    weights: LossWeights = DEFAULT,
) -> Convolutional | Transformer:
    """`taught` (posts, 5): the teacher's logits of the training posts; None: labels alone."""
    torch.manual_seed(recipe.seed)
    print(f"student, seed {recipe.seed}")
    loss = (
        hard_loss(train.labels)
        if taught is None
        else distillation_loss(train.labels, taught, weights)
    )
    if isinstance(config, TeacherConfig):
        return fit(Transformer(config), train, validation, loss, recipe)
    return fit(Convolutional(config), train, validation, loss, recipe)


if __name__ == "__main__":
    try:
        main()
    except GraderError as error:
        raise SystemExit(str(error)) from None
