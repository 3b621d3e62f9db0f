"""Grades four classifiers of Russian posts: teacher, teacher + PTQ, student, student + PTQ.

Each is `NAME.onnx` with the input `input_ids`, int64 [batch, length], if needed `attention_mask`
of the same shape (1 for tokens, 0 for padding), and the output `logits`, float32 [batch, 5], in
the order of grader.data.text.posts.LABELS. `tokenizer.json` turns posts into token numbers for
all of them, or for the teachers alone where there is a `student_tokenizer.json`. student_ptq.onnx
is what would be deployed: its bytes and speed, over those of the course's float32 teacher, score.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from grader import data
from grader.data.text.posts import LABELS
from grader.intake import Submission
from grader.lesson import course
from grader.lesson.contract import Findings, Setup
from grader.lesson.grades import Figure, Measurement
from grader.lesson.loading import content_digest
from grader.lesson.spec import RunLimits
from grader.measure import latency
from grader.measure.quality import experiments
from grader.measure.quality.experiments import Experiment
from grader.sandbox.runners.sequences import SequenceJob, SequenceRun, run_sequences
from grader.sandbox.runners.tokens import Encoded, encode
from grader.similarity import behaviour
from grader.text import Text
from grader.text.errors import DataError

from . import (
    before_after,
    calibration,
    checks,
    claims,
    figures,
    gate,
    measured,
    order,
    pairs,
    quantized,
    submitted,
    table,
)
from .exam import PROBES, Exam
from .outcome import Outcome
from .submitted import NAMES, PLAIN, STUDENT_PTQ, Model
from .table import BASELINE

EXPERIMENTS = "experiments.csv"
"""Optional table of further experiments, which is drawn."""

# Once per batch -----------------------------------------------------------------------------


def prepare(setup: Setup) -> Exam:
    """Load the posts and let the course's teacher answer them."""
    settings, hidden = setup.spec.settings, setup.audience == "hidden"
    public = {part: _posts(setup, part) for part in _PUBLIC}
    posts = _posts(setup, "hidden") if hidden else public["validation"]
    teacher = _teacher(setup)
    encoded, logits = _answers(setup, teacher, posts)
    quality = measured.quality(logits.argmax(1), posts.labels)
    return Exam(
        data_id=f"{posts.name}/{posts.part}:{posts.fingerprint}{_trained_here(setup)}",
        data=posts.name,
        baseline={**measured.stored(teacher), **quality},
        texts=posts.texts,
        labels=posts.labels,
        groups=posts.groups,
        teacher=teacher,
        teacher_encoded=encoded,
        teacher_logits=logits,
        bag=_bag(setup, posts),
        easier=_easier(setup, teacher, public["validation"], quality) if hidden else {},
        public=frozenset(
            calibration.digest(text) for part in public.values() for text in part.texts
        ),
        hidden=hidden,
        pace=_pace(teacher, encoded, settings["rounds"], setup.spec.limits),
        limits=setup.spec.limits,
        settings=settings,
    )


def examine(exam: Exam, submission: Submission) -> Findings:
    """Measure one submission. Raises Rejected or Stopped with a sentence for the student."""
    models = submitted.read(submission, len(LABELS))
    for name in PLAIN:
        quantized.require_honest(models[name])
    encoded = _encoded(exam, models)
    run = _run(exam, models, encoded)
    outcomes = _outcomes(exam, models, encoded, run)
    for name in NAMES:
        order.require(
            name,
            outcomes[name].predictions,
            exam.labels,
            LABELS,
            exam.baseline["accuracy"].value,
        )
    numbers = measured.everything(exam, outcomes)
    matched = _pairs(models)
    result = gate.judge(exam, outcomes[STUDENT_PTQ], numbers)
    claimed = claims.compare(
        _optional(submission, claims.FILE),
        measured.claimable(numbers),
        exam.easier,
    )
    tried = experiments.read(_optional(submission, EXPERIMENTS), figures.RECORDED).experiments
    calibrated = calibration.read(submission, exam.public, exam.texts if exam.hidden else ())
    return Findings(
        measurements={**numbers, "ptq_passes": quantized.passes(exam, outcomes, numbers, matched)},
        gate=result.gate,
        checks=[
            *checks.all_checks(exam, outcomes, numbers, result, claimed),
            *quantized.all_checks(exam, outcomes, matched, calibrated),
        ],
        layers=list(models[STUDENT_PTQ].report.layers),
        figures=_figures(exam, outcomes, numbers, result, claimed, matched, tried),
        log=run.log,
        mistakes=behaviour.of_classes(outcomes[STUDENT_PTQ].predictions, exam.labels),
    )


