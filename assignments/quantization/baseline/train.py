"""Make what submissions are compared with: the reference's teacher, and a bag of n-grams.

    python train.py                                     four files, here
    python train.py --data rusentiment --from FOLDER    the same into the data cache
    python train.py --only bag.py                       the bag of n-grams alone

The posts of rusentiment may be used for evaluation only, so its models are never part of the
course. The reference's train.py and bag.py do the work.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from grader.data import DATASETS
from grader.lesson import course

HERE = Path(__file__).resolve().parent
REFERENCE = HERE.parents[2] / "reference_solutions" / "quantization"
FILES = {
    "train.py": ("teacher.onnx", "tokenizer.json"),
    "bag.py": ("ngrams.onnx", "ngrams_tokenizer.json"),
}
"""What each script of the reference writes."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", default="posts-synthetic")
    parser.add_argument("--from", dest="source", type=Path)
    parser.add_argument("--out", type=Path, help="default: where the grader looks for it")
    parser.add_argument("--only", choices=FILES)
    arguments = parser.parse_args()
    target = arguments.out or default_folder(arguments.data)
    target.mkdir(parents=True, exist_ok=True)
    options = ["--data", arguments.data]
    if arguments.source:
        options += ["--from", str(arguments.source)]
    for script in [arguments.only] if arguments.only else FILES:
        make(script, options, target)


def make(script: str, options: list[str], target: Path) -> None:
    """Run one script of the reference and keep its files if it ends well."""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run([sys.executable, REFERENCE / script, *options, "--out", folder])
        if done.returncode:
            raise SystemExit(done.returncode)  # the script has said why
        for name in FILES[script]:
            shutil.copyfile(Path(folder) / name, target / name)


def default_folder(data: str) -> Path:
    """The built-in data's teacher is committed; others lie where the autograder looks for them."""
    if not DATASETS[data].needs_download:
        return HERE
    return course.cache_root() / "baselines" / "quantization" / data


if __name__ == "__main__":
    main()
