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


def costs(model: StreamModel, macs_per_second: float, chunk: float) -> dict[str, Measurement]:
    """Bytes and multiplications of an ONNX model; `chunk` is the mean size in samples."""
    milliseconds = 1000 * chunk / SAMPLE_RATE
    return {
        "total_bytes": Measurement(
            model.bytes + model.state_bytes,
            "B",
            Text("weights and constants as stored, and state"),
        ),
        "bytes": Measurement(
            model.bytes,
            "B",
            Text("weights and constants as stored"),
        ),
        "state_bytes": Measurement(
            model.state_bytes,
            "B",
            Text("what is kept between chunks"),
        ),
        "macs_per_second": Measurement(
            macs_per_second,
            "MACs/s",
            Text(
                "from the graph at the chunks heard, {milliseconds:.0f} ms on average, or at whole "
                "seconds, whichever is more; front end included",
                milliseconds=milliseconds,
            ),
        ),
        "chunk_ms": Measurement(milliseconds, "ms", Text("mean length of the small chunks")),
        "params": Measurement(model.params, "", Text("stored numbers")),
    }


def against(exam: Exam, model: StreamModel, found: StreamSession) -> dict[str, Measurement]:
    """Costs, compression and speed-up over the baseline; of TorchScript both are 0."""
    if not model.counted:
        how = Text(
            "not counted for TorchScript, a program that could count itself wrongly; export "
            "model.onnx to be scored"
        )
        return {name: Measurement(0.0, "×", how) for name in ("compression", "speedup")}
    ends = found.fine.ends
    measured = costs(model, model.spent(ends), float(ends[-1]) / len(ends))
    base = exam.baseline
    return {
        "compression": Measurement(
            base["total_bytes"].value / max(measured["total_bytes"].value, 1),
            "×",
            Text("weights and state of the baseline, which keeps a second of samples, over ours"),
        ),
        "speedup": Measurement(
            base["macs_per_second"].value / max(measured["macs_per_second"].value, 1.0),
            "×",
            Text(
                "MACs a second of the baseline, which computes its window anew every 80 ms, over "
                "ours"
            ),
        ),
        **measured,
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


def real_time(found: StreamSession) -> Measurement:
    """Real-time factor: time to answer over duration of the sound, for the small chunks."""
    sizes = np.diff(found.fine.ends, prepend=0)
    median = latency.median(found.fine.seconds * SAMPLE_RATE / sizes)
    return Measurement(
        median.value,
        "",
        Text(
            "median time for a small chunk on one core, over its length; below 1 keeps up; shown, "
            "not scored"
        ),
        median.interval,
    )


def streaming_share(checks: list[Check]) -> Measurement:
    """Share of the checks' points, 0 to 1."""
    most = sum(check.max_points for check in checks)
    return Measurement(
        sum(check.points for check in checks) / most,
        "",
        Text("share of the points of the checks"),
    )
