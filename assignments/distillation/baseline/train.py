"""Train the baselines that submissions are compared with: the seminar's network and recipe.

    python train.py                                    speech-synthetic.onnx
    python train.py --data fsdd --from path/to/fsdd    fsdd.onnx

The network and the training loop are the starter's own, imported from it: 20 epochs of Adam at
3e-4, class-balanced batches, no augmentation, the last epoch. One thread and a fixed seed
repeat the file bit by bit with the same torch on the same kind of processor.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from grader import data, starter
from grader.starter import Clips

HERE = Path(__file__).resolve().parent
STARTER = HERE.parents[2] / "student_template" / "distillation"
sys.path.insert(0, str(STARTER))

from export import export  # noqa: E402
from model import BASELINE, Crnn  # noqa: E402
from train import Recipe, fit, hard_loss  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="speech-synthetic")
    parser.add_argument("--from", dest="source", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="default: beside this script")
    arguments = parser.parse_args()
    train, validation = map(Clips.of, starter.load(data.load, arguments.data, arguments.source))
    recipe = Recipe(seed=arguments.seed)
    starter.repeatable(recipe.seed)
    baseline = Crnn(BASELINE)
    fit(baseline, train, validation, hard_loss(baseline), recipe)
    out = arguments.out or HERE / f"{arguments.data}.onnx"
    export(baseline, out, features=validation.features[:256].numpy())


if __name__ == "__main__":
    main()
