"""Sandbox B: several models over the same posts, their answers and their speed against a baseline.

    run = run_sequences(
        SequenceJob(
            models={"student": student, "student_ptq": student_ptq},
            ids={"student": encoded.ids, "student_ptq": encoded.ids},
            classes=5,
            pad_ids={"student": encoded.pad_id, "student_ptq": encoded.pad_id},
            baseline=teacher, baseline_ids=teacher_ids, baseline_pad_id=teacher_pad_id,
        ),
        limits,
    )
    run.logits["student_ptq"]        # (posts, 5), each post alone, without padding
    run.single["student_ptq"]        # Timing at batch 1; run.single[BASELINE] is the baseline's
    run.batched["student_ptq"]       # Timing at batch 32

All models live in one child with one thread. Posts are sent in bundles; what is timed is the time
that the child spends on a core, as the kernel counts it, from the request to run a bundle that it
holds already until the answers arrive: this includes neither tokenization nor transfers of arrays
nor waiting for a core. (Where the system does not count it, at levels C and D, it is wall-clock
time.) The models take turns, in an order that rotates, over the same posts; a bundle is cut into
pieces of some milliseconds for every model, so that the cost of a request is the same small share
for each. `grader.measure.latency.sequence_ratio` makes a ratio of it. A model's input
`attention_mask` is optional; answers must not depend on padding.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from grader.lesson.grades import Status
from grader.lesson.spec import RunLimits
from grader.sandbox.isolation.levels import start
from grader.sandbox.isolation.process import (
    Child,
    Disturbed,
    Ended,
    Program,
    Stopped,
    raise_if_stopped,
    timed,
)
from grader.sandbox.isolation.task import READY, ChildExit
from grader.sandbox.runners.child.sequences import END, GO, LOAD, PREPARE, REQUEST
from grader.text import Text
from grader.text.errors import Rejected

BASELINE = "baseline"
"""Name of the baseline in the timings."""
PIECE_SECONDS = 3e-3
"""About the time of one piece of a bundle at batch 1."""
TURN_SECONDS = 0.04
MAX_PASSES = 8
"""A fast model repeats its posts in its turn, so that the times of its few short pieces are as
reliable as those of the many pieces of a slow one."""
MIN_ROUNDS = 8
TIMED_SECONDS = 40.0
"""Seconds of running models, at each batch size, after which no round beyond MIN_ROUNDS begins."""
REOPEN = 5
"""Rounds after which every model is loaded anew: the place of its weights in memory changes its
time by some per cent, and is averaged out this way."""
QUALITY_BUNDLE = 64
PADDED_POSTS = 48
"""Posts whose answers with and without padding are compared."""
MAX_PADDING_EFFECT = 0.1
"""Difference that padding may make to the logits, in standard deviations of the logits, median
over posts. A correct mask changes float32 by 1e-6; quantizing activations by the range of the
whole batch changes some hundredths."""

MAX_TIMED_EFFECT = 0.2
"""The same for the answers that are timed, in batches too, but as a root mean square over all
posts: one post in 32 that is answered without being read makes 0.25."""

_NO_KERNEL = re.compile(r"Could not find an implementation for (\w+)\((\d+)\)")
_OUTSIDE = re.compile(r"idx=(-?\d+) must be within the inclusive range \[-?\d+,(-?\d+)\]")
_BROADCAST = re.compile(r"by a dimension other than 1\. (\d+) by (\d+)")
_WENT_AWAY = Text("The model ended without an error message; export it again.")

Ids = Sequence[NDArray[np.int64]]


@dataclass(frozen=True)
class SequenceJob:
    """What to run. `ids` holds the same posts for every model, each (length,) int64."""

    models: Mapping[str, bytes]
    """The models by name; a sentence calls them `NAME.onnx`."""
    ids: Mapping[str, Ids]
    classes: int
    pad_ids: Mapping[str, int] = field(default_factory=dict)
    """0 for models that are not named."""
    baseline: bytes | None = None
    """A trusted model that is timed in turn with the others."""
    baseline_ids: Ids = ()
    baseline_pad_id: int = 0
    answers: bool = True
    """False to time the models and ask nothing else."""
    judged: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    """Logits of every post alone, from a run with answers, that timed answers have to agree with
    where this run has none of its own."""
    batch: int = 32
    timed_posts: int = 64
    """Drawn with the baseline as seed: the same for all models that are timed against it."""
    rounds: int = 20
    """How often every model is timed on these posts; 0 for answers alone."""


@dataclass(frozen=True)
class Timing:
    """Seconds of one model on the posts that are timed, the same for every model."""

    seconds: NDArray[np.float64]
    """(rounds, pieces), each the lower quartile of the passes of one turn."""
    posts: int
    """Posts in all pieces of a round."""
    batch: int

    @property
    def per_post(self) -> NDArray[np.float64]:
        """(rounds,) seconds per post."""
        return self.seconds.sum(axis=1) / self.posts


@dataclass(frozen=True)
class SequenceRun:
    """Answers and timings by the models' names; timings also by BASELINE."""

    logits: Mapping[str, NDArray[np.float32]]
    """(posts, classes) of every post alone; finite."""
    padding_effect: Mapping[str, float]
    """How much padding changes the logits, in their standard deviations (median over posts)."""
    single: Mapping[str, Timing]
    batched: Mapping[str, Timing]
    seconds: float
    log: str


