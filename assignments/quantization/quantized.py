"""Checks of stored weights: types, origin in the float32 model, and rounding errors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from math import prod

import numpy as np

from grader.lesson.grades import Check, Measurement, check
from grader.measure.quantization import Quantization, Weight, require_really_stored
from grader.text import EMPTY, Text, join, verbatim
from grader.text.errors import Rejected
from grader.text.untrusted import quoted

from .calibration import FILE, Calibration
from .exam import Exam
from .outcome import Outcome
from .pairs import Pair
from .submitted import PLAIN, TEACHER_PTQ, TITLES, Model

FEWEST_PER_SCALE = 4
"""Fewest weights that share a scale; blocks have 16 or more."""
_FLOAT32_HINTS = (
    Text(
        "Open the file in Netron and list the initializers that are still float32; "
        "begin with the largest."
    ),
    Text(
        "A weight that the model uses transposed or reshaped first is not recognized "
        "as one of a MatMul: store it the way it is used."
    ),
)
OUTLIER = 4.0
"""Multiple of the usual rounding error above which a tensor is reported."""

Pairs = Mapping[str, Sequence[Pair]]


def all_checks(
    exam: Exam,
    outcomes: Mapping[str, Outcome],
    pairs: Pairs,
    calibrated: Calibration | None,
) -> list[Check]:
    """`pairs` by the names of the quantized models."""
    found = {name: outcomes[name].model.quantization for name in PLAIN}
    return [
        *(_is_quantized(exam, name, pairs[name], found[name]) for name in PLAIN),
        *(_comes_from(exam, name, pairs[name], outcomes) for name in PLAIN),
        _embedding(found),
        _outliers(pairs),
        _calibration(found, calibrated),
    ]


def quantized_share(pairs: Sequence[Pair]) -> float:
    """Share of the weights of the float32 model that are stored in at most 8 bits."""
    total = sum(one.params for one in pairs)
    return sum(one.params for one in pairs if one.quantized and one.resembles) / max(total, 1)


def kept_share(pairs: Sequence[Pair]) -> float:
    """Share of the weights of the float32 model that the other model stores in any form."""
    total = sum(one.params for one in pairs)
    return sum(one.params for one in pairs if one.resembles) / max(total, 1)


def agreement(plain: Outcome, other: Outcome) -> float:
    """Share of the posts to which both give the same answer."""
    return float(np.mean(plain.predictions == other.predictions))


def require_honest(model: Model) -> None:
    """Raise Rejected for float32 numbers behind a DequantizeLinear: integers of 32 bits, weights
    that are quantized when they are loaded, or a scale for nearly every weight."""
    require_really_stored(model.name, model.quantization)
    for weight in model.quantization.weights:
        if weight.scales is None or not weight.quantized:
            continue
        each = prod(weight.shape) / max(prod(weight.scales.shape), 1)
        if each < FEWEST_PER_SCALE:
            raise Rejected(_scales_are_weights(model, weight, each))


def _scales_are_weights(model: Model, weight: Weight, each: float) -> Text:
    return Text(
        "{file} is float32 behind a DequantizeLinear: {name} has a float scale for every "
        "{each:.3g} of its integers; share a scale among at least {fewest_per_scale} weights, a "
        "channel, a row or a block of 32.",
        file=model.file,
        name=quoted(weight.name),
        each=each,
        fewest_per_scale=FEWEST_PER_SCALE,
    )


def described(found: Quantization) -> Text:
    """Shares of the weights by type and scheme, the largest first."""
    sizes: Counter[Text] = Counter()
    for weight in found.weights:
        sizes[_kind(weight)] += prod(weight.shape)
    total = max(sum(sizes.values()), 1)
    kinds = [
        Text("{kind} ({share:.0%})", kind=kind, share=count / total)
        for kind, count in sizes.most_common(4)
    ]
    return join("; ", kinds) if kinds else Text("no weights")


def _kind(weight: Weight) -> Text:
    """How one weight is stored."""
    if not weight.quantized:
        return verbatim(weight.dtype)
    words = [_SCHEMES.get(weight.scheme)]
    if weight.granularity is not None:
        words.append(_GRANULARITIES[weight.granularity])
    if weight.symmetric is not None:
        words.append(_SYMMETRIES[weight.symmetric])
    return join(", ", [weight.dtype, *(word for word in words if word is not None)])


_SCHEMES = {
    "dynamic": Text("dynamic"),
    "static": Text("static"),
    "weight_only": Text("weight-only"),
}
_GRANULARITIES = {
    "tensor": Text("per tensor"),
    "channel": Text("per channel"),
    "block": Text("per block"),
}
_SYMMETRIES = {
    True: Text("symmetric"),
    False: Text("asymmetric"),
}


def passes(
    exam: Exam,
    outcomes: Mapping[str, Outcome],
    measured: Mapping[str, Measurement],
    pairs: Pairs,
) -> Measurement:
    """1 when teacher + PTQ is the teacher, quantized, and nearly as good as the course's; else "
    "0."""
    ours = pairs[TEACHER_PTQ]
    least = exam.settings["quantised_share"]
    same = agreement(outcomes[PLAIN[TEACHER_PTQ]], outcomes[TEACHER_PTQ])
    good = all(
        measured[f"{TEACHER_PTQ}.{name}"].value
        >= exam.baseline[name].value - exam.settings[f"{name}_drop"]
        for name in ("accuracy", "f1_macro")
    )
    passed = good and quantized_share(ours) >= least and same >= exam.settings["agreement"]
    return Measurement(
        float(passed),
        "",
        Text(
            "1 when teacher_ptq.onnx is teacher.onnx with quantized weights, accuracy and "
            "macro-F1 as near to the course's teacher as the gate asks, else 0"
        ),
    )


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _is_quantized(exam: Exam, name: str, pairs: Sequence[Pair], found: Quantization) -> Check:
    share, least = quantized_share(pairs), exam.settings["quantised_share"]
    left = [one for one in pairs if one.stored is not None and not one.quantized]
    largest = max(left, key=lambda one: one.params, default=None)
    rest = EMPTY
    if largest is not None:
        rest = Text("; the largest that is not: {name}", name=quoted(largest.weight.name))
    title = TITLES[name].mapped(_capital)
    return check(
        f"{name}_is_quantised",
        Text("{title}: the weights are quantized", title=title),
        share >= least,
        Text(
            "Expected at least {least:.0%} of the float32 model's weights in at most 8 bits, found "
            "{share:.0%}. How: {how}{rest}.",
            least=least,
            share=share,
            how=described(found),
            rest=rest,
        ),
        [
            Text(
                "quantize_dynamic takes MatMul alone unless told otherwise: give it "
                'op_types_to_quantize=["MatMul", "Gather"], and look whether the exporter wrote '
                "your layers as Gemm or as a MatMul with a transposed weight."
            ),
            *_FLOAT32_HINTS,
        ],
    )


