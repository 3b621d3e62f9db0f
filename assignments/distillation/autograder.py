"""Grades a distilled keyword spotter: quality against the baseline, bytes, MACs, latency.

The artefact is `model.onnx`: input `features`, float32 (batch, 40, 101), log-mel; output
`logits`, float32 (batch, 2). A clip's score is logits[1] - logits[0]. Clips are sent one at a
time, so `batch` may be free or 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from grader import data
from grader.data.cache import PinnedFile
from grader.intake import Submission
from grader.lesson.contract import Findings, Setup
from grader.lesson.grades import Axis, Check, Figure, Gate, Measurement, Series, check
from grader.lesson.spec import RunLimits
from grader.measure.costs import graph
from grader.measure.quality import detection, experiments
from grader.sandbox.runners.rows import Job, Run, run_onnx
from grader.similarity import behaviour
from grader.text import EMPTY, Text
from grader.text.errors import DataError, Rejected

from . import measured, recorded

FEATURES = graph.Tensor("features", (40, 101))
LOGITS = graph.Tensor("logits", (2,))
MIN_VOICES = 20
"""Fewest voices for which an interval for new voices is computed."""


@dataclass(frozen=True)
class Exam:
    """The graded clips and the baseline's answers to them."""

    data_id: str
    baseline: dict[str, Measurement]
    features: PinnedFile
    """.npy, float32 (clips, 40, 101)."""
    labels: np.ndarray
    """(clips,) 1 for the keyword."""
    voices: tuple[str, ...] | None
    """Speaker of each clip; None with fewer than MIN_VOICES speakers."""
    baseline_scores: np.ndarray
    """(clips,) logit differences."""
    baseline_model: bytes
    gate_factor: float
    limits: RunLimits
    singles: tuple[int, ...]
    tolerance: float
    min_experiments: int
    hidden: bool


# Once per batch -----------------------------------------------------------------------------


def prepare(setup: Setup) -> Exam:
    """Load the clips and measure the baseline on them."""
    settings, gate = setup.spec.settings, setup.spec.gate
    assert gate is not None  # lesson.toml of this lesson has one
    part: data.Part = "hidden" if setup.audience == "hidden" else "validation"
    clips = data.load(
        setup.data,
        part,
        source=setup.source,
        seed=setup.seed,
        settings=data.SyntheticSettings(
            hidden=data.Size(**settings["hidden"]), validation=data.Size(**settings["public"])
        ),
        progress=setup.progress,
    )
    model = _baseline(setup.folder, clips.name)
    limits = setup.spec.limits
    run = run_onnx(Job(model, clips.features_path, LOGITS.shape), limits)
    scores = _scores(run.outputs)
    voices = tuple(clips.speakers) if len(set(clips.speakers)) >= MIN_VOICES else None
    costs = graph.inspect(model)
    rng = np.random.default_rng(int(clips.fingerprint[:16], 16))
    return Exam(
        data_id=f"{clips.name}/{part}:{clips.fingerprint}",
        baseline={
            **measured.costs(costs),
            "au_fa_fr": _quality(
                detection.detection(scores, clips.labels), scores, clips.labels, voices
            ),
        },
        features=PinnedFile.at(clips.features_path),
        labels=np.asarray(clips.labels),
        voices=voices,
        baseline_scores=scores,
        baseline_model=model,
        gate_factor=gate.factor,
        limits=limits,
        singles=tuple(
            rng.choice(len(scores), min(settings["single_clips"], len(scores)), replace=False)
        ),
        tolerance=settings["repeat_tolerance"],
        min_experiments=settings["min_experiments"],
        hidden=setup.audience == "hidden",
    )


def _baseline(folder: Path, dataset: str) -> bytes:
    path = folder / "baseline" / f"{dataset}.onnx"
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(
            "The lesson has no baseline for {dataset} ({name} is missing); train one with "
            "`python {folder} --data {dataset}`.",
            dataset=dataset,
            name=path.name,
            folder=folder / "baseline" / "train.py",
        ) from error


# Once per submission ------------------------------------------------------------------------


