"""Checks of stored weights: types, origin in the float32 model, and rounding errors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from math import prod

import numpy as np

from grader.lesson.grades import Check, Measurement
from grader.measure.quantization import Quantization, Weight, require_really_stored
from grader.text import Text
from grader.text.errors import Rejected
from grader.text.untrusted import quoted

from .calibration import FILE, Calibration
from .checks import made
from .exam import Exam
from .outcome import Outcome
from .pairs import Pair
from .submitted import PLAIN, TEACHER_PTQ, TITLES, Model

FEWEST_PER_SCALE = 4
"""Fewest weights that share a scale; blocks have 16 or more."""
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
        en=f"{model.file} is float32 behind a DequantizeLinear: {quoted(weight.name)} has a float "
        f"scale for every {each:.3g} of its integers; share a scale among at least "
        f"{FEWEST_PER_SCALE} weights, a channel, a row or a block of 32.",
        ru=f"{model.file} — это float32 за DequantizeLinear: у {quoted(weight.name)} один "
        f"вещественный масштаб на {each:.3g} целых чисел; масштаб должен быть общим хотя бы для "
        f"{FEWEST_PER_SCALE} весов: канала, строки или блока из 32.",
    )


def described(found: Quantization) -> Text:
    """Shares of the weights by type and scheme, the largest first."""
    sizes: Counter[tuple[str, str]] = Counter()
    for weight in found.weights:
        sizes[_kind(weight)] += prod(weight.shape)
    total = max(sum(sizes.values()), 1)
    kinds = [(*kind, count / total) for kind, count in sizes.most_common(4)]
    return Text(
        en="; ".join(f"{en} ({share:.0%})" for en, _, share in kinds) or "no weights",
        ru="; ".join(f"{ru} ({share:.0%})" for _, ru, share in kinds) or "весов нет",
    )


def _kind(weight: Weight) -> tuple[str, str]:
    """How one weight is stored, in both languages."""
    if not weight.quantized:
        return weight.dtype, weight.dtype
    words = [_SCHEMES.get(weight.scheme)]
    if weight.granularity is not None:
        words.append(_GRANULARITIES[weight.granularity])
    if weight.symmetric is not None:
        words.append(_SYMMETRIES[weight.symmetric])
    known = [word for word in words if word is not None]
    return (
        ", ".join([weight.dtype, *(word.en for word in known)]),
        ", ".join([weight.dtype, *(word.ru for word in known)]),
    )


_SCHEMES = {
    "dynamic": Text(en="dynamic", ru="динамическая"),
    "static": Text(en="static", ru="статическая"),
    "weight_only": Text(en="weight-only", ru="только веса"),
}
_GRANULARITIES = {
    "tensor": Text(en="per tensor", ru="масштаб на тензор"),
    "channel": Text(en="per channel", ru="масштаб на канал"),
    "block": Text(en="per block", ru="масштаб на блок"),
}
_SYMMETRIES = {
    True: Text(en="symmetric", ru="симметричная"),
    False: Text(en="asymmetric", ru="несимметричная"),
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
            en="1 when teacher_ptq.onnx is teacher.onnx with quantized weights, accuracy and "
            "macro-F1 as near to the course's teacher as the gate asks, else 0",
            ru="1, если teacher_ptq.onnx — это teacher.onnx с квантизованными весами, а accuracy и "
            "макро-F1 не ниже порога относительно учителя курса, иначе 0",
        ),
    )


def _is_quantized(exam: Exam, name: str, pairs: Sequence[Pair], found: Quantization) -> Check:
    share, least = quantized_share(pairs), exam.settings["quantised_share"]
    left = [one for one in pairs if one.stored is not None and not one.quantized]
    largest = max(left, key=lambda one: one.params, default=None)
    rest_en = f"; the largest that is not: {quoted(largest.weight.name)}" if largest else ""
    rest_ru = f"; крупнейший из остальных: {quoted(largest.weight.name)}" if largest else ""
    title = TITLES[name]
    return made(
        f"{name}_is_quantised",
        Text(en=f"{title.en}: the weights are quantized", ru=f"{title.ru}: веса квантизованы"),
        share >= least,
        Text(
            en=f"Expected at least {least:.0%} of the float32 model's weights in at most 8 bits, "
            f"found {share:.0%}. How: {described(found).en}{rest_en}.",
            ru=f"Ожидалось, что не менее {least:.0%} весов модели float32 хранятся не более чем в "
            f"8 битах, найдено {share:.0%}. Способ: {described(found).ru}{rest_ru}.",
        ),
        Text(
            en="quantize_dynamic takes MatMul alone unless told otherwise: give it "
            'op_types_to_quantize=["MatMul", "Gather"], and look whether the exporter wrote your '
            "layers as Gemm or as a MatMul with a transposed weight.",
            ru="По умолчанию quantize_dynamic берёт только MatMul: передайте "
            'op_types_to_quantize=["MatMul", "Gather"] и посмотрите, не записал ли экспортёр '
            "слои как Gemm или MatMul с транспонированным весом.",
        ),
    )


def _comes_from(
    exam: Exam, name: str, pairs: Sequence[Pair], outcomes: Mapping[str, Outcome]
) -> Check:
    """Whether the stored integers are the weights of the float32 model that was handed in."""
    plain = PLAIN[name]
    same, kept = agreement(outcomes[plain], outcomes[name]), kept_share(pairs)
    passed = same >= exam.settings["agreement"] and kept >= exam.settings["quantised_share"]
    title = TITLES[name]
    return made(
        f"{name}_comes_from_{plain}",
        Text(
            en=f"{title.en} is {plain}.onnx, quantized",
            ru=f"{title.ru} — это квантизованный {plain}.onnx",
        ),
        passed,
        Text(
            en=f"{kept:.0%} of the weights of {plain}.onnx are found again in {name}.onnx, and "
            f"both give the same answer to {same:.1%} of the posts; at least "
            f"{exam.settings['quantised_share']:.0%} and {exam.settings['agreement']:.0%} are "
            "expected.",
            ru=f"{kept:.0%} весов {plain}.onnx нашлись в {name}.onnx, одинаковый ответ на "
            f"{same:.1%} постов; ожидается не меньше {exam.settings['quantised_share']:.0%} и "
            f"{exam.settings['agreement']:.0%}.",
        ),
        Text(
            en=f"Quantize the very file that you submit as {plain}.onnx; after training with fake "
            f"quantization, export the trained float32 weights as {plain}.onnx too.",
            ru=f"Квантизуйте тот самый файл, который сдаёте как {plain}.onnx; после обучения с "
            f"имитацией квантизации экспортируйте обученные веса float32 тоже как {plain}.onnx.",
        ),
    )


def _embedding(found: Mapping[str, Quantization]) -> Check:
    """Whether the embedding is quantized; in float32 it dominates the file."""
    left = [name for name in PLAIN if _embedding_share(found[name]) < 0.9]
    shares = {
        name: found[name].bytes_by["embedding"] / max(found[name].report.bytes, 1) for name in PLAIN
    }
    listed = ", ".join(f"{name}.onnx" for name in left)
    told = ", ".join(f"{name} {shares[name]:.0%}" for name in PLAIN)
    return made(
        "embedding_is_quantised",
        Text(en="The embedding is quantized too", ru="Эмбеддинги тоже квантизованы"),
        not left,
        Text(
            en=f"Share of the bytes that the embedding takes: {told}."
            + (f" It is still float32 in {listed}." if left else ""),
            ru=f"Доля байт, которую занимают эмбеддинги: {told}."
            + (f" Они всё ещё float32 в {listed}." if left else ""),
        ),
        Text(
            en='Quantize Gather: op_types_to_quantize=["MatMul", "Gather"]. The embedding is most '
            "of a small language model, and a row that is looked up costs no time to scale.",
            ru='Квантизуйте Gather: op_types_to_quantize=["MatMul", "Gather"]. Эмбеддинги — '
            "большая часть маленькой языковой модели, а масштабировать выбранную строку ничего не "
            "стоит.",
        ),
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
        message = Text(en="No tensor is quantized.", ru="Ни один тензор не квантизован.")
        times = 0.0
    else:
        times = worst.error / worst.usual_error
        where = f"{worst_name}.onnx, {quoted(worst.weight.name)}"
        message = Text(
            en=f"Rounding costs most in {where}: {worst.error:.1%} of its weights, {times:.1f} "
            f"times what is usual at {worst.stored.bits if worst.stored else 8} bits; at most "
            f"{OUTLIER:g} times is expected.",
            ru=f"Дороже всего округление обходится в {where}: {worst.error:.1%} величины весов, в "
            f"{times:.1f} раза больше обычного при {worst.stored.bits if worst.stored else 8} "
            f"битах; ожидается не больше чем в {OUTLIER:g} раза.",
        )
    return made(
        "no_outlier_layers",
        Text(en="No layer is ruined by an outlier", ru="Ни один слой не испорчен выбросом"),
        worst is not None and times <= OUTLIER,
        message,
        Text(
            en="One weight that is far larger than the others stretches the scale of all: give "
            "each output channel (or row of the embedding) a scale of its own, clip at a "
            "percentile, or leave this layer in float32.",
            ru="Один вес, намного больший остальных, растягивает масштаб всех: дайте каждому "
            "выходному каналу (или строке эмбеддингов) свой масштаб, обрежьте по процентилю или "
            "оставьте этот слой во float32.",
        ),
    )


def _calibration(found: Mapping[str, Quantization], calibrated: Calibration | None) -> Check:
    """Whether a model with stored scales of activations names its calibration posts."""
    static = [name for name in PLAIN if "static" in found[name].schemes]
    title = Text(en="Calibrated on public posts", ru="Калибровка на открытых постах")
    hint = Text(
        en=f"Write the posts that you calibrate with into {FILE}, one a line: some hundred of the "
        "training part, of every class.",
        ru=f"Запишите посты, на которых калибруете, в {FILE}, по одному в строке: несколько сотен "
        "из обучающей части, всех классов.",
    )
    if not static:
        message = Text(
            en="No scale of activations is stored, so nothing was calibrated: weights are scaled "
            "by themselves, activations at run time.",
            ru="Масштабы активаций не хранятся, значит, ничего не калибровалось: веса "
            "масштабируются по самим себе, активации — при работе.",
        )
        return made("calibration_is_public", title, True, message, hint)
    listed = ", ".join(f"{name}.onnx" for name in static)
    if calibrated is None:
        message = Text(
            en=f"{listed} stores scales of activations, so posts were needed to find them: "
            f"expected these in {FILE}, found no such file.",
            ru=f"В {listed} хранятся масштабы активаций, значит, для них нужны были посты: они "
            f"ожидались в {FILE}, но такого файла нет.",
        )
        return made("calibration_is_public", title, False, message, hint)
    passed = calibrated.hidden == 0 and calibrated.public > 0
    message = Text(
        en=f"Of {calibrated.lines:,} posts in {FILE}, {calibrated.public:,} are public, "
        f"{calibrated.hidden:,} are graded ones, {calibrated.unknown:,} are in neither.",
        ru=f"Из {calibrated.lines} постов в {FILE} открытых {calibrated.public}, оцениваемых "
        f"{calibrated.hidden}, прочих {calibrated.unknown}.",
    )
    return made("calibration_is_public", title, passed, message, hint, hidden=True)
