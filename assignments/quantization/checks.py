"""Checks of the gate, quality, size, speed and claims, with hints."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from grader.data.text.posts import LABELS
from grader.lesson.grades import Check, Measurement
from grader.text import EMPTY, Text, ru_number

from .claims import FILE, Claims
from .exam import Exam
from .gate import GateResult
from .outcome import Outcome
from .submitted import PLAIN, STUDENT, TEACHER, TEACHER_PTQ, TITLES

Outcomes = Mapping[str, Outcome]
Measured = Mapping[str, Measurement]


def all_checks(
    exam: Exam, outcomes: Outcomes, measured: Measured, result: GateResult, claims: Claims
) -> list[Check]:
    """All checks except those of how weights are stored; the gate's first."""
    return [
        _gate(exam, result),
        _teacher_is_good(exam, outcomes),
        _ptq_keeps_quality(exam, outcomes),
        _no_class_pays(exam, outcomes),
        _ptq_is_smaller(exam, measured),
        _ptq_is_faster(exam, measured),
        _student_is_smaller(measured),
        _padding_changes_nothing(exam, outcomes),
        _tokenizers_fit(exam, outcomes),
        _claims_hold(claims),
    ]


def made(
    name: str, title: Text, passed: bool, message: Text, hint: Text, *, hidden: bool = False
) -> Check:
    """A check that informs and does not score; `hidden` when its answer depends on hidden posts."""
    return Check(
        name=name,
        title=title,
        visibility="hidden" if hidden else "public",
        points=0.0,
        max_points=0.0,
        passed=passed,
        message=message,
        hint=EMPTY if passed else hint,
    )


# Quality ------------------------------------------------------------------------------------


def _gate(exam: Exam, result: GateResult) -> Check:
    accuracy, macro = result.accuracy, result.f1_macro
    return made(
        "quality_gate",
        Text(
            en="student + PTQ is as good as the course's teacher",
            ru="Ученик + PTQ не хуже учителя курса",
        ),
        result.gate.passed,
        Text(
            en=f"Accuracy {accuracy.value:.1%}, at least {accuracy.threshold:.1%} is expected; "
            f"macro-F1 {macro.value:.1%}, at least {macro.threshold:.1%}.",
            ru=f"Accuracy {accuracy.value:.1%}, ожидается не меньше {accuracy.threshold:.1%}; "
            f"макро-F1 {macro.value:.1%}, ожидается не меньше {macro.threshold:.1%}.",
        ),
        Text(
            en="Distil the student from the teacher's logits on all the posts you have, with "
            "token dropout and more epochs; look in the table below at which step quality is "
            "lost: architecture, distillation or PTQ.",
            ru="Дистиллируйте ученика из логитов учителя на всех доступных постах, с выбрасыванием "
            "токенов и дольше; по таблице видно, на каком шаге теряется качество: архитектура, "
            "дистилляция или PTQ.",
        ),
        hidden=exam.hidden,
    )


def _teacher_is_good(exam: Exam, outcomes: Outcomes) -> Check:
    least = exam.baseline["accuracy"].value - exam.settings["accuracy_drop"]
    reached = _accuracy(outcomes[TEACHER], exam)
    return made(
        "teacher_is_good",
        Text(en="The teacher knows enough to teach", ru="Учителю есть чему учить"),
        reached >= least,
        Text(
            en=f"The teacher's accuracy is {reached:.1%}, at least {least:.1%} is expected.",
            ru=f"Accuracy учителя {reached:.1%}, ожидается не меньше {least:.1%}.",
        ),
        Text(
            en="Train it longer, with a warm-up of the learning rate, or submit the course's own "
            "teacher; a student rarely knows more than what it learns from.",
            ru="Учите его дольше и с разогревом скорости обучения или сдайте учителя курса: ученик "
            "редко знает больше того, у кого учится.",
        ),
        hidden=exam.hidden,
    )


