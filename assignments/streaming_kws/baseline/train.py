"""Train the baselines that submissions are compared with: the seminar's network and recipe.

    python train.py                                    speech-synthetic.onnx
    python train.py --data fsdd --from path/to/fsdd    fsdd.onnx

The network, the training loop and the export are the starter's own, imported from it. What is
written is the starter's stream: the last second of samples is kept, and the offline network runs
over all of it for every chunk. One thread and a fixed seed repeat the file bit by bit with the
same torch on the same kind of processor.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from grader import starter
from grader.data.speech import tracks

HERE = Path(__file__).resolve().parent
STARTER = HERE.parents[2] / "student_template" / "streaming_kws"
sys.path.insert(0, str(STARTER))

from export import export_all  # noqa: E402
from offline import BASELINE, Crnn  # noqa: E402
from streaming import StreamingKws  # noqa: E402
from train import RECIPES, clip_loss, fit, seconds  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="speech-synthetic", choices=RECIPES)
    parser.add_argument("--from", dest="source", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    parts = starter.load(tracks.load, arguments.data, arguments.source)
    train, validation = map(seconds, parts)
    starter.repeatable(arguments.seed)
    crnn = Crnn(BASELINE)
    recipe = replace(RECIPES[arguments.data], seed=arguments.seed)
    fit(crnn, train, validation, clip_loss, recipe)
    with tempfile.TemporaryDirectory() as folder:
        export_all(crnn, StreamingKws(crnn), Path(folder))
        shutil.copy(Path(folder) / "model.onnx", HERE / f"{arguments.data}.onnx")


if __name__ == "__main__":
    main()
