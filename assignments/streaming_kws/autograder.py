"""Grades a streaming keyword spotter.

The artefact is `model.onnx` (state outside: inputs `chunk` and `state_...`, outputs
`probability` and `state_..._next`) or `model.ts` (TorchScript: `reset()`, `forward(chunk)`).
A chunk is float32 [1, n], n a multiple of 160; what comes back is the probability that the
keyword has just been said. `offline.onnx` is the same network over a whole second: input `clip`
float32 [1, 16000], output `probability`.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from grader.data import Part
from grader.data.speech import tracks
from grader.intake import Submission
from grader.lesson import course
from grader.lesson.contract import Findings, Setup
from grader.lesson.grades import write_atomically
from grader.lesson.spec import RunLimits
from grader.measure.quality import detection
from grader.measure.streams import session, stream_model
from grader.measure.streams.detections import SAMPLE_RATE, detect
from grader.measure.streams.session import Script
from grader.measure.streams.stream_model import HOP, StreamModel
from grader.sandbox.runners.stream import Listener, StreamJob
from grader.similarity import behaviour
from grader.text.errors import DataError

from . import checks, figures, measured
from .exam import Exam, floats, log_odds, sound

DEMO_SECONDS = 12
DEMO_PLACES = (3, 8)
"""Seconds of the demonstration with the keyword; the other ten have none."""


# Once per batch -----------------------------------------------------------------------------


def prepare(setup: Setup) -> Exam:
    """Load the stream and run the offline baseline on every second of it."""
    settings, gate = setup.spec.settings, setup.spec.gate
    assert gate is not None  # lesson.toml of this lesson has one
    part: Part = "hidden" if setup.audience == "hidden" else "validation"
    slots, public = _load(setup, part), _load(setup, "validation")
    model = _baseline(setup.folder, setup.data)
    hops = settings["baseline_chunk_hops"]
    costs = stream_model.read(model, "onnx", (hops,))
    scores = log_odds(_offline_answers(model, slots, setup.spec.limits))
    seed = int(slots.fingerprint[:16], 16)
    rng = np.random.default_rng(seed)
    repeated = len(set(slots.sources)) < len(slots)
    sources = tuple(slots.sources) if repeated else None
    demo = _demo_order(public)
    return Exam(
        data_id=f"{slots.name}/{part}:{slots.fingerprint}",
        data=slots.name,
        baseline={
            **measured.costs(costs, costs.macs_per_second[hops * HOP], hops * HOP),
            "au_fa_fr": measured.quality(scores, slots.labels, sources, offline=True),
        },
        audio=slots.path,
        labels=np.asarray(slots.labels),
        spans=tracks.keyword_spans(slots, range(len(slots))),
        sources=sources,
        baseline_scores=scores,
        tracks=tuple(t.slots for t in tracks.short_tracks(slots, settings["short_tracks"], rng)),
        clips=tuple(int(i) for i in rng.choice(len(slots), settings["offline_clips"])),
        demo=np.array(public.audio[demo]),
        demo_spans=tracks.keyword_spans(public, demo),
        keyword=slots.keyword,
        gate_factor=gate.factor,
        limits=setup.spec.limits,
        settings=settings,
        seed=seed,
        hidden=setup.audience == "hidden",
    )


def _load(setup: Setup, part: Part) -> tracks.Slots:
    return tracks.load(
        setup.data,
        part,
        source=setup.source,
        seed=setup.seed,
        counts=tracks.SlotCounts(**setup.spec.settings["hidden" if part == "hidden" else "public"]),
        progress=setup.progress,
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


def _offline_answers(model: bytes, slots: tracks.Slots, limits: RunLimits) -> np.ndarray:
    """(seconds,) probabilities of the baseline for each second alone. Its state is exactly one
    second, so at the end of each second it does not depend on the others. The result is cached."""
    name = hashlib.sha256(model + slots.fingerprint.encode()).hexdigest()[:20]
    path = course.cache_root() / "tracks" / f"offline-{name}.f8"
    if path.is_file() and path.stat().st_size == 8 * len(slots):
        return np.fromfile(path, "<f8")
    parts = []
    with Listener(StreamJob(model, "onnx"), limits) as listener:
        listener.reset()
        for start in range(0, len(slots), 60):
            sound = tracks.glue(slots, range(start, min(start + 60, len(slots))))
            sizes = [SAMPLE_RATE] * 60
            parts.append(listener.hear(sound, sizes).probabilities)
        listener.finish()
    answers = np.concatenate(parts)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, answers.astype("<f8").tobytes())
    return answers


def _demo_order(public: tracks.Slots) -> np.ndarray:
    rng = np.random.default_rng(0)
    order = rng.choice(np.flatnonzero(public.labels == 0), DEMO_SECONDS, replace=False)
    keywords = np.flatnonzero(public.labels == 1)
    order[list(DEMO_PLACES)] = rng.choice(keywords, len(DEMO_PLACES), replace=False)
    return order


# Once per submission ------------------------------------------------------------------------


def examine(exam: Exam, submission: Submission) -> Findings:
    """Measure one submission. Raises Rejected or Stopped with a sentence for the student."""
    model = _model(exam, submission)
    job = StreamJob(model.data, model.form)
    longest = exam.settings["longest_chunk_hops"]
    found = session.run_session(job, _script(exam), longest, exam.limits)
    scores = log_odds(found.at_seconds)
    ratio = detection.ratio(scores, exam.baseline_scores, exam.labels, groups=exam.sources)
    gate = checks.judge(exam, ratio)
    fine_end = int(found.fine.ends[-1])
    spans = exam.spans[exam.spans[:, 1] + SAMPLE_RATE <= fine_end]
    detections = detect(
        found.fine.probabilities, found.fine.ends, spans, exam.settings["threshold"]
    )
    results = checks.all_checks(exam, submission, found, detections, gate)
    results.append(checks.costs_are_counted(model))
    measurements = {
        "streaming": measured.streaming_share(results),
        **measured.against(exam, model, found),
        "au_fa_fr": measured.quality(scores, exam.labels, exam.sources, offline=False),
        **measured.ratio(ratio),
        **measured.alarms(exam, detections),
        "real_time_factor": measured.real_time(found),
    }
    return Findings(
        measurements=measurements,
        gate=gate,
        checks=results,
        layers=list(model.layers),
        figures=[
            figures.curve(exam, scores),
            *([figures.chunk_costs(model)] if model.counted else []),
        ],
        recordings=[figures.demonstration(exam, job)],
        log=found.log,
        mistakes=behaviour.of_scores(scores, exam.labels),
    )


def _model(exam: Exam, submission: Submission) -> StreamModel:
    hops = (*range(1, exam.settings["longest_chunk_hops"] + 1), SAMPLE_RATE // HOP)
    if submission.has("model.onnx"):
        return stream_model.read(submission.read("model.onnx"), "onnx", hops)
    return stream_model.read(submission.read("model.ts"), "torchscript", hops)


def _script(exam: Exam) -> Script:
    stream = np.load(exam.audio, mmap_mode="r", allow_pickle=False)
    seconds = [np.flatnonzero(exam.labels == label)[:200] for label in (1, 0)]
    return Script(
        tracks=[sound(exam, track) for track in exam.tracks],
        clips=floats(stream[list(exam.clips)]),
        keywords=floats(stream[seconds[0]]),
        others=floats(stream[seconds[1]]),
        stream=stream,
        fine_seconds=exam.settings["fine_seconds"],
        seed=exam.seed,
    )