def _ptq_keeps_quality(exam: Exam, outcomes: Outcomes) -> Check:
    """Whether teacher + PTQ loses at most one percentage point to its own teacher."""
    allowed = exam.settings["accuracy_drop"]
    lost = _accuracy(outcomes[TEACHER], exam) - _accuracy(outcomes[TEACHER_PTQ], exam)
    same = float(np.mean(outcomes[TEACHER].predictions == outcomes[TEACHER_PTQ].predictions))
    return made(
        "ptq_keeps_quality",
        Text(en="PTQ keeps the teacher's quality", ru="PTQ сохраняет качество учителя"),
        lost <= allowed,
        Text(
            en=f"PTQ costs the teacher {100 * lost:+.1f} points of accuracy, at most "
            f"{100 * allowed:g} is expected; both give the same answer to {same:.1%} of the posts.",
            ru=f"PTQ стоит учителю {100 * lost:+.1f} пункта accuracy, ожидается не больше "
            f"{100 * allowed:g}; одинаковый ответ на {same:.1%} постов.",
        ),
        Text(
            en="Give every output channel a scale of its own (per_channel=True), leave the layer "
            "that loses most in float32, and calibrate activations on varied posts.",
            ru="Дайте каждому выходному каналу свой масштаб (per_channel=True), оставьте во "
            "float32 слой, который теряет больше всех, и калибруйте активации на разных постах.",
        ),
        hidden=exam.hidden,
    )


def _no_class_pays(exam: Exam, outcomes: Outcomes) -> Check:
    """Whether quantization lowers the recall of one class, which an average hides."""
    worst, drop, pair = "", 0.0, TEACHER_PTQ
    for quantized, plain in PLAIN.items():
        for label, name in enumerate(LABELS):
            asked = exam.labels == label
            fell, surely = _fell(outcomes[plain], outcomes[quantized], exam, asked)
            if surely > 0 and fell > drop:
                worst, drop, pair = name, fell, quantized
    allowed = exam.settings["class_drop"]
    passed = drop <= allowed
    found_en = f"{worst}: {100 * drop:.1f} points ({TITLES[pair].en})" if worst else "none"
    found_ru = f"{worst}: {100 * drop:.1f} пункта ({TITLES[pair].ru})" if worst else "нет"
    return made(
        "no_class_pays",
        Text(en="No class pays for quantization", ru="Ни один класс не платит за квантизацию"),
        passed,
        Text(
            en=f"Expected a recall at most {100 * allowed:g} points below the float32 model's in "
            f"every class; largest drop beyond noise: {found_en}.",
            ru=f"Ожидалась полнота каждого класса не более чем на {100 * allowed:g} пункта ниже, "
            f"чем у модели float32; наибольшее падение сверх шума: {found_ru}.",
        ),
        Text(
            en="Calibrate on posts of all classes in equal numbers, keep the classifier layer in "
            "float32, or fine-tune with fake quantization (QAT) and class weights.",
            ru="Калибруйте на постах всех классов поровну, оставьте слой-классификатор во float32 "
            "или дообучите с имитацией квантизации (QAT) и весами классов.",
        ),
        hidden=exam.hidden,
    )


# Size and speed -----------------------------------------------------------------------------


def _ptq_is_smaller(exam: Exam, measured: Measured) -> Check:
    least = exam.settings["ptq_compression"]
    own = measured[f"{TEACHER_PTQ}.own_compression"].value
    return made(
        "ptq_is_smaller",
        Text(en="PTQ makes the teacher smaller", ru="PTQ уменьшает учителя"),
        own >= least,
        Text(
            en=f"Teacher + PTQ is {own:.2f} times smaller than the teacher, tokenizer included; "
            f"at least {least:g} times is expected, int8 everywhere gives nearly 4.",
            ru=f"Учитель + PTQ меньше учителя в {own:.2f} раза вместе с токенизатором; ожидается "
            f"не меньше чем в {least:g} раза, int8 везде даёт почти 4.",
        ),
        Text(
            en="Look below at the size by component: when most bytes lie in the embedding, add "
            'Gather to op_types_to_quantize=["MatMul", "Gather"].',
            ru="Посмотрите ниже размер по частям: если большая часть байт в эмбеддингах, добавьте "
            'Gather: op_types_to_quantize=["MatMul", "Gather"].',
        ),
    )