def _comes_from(
    exam: Exam, name: str, pairs: Sequence[Pair], outcomes: Mapping[str, Outcome]
) -> Check:
    """Whether the stored integers are the weights of the float32 model that was handed in."""
    plain = PLAIN[name]
    same, kept = agreement(outcomes[plain], outcomes[name]), kept_share(pairs)
    passed = same >= exam.settings["agreement"] and kept >= exam.settings["quantised_share"]
    title = TITLES[name].mapped(_capital)
    return check(
        f"{name}_comes_from_{plain}",
        Text("{title} is {plain}.onnx, quantized", title=title, plain=plain),
        passed,
        Text(
            "{kept:.0%} of the weights of {plain}.onnx are found again in {name}.onnx, and both "
            "give the same answer to {same:.1%} of the posts; at least {quantised_share:.0%} and "
            "{agreement:.0%} are expected.",
            kept=kept,
            plain=plain,
            name=name,
            same=same,
            quantised_share=exam.settings["quantised_share"],
            agreement=exam.settings["agreement"],
        ),
        [
            Text(
                "Quantize the very file that you submit as {plain}.onnx; after training with fake "
                "quantization, export the trained float32 weights as {plain}.onnx too.",
                plain=plain,
            ),
            Text(
                "Run `python quantize.py` again after every training, and hand in the pair "
                "that it read and wrote."
            ),
        ],
    )