def run_sequences(job: SequenceJob, limits: RunLimits) -> SequenceRun:
    """Evaluate and time all models. `limits` hold for all of them together.

    Raises Stopped (REJECTED, TIMED_OUT, OUT_OF_MEMORY, CRASHED) or Rejected with a sentence that
    names the model: one that ONNX Runtime cannot load or has no kernel for, ids that its
    embedding does not have, sequences longer than it takes, a batch that is fixed, answers of a
    wrong shape, that are not finite, that padding changes, or that are others while time is
    measured.
    """
    return _Session(job, limits).run()


Stage = Literal["load", "shortest", "longest", "greatest", "pair", "answers", "padded", "timed"]


@dataclass(frozen=True)
class _Asked:
    """The request that is in progress, from which a failure is explained."""

    name: str
    stage: Stage
    rows: Ids = ()


@dataclass(frozen=True)
class _Entry:
    """One model: where its blob is, and its posts."""

    number: int
    ids: Ids
    pad: int


class _Session:
    """One child and the requests to it."""

    def __init__(self, job: SequenceJob, limits: RunLimits) -> None:
        self._job, self._limits = job, limits
        self._entries = {
            name: _Entry(number, job.ids[name], job.pad_ids.get(name, 0))
            for number, name in enumerate(job.models)
        }
        blobs = list(job.models.values())
        if job.baseline is not None:
            self._entries[BASELINE] = _Entry(len(blobs), job.baseline_ids, job.baseline_pad_id)
            blobs.append(job.baseline)
        lengths = {len(entry.ids) for entry in self._entries.values()}
        if len(lengths) != 1 or 0 in lengths:
            raise ValueError(f"every model needs the same posts, at least one; found {lengths}")
        self._posts = lengths.pop()
        # Always the same for the same models, so that one submission has one score.
        self._rng = np.random.default_rng([zlib.crc32(blob) for blob in blobs])
        self._judged: Mapping[str, NDArray[np.float32]] = {}
        self._asked = _Asked("", "load")
        self._child: Child = start(
            Program(
                task="sequences",
                order={"classes": job.classes},
                confine="compute",
                libraries=("numpy", "onnxruntime"),
                blobs=blobs,
                limits=limits,
            )
        )

    def run(self) -> SequenceRun:
        try:
            for name in self._entries:
                self._open(name)
            asked = self._job.models if self._job.answers else ()
            logits = {name: self._answers(name) for name in asked}
            effects = {name: self._padding_effect(name, logits[name]) for name in logits}
            self._judged = {**self._job.judged, **logits}
            # The same against one baseline, so that its own time can be compared between runs.
            rng = np.random.default_rng(zlib.crc32(self._job.baseline or b""))
            chosen = rng.permutation(self._posts)[: self._job.timed_posts]
            single = self._time(chosen, 1)
            batched = self._time(chosen, self._job.batch)
            self._send(END)
            ended = self._child.finish()
        except BrokenPipeError:
            raise self._failed(self._child.finish()) from None
        finally:
            self._child.close()
        raise_if_stopped(ended, self._limits, "onnx")
        return SequenceRun(logits, effects, single, batched, ended.seconds, ended.log)

    def _open(self, name: str) -> None:
        """Load a model and try the inputs on which models most often fail, one by one."""
        self._load(name)
        entry = self._entries[name]
        shortest = min(entry.ids, key=len)
        self._ask(name, "shortest", [shortest])
        self._ask(name, "longest", [max(entry.ids, key=len)])
        self._ask(name, "greatest", [max(entry.ids, key=lambda ids: int(ids.max()))])
        self._ask(name, "pair", [shortest, shortest], batch=2)

    def _load(self, name: str) -> None:
        self._asked = _Asked(name, "load")
        self._send(LOAD, self._entries[name].number)
        self._child.receive(len(READY))

    # Answers --------------------------------------------------------------------------------

    def _answers(self, name: str) -> NDArray[np.float32]:
        """(posts, classes), asked in a random order: no answer can depend on the one before."""
        ids = self._entries[name].ids
        logits = np.full((self._posts, self._job.classes), np.nan, np.float32)
        order = self._rng.permutation(self._posts)
        for first in range(0, self._posts, QUALITY_BUNDLE):
            rows = order[first : first + QUALITY_BUNDLE]
            logits[rows] = self._ask(name, "answers", [ids[row] for row in rows])
        bad = int((~np.isfinite(logits).all(axis=1)).sum())
        if bad:
            raise Rejected(_not_finite(name, bad, len(logits)))
        return logits

    def _padding_effect(self, name: str, logits: NDArray[np.float32]) -> float:
        """How much padding a post to the longest length changes its logits, in their standard
        deviations (median over posts). Raises Rejected when it is too much."""
        ids = self._entries[name].ids
        rows = self._rng.permutation(self._posts)[:PADDED_POSTS]
        width = max(map(len, ids))
        padded = self._ask(name, "padded", [ids[row] for row in rows], width=width)
        effect = float(np.median(np.abs(padded - logits[rows]).max(axis=1))) / _spread(logits)
        if not effect <= MAX_PADDING_EFFECT:
            raise Rejected(
                "{name}.onnx: padding a post changes its logits by {effect:.2g} of their "
                "standard deviation, allowed is {max_padding_effect:g}; take the input "
                "attention_mask and leave padded places out of attention, convolution and "
                "pooling.",
                name=name,
                effect=effect,
                max_padding_effect=MAX_PADDING_EFFECT,
            )
        return effect

    # Time -----------------------------------------------------------------------------------

    def _time(self, chosen: NDArray[np.int64], batch: int) -> dict[str, Timing]:
        """Rounds of all models over the same posts."""
        if not self._job.rounds:
            return {}
        plans = {name: self._plan(name, chosen, batch) for name in self._entries}
        seconds: dict[str, list[list[float]]] = {name: [] for name in self._entries}
        names, spent = list(self._entries), 0.0
        for number in range(self._job.rounds):
            if number >= MIN_ROUNDS and spent > TIMED_SECONDS:
                break
            if number % REOPEN == 0:  # and run each once, untimed
                for name in names:
                    self._load(name)
                    rows = [self._entries[name].ids[i] for i in chosen]
                    first_answers = self._ask(name, "timed", rows, batch=batch)
                    self._require_same(name, first_answers, chosen, batch)
            # Rotated by one, and backwards every other time: no model always follows the same.
            shift = number % len(names)
            order = [*names[shift:], *names[:shift]]
            for name in order[::-1] if number % 2 else order:
                size, passes = plans[name]
                turn = [self._round(name, chosen, batch, size) for _ in range(passes)]
                seconds[name].append(np.quantile(turn, 0.25, axis=0).tolist())
                spent += passes * sum(seconds[name][-1])
        return {
            name: Timing(np.array(rounds), len(chosen), batch) for name, rounds in seconds.items()
        }

    def _plan(self, name: str, chosen: NDArray[np.int64], batch: int) -> tuple[int, int]:
        """Posts in a piece of about PIECE_SECONDS, or of one batch, and passes over all pieces
        that fill a turn."""
        size = batch
        if batch == 1:
            post = min(self._round(name, chosen[:16], 1, 4)) / 4
            size = int(2 ** np.clip(np.round(np.log2(PIECE_SECONDS / post)), 0, 5))
        once = sum(self._round(name, chosen, batch, size))
        return size, int(np.clip(TURN_SECONDS / once, 1, MAX_PASSES))

    def _round(self, name: str, chosen: NDArray[np.int64], batch: int, size: int) -> list[float]:
        """Seconds of each piece. The first is run once before, since the caches hold other data.

        Every answer is compared with that to the post alone: what is timed is what is judged.
        """
        found, said = [], []
        for first in range(0, len(chosen), size):
            rows = [self._entries[name].ids[row] for row in chosen[first : first + size]]
            self._prepare(name, "timed", rows, batch=batch, warm=first == 0)
            answers, seconds = timed(self._child, partial(self._go, len(rows)))
            found.append(seconds)
            said.append(answers)
            if not np.isfinite(answers).all():
                raise Rejected(_not_finite(name, len(rows), len(chosen)))
        self._require_same(name, np.concatenate(said), chosen, batch)
        return found

    def _require_same(
        self, name: str, answers: NDArray[np.float32], chosen: NDArray[np.int64], batch: int
    ) -> None:
        """Raise Rejected when the timed answers are not those to the posts alone."""
        logits = self._judged.get(name)
        if logits is None:  # the baseline is ours
            return
        rows = chosen[: len(answers)]
        effect = float(np.sqrt(np.mean((answers - logits[rows]) ** 2))) / _spread(logits)
        if not effect <= MAX_TIMED_EFFECT:
            raise Rejected(
                "{name}.onnx: while time is measured, with {batch} posts in a call, the logits "
                "differ from those to each post alone by {effect:.2g} of their standard deviation, "
                "allowed is {allowed:g}; an answer may depend on its own post alone, not on the "
                "size of the batch or the other posts in it.",
                name=name,
                batch=batch,
                effect=effect,
                allowed=MAX_TIMED_EFFECT,
            )

    # Requests -------------------------------------------------------------------------------

    def _ask(
        self, name: str, stage: Stage, rows: Ids, *, batch: int = 1, width: int = 0
    ) -> NDArray[np.float32]:
        self._prepare(name, stage, rows, batch=batch, width=width)
        return self._go(len(rows))

    def _prepare(
        self, name: str, stage: Stage, rows: Ids, *, batch: int, width: int = 0, warm: bool = False
    ) -> None:
        self._asked = _Asked(name, stage, rows)
        entry = self._entries[name]
        lengths = np.array([len(row) for row in rows], "<u4").tobytes()
        flat = np.concatenate(rows).astype("<i4").tobytes()
        head = REQUEST.pack(PREPARE, entry.number, warm, batch, len(rows), width, entry.pad)
        self._child.send(head + lengths + flat)
        self._child.receive(len(READY))

    def _go(self, posts: int) -> NDArray[np.float32]:
        self._send(GO)
        raw = self._child.receive(4 * posts * self._job.classes)
        return np.frombuffer(raw, "<f4").reshape(posts, self._job.classes)

    def _send(self, kind: int, number: int = 0) -> None:
        self._child.send(REQUEST.pack(kind, number, 0, 1, 0, 0, 0))

    def _failed(self, ended: Ended) -> Stopped:
        """The error of a child that ended early, with the name of the model that it ran. Raises
        Disturbed or Fault."""
        name, text = self._asked.name, _explained(self._asked, ended)
        if text is not None:
            return Stopped(Status.REJECTED, text, ended.log)
        status, text = Status.CRASHED, _WENT_AWAY
        try:
            raise_if_stopped(ended, self._limits, "onnx")
        except Disturbed:
            raise
        except Stopped as stopped:
            status, text = stopped.status, stopped.text
        return Stopped(status, Text("{name}.onnx: {text}", name=name, text=text), ended.log)