def examine(exam: Exam, submission: Submission) -> Findings:
    """Measure one submission. Raises Rejected or Stopped with a sentence for the student."""
    model = submission.read("model.onnx")
    costs = graph.inspect(model)
    graph.require(costs, expects=FEATURES, returns=LOGITS)
    run = run_onnx(
        Job(
            model,
            exam.features.unchanged(),
            LOGITS.shape,
            baseline=exam.baseline_model,
            singles=exam.singles,
        ),
        exam.limits,
    )
    _require_finite(run.outputs)
    scores = _scores(run.outputs)
    ratio = detection.ratio(scores, exam.baseline_scores, exam.labels)
    gate = _gate(exam, ratio)
    present = submission.has("experiments.csv")
    table = experiments.read(
        submission.read("experiments.csv") if present else b"", recorded.COLUMNS
    )
    measurements = {
        **_against(exam, costs),
        **measured.costs(costs),
        **measured.latency(run.seconds_per_single, run.baseline_seconds_per_single),
        "au_fa_fr": _quality(ratio.numerator, scores, exam.labels, exam.voices),
        **_ratio(ratio),
    }
    return Findings(
        measurements=measurements,
        gate=gate,
        checks=[
            _check_gate(exam, gate),
            _check_repeatable(exam, run),
            recorded.check_recorded_enough(table, exam.min_experiments, present=present),
            recorded.check_submitted_is_recorded(table, costs.macs, costs.bytes),
        ],
        layers=costs.layers,
        figures=[
            _curve(exam, scores),
            *recorded.figures(table, measurements, exam.baseline),
        ],
        log=run.log,
        mistakes=behaviour.of_scores(scores, exam.labels),
    )


def _scores(logits: np.ndarray) -> np.ndarray:
    """(clips,) logit differences in float64: the order of the probabilities, without saturation."""
    wide = logits.astype(np.float64)
    return wide[:, 1] - wide[:, 0]


# What is refused ----------------------------------------------------------------------------


def _require_finite(logits: np.ndarray) -> None:
    bad = int((~np.isfinite(logits).all(axis=1)).sum())
    if bad:
        raise Rejected(
            Text(
                "Expected finite logits, found NaN or infinity on {bad:,} of {logits_count:,} "
                "clips; look for a division by zero, an overflow in float16 or a quantization "
                "scale of 0.",
                bad=bad,
                logits_count=len(logits),
            )
        )


# Measurements -------------------------------------------------------------------------------


def _against(exam: Exam, costs: graph.GraphReport) -> dict[str, Measurement]:
    how = Text("baseline / artefact")
    return {
        "compression": Measurement(exam.baseline["bytes"].value / max(costs.bytes, 1), "×", how),
        "speedup": Measurement(exam.baseline["macs"].value / max(costs.macs, 1), "×", how),
    }


def _quality(
    found: detection.Detection,
    scores: np.ndarray,
    labels: np.ndarray,
    voices: tuple[str, ...] | None,
) -> Measurement:
    """AU-FA-FR with an interval for other clips of the same voices, because hidden sets differ in
    clips and not in voices; the text states the wider interval for new voices."""
    new_voices = EMPTY
    if voices is not None:
        low, high = detection.detection(scores, labels, groups=voices).interval
        new_voices = Text(
            "; for new voices, judged by these {voices}: {low:.1e} to {high:.1e}",
            voices=len(set(voices)),
            low=low,
            high=high,
        )
    return Measurement(
        found.value,
        "",
        Text(
            "area under false accepts against false rejects at prior {prior}; {positives:,} "
            "keywords, {negatives:,} other words; 95% DeLong interval for other clips of the same "
            "voices{new_voices}",
            prior=detection.PRIOR,
            positives=found.positives,
            negatives=found.negatives,
            new_voices=new_voices,
        ),
        found.interval,
    )


def _ratio(ratio: detection.Ratio) -> dict[str, Measurement]:
    if ratio.value is None:
        return {}
    return {
        "au_fa_fr_ratio": Measurement(
            ratio.value,
            "×",
            Text("AU-FA-FR over the baseline's on the same clips; paired DeLong interval"),
            ratio.interval,
        )
    }


