"""The measured tables of the distillation handout, in both languages.

    python assignments/distillation/figures/tables.py [--write] [--only NAME ...]

Four tables: what an interval of AU-FA-FR is worth at several numbers of keywords; what coarser
weights cost the baseline; multiplications and bytes against measured time; the size of
`torch.save` files. With `--write` each replaces the text between its two markers in
assignments/distillation/handout.{ru,en}.md. Takes under a minute on one core once the
validation part of `speech-synthetic` is cached. Seeds are fixed; only times differ from run
to run.
"""

from __future__ import annotations

import argparse
import io
import platform
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

import networks as models
import numpy as np
import onnx
import onnxruntime
import torch
from torch import Tensor, nn

from grader import data
from grader.handout.figures import Table, count, plain, project, publish
from grader.lesson import course
from grader.measure import latency
from grader.measure.costs import graph
from grader.measure.quality import detection
from grader.text import Text, verbatim

TEMPLATE = project(course.student_template() / "distillation", "model", "export")
model, export = TEMPLATE.model, TEMPLATE.export.export
BENCHMARKS = Path(__file__).resolve().parents[3] / "benchmarks"
intervals = project(BENCHMARKS, "au_fa_fr").au_fa_fr
"""The same simulation as in docs/measurements.md."""

LESSON = course.assignments() / "distillation"
ROUNDS = 2_000
WARM_UP = 100


# Intervals ----------------------------------------------------------------------------------


def au_intervals() -> Table:
    """Where estimates of one and the same model fall, by the number of keywords."""
    rows = []
    for positives in (200, 1_000, 4_000):
        found = intervals.width(positives)
        low, high = (plain(f"{value * 1e5:.1f}") for value in found.estimates)
        rows.append(
            (
                count(found.positives),
                count(found.negatives),
                Text("{low} to {high}", low=low, high=high),
                plain(f"×/÷ {found.ratio_factor:.2f}"),
            )
        )
    return Table(
        header=(
            Text("keywords"),
            Text("other words"),
            Text("95% of estimates, 1e-5"),
            Text("ratio to the baseline"),
        ),
        rows=rows,
        caption=Text(
            "Measured by simulation: normal scores, true area 5e-5. Last column: the 95% "
            "interval of the ratio to an equally good model on the same clips, scores correlated "
            "0.5."
        ),
    )


# Storage ------------------------------------------------------------------------------------


def storage() -> Table:
    """AU-FA-FR of the baseline when its weights, or its answers, are rounded."""
    clips = data.load("speech-synthetic", "validation")
    features = np.asarray(clips.features)
    baseline = onnx.load(LESSON / "baseline" / "speech-synthetic.onnx")
    exact = _scores(baseline, features)
    probability = 1 / (1 + np.exp(-exact))
    variants = [
        (name, _scores(models.on_grid(baseline, grid), features)) for name, grid in models.GRIDS
    ]
    variants.append(
        (
            verbatim("torch quantize_dynamic, int8"),
            _dynamic_scores(baseline, features, exact),
        )
    )
    answers = [
        (
            Text("answer: probability in float16"),
            probability.astype(np.float16).astype(np.float32),
        ),
        (
            Text("answer: probability in 8 bits"),
            np.rint(probability * 255),
        ),
    ]
    rows = []
    for name, scores in variants + answers:
        found = detection.ratio(scores, exact, clips.labels)
        change = "–" if name in dict(answers) else f"{np.abs(scores - exact).max():.2g}"
        rows.append(
            (
                name,
                plain(change),
                plain(f"{found.numerator.value * 1e5:.2f}"),
                plain("–" if found.value is None else f"{found.value:.3f}"),
            )
        )
    area = detection.au_fa_fr(exact, clips.labels)
    return Table(
        header=(
            Text("rounded"),
            Text("largest change of a score"),
            verbatim("AU-FA-FR, 1e-5"),
            Text("against float32"),
        ),
        rows=rows,
        caption=Text(
            "Measured: the lesson's baseline, AU-FA-FR {area:.2f}e-5 in float32, {exact_count:,} "
            "validation clips. A score is a logit difference.",
            area=area * 100000.0,
            exact_count=len(exact),
        ),
    )


def _dynamic_scores(
    artefact: onnx.ModelProto, features: np.ndarray, exact: np.ndarray
) -> np.ndarray:
    """Scores of the same network in torch, dynamically quantized: weights and activations int8."""
    module = models.as_module(artefact)
    clips = torch.from_numpy(np.array(features))
    if np.abs(_module_scores(module, clips) - exact).max() > 1e-3:
        raise RuntimeError("the network rebuilt in torch answers differently from the artefact")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecated, and what the reports used
        quantized = torch.ao.quantization.quantize_dynamic(
            module, {nn.GRU, nn.Linear}, dtype=torch.qint8
        )
        return _module_scores(quantized, clips)