def _ptq_is_faster(exam: Exam, measured: Measured) -> Check:
    """Whether PTQ made the teacher faster; it can make a model slower."""
    one, many = (measured[f"{TEACHER_PTQ}.own_ratio_{batch}"] for batch in ("b1", "b32"))
    passed = max((one.interval or (0, 0))[1], (many.interval or (0, 0))[1]) >= 1.0
    return made(
        "ptq_is_faster",
        Text(en="PTQ does not make the teacher slower", ru="PTQ не замедляет учителя"),
        passed,
        Text(
            en=f"Teacher + PTQ runs at {one.value:.2f} times the teacher's speed on one post and "
            f"{many.value:.2f} times on 32; expected is more than 1 on either.",
            ru=f"Скорость учителя + PTQ — {one.value:.2f} от скорости учителя на одном посте и "
            f"{many.value:.2f} на 32; ожидается больше 1 хотя бы в одном случае.",
        ),
        Text(
            en="Symmetric signed weights (weight_type=QInt8) run faster than the default uint8; "
            "weights behind DequantizeLinear save bytes and no time; Quantize and Dequantize "
            "nodes around tiny matrices cost more than the matrices.",
            ru="Симметричные знаковые веса (weight_type=QInt8) быстрее, чем uint8 по умолчанию; "
            "веса за DequantizeLinear экономят байты, но не время; узлы Quantize и Dequantize "
            "вокруг маленьких матриц дороже самих матриц.",
        ),
    )


def _student_is_smaller(measured: Measured) -> Check:
    sizes = {name: measured[f"{name}.bytes"].value for name in (TEACHER, STUDENT)}
    ratio = sizes[TEACHER] / max(sizes[STUDENT], 1)
    return made(
        "student_is_smaller",
        Text(en="The student is smaller than the teacher", ru="Ученик меньше учителя"),
        ratio >= 2,
        Text(
            en=f"In float32 the student is {ratio:.2f} times smaller than the teacher, tokenizers "
            "included; at least 2 times is expected.",
            ru=f"Во float32 ученик меньше учителя в {ratio:.2f} раза вместе с токенизатором; "
            "ожидается не меньше чем в 2 раза.",
        ),
        Text(
            en="Fewer words in the vocabulary and narrower embeddings come first: they are most of "
            "the bytes. Then one convolution or recurrent layer in place of the transformer.",
            ru="Прежде всего — меньше слов в словаре и у́же эмбеддинги: в них большинство байт. "
            "Затем один свёрточный или рекуррентный слой вместо трансформера.",
        ),
    )


# Running ------------------------------------------------------------------------------------


def _padding_changes_nothing(exam: Exam, outcomes: Outcomes) -> Check:
    """Whether padding leaves the logits unchanged. Dynamic quantization takes its scale from the
    batch, so some hundredths are usual; more means that the model does not mask padding. Much more
    is refused when the model is run."""
    allowed = exam.settings["padding_effect"]
    worst = max(outcomes.values(), key=lambda one: one.padding_effect)
    return made(
        "padding_changes_nothing",
        Text(
            en="A post gets the same answer alone and padded",
            ru="Дополнение поста не меняет ответа",
        ),
        worst.padding_effect <= allowed,
        Text(
            en=f"{worst.model.file} minds padding most: its logits change by "
            f"{worst.padding_effect:.2g} of their standard deviation, at most {allowed:g} is "
            "expected.",
            ru=f"Сильнее всех на дополнение реагирует {worst.model.file}: логиты меняются на "
            f"{worst.padding_effect:.2g} их стандартного отклонения, ожидается не больше "
            f"{allowed:g}.",
        ),
        Text(
            en="Use attention_mask: add a large negative number to the scores of padding before "
            "the softmax, and leave padding out of convolutions, means and maxima.",
            ru="Используйте attention_mask: прибавляйте к оценкам дополнения большое отрицательное "
            "число перед softmax и не учитывайте дополнение в свёртках, средних и максимумах.",
        ),
    )


