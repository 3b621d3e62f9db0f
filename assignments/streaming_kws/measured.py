"""Measurements of one submission, each with how it was taken."""

from __future__ import annotations

import numpy as np

from grader.lesson.grades import Check, Measurement
from grader.measure import latency
from grader.measure.quality import detection
from grader.measure.streams.detections import SAMPLE_RATE, Detections
from grader.measure.streams.session import StreamSession
from grader.measure.streams.stream_model import StreamModel
from grader.text import Text

from .exam import Exam


def costs(model: StreamModel, chunk: int, state: int) -> dict[str, Measurement]:
    """Bytes and multiplications of a model; `state` is in bytes."""
    counted = Text("from the graph") if model.form == "onnx" else Text("counted as it ran")
    measured = {
        "total_bytes": Measurement(
            model.bytes + state,
            "B",
            Text("weights and constants as stored, and state"),
        ),
        "bytes": Measurement(
            model.bytes,
            "B",
            Text("weights and constants as stored"),
        ),
        "state_bytes": Measurement(
            state,
            "B",
            Text("what is kept between chunks and depends on what was heard"),
        ),
        "macs_per_second": Measurement(
            model.macs_per_second[chunk],
            "MACs/s",
            Text(
                "{counted}, front end included, at chunks of {chunk} ms, the cheapest up to 100 ms",
                counted=counted,
                chunk=1000 * chunk // SAMPLE_RATE,
            ),
        ),
        "chunk_ms": Measurement(
            1000 * chunk / SAMPLE_RATE,
            "ms",
            Text("the chunk that is measured with"),
        ),
    }
    if model.params is not None:
        measured["params"] = Measurement(model.params, "", Text("stored numbers"))
    return measured


def against(exam: Exam, model: StreamModel, found: StreamSession) -> dict[str, Measurement]:
    """Compression and speed-up over the baseline."""
    base = exam.baseline
    return {
        "compression": Measurement(
            base["total_bytes"].value / max(model.bytes + found.state, 1),
            "×",
            Text("weights and state of the baseline, which keeps a second of samples, over ours"),
        ),
        "speedup": Measurement(
            base["macs_per_second"].value / max(model.macs_per_second[model.best_chunk], 1.0),
            "×",
            Text(
                "MACs a second of the baseline, which computes its window anew every 80 ms, over "
                "ours"
            ),
        ),
    }


def quality(
    scores: np.ndarray, labels: np.ndarray, sources: tuple[str, ...] | None, *, offline: bool
) -> Measurement:
    """AU-FA-FR with its interval; `sources` names the recording of each second."""
    found = detection.detection(scores, labels, groups=sources)
    where = (
        Text("each second alone") if offline else Text("at the end of every second of one stream")
    )
    return Measurement(
        found.value,
        "",
        Text(
            "area under false accepts against false rejects at prior {prior}, {where}; "
            "{positives:,} keywords, {negatives:,} other seconds; 95% DeLong interval",
            prior=detection.PRIOR,
            where=where,
            positives=found.positives,
            negatives=found.negatives,
        ),
        found.interval,
    )


def ratio(found: detection.Ratio) -> dict[str, Measurement]:
    """AU-FA-FR over the baseline's; empty where the baseline makes no error."""
    if found.value is None:
        return {}
    how = Text(
        "AU-FA-FR in the stream over the offline baseline's on the same seconds; paired interval"
    )
    return {"au_fa_fr_ratio": Measurement(found.value, "×", how, found.interval)}


def alarms(exam: Exam, detections: Detections) -> dict[str, Measurement]:
    """Keywords found, false alarms per hour and, where one was found, the delay."""
    threshold = exam.settings["threshold"]
    minutes = detections.seconds / 60
    measured = {
        "found": Measurement(
            detections.found / max(detections.keywords, 1),
            "",
            Text(
                "share of {keywords} keywords with a trigger at {threshold:g} by a second after "
                "their end",
                keywords=detections.keywords,
                threshold=threshold,
            ),
        ),
        "false_alarms_per_hour": Measurement(
            detections.false_alarms_per_hour,
            "1/h",
            Text(
                "triggers at {threshold:g} without a keyword, in {minutes:.0f} min of speech and "
                "noise",
                threshold=threshold,
                minutes=minutes,
            ),
        ),
    }
    if detections.found:
        heard = detections.delays[np.isfinite(detections.delays)]
        median = latency.median(1e3 * heard)
        measured["delay_ms"] = Measurement(
            median.value,
            "ms",
            Text("median from the end of the word to the trigger; below 0 is before the end"),
            median.interval,
        )
    return measured


def real_time(found: StreamSession, chunk: int) -> Measurement:
    """Real-time factor for chunks of `chunk` samples: time to answer over duration of the sound."""
    sizes = np.diff(found.fine.ends, prepend=0)
    median = latency.median(found.fine.seconds[sizes == chunk])
    length = chunk / SAMPLE_RATE
    return Measurement(
        median.value / length,
        "",
        Text(
            "median time for a chunk of {length:.0f} ms on one core, over its length; below 1 "
            "keeps up; shown, not scored",
            length=1000 * length,
        ),
        median.scaled(1 / length),
    )


def streaming_share(checks: list[Check]) -> Measurement:
    """Share of the checks' points, 0 to 1."""
    most = sum(check.max_points for check in checks)
    return Measurement(
        sum(check.points for check in checks) / most,
        "",
        Text("share of the points of the checks"),
    )
