"""Train the baseline: the unpruned network 256-256-192-128-40 with 2-bit weights, as the template
trains it.

    python baseline/train.py                                   chat-synthetic.npz
    python baseline/train.py --data tinychat --from FOLDER     tinychat.npz
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from grader.lesson import course

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(course.student_template() / "pruning_arduino"))

import torch  # noqa: E402
import train  # noqa: E402
from model import ENCODING, SIZES, ChatNet, to_integers  # noqa: E402

from grader.data import load_pairs  # noqa: E402

BITS = 2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="chat-synthetic")
    parser.add_argument("--from", dest="source", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    recipe = train.Recipe()
    learnt, validation = (
        train.Data.of(load_pairs(arguments.data, part, source=arguments.source), ENCODING)
        for part in ("train", "validation")
    )
    torch.manual_seed(recipe.seed)
    network = train.fit(ChatNet(ENCODING, SIZES), learnt, validation, recipe)
    for layer in network.layers:
        layer.bits = BITS
    network = train.fit(network, learnt, validation, recipe)
    model = to_integers(network, learnt.counts)
    model.save(HERE / f"{arguments.data}.npz")
    right = model.classes_of(validation.counts.numpy()) == validation.answers.numpy()
    print(f"{arguments.data}: {right.mean():.1%} on validation")


if __name__ == "__main__":
    main()
