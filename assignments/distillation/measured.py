"""Costs and latency of a model as grades state them: with a unit, and how they were measured."""

from __future__ import annotations

import numpy as np

from grader.lesson.grades import Measurement
from grader.measure.costs.graph import GraphReport
from grader.measure.latency import median, speed_ratio
from grader.text import Text, ru_number


def costs(report: GraphReport) -> dict[str, Measurement]:
    """`bytes`, `macs`, `params` and `file_bytes` of a counted model."""
    return {
        "bytes": Measurement(
            report.bytes,
            "B",
            Text(
                en="all weights and constants in model.onnx, as stored",
                ru="все веса и константы в model.onnx в том виде, в каком они хранятся",
            ),
        ),
        "macs": Measurement(
            report.macs,
            "MAC",
            Text(
                en=f"from the graph, one clip; {report.elementwise_macs:,} of them elementwise",
                ru="по графу, одна запись; из них поэлементных: "
                f"{ru_number(report.elementwise_macs)}",
            ),
        ),
        "params": Measurement(
            report.params, "", Text(en="stored numbers", ru="количество хранимых чисел")
        ),
        "file_bytes": Measurement(
            report.file_bytes,
            "B",
            Text(
                en="size of model.onnx, graph and names included; shown, not scored",
                ru="размер model.onnx вместе с графом и именами; для сведения, не оценивается",
            ),
        ),
    }


def latency(seconds: np.ndarray, baseline_seconds: np.ndarray) -> dict[str, Measurement]:
    """`latency_ms_b1` and `latency_ratio_b1` from (n,) seconds of single clips, those of the
    artefact and of the baseline taken in turn."""
    ours = median(seconds)
    ratio = speed_ratio(baseline_seconds, seconds)
    how = Text(
        en=f"median time on a core over {len(seconds)} single clips, each sent after "
        "the answer to the last; shown, not scored",
        ru=f"медиана времени на ядре по {len(seconds)} одиночным записям, каждая "
        "отправлена после ответа на предыдущую; для сведения, не оценивается",
    )
    return {
        "latency_ms_b1": Measurement(1e3 * ours.value, "ms", how, ours.scaled(1e3)),
        "latency_ratio_b1": Measurement(
            ratio.value,
            "×",
            Text(
                en="baseline's time over the artefact's, median of interleaved pairs; shown, "
                "not scored",
                ru="время базовой модели к времени артефакта, медиана по чередующимся парам; "
                "для сведения, не оценивается",
            ),
            ratio.interval,
        ),
    }
