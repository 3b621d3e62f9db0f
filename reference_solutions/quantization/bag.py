"""Train a bag of n-grams of letters: the row of a grade's table that a network has to beat.

    python bag.py --out DIR                                  ngrams.onnx and ngrams_tokenizer.json
    python bag.py --data rusentiment --from DIR --out DIR    the same on posts that people wrote

It knows which letters stand together and hardly anything of the order of words. It learns from the
labels; on posts that people wrote, from a linear model with all of its n-grams, too.
"""

from __future__ import annotations

from dataclasses import replace

import onnx
from distill import train_student
from export import export
from letters import letters_tokenizer
from model import NgramConfig
from quantize import lookup
from train import SETUPS, Recipe, load, parser

from grader import starter
from grader.starter import Posts

SIZES = {"posts-synthetic": NgramConfig(rows=16_381), "rusentiment": NgramConfig()}
RECIPE = Recipe(6, 5e-3, weight_decay=0.0, word_dropout=0.0)


def main() -> None:
    arguments = parser(__doc__).parse_args()
    setup = SETUPS[arguments.data]
    train, validation = load(arguments)
    tokenizer = letters_tokenizer(train.texts)
    taught = None
    if setup.ngrams:
        from ngrams import out_of_fold  # the built-in data needs no scikit-learn

        taught = out_of_fold(train.texts, train.labels)
    bag = train_student(
        SIZES[arguments.data],
        Posts.of(train, tokenizer),
        Posts.of(validation, tokenizer),
        replace(RECIPE, seed=arguments.seed),
        taught,
        setup.weights,
    )
    (arguments.out / "ngrams_tokenizer.json").write_bytes(starter.compact(tokenizer))
    onnx.save(lookup(export(bag)), arguments.out / "ngrams.onnx")


if __name__ == "__main__":
    starter.run_main(main)