_PUBLIC: tuple[data.Part, ...] = ("train", "validation")

# Helpers ------------------------------------------------------------------------------------


def _posts(setup: Setup, part: data.Part) -> data.PostSet:
    sizes = setup.spec.settings
    return data.load_posts(
        setup.data,
        part,
        source=setup.source,
        seed=setup.seed,
        settings=data.PostSettings(hidden=sizes["hidden"], validation=sizes["public"]),
        progress=setup.progress,
    )


def _teacher(setup: Setup) -> Model:
    """The course's float32 teacher. Raises DataError that names the command which trains it."""
    folder = _folder(setup)
    try:
        files = [(folder / name).read_bytes() for name in ("teacher.onnx", submitted.TOKENIZER)]
    except OSError as error:
        script = setup.folder / "baseline" / "train.py"
        command = f"python {script} --data {setup.data}"
        if setup.source is not None:
            command += f" --from {setup.source}"
        raise DataError(
            Text(
                "The course's teacher for {data} is not trained yet: {folder} has no "
                "teacher.onnx with tokenizer.json; make them with `{command}`.",
                data=setup.data,
                folder=folder,
                command=command,
            )
        ) from error
    return submitted.counted("baseline", files[0], files[1], len(LABELS))


def _trained_here(setup: Setup) -> str:
    """A digest of the teacher and the bag of n-grams, where they lie in the data cache; those in
    the lesson's folder are part of its fingerprint."""
    folder = _folder(setup)
    if folder.is_relative_to(setup.folder):
        return ""
    files = ("teacher.onnx", submitted.TOKENIZER, "ngrams.onnx", "ngrams_tokenizer.json")
    found = ((PurePosixPath(name), folder / name) for name in files if (folder / name).is_file())
    return f"+{content_digest(found)[:16]}"


def _bag(setup: Setup, posts: data.PostSet) -> dict[str, Measurement]:
    """Quality of a bag of n-grams on the same posts; empty when the cache has none."""
    folder = _folder(setup)
    paths = folder / "ngrams.onnx", folder / "ngrams_tokenizer.json"
    if not all(path.is_file() for path in paths):
        return {}
    model, tokenizer = (path.read_bytes() for path in paths)
    bag = submitted.counted(table.BAG, model, tokenizer, len(LABELS))
    _, logits = _answers(setup, bag, posts)
    return {**measured.stored(bag), **measured.quality(logits.argmax(1), posts.labels)}


def _folder(setup: Setup) -> Path:
    """The folder of the course's models for this data."""
    own = setup.data == setup.spec.data.names[0]
    return setup.folder / "baseline" if own else baseline_folder(setup.data)


def _answers(
    setup: Setup, model: Model, posts: data.PostSet
) -> tuple[Encoded, NDArray[np.float32]]:
    """Token ids of posts and probes for a trusted model, and its (posts, classes) logits."""
    limits, name = setup.spec.limits, model.name
    longest = setup.spec.settings["max_length"]
    asked = (*posts.texts, *PROBES)
    encoded = encode(model.tokenizer, asked, limits, max_length=longest)
    job = SequenceJob(
        {name: model.data}, {name: encoded.ids}, len(LABELS), {name: encoded.pad_id}, rounds=0
    )
    return encoded, run_sequences(job, limits).logits[name][: len(posts)]


def _easier(
    setup: Setup, teacher: Model, public: data.PostSet, graded: Mapping[str, Measurement]
) -> dict[str, float]:
    """The difference of each metric between the public posts, where students measure, and these."""
    _, logits = _answers(setup, teacher, public)
    there = measured.quality(logits.argmax(1), public.labels)
    return {name: there[name].value - graded[name].value for name in claims.METRICS}


