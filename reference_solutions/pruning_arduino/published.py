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

from grader.board.integer_network import IntegerNetwork, read_published
from grader.data.text import tinychat
from grader.text.errors import GraderError

HERE = Path(__file__).resolve().parent


def write(model: IntegerNetwork, folder: Path) -> None:
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
        write(read_published(tinychat.published_model(arguments.source)), arguments.out)
    except GraderError as error:
        raise SystemExit(str(error)) from None