def _spread(logits: NDArray[np.float32]) -> float:
    """The standard deviation of the logits, 1 where all are equal."""
    return float(logits.std()) or 1.0


def _explained(asked: _Asked, ended: Ended) -> Text | None:
    """A sentence for an error that ONNX Runtime does not explain itself."""
    if ended.killed is not None:
        return None
    said = (ended.log.strip().splitlines() or [""])[-1]
    if ended.code == ChildExit.LOAD_FAILED and (kernel := _NO_KERNEL.search(said)):
        return Text(
            "{name}.onnx: ONNX Runtime has no kernel for {kernel} (opset {kernel2}) on these "
            "types; 4-bit weights run behind a DequantizeLinear to float32 of opset 21, "
            "otherwise store int8.",
            name=asked.name,
            kernel=kernel[1],
            kernel2=kernel[2],
        )
    ran = ended.code == ChildExit.RUN_FAILED
    if ran and (found := _OUTSIDE.search(said)):
        return _outside(asked, int(found[1]), int(found[2]) + 1)
    if ran and asked.stage == "longest":
        length = len(asked.rows[0])
        met = _BROADCAST.search(said)  # the sizes: the table of positions is shorter
        most = min(int(met[1]), int(met[2])) if met else length
        return _too_long(asked.name, length, most if most < length else None)
    if asked.stage == "pair" and (ran or ended.code == ChildExit.BAD_OUTPUT):
        return Text(
            "{name}.onnx runs on one post but not on two at once; export it with a dynamic batch "
            "and length, and reshape with -1 where the batch is.",
            name=asked.name,
        )
    return None


