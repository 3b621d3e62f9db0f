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

from grader import data, starter
from grader.starter import Clips

HERE = Path(__file__).resolve().parent
REFERENCE = HERE.parents[2] / "reference_solutions" / "distillation"
sys.path.insert(0, str(REFERENCE))

from export import export  # noqa: E402
from model import CrnnConfig, SeparableConfig, build  # noqa: E402
from train import Recipe, Setting, fit, hard_loss, record  # noqa: E402

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
    train, validation = map(Clips.of, starter.load(data.load, "speech-synthetic"))
    (arguments.out / "experiments.csv").unlink(missing_ok=True)
    for name in arguments.names:
        network, recipe = SAMPLES[name]
        starter.repeatable(recipe.seed)
        student = build(network)
        print(name)
        fit(student, train, validation, hard_loss(student), recipe)
        path = arguments.out / f"{name}.onnx"
        export(student, path, "int8", validation.features[:256].numpy())
        setting = Setting(name, network, recipe=recipe, storages=("int8",), note="labels alone")
        record(setting, student, validation, arguments.out / "experiments.csv")


if __name__ == "__main__":
    main()
