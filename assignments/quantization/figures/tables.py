"""The measured tables of the quantization handout, in both languages.

    python assignments/quantization/figures/tables.py [--write] [--only NAME ...]
        [--rusentiment FILE]

Tables: what rubert-tiny2's shape is made of, and what quantizers make of it; single products; the
course's teacher in fewer bits; the keyword spotter in fewer bits, and what does cost it an order
of magnitude; the reference solution's students, rounded after training and during it; its four
models on `posts-synthetic`; the same on RuSentiment, from what
`rusentiment.py --seeds 0 1 2 --json` printed into FILE. With `--write` each replaces
the text between its two markers in assignments/quantization/handout.{ru,en}.md. Needs
transformers, and some ten minutes on one core once the data is cached. Seeds are fixed; only times
differ from run to run.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import platform
import statistics
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import kws_rows
import numpy as np
import onnx
import onnxruntime
import qat_rows
import rubert_rows
import torch
from onnx import ModelProto, TensorProto
from onnxruntime.quantization import QuantType
from tokenizers import Tokenizer

from grader import grading
from grader.data import load, load_posts
from grader.data.text.posts import LABELS
from grader.handout.figures import Table, count, plain, publish
from grader.lesson import course, loading
from grader.lesson.grades import Measurement
from grader.measure import latency
from grader.measure.costs.graph import GraphLimits, inspect
from grader.measure.quality import classification
from grader.measure.quality.detection import au_fa_fr
from grader.text import Text, verbatim

NAME = "quantization"
LESSON = course.assignments() / NAME
REFERENCE = rubert_rows.REFERENCE
SEED = "handout"
CLIPS = slice(0, None, 2)
"""Of the validation part, for what is simulated step by step."""
ROWS = (1, 16, 64, 512)
BITS = (8, 4, 3, 2)
POSTS = 2000
"""Validation posts on which fewer bits are tried."""
WIDTH = 312

Cells = tuple[Text, ...]


@dataclass(frozen=True)
class Material:
    """What the tables are made from, read when it is first asked for."""

    rusentiment_file: Path | None = None

    @cached_property
    def grade(self) -> dict[str, Measurement]:
        """The reference solution's measurements on hidden posts, and its score."""
        exam = grading.prepare(loading.load(NAME), "hidden", data="posts-synthetic", seed=SEED)
        grade, fault = grading.grade(exam, REFERENCE, "reference")
        if fault or grade.gate is None:
            raise SystemExit(f"{REFERENCE}: {grade.reason} {fault}")
        score = Measurement(grade.score, "", Text("score"))
        return {**grade.measurements, "score": score}


# rubert-tiny2 -------------------------------------------------------------------------------

_PARTS = {
    "words": Text("words, 83,828 × 312"),
    "positions": Text("positions, 2,048 × 312"),
    "attention": Text("attention, 3 layers"),
    "feed-forward": Text("feed-forward, 3 layers"),
    "rest": Text("norms, pooler, classifier"),
}


def anatomy(material: Material) -> Table:
    """Parameters and float32 bytes by what they are for."""
    del material
    sizes = rubert_rows.parts(rubert_rows.network())
    total = sum(sizes.values())
    rows: list[Cells] = [
        (_PARTS[kind], count(size), _thousands(4 * size), _percent(size / total))
        for kind, size in sizes.items()
    ]
    rows.append((Text("total"), count(total), _thousands(4 * total), _percent(1)))
    return Table(
        header=(
            Text("part"),
            Text("parameters"),
            Text("kB, float32"),
            Text("share"),
        ),
        rows=rows,
        caption=Text("Counted: BERT with rubert-tiny2's configuration and five classes."),
    )