def _outside(asked: _Asked, index: int, rows: int) -> Text | None:
    """The sentence for a table of `rows` rows that was asked for row `index`, by an id too large
    or by a position."""
    longest = max(map(len, asked.rows))
    by_position = longest > rows and index == rows  # the first row that a table of positions lacks
    if not by_position and any((ids == index).any() for ids in asked.rows):
        return Text(
            "{name}.onnx: the tokenizer does not match the model: it gives the id {index:,}, and "
            "the embedding has {rows:,} rows; submit the tokenizer.json that the model was "
            "trained with.",
            name=asked.name,
            index=index,
            rows=rows,
        )
    return _too_long(asked.name, longest, rows) if longest > rows else None


def _too_long(name: str, length: int, most: int | None) -> Text:
    if most is None:
        return Text(
            "{name}.onnx fails on a post of {length:,} tokens and runs on shorter ones; set the "
            "truncation in tokenizer.json (enable_truncation) to what the model takes.",
            name=name,
            length=length,
        )
    return Text(
        "{name}.onnx fails on a post of {length:,} tokens (it takes {most:,}) and runs on shorter "
        "ones; set the truncation in tokenizer.json (enable_truncation) to what the model takes.",
        name=name,
        length=length,
        most=most,
    )


def _not_finite(name: str, bad: int, total: int) -> Text:
    return Text(
        "{name}.onnx: expected finite logits, found NaN or infinity on {bad:,} of {total:,} "
        "posts; look for a quantization scale of 0 (a row of zeros), a mask of -inf over a whole "
        "row, or an overflow in float16.",
        name=name,
        bad=bad,
        total=total,
    )
