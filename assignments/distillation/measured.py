"""Costs and latency of a model as grades state them: with a unit, and how they were measured."""

from __future__ import annotations

import numpy as np

from grader.lesson.grades import Measurement
from grader.measure.costs.graph import GraphReport
from grader.measure.latency import median, speed_ratio
from grader.text import Text


def costs(report: GraphReport) -> dict[str, Measurement]:
    """`bytes`, `macs`, `params` and `file_bytes` of a counted model."""
    return {
        "bytes": Measurement(
            report.bytes,
            "B",
            Text("all weights and constants in model.onnx, as stored"),
        ),
        "macs": Measurement(
            report.macs,
            "MAC",
            Text(
                "from the graph, one clip; {elementwise_macs:,} of them elementwise",
                elementwise_macs=report.elementwise_macs,
            ),
        ),
        **_requantizing(report),
        "params": Measurement(report.params, "", Text("stored numbers")),
        "file_bytes": Measurement(
            report.file_bytes,
            "B",
            Text("size of model.onnx, graph and names included; shown, not scored"),
        ),
    }


def _requantizing(report: GraphReport) -> dict[str, Measurement]:
    """What quantizing activations costs, where a model does it."""
    if not report.requantizing:
        return {}
    how = Text("quantizing activations and scaling them back, one clip; shown, not scored")
    return {"requantizing": Measurement(report.requantizing, "MAC", how)}


def latency(seconds: np.ndarray, baseline_seconds: np.ndarray) -> dict[str, Measurement]:
    """`latency_ms_b1` and `latency_ratio_b1` from (n,) seconds of single clips, those of the
    artefact and of the baseline taken in turn."""
    ours = median(seconds)
    ratio = speed_ratio(baseline_seconds, seconds)
    how = Text(
        "median time on a core over {seconds_count} single clips, each sent after the answer to "
        "the last; shown, not scored",
        seconds_count=len(seconds),
    )
    return {
        "latency_ms_b1": Measurement(1e3 * ours.value, "ms", how, ours.scaled(1e3)),
        "latency_ratio_b1": Measurement(
            ratio.value,
            "×",
            Text(
                "baseline's time over the artefact's, median of interleaved pairs; shown, not "
                "scored"
            ),
            ratio.interval,
        ),
    }