@torch.no_grad()
def _module_scores(module: nn.Module, clips: Tensor) -> np.ndarray:
    logits = module(clips).numpy()
    return logits[:, 1] - logits[:, 0]


def _scores(artefact: onnx.ModelProto, features: np.ndarray) -> np.ndarray:
    session = _session(artefact.SerializeToString())
    parts = [session.run(None, {"features": part})[0] for part in np.array_split(features, 40)]
    logits = np.concatenate(parts)
    return logits[:, 1] - logits[:, 0]


# Time ---------------------------------------------------------------------------------------


def time_and_cost(rounds: int = ROUNDS) -> Table:
    """Multiplications and bytes counted, time measured. The weights are random: time does not
    depend on them."""
    files = [_exported(build(), kind) for _, build, kind in models.CONTENDERS]
    costs = [graph.inspect(file) for file in files]
    seconds = _interleaved([_session(file) for file in files], rounds)
    rows = []
    for (name, _, _), cost, taken in zip(models.CONTENDERS, costs, seconds, strict=True):
        ratio = latency.speed_ratio(seconds[0], taken)
        low, high = ratio.interval
        rows.append(
            (
                name,
                count(cost.macs),
                _times(costs[0].macs, cost.macs),
                count(cost.bytes),
                _times(costs[0].bytes, cost.bytes),
                plain(f"{ratio.value:.2f}"),
                plain(f"{low:.2f}–{high:.2f}"),
            )
        )
    microseconds = latency.median(seconds[0]).value * 1e6
    where = f"ONNX Runtime {onnxruntime.__version__}, {platform.machine()}"
    return Table(
        header=(
            Text("model"),
            Text("MACs"),
            Text("fewer"),
            Text("bytes"),
            Text("fewer"),
            Text("faster"),
            verbatim("95%"),
        ),
        rows=rows,
        caption=Text(
            "Measured: {where}, one thread, one clip at a time, {rounds:,} interleaved rounds; "
            "the baseline takes {microseconds:.0f} µs. A number below 1 means more, or slower.",
            where=where,
            rounds=rounds,
            microseconds=microseconds,
        ),
    )


def _exported(module: nn.Module, kind: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        export(module, path, kind)
        return path.read_bytes()


def _session(file: bytes) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])


def _interleaved(sessions: list[onnxruntime.InferenceSession], rounds: int) -> np.ndarray:
    """Seconds (models, rounds): in each round every model answers once, in random order."""
    rng = np.random.default_rng(0)
    clip = {"features": rng.normal(size=(1, 40, 101)).astype(np.float32)}
    seconds = np.empty((len(sessions), WARM_UP + rounds))
    for turn in range(WARM_UP + rounds):
        for number in rng.permutation(len(sessions)):
            started = perf_counter()
            sessions[number].run(None, clip)
            seconds[number, turn] = perf_counter() - started
    return seconds[:, WARM_UP:]


# Files --------------------------------------------------------------------------------------


def file_size() -> Table:
    """What torch.save writes beside the weights."""
    rows = []
    for name, config in (
        (Text("baseline"), model.BASELINE),
        (Text("student A"), model.STUDENT),
    ):
        weights = model.Crnn(config).state_dict()
        for kind, width in ((torch.float32, 4), (torch.float16, 2)):
            buffer = io.BytesIO()
            torch.save({key: value.to(kind) for key, value in weights.items()}, buffer)
            stored = width * sum(value.numel() for value in weights.values())
            file, wrapping = len(buffer.getvalue()), len(buffer.getvalue()) - stored
            label = str(kind).removeprefix("torch.")
            rows.append(
                (
                    Text("{name}, {label}", name=name, label=label),
                    count(stored),
                    count(file),
                    count(wrapping),
                    plain(f"{100 * wrapping / file:.0f}%"),
                )
            )
    return Table(
        header=(
            Text("model"),
            Text("weights, B"),
            Text("file, B"),
            Text("wrapping, B"),
            Text("of the file"),
        ),
        rows=rows,
        caption=Text(
            "Measured: torch.save of a state_dict, torch {first}.",
            first=torch.__version__.split("+")[0],
        ),
    )


# Printing and writing -----------------------------------------------------------------------

FIGURES: dict[str, Callable[[], Table]] = {
    "au-intervals": au_intervals,
    "storage": storage,
    "latency": time_and_cost,
    "file-size": file_size,
}


def _times(baseline: int, ours: int) -> Text:
    return plain(f"{baseline / ours:.2f}" if ours > baseline / 1000 else "–")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--write", action="store_true", help="fill in both handouts")
    parser.add_argument("--only", nargs="+", choices=FIGURES, default=list(FIGURES))
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    for name in options.only:
        publish(LESSON, name, FIGURES[name](), write=options.write)
    return 0


if __name__ == "__main__":
    sys.exit(main())
