"""Train a bag of n-grams of letters: the row of a grade's table that a network has to beat.

    python bag.py --out DIR                                  ngrams.onnx and ngrams_tokenizer.json
    python bag.py --data rusentiment --from DIR --out DIR    the same on posts that people wrote

It knows which letters stand together and hardly anything of the order of words. It learns from the
labels; on posts that people wrote, from a linear model with all of its n-grams, too.
"""

from __future__ import annotations

from dataclasses import replace

import onnx
import torch
from distill import train_student
from export import export
from model import NgramConfig
from quantize import lookup
from tokenization import compact, letters_tokenizer
from train import SETUPS, Recipe, load, ngram_logits, parser, read_posts

from grader.text.errors import GraderError

SIZES = {"posts-synthetic": NgramConfig(rows=16_381), "rusentiment": NgramConfig()}
RECIPE = Recipe(6, 5e-3, weight_decay=0.0, word_dropout=0.0)


def main() -> None:
    arguments = parser(__doc__).parse_args()
    torch.set_num_threads(1)
    setup = SETUPS[arguments.data]
    train, validation = load(arguments)
    tokenizer = letters_tokenizer(train.texts)
    bag = train_student(
        SIZES[arguments.data],
        read_posts(tokenizer, train),
        read_posts(tokenizer, validation),
        replace(RECIPE, seed=arguments.seed),
        ngram_logits(train) if setup.ngrams else None,
        setup.weights,
    )
    (arguments.out / "ngrams_tokenizer.json").write_bytes(compact(tokenizer))
    onnx.save(lookup(export(bag)), arguments.out / "ngrams.onnx")


if __name__ == "__main__":
    try:
        main()
    except GraderError as error:
        raise SystemExit(str(error)) from None
