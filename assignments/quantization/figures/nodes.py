"""Where the time of the float32 teacher and of teacher + PTQ goes, operator by operator.

    python assignments/quantization/figures/nodes.py [--batch 32] [--json]

A teacher of RuSentiment's size with random weights, posts of up to 63 tokens, one thread; the least
time of each node over some runs, by ONNX Runtime's own profile, added up by operator.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from onnx import ModelProto

from grader.handout.figures import project, table
from grader.lesson import course

reference = project(
    course.reference_solutions() / "quantization", "export", "model", "quantize", "train"
)
export, Transformer = reference.export.export, reference.model.Transformer
dynamic, feed = reference.quantize.dynamic, reference.quantize.feed
SETUPS = reference.train.SETUPS

LONGEST = 63
RUNS = 20
PRODUCTS = {"MatMul", "Gemm", "DynamicQuantizeMatMul", "MatMulIntegerToFloat"}
"""Products with weights."""
DATA_BY_DATA = (".seen", "mean.row")
"""Names of the MatMul without weights; attention's other products are FusedMatMul."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    config = SETUPS["rusentiment"].teacher
    whole = export(Transformer(config))
    ids = posts(arguments.batch, config.vocabulary)
    found = {"float32": by_operator(whole, ids), "PTQ": by_operator(dynamic(whole), ids)}
    if arguments.json:
        print(json.dumps(found))
        return
    for name, times in found.items():
        total, weighted = sum(times.values()), sum(times[one] for one in PRODUCTS & times.keys())
        print(
            f"\n{name}: {total:.2f} ms, products {weighted:.2f}, the rest {total - weighted:.2f}\n"
        )
        rows = [(operator, f"{value:.2f}") for operator, value in times.most_common(12)]
        print(table(("operator", "ms"), rows))


def posts(count: int, vocabulary: int) -> np.ndarray:
    """input_ids (count, LONGEST), padded; the first post has LONGEST tokens."""
    rng = np.random.default_rng(0)
    ids = rng.integers(3, vocabulary, (count, LONGEST))
    lengths = rng.integers(5, LONGEST, count)
    lengths[0] = LONGEST
    ids[np.arange(LONGEST) >= lengths[:, None]] = 0
    return ids


def by_operator(model: ModelProto, ids: np.ndarray) -> Counter[str]:
    """Milliseconds of one run by operator; each node counts with its least time."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.enable_profiling = True
    with tempfile.TemporaryDirectory() as folder:
        options.profile_file_prefix = f"{folder}/profile"
        session = onnxruntime.InferenceSession(model.SerializeToString(), options)
        names = [port.name for port in session.get_inputs()]
        for _ in range(RUNS):
            session.run(None, feed(names, ids))
        events = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
    least: dict[tuple[str, str], float] = {}
    for event in events:
        if event.get("cat") == "Node" and event["name"].endswith("_kernel_time"):
            operator = event["args"]["op_name"]
            if operator == "MatMul" and any(name in event["name"] for name in DATA_BY_DATA):
                operator = "MatMul without weights"
            node = (operator, event["name"])
            least[node] = min(event["dur"], least.get(node, event["dur"]))
    times: Counter[str] = Counter()
    for (operator, _), duration in least.items():
        times[operator] += duration / 1e3
    return times


if __name__ == "__main__":
    main()