def baseline_folder(name: str) -> Path:
    """The folder in the data cache where baseline/train.py puts a teacher outside of the course."""
    return course.cache_root() / "baselines" / "quantization" / name


def _optional(submission: Submission, path: str) -> bytes:
    return submission.read(path) if submission.has(path) else b""


def _encoded(exam: Exam, models: Mapping[str, Model]) -> dict[str, Encoded]:
    """Token ids of the posts and the probes by model; each tokenizer runs once."""
    asked, longest = (*exam.texts, *PROBES), exam.settings["max_length"]
    found: dict[bytes, Encoded] = {}
    for model in models.values():
        if model.tokenizer not in found:
            found[model.tokenizer] = encode(model.tokenizer, asked, exam.limits, max_length=longest)
    return {name: found[model.tokenizer] for name, model in models.items()}


def _pace(teacher: Model, encoded: Encoded, rounds: int, limits: RunLimits) -> latency.Pace:
    """The pace of the course's teacher when this class is prepared."""
    job = SequenceJob(
        models={},
        ids={},
        classes=len(LABELS),
        baseline=teacher.data,
        baseline_ids=encoded.ids,
        baseline_pad_id=encoded.pad_id,
        rounds=rounds,
    )
    return latency.pace_of_baseline(job, limits)


def _run(exam: Exam, models: Mapping[str, Model], encoded: Mapping[str, Encoded]) -> SequenceRun:
    job = SequenceJob(
        models={name: model.data for name, model in models.items()},
        ids={name: one.ids for name, one in encoded.items()},
        classes=len(LABELS),
        pad_ids={name: one.pad_id for name, one in encoded.items()},
        baseline=exam.teacher.data,
        baseline_ids=exam.teacher_encoded.ids,
        baseline_pad_id=exam.teacher_encoded.pad_id,
        rounds=exam.settings["rounds"],
    )
    return latency.run_calmly(job, exam.limits, exam.pace, exam.settings["attempts"])


def _outcomes(
    exam: Exam, models: Mapping[str, Model], encoded: Mapping[str, Encoded], run: SequenceRun
) -> dict[str, Outcome]:
    """Outcomes of the four models, and of the course's teacher as BASELINE."""
    course = Outcome(
        exam.teacher,
        exam.teacher_encoded,
        exam.teacher_logits,
        0.0,
        run.single[BASELINE],
        run.batched[BASELINE],
    )
    return {BASELINE: course} | {
        name: Outcome(
            models[name],
            encoded[name],
            run.logits[name][: len(exam.labels)],
            run.padding_effect[name],
            run.single[name],
            run.batched[name],
        )
        for name in NAMES
    }


def _pairs(models: Mapping[str, Model]) -> dict[str, list[pairs.Pair]]:
    """Tensors of each quantized model beside those of the float32 one, by the quantized name."""
    read = {name: pairs.weights(model.data) for name, model in models.items()}
    return {name: pairs.pair(read[plain], read[name]) for name, plain in PLAIN.items()}


def _figures(
    exam: Exam,
    outcomes: Mapping[str, Outcome],
    numbers: Mapping[str, Measurement],
    result: gate.GateResult,
    claimed: claims.Claims,
    matched: Mapping[str, list[pairs.Pair]],
    tried: Sequence[Experiment],
) -> list[Figure]:
    threshold = result.accuracy.threshold
    phenomena = figures.by_phenomenon(exam, outcomes)
    drawn = [
        table.figure(numbers, exam.bag),
        *([table.claimed(claimed)] if claimed.cells else []),
        figures.components({name: one.model for name, one in outcomes.items()}),
        figures.latencies(outcomes),
        *(figures.quality_against(numbers, cost, threshold, tried) for cost in figures.COSTS),
        figures.by_class(exam, outcomes),
        *([phenomena] if phenomena else []),
        *(figures.confusion(exam, outcomes[name]) for name in NAMES),
    ]
    for name, found in matched.items():
        drawn.append(before_after.tensors(name, found))
        if (shown := before_after.largest_error(found)) is not None:
            drawn.append(before_after.histogram(name, shown))
    return drawn