def _tokenizers_fit(exam: Exam, outcomes: Outcomes) -> Check:
    """Whether every row of the embedding belongs to a token of the tokenizer."""
    problems = [found for one in outcomes.values() if (found := _misfit(one, exam)) is not None]
    message = (
        problems[0]
        if problems
        else Text(
            en="Every row of the embeddings belongs to a token, and few posts are cut.",
            ru="У каждой строки эмбеддингов есть токен, и обрезано мало постов.",
        )
    )
    return made(
        "tokenizer_fits",
        Text(en="The tokenizer fits the model", ru="Токенизатор подходит к модели"),
        not problems,
        message,
        Text(
            en="Trim the vocabulary and the embedding together (trim in tokenization.py): "
            "keep the tokens of the training posts, renumber them, and drop the other rows.",
            ru="Урезайте словарь и эмбеддинги вместе (trim в tokenization.py): оставьте "
            "токены обучающих постов, перенумеруйте их и выбросьте остальные строки.",
        ),
    )


def _misfit(one: Outcome, exam: Exam) -> Text | None:
    rows = one.model.embedding_rows
    used = one.encoded.vocabulary
    if rows > 1.02 * used + 8:
        return Text(
            en=f"{one.model.file}: the embedding has {rows:,} rows, the tokenizer {used:,} tokens; "
            "the other rows are never read.",
            ru=f"{one.model.file}: в эмбеддингах {ru_number(rows)} строк, а токенов в токенизаторе "
            f"{ru_number(used)}; остальные строки никогда не читаются.",
        )
    cut, posts = one.encoded.cut, len(exam.labels)
    if cut > 0.1 * posts:
        return Text(
            en=f"{one.model.file}: {cut / posts:.0%} of the posts are cut; most of what decides "
            "their class may stand at the end.",
            ru=f"{one.model.file}: обрезано {cut / posts:.0%} постов, а класс часто решает конец.",
        )
    return None


# Claims -------------------------------------------------------------------------------------


def _claims_hold(claims: Claims) -> Check:
    wrong = claims.wrong
    return made(
        "claims_hold",
        Text(en="The figures of table.csv hold", ru="Значения table.csv подтверждаются"),
        bool(claims.cells) and not claims.missing and not wrong,
        _said(claims),
        Text(
            en=f"`python experiments.py --table` writes {FILE} from what it measured; run it "
            "again after the last change and do not write figures by hand.",
            ru=f"`python experiments.py --table` записывает в {FILE} то, что измерил; запустите "
            "его ещё раз после последнего изменения и не вписывайте значения вручную.",
        ),
    )


def _said(claims: Claims) -> Text:
    if claims.problems:
        return Text(
            en=f"{FILE} cannot be read whole: {claims.problems[0].en}.",
            ru=f"{FILE} читается не целиком: {claims.problems[0].ru}.",
        )
    if claims.missing:
        missing = ", ".join(claims.missing)
        return Text(
            en=f"Expected a row in {FILE} for each of the four models, found none for {missing}.",
            ru=f"В {FILE} ожидалась строка для каждой из четырёх моделей, нет строк: {missing}.",
        )
    if claims.wrong:
        worst = claims.wrong[0]
        said = f"{worst.model}.{worst.column}: {worst.claimed:.4g} → {worst.measured:.4g}"
        more = len(claims.wrong) - 1
        return Text(
            en=f"Of {len(claims.cells)} claimed figures {len(claims.wrong)} differ from what was "
            f"measured: {said}{f' and {more} more' if more else ''}.",
            ru=f"Из {len(claims.cells)} заявленных значений с измеренными не сошлось "
            f"{len(claims.wrong)}: {said}{f' и ещё {more}' if more else ''}.",
        )
    return Text(
        en=f"All {len(claims.cells)} claimed figures agree with what was measured.",
        ru=f"Все заявленные значения ({len(claims.cells)}) сошлись с измеренными.",
    )


# Helpers ------------------------------------------------------------------------------------


def _accuracy(one: Outcome, exam: Exam) -> float:
    return float(np.mean(one.predictions == exam.labels))


def _fell(plain: Outcome, quantized: Outcome, exam: Exam, asked: np.ndarray) -> tuple[float, float]:
    """The loss of recall on the posts `asked`, and its lower bound (95%)."""
    if not asked.any():
        return 0.0, 0.0
    before, after = (
        (one.predictions[asked] == exam.labels[asked]).astype(float) for one in (plain, quantized)
    )
    lost = before - after
    error = 1.96 * float(lost.std()) / len(lost) ** 0.5
    return float(lost.mean()), float(lost.mean()) - error