def quantizers(material: Material) -> Table:
    """Bytes and time of the same network, quantized in several ways."""
    del material
    found = list(rubert_rows.contenders())
    runs = [one.run for one in found]
    single = rubert_rows.seconds(runs, rubert_rows.posts(1), rubert_rows.ROUNDS)
    batched = rubert_rows.seconds(runs, rubert_rows.posts(32), max(rubert_rows.ROUNDS // 4, 2))
    rows: list[Cells] = []
    for place, one in enumerate(found):
        ratio = latency.sequence_ratio(single[0], single[place])
        many = latency.sequence_ratio(batched[0], batched[place])
        rows.append(
            (
                one.name,
                _thousands(one.bytes),
                plain(f"{found[0].bytes / one.bytes:.2f}"),
                plain(
                    f"{1e3 * latency.typical_seconds(single[place], len(rubert_rows.LENGTHS)):.2f}"
                ),
                plain(f"{ratio.value:.2f}"),
                _span(ratio.interval, "{:.2f}"),
                plain(f"{many.value:.2f}"),
            )
        )
    return Table(
        header=(
            Text("how"),
            Text("kB"),
            Text("smaller"),
            Text("1 post, ms"),
            Text("faster"),
            plain("95%"),
            Text("32 posts, faster"),
        ),
        rows=rows,
        caption=Text(
            "Measured: random weights, torch {torch}, ONNX Runtime {version}, {machine}, one "
            "thread, posts of {lengths} to {rubert_rows_lengths_max} tokens, processor time, "
            "{rounds} rounds in turn; against torch float32.",
            torch=_torch(),
            version=onnxruntime.__version__,
            machine=platform.machine(),
            lengths=min(rubert_rows.LENGTHS),
            rubert_rows_lengths_max=max(rubert_rows.LENGTHS),
            rounds=rubert_rows.ROUNDS,
        ),
    )


def products(material: Material) -> Table:
    """Microseconds of one product of several heights."""
    del material
    made = rubert_rows.products(WIDTH)
    runs = [run for _, run in made]
    rng = np.random.default_rng(0)
    taken = {
        rows: rubert_rows.seconds(runs, [rng.normal(size=(rows, WIDTH)).astype(np.float32)], 60)
        for rows in ROWS
    }
    return Table(
        header=(
            Text("rows of x"),
            *(plain(f"{name}, {unit}") for name, unit in ((name, "µs") for name, _ in made)),
        ),
        rows=[
            (
                plain(f"{rows}"),
                *(plain(f"{1e6 * latency.typical_seconds(one, 1):.0f}") for one in taken[rows]),
            )
            for rows in ROWS
        ],
        caption=Text(
            "Measured: x of (rows, {width}) times a weight ({width}, {width}), one thread, 60 "
            "rounds in turn; the int8 products find the scale of x each time.",
            width=WIDTH,
        ),
    )


# The course's teacher in fewer bits -----------------------------------------------------------


def storage(material: Material) -> Table:
    """Bytes and quality of the course's teacher, quantized after qat_rows."""
    del material
    model = onnx.load(LESSON / "baseline" / "teacher.onnx")
    tokenizer = Tokenizer.from_file(str(LESSON / "baseline" / "tokenizer.json"))
    posts = load_posts("posts-synthetic", "validation")
    ids = [np.array([found.ids]) for found in tokenizer.encode_batch(list(posts.texts[:POSTS]))]
    whole, rows = 0, list[Cells]()
    exact: np.ndarray | None = None
    for name, small, bits in _ways():
        changed = small(model)
        data = changed.SerializeToString()
        size = inspect(data, GraphLimits(length=32)).bytes - _unpacked(changed, bits)
        whole = whole or size
        run = rubert_rows.in_onnxruntime(data)
        predicted = classification.predictions(np.concatenate([_logits(run, one) for one in ids]))
        exact = predicted if exact is None else exact
        found = classification.quality(predicted, posts.labels[:POSTS], len(LABELS))
        rows.append(
            (
                name,
                count(size),
                plain(f"{whole / size:.2f}"),
                _percent(found.accuracy.value),
                _percent(found.f1_macro.value),
                _percent(float(np.mean(predicted == exact))),
            )
        )
    return Table(
        header=(
            Text("weights"),
            Text("bytes"),
            Text("smaller"),
            plain("accuracy"),
            Text("macro-F1"),
            Text("same answer"),
        ),
        rows=rows,
        caption=Text(
            "Measured: the course's teacher after training, {posts:,} validation posts of "
            "posts-synthetic, bytes without the tokenizer; 3 and 2 bits as if they were packed.",
            posts=POSTS,
        ),
    )


def _ways() -> Iterator[tuple[Text, Callable[[ModelProto], ModelProto], int]]:
    """Name, quantizer, and the bits of a weight where the file has no type for so few."""
    quantize = rubert_rows.quantize
    yield verbatim("float32"), lambda model: model, 8
    yield verbatim("float16"), quantize.float16, 8
    yield (
        Text("dynamic, MatMul, defaults"),
        lambda model: quantize.dynamic(
            model, embedding=False, per_channel=False, weights=QuantType.QUInt8
        ),
        8,
    )
    yield (
        Text("dynamic, MatMul + Gather"),
        quantize.dynamic,
        8,
    )
    units = {
        "tensor": Text("one scale a tensor"),
        "channel": Text("a scale per row"),
        "block": Text("a scale per block of 16"),
    }
    for bits in BITS:
        for unit, words in units.items():
            stored = quantize.Storage(bits, unit)
            yield (
                Text("int{bits}, {words}", bits=bits, words=words),
                lambda model, stored=stored: quantize.weight_only(model, stored),
                bits,
            )


def _unpacked(model: ModelProto, bits: int) -> int:
    """Bytes that packing would save: ONNX has no integers of 3 bits, they lie in bytes here."""
    if bits in (4, 8):
        return 0
    stored = [weight for weight in model.graph.initializer if weight.data_type == TensorProto.INT8]
    return sum(math.prod(weight.dims) for weight in stored) * (8 - bits) // 8


def _logits(run: Callable[[np.ndarray], Any], ids: np.ndarray) -> np.ndarray:
    logits: np.ndarray = run(ids)[0]
    return logits


# The keyword spotter --------------------------------------------------------------------------

_STORED = {
    "float32": verbatim("float32"),
    "float16 weights": Text("weights float16"),
    "int8 weights, one scale a tensor": Text("weights int8, a scale per tensor"),
    "int8 weights, one a channel": Text("weights int8, a scale per channel"),
    "int8 QDQ, recurrent weights int8": Text("int8 QDQ, the GRU's weights int8"),
}


def spotter(material: Material) -> Table:
    """The small exercise: bytes and AU-FA-FR of each way to store the keyword spotter."""
    del material
    kws = kws_rows.kws
    model = onnx.load(kws.BASELINE)
    train, clips = (load("speech-synthetic", part) for part in ("train", "validation"))
    rows, whole, first = list[Cells](), 0, 0.0
    for name, small in kws.variants(train):
        changed = small(model)
        size = inspect(changed.SerializeToString()).bytes
        area = au_fa_fr(kws.logits(changed, clips.features), clips.labels)
        whole, first = whole or size, first or area
        rows.append(
            (
                _STORED[name],
                count(size),
                plain(f"{whole / size:.2f}"),
                plain(f"{1e5 * area:.2f}"),
                plain(f"{area / first:.2f}"),
            )
        )
    return Table(
        header=(
            Text("stored as"),
            Text("bytes"),
            Text("smaller"),
            verbatim("AU-FA-FR, 1e-5"),
            Text("ratio to float32"),
        ),
        rows=rows,
        caption=Text(
            "Measured: baseline of the distillation lesson, {labels_count:,} validation clips of "
            "speech-synthetic.",
            labels_count=len(clips.labels),
        ),
    )


def suspects(material: Material) -> Table:
    """What costs the keyword spotter an order of magnitude, and what does not."""
    del material
    clips = load("speech-synthetic", "validation")
    model = onnx.load(kws_rows.kws.BASELINE)
    rows, first = list[Cells](), 0.0
    for one in kws_rows.suspects(model, clips, CLIPS):
        area = kws_rows.area(one.scores(), clips, CLIPS)
        first = first or area
        rows.append((one.name, plain(f"{1e5 * area:.2f}"), plain(f"{area / first:.2f}")))
    positives = int(clips.labels[CLIPS].sum())
    return Table(
        header=(
            Text("suspect"),
            plain("AU-FA-FR, 1e-5"),
            Text("ratio to float32"),
        ),
        rows=rows,
        caption=Text(
            "Measured: the same network, {positives:,} keywords and {count:,} other words of the "
            "validation part, {batch} in a call.",
            positives=positives,
            count=len(clips.labels[CLIPS]) - positives,
            batch=kws_rows.BATCH,
        ),
    )


# The reference solution -----------------------------------------------------------------------

_MODELS = {
    "teacher": Text("teacher"),
    "teacher_ptq": Text("teacher + PTQ"),
    "student": Text("student"),
    "student_ptq": Text("student + PTQ"),
}


def reference(material: Material) -> Table:
    """Size and time of the reference solution's four models."""
    grade = material.grade
    rows: list[Cells] = []
    for name, title in _MODELS.items():
        one, many = grade[f"{name}.latency_ratio_b1"], grade[f"{name}.latency_ratio_b32"]
        rows.append(
            (
                title,
                count(round(grade[f"{name}.bytes"].value)),
                count(round(grade[f"{name}.params"].value)),
                plain(f"{grade[f'{name}.compression'].value:.2f}"),
                plain(f"{grade[f'{name}.latency_ms_b1'].value:.3f}"),
                *_with_interval(one, "{:.1f}"),
                *_with_interval(many, "{:.1f}"),
            )
        )
    return Table(
        header=(
            Text("model"),
            Text("bytes"),
            Text("parameters"),
            Text("smaller"),
            Text("1 post, ms"),
            Text("faster, 1 post"),
            plain("95%"),
            Text("faster, 32 posts"),
            plain("95%"),
        ),
        rows=rows,
        caption=Text(
            "Measured: the reference solution, by the autograder, hidden posts of "
            "posts-synthetic; it scores {value:.2f}.",
            value=grade["score"].value,
        ),
    )


def reference_quality(material: Material) -> Table:
    """Quality of the same four models on the same posts."""
    grade = material.grade
    rows: list[Cells] = [
        (
            title,
            *_with_interval(grade[f"{name}.accuracy"], "{:.1f}", 100),
            *_with_interval(grade[f"{name}.f1_macro"], "{:.1f}", 100),
            plain(f"{100 * grade[f'{name}.f1_weighted'].value:.1f}"),
        )
        for name, title in _MODELS.items()
    ]
    return Table(
        header=(
            Text("model"),
            plain("accuracy, %"),
            plain("95%"),
            Text("macro-F1, %"),
            plain("95%"),
            Text("weighted F1, %"),
        ),
        rows=rows,
        caption=Text("Measured: the same run; intervals are for other posts drawn alike."),
    )


_TRIALS = {
    "student labels": Text("labels alone, ½"),
    "student t=2": Text("taught, T = 2, ½"),
    "student t=4": Text("taught, T = 4, ½"),
    "student 500 pieces": Text("500 pieces, int8, ½"),
    "student": Text("taught, T = 2, float32"),
    "student int8 dynamic": Text("int8, dynamic, PTQ"),
    "student int8": Text("int8 by the table's scale, PTQ"),
    "student int8 per channel qat": Text("int8 per row, QAT"),
    "student int4 per tensor": Text("int4 per tensor, PTQ"),
    "student int4 per tensor qat": Text("int4 per tensor, QAT"),
    "student int4 per channel": Text("int4 per row, PTQ"),
    "student int4 per channel qat": Text("int4 per row, QAT"),
    "student int4 per block": Text("int4 per block, PTQ"),
    "student int4 per block qat": Text("int4 per block, QAT"),
}


def students(material: Material) -> Table:
    """What the student gains from each step, as recorded in the reference's experiments.csv."""
    del material
    path = REFERENCE / "experiments.csv"
    if not path.is_file():
        raise SystemExit(f"{path} is missing: python experiments.py in that folder writes it.")
    with path.open(encoding="utf-8", newline="") as file:
        found = {row["name"]: row for row in csv.DictReader(file)}
    rows: list[Cells] = [
        (
            title,
            count(round(float(found[name]["bytes"]))),
            _percent(float(found[name]["accuracy"])),
            _percent(float(found[name]["f1_macro"])),
            plain(f"{1e3 * float(found[name]['latency_ms_b1']):.0f}"),
        )
        for name, title in _TRIALS.items()
        if name in found
    ]
    return Table(
        header=(
            Text("student"),
            Text("bytes"),
            plain("accuracy"),
            Text("macro-F1"),
            Text("1 post, µs"),
        ),
        rows=rows,
        caption=Text(
            "Measured: one seed, validation posts of posts-synthetic, bytes with the tokenizer "
            "(experiments.py of the reference solution). ½: trained half as long as the others."
        ),
    )


def aware(material: Material) -> Table:
    """Rounding after training against training with rounding."""
    del material
    return Table(
        header=(
            Text("student's weights"),
            Text("rounded afterwards"),
            Text("trained on while rounded"),
        ),
        rows=[(one.name, _percent(one.after), _percent(one.during)) for one in qat_rows.pairs()],
        caption=Text(
            "Measured: accuracy on the validation posts of posts-synthetic, epochs more on the "
            "labels: {epochs}; float32 is trained on for as long, unrounded.",
            epochs=qat_rows.EPOCHS,
        ),
    )


# Posts that people wrote ----------------------------------------------------------------------

_TEACHER_ROWS = {
    "teacher": _MODELS["teacher"],
    "teacher + PTQ": _MODELS["teacher_ptq"],
    "convolution": Text("convolutional student"),
    "convolution + PTQ": Text("convolutional student + PTQ"),
    "student, labels": Text("student of n-grams, labels alone"),
    "student": Text("student of n-grams"),
    "student, labels + PTQ": Text("student of n-grams, labels alone, + PTQ"),
    "student + PTQ": Text("student of n-grams + PTQ"),
}


def rusentiment(material: Material) -> Table:
    """The same on RuSentiment's test set, the mean over seeds, with the linear model below."""
    if material.rusentiment_file is None:
        raise SystemExit(
            "python assignments/quantization/figures/rusentiment.py --from DIR --seeds 0 1 2 "
            "--json > FILE, then --rusentiment FILE"
        )
    found = json.loads(material.rusentiment_file.read_text(encoding="utf-8"))
    runs = [{row["name"]: row for row in run} for run in found["seeds"]]
    rows: list[Cells] = [_over_seeds(title, [run[name] for run in runs])
                         for name, title in _TEACHER_ROWS.items()]  # fmt: skip
    linear = found["linear"]
    rows.append(
        (
            Text("n-grams and a linear SVM"),
            count(linear["bytes"]),
            *(plain("–"),) * 3,
            _percent(linear["accuracy"]),
            plain("–"),
            _percent(linear["f1_macro"]),
        )
    )
    return Table(
        header=(
            Text("model"),
            Text("bytes"),
            Text("smaller"),
            Text("faster, 1 post"),
            Text("faster, 32 posts"),
            plain("accuracy"),
            Text("over seeds"),
            Text("macro-F1"),
        ),
        rows=rows,
        caption=Text(
            "Measured: RuSentiment, its published test set, seeds: {runs_count}, their mean and "
            "standard deviation. The linear model's bytes are its float32 weights without the "
            "list of n-grams; a post takes it {milliseconds:.2f} ms, finding n-grams included.",
            runs_count=len(runs),
            milliseconds=linear["milliseconds"],
        ),
    )


def _over_seeds(title: Text, rows: list[dict[str, float]]) -> Cells:
    def mean(key: str) -> float:
        return statistics.fmean(row[key] for row in rows)

    accuracies = [row["accuracy"] for row in rows]
    spread = f"±{100 * statistics.stdev(accuracies):.1f}" if len(rows) > 1 else "–"
    return (
        title,
        count(round(mean("bytes"))),
        plain(f"{mean('compression'):.1f}"),
        plain(f"{mean('speedup_b1'):.1f}"),
        plain(f"{mean('speedup_b32'):.1f}"),
        _percent(mean("accuracy")),
        plain(spread),
        _percent(mean("f1_macro")),
    )


# Printing and writing -----------------------------------------------------------------------

FIGURES: dict[str, Callable[[Material], Table]] = {
    "anatomy": anatomy,
    "quantizers": quantizers,
    "products": products,
    "storage": storage,
    "spotter": spotter,
    "suspects": suspects,
    "students": students,
    "aware": aware,
    "reference": reference,
    "reference-quality": reference_quality,
    "rusentiment": rusentiment,
}


def _percent(share: float) -> Text:
    return plain(f"{100 * share:.1f}%")


def _thousands(size: float) -> Text:
    return count(round(size / 1000))


def _span(interval: tuple[float, float], pattern: str) -> Text:
    return plain("–".join(pattern.format(end) for end in interval))


def _with_interval(one: Measurement, pattern: str, scale: float = 1.0) -> tuple[Text, Text]:
    low, high = one.interval or (one.value, one.value)
    return plain(pattern.format(scale * one.value)), _span((scale * low, scale * high), pattern)


def _torch() -> str:
    return torch.__version__.split("+")[0]


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--write", action="store_true", help="fill in both handouts")
    parser.add_argument("--only", nargs="+", choices=FIGURES, default=None)
    parser.add_argument("--rusentiment", type=Path, metavar="FILE")
    options = parser.parse_args()
    torch.set_num_threads(1)
    material = Material(options.rusentiment)
    without = set() if options.rusentiment else {"rusentiment"}
    for name in options.only or [name for name in FIGURES if name not in without]:
        publish(LESSON, name, FIGURES[name](material), write=options.write)
    return 0


if __name__ == "__main__":
    sys.exit(main())