def _gate(exam: Exam, ratio: detection.Ratio) -> Gate:
    ours, theirs = ratio.numerator, ratio.denominator
    threshold = exam.gate_factor * theirs.value
    low, high = ratio.interval or (0.0, float("inf"))
    return Gate(
        metric="au_fa_fr",
        value=ours.value,
        threshold=threshold,
        interval=ours.interval,
        passed=ours.value <= threshold,
        within_noise=low <= exam.gate_factor <= high,
        explanation=Text(
            "AU-FA-FR must be at most {gate_factor:g} × the baseline's {value:.3e} on the same "
            "clips.",
            gate_factor=exam.gate_factor,
            value=theirs.value,
        ),
    )


# Checks -------------------------------------------------------------------------------------


def _check_gate(exam: Exam, gate: Gate) -> Check:
    return check(
        "quality_gate",
        Text("Hears the keyword well enough"),
        gate.passed,
        Text(
            "AU-FA-FR {value:.3e} {sign} {threshold:.3e} ({gate_factor:g} × the baseline's).",
            value=gate.value,
            sign="≤" if gate.passed else ">",
            threshold=gate.threshold,
            gate_factor=exam.gate_factor,
        ),
        [
            Text(
                "Distil from a teacher (logits with a temperature, attention maps), train longer "
                "and with fresh augmentation, then take bytes and MACs away step by step."
            ),
            Text(
                "Find out which part of quality is lost where: train the student with the "
                "labels alone, then with soft_loss, then with augment, and compare the rows of "
                "experiments.csv."
            ),
            Text(
                "soft_loss of distill.py: divide both logits by the temperature, take the KL "
                "divergence from the teacher's softmax, and multiply by the temperature "
                "squared, or its gradient vanishes beside the labels'."
            ),
            Text(
                "A temperature of 2 to 8 and a weight of the soft labels near 1 are good "
                "beginnings; give a small student two to four times as many epochs as the "
                "teacher had."
            ),
            Text(
                "In augment.py shift a clip by a few frames, change its loudness (a log-mel "
                "gets a constant added), and blank out a few bands or frames; do it anew in "
                "every epoch."
            ),
        ],
        hidden=exam.hidden,
    )


def _check_repeatable(exam: Exam, run: Run) -> Check:
    again = run.outputs[list(exam.singles)]
    difference = float(np.max(np.abs(again - run.singles)))
    allowed = exam.tolerance * (1.0 + float(np.max(np.abs(again))))
    passed = difference <= allowed
    return check(
        "answers_repeat",
        Text("The same clip gets the same answer"),
        passed,
        Text(
            "{singles_count} clips sent twice: the logits differ by at most {difference:.1e}, "
            "allowed is {allowed:.1e}.",
            singles_count=len(exam.singles),
            difference=difference,
            allowed=allowed,
        ),
        [
            Text("Look for what remembers earlier clips or draws random numbers."),
            Text(
                "Call module.eval() before the export: dropout and batch normalization in "
                "training mode answer differently every time."
            ),
            Text(
                "Open model.onnx in Netron and look for Random… or Dropout nodes, and for a "
                "sum over the batch axis."
            ),
        ],
    )


# Figures ------------------------------------------------------------------------------------


def _curve(exam: Exam, scores: np.ndarray) -> Figure:
    return Figure(
        name="fa_fr",
        title=Text("False accepts against false rejects"),
        kind="line",
        x=Axis(
            Text("false accepts, share of clips"),
            scale="log",
        ),
        y=Axis(Text("false rejects, share of clips"), scale="log"),
        series=[
            Series(
                Text("baseline"),
                "baseline",
                *_points(exam, exam.baseline_scores),
            ),
            Series(Text("this submission"), "submission", *_points(exam, scores)),
        ],
        caption=Text(
            "One point for each threshold; closer to the lower left corner is better. Both axes "
            "are logarithmic, zero errors are drawn at half a clip."
        ),
    )


def _points(exam: Exam, scores: np.ndarray) -> tuple[list[float], list[float]]:
    fa, fr, _ = detection.fa_fr_curve(scores, exam.labels)
    half_clip = 0.5 / len(exam.labels)
    kept = detection.thin_curve(fa, fr, 200)
    x, y = np.maximum(fa[kept], half_clip), np.maximum(fr[kept], half_clip)
    return x.tolist(), y.tolist()
