"""Train the two samples of the demo: one that passes narrowly, and one that is too small.

    python train.py            narrow.onnx, small.onnx and their rows of experiments.csv

Both are trained from labels alone with the reference's code and fixed seeds. narrow.onnx is
the seminar's network with one GRU layer and a small state, stopped early; small.onnx is the
reference's kind of network with too little of everything.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch

from grader.data import load

HERE = Path(__file__).resolve().parent
REFERENCE = HERE.parents[2] / "reference_solutions" / "distillation"
sys.path.insert(0, str(REFERENCE))

from model import CrnnConfig, SeparableConfig  # noqa: E402
from train import Recipe, Setting, build, clips, fit, hard_loss, record, write  # noqa: E402

SAMPLES = {
    "narrow": (
        CrnnConfig(channels=3, kernel=(8, 16), stride=(4, 8), hidden_size=14, layers=1),
        Recipe(epochs=8, seed=1),
    ),
    "small": (SeparableConfig(channels=1, width=6, blocks=1), Recipe(epochs=4)),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=list(SAMPLES))
    parser.add_argument("--out", type=Path, default=HERE)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    train, validation = (clips(load("speech-synthetic", part)) for part in ("train", "validation"))
    (arguments.out / "experiments.csv").unlink(missing_ok=True)
    for name in arguments.names:
        network, recipe = SAMPLES[name]
        torch.manual_seed(recipe.seed)
        student = build(network)
        print(name)
        fit(student, train, validation, hard_loss(student), recipe)
        write(student, arguments.out / f"{name}.onnx", "int8", validation)
        setting = Setting(name, network, recipe=recipe, storages=("int8",), note="labels alone")
        record(setting, student, validation, arguments.out / "experiments.csv")


if __name__ == "__main__":
    main()