def _embedding(found: Mapping[str, Quantization]) -> Check:
    """Whether the embedding is quantized; in float32 it dominates the file."""
    left = [name for name in PLAIN if _embedding_share(found[name]) < 0.9]
    shares = {
        name: found[name].bytes_by["embedding"] / max(found[name].report.bytes, 1) for name in PLAIN
    }
    listed = ", ".join(f"{name}.onnx" for name in left)
    told = join(", ", (Text("{name} {share:.0%}", name=name, share=shares[name]) for name in PLAIN))
    return check(
        "embedding_is_quantised",
        Text("The embedding is quantized too"),
        not left,
        Text(
            "Share of the bytes that the embedding takes: {told}.{left}",
            told=told,
            left=Text(" It is still float32 in {listed}.", listed=listed) if left else EMPTY,
        ),
        [
            Text(
                'Quantize Gather: op_types_to_quantize=["MatMul", "Gather"]. The embedding is most '
                "of a small language model, and a row that is looked up costs no time to scale."
            ),
            *_FLOAT32_HINTS,
        ],
    )


def _embedding_share(found: Quantization) -> float:
    """Share of the numbers in tables that take at most 8 bits; a small table of positions may stay
    in float32."""
    sizes = [(prod(w.shape), w.quantized) for w in found.weights if w.component == "embedding"]
    total = sum(size for size, _ in sizes)
    return sum(size for size, quantized in sizes if quantized) / total if total else 1.0


def _outliers(pairs: Pairs) -> Check:
    """The tensor with the largest rounding error, relative to that of a normal distribution."""
    candidates = [(name, one) for name in PLAIN for one in pairs[name] if one.quantized]
    worst_name, worst = max(
        candidates, key=lambda one: one[1].error / one[1].usual_error, default=("", None)
    )
    if worst is None:
        message = Text("No tensor is quantized.")
        times = 0.0
    else:
        times = worst.error / worst.usual_error
        where = f"{worst_name}.onnx, {quoted(worst.weight.name)}"
        message = Text(
            "Rounding costs most in {where}: {error:.1%} of its weights, {times:.1f} times what "
            "is usual at {bits} bits; at most {outlier:g} times is expected.",
            where=where,
            error=worst.error,
            times=times,
            bits=worst.stored.bits if worst.stored else 8,
            outlier=OUTLIER,
        )
    return check(
        "no_outlier_layers",
        Text("No layer is ruined by an outlier"),
        worst is not None and times <= OUTLIER,
        message,
        [
            Text(
                "One weight that is far larger than the others stretches the scale of all: give "
                "each output channel (or row of the embedding) a scale of its own, clip at a "
                "percentile, or leave this layer in float32."
            ),
            Text(
                "Plot the absolute values of that layer's rows: one row far above the others "
                "wants per-channel scales, single weights far above their row want clipping."
            ),
        ],
    )


def _calibration(found: Mapping[str, Quantization], calibrated: Calibration | None) -> Check:
    """Whether a model with stored scales of activations names its calibration posts."""
    static = [name for name in PLAIN if "static" in found[name].schemes]
    title = Text("Calibrated on public posts")
    hints = [
        Text(
            "Write the posts that you calibrate with into {file}, one a line: some hundred of the "
            "training part, of every class.",
            file=FILE,
        ),
        Text(
            "calibration.txt takes posts of the public part, one a line, as they are: 200 of them "
            "calibrate as well as 2,000."
        ),
    ]
    if not static:
        message = Text(
            "No scale of activations is stored, so nothing was calibrated: weights are scaled by "
            "themselves, activations at run time."
        )
        return check("calibration_is_public", title, True, message, hints)
    listed = ", ".join(f"{name}.onnx" for name in static)
    if calibrated is None:
        message = Text(
            "{listed} stores scales of activations, so posts were needed to find them: expected "
            "these in {file}, found no such file.",
            listed=listed,
            file=FILE,
        )
        return check("calibration_is_public", title, False, message, hints)
    passed = calibrated.hidden == 0 and calibrated.public > 0
    message = Text(
        "Of {lines:,} posts in {file}, {public:,} are public, {hidden:,} are graded ones, "
        "{unknown:,} are in neither.",
        lines=calibrated.lines,
        file=FILE,
        public=calibrated.public,
        hidden=calibrated.hidden,
        unknown=calibrated.unknown,
    )
    return check("calibration_is_public", title, passed, message, hints, hidden=True)
