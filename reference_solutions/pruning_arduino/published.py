"""The published tinychat network, unpruned, as a submission: 144,384 weights, bit for bit.

    python published.py OUT [--from FOLDER]

Writes OUT/model.npz and OUT/firmware/ with the column runtime. The network is not part of this
project; `grader data get tinychat` downloads it.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import columns
import numpy as np
from features import Encoding
from integer_model import IntegerLayer, IntegerModel

from grader.data.text import tinychat
from grader.text.errors import GraderError

HERE = Path(__file__).resolve().parent
SHIFT_BY_2 = 64
"""Of 256: the published network shifts by 2 behind each layer."""


def convert(path: Path) -> IntegerModel:
    """The published file as an integer model; nothing is rounded."""
    with np.load(path, allow_pickle=False) as file:
        layers = tuple(
            IntegerLayer(
                file[f"fc{number}_weight"],
                file[f"fc{number}_bias"],
                np.full(len(file[f"fc{number}_bias"]), SHIFT_BY_2, np.uint8),
            )
            for number in range(1, 5)
        )
    return IntegerModel(Encoding(128, 128, 8), layers)


def write(model: IntegerModel, folder: Path) -> None:
    """A submission with the column runtime."""
    shutil.copytree(HERE / "firmware", folder / "firmware", dirs_exist_ok=True)
    columns.write_header(model, folder / "firmware" / "weights.h")
    model.save(folder / "model.npz")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("--from", dest="source", type=Path)
    arguments = parser.parse_args()
    try:
        write(convert(tinychat.published_model(arguments.source)), arguments.out)
    except GraderError as error:
        raise SystemExit(str(error)) from None
