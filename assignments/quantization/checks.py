"""Checks of the gate, quality, size, speed and claims, with hints."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from grader.data.text.posts import LABELS
from grader.lesson.grades import Check, Measurement, check
from grader.text import EMPTY, Text

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


# Quality ------------------------------------------------------------------------------------


def _gate(exam: Exam, result: GateResult) -> Check:
    accuracy, macro = result.accuracy, result.f1_macro
    return check(
        "quality_gate",
        Text("student + PTQ is as good as the course's teacher"),
        result.gate.passed,
        Text(
            "Accuracy {value:.1%}, at least {threshold:.1%} is expected; macro-F1 "
            "{macro_value:.1%}, at least {macro_threshold:.1%}.",
            value=accuracy.value,
            threshold=accuracy.threshold,
            macro_value=macro.value,
            macro_threshold=macro.threshold,
        ),
        [
            Text(
                "Distil the student from the teacher's logits on all the posts you have, with "
                "token dropout and more epochs; look in the table below at which step quality is "
                "lost: architecture, distillation or PTQ."
            ),
            Text(
                "The table names four accuracies; find the first step that loses: teacher to "
                "student is architecture and training, student to student + PTQ is rounding."
            ),
            Text(
                "Lost in the student: write soft_loss of losses.py, give it a weight in "
                "LossWeights, and drop words (word_dropout 0.05 to 0.25) so that none decides "
                "alone."
            ),
            Text(
                "Lost in rounding: a scale for each row of the embedding and each output "
                "channel, then 8 bits in place of 4, then qat.py."
            ),
        ],
        hidden=exam.hidden,
    )


def _teacher_is_good(exam: Exam, outcomes: Outcomes) -> Check:
    least = exam.baseline["accuracy"].value - exam.settings["accuracy_drop"]
    reached = _accuracy(outcomes[TEACHER], exam)
    return check(
        "teacher_is_good",
        Text("The teacher knows enough to teach"),
        reached >= least,
        Text(
            "The teacher's accuracy is {reached:.1%}, at least {least:.1%} is expected.",
            reached=reached,
            least=least,
        ),
        [
            Text(
                "Train it longer, with a warm-up of the learning rate, or submit the course's own "
                "teacher; a student rarely knows more than what it learns from."
            ),
            Text(
                "Train on all posts, without --posts; or copy the course's own teacher, which "
                "is as good a start."
            ),
        ],
        hidden=exam.hidden,
    )


def _ptq_keeps_quality(exam: Exam, outcomes: Outcomes) -> Check:
    """Whether teacher + PTQ loses at most one percentage point to its own teacher."""
    allowed = exam.settings["accuracy_drop"]
    lost = _accuracy(outcomes[TEACHER], exam) - _accuracy(outcomes[TEACHER_PTQ], exam)
    same = float(np.mean(outcomes[TEACHER].predictions == outcomes[TEACHER_PTQ].predictions))
    return check(
        "ptq_keeps_quality",
        Text("PTQ keeps the teacher's quality"),
        lost <= allowed,
        Text(
            "PTQ costs the teacher {lost:+.1f} points of accuracy, at most {allowed:g} is "
            "expected; both give the same answer to {same:.1%} of the posts.",
            lost=100 * lost,
            allowed=100 * allowed,
            same=same,
        ),
        [
            Text(
                "Give every output channel a scale of its own (per_channel=True), leave the layer "
                "that loses most in float32, and calibrate activations on varied posts."
            ),
            Text(
                "Quantize one kind of layer at a time and compare accuracies: the one that "
                "costs most gets a scale of its own for each channel, or stays in float32."
            ),
        ],
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
    found = Text("none")
    if worst:
        found = Text(
            "{worst}: {points:.1f} points ({title})",
            worst=worst,
            points=100 * drop,
            title=TITLES[pair],
        )
    return check(
        "no_class_pays",
        Text("No class pays for quantization"),
        passed,
        Text(
            "Expected a recall at most {allowed:g} points below the float32 model's in every "
            "class; largest drop beyond noise: {found}.",
            allowed=100 * allowed,
            found=found,
        ),
        [
            Text(
                "Calibrate on posts of all classes in equal numbers, keep the classifier layer in "
                "float32, or fine-tune with fake quantization (QAT) and class weights."
            ),
            Text(
                "The report draws recall by class before and after quantization: see whether "
                "the class was already weak in the float32 student."
            ),
            Text(
                "With static quantization the calibration posts decide: take equally many of "
                "each class into calibration.txt."
            ),
        ],
        hidden=exam.hidden,
    )


# Size and speed -----------------------------------------------------------------------------


def _ptq_is_smaller(exam: Exam, measured: Measured) -> Check:
    least = exam.settings["ptq_compression"]
    own = measured[f"{TEACHER_PTQ}.own_compression"].value
    return check(
        "ptq_is_smaller",
        Text("PTQ makes the teacher smaller"),
        own >= least,
        Text(
            "Teacher + PTQ is {own:.2f} times smaller than the teacher, tokenizer included; at "
            "least {least:g} times is expected, int8 everywhere gives nearly 4.",
            own=own,
            least=least,
        ),
        [
            Text(
                "Look below at the size by component: when most bytes lie in the embedding, add "
                'Gather to op_types_to_quantize=["MatMul", "Gather"].'
            ),
            Text(
                "Look at the bytes by layer in the report (`--html`): what is still float32 "
                "there is what quantize_dynamic was not told about."
            ),
            Text(
                'op_types_to_quantize=["MatMul", "Gather"] takes the embedding along, most of '
                "a small language model."
            ),
        ],
    )


def _ptq_is_faster(exam: Exam, measured: Measured) -> Check:
    """Whether PTQ made the teacher faster; it can make a model slower."""
    one, many = (measured[f"{TEACHER_PTQ}.own_ratio_{batch}"] for batch in ("b1", "b32"))
    passed = max((one.interval or (0, 0))[1], (many.interval or (0, 0))[1]) >= 1.0
    return check(
        "ptq_is_faster",
        Text("PTQ does not make the teacher slower"),
        passed,
        Text(
            "Teacher + PTQ runs at {value:.2f} times the teacher's speed on one post and "
            "{many_value:.2f} times on 32; expected is more than 1 on either.",
            value=one.value,
            many_value=many.value,
        ),
        [
            Text(
                "Symmetric signed weights (weight_type=QInt8) run faster than the default uint8; "
                "weights behind DequantizeLinear save bytes and no time; Quantize and Dequantize "
                "nodes around tiny matrices cost more than the matrices."
            ),
            Text(
                "Each DequantizeLinear before a float MatMul is work added. Integer products "
                "come from quantize_dynamic (MatMulInteger) or from a QDQ pair on both inputs."
            ),
            Text(
                "Products that are too narrow do not pay for their rounding: leave layers "
                "below 64 columns in float32 and measure again."
            ),
        ],
    )


def _student_is_smaller(measured: Measured) -> Check:
    sizes = {name: measured[f"{name}.bytes"].value for name in (TEACHER, STUDENT)}
    ratio = sizes[TEACHER] / max(sizes[STUDENT], 1)
    return check(
        "student_is_smaller",
        Text("The student is smaller than the teacher"),
        ratio >= 2,
        Text(
            "In float32 the student is {ratio:.2f} times smaller than the teacher, tokenizers "
            "included; at least 2 times is expected.",
            ratio=ratio,
        ),
        [
            Text(
                "Fewer words in the vocabulary and narrower embeddings come first: they are most "
                "of the bytes. Then one convolution or recurrent layer in place of the "
                "transformer."
            ),
            Text(
                "StudentConfig(vocabulary=1500, width=32) is a fair beginning; trim() of "
                "tokenization.py makes the vocabulary that small."
            ),
        ],
    )


# Running ------------------------------------------------------------------------------------


def _padding_changes_nothing(exam: Exam, outcomes: Outcomes) -> Check:
    """Whether padding leaves the logits unchanged. Dynamic quantization takes its scale from the
    batch, so some hundredths are usual; more means that the model does not mask padding. Much more
    is refused when the model is run."""
    allowed = exam.settings["padding_effect"]
    worst = max(outcomes.values(), key=lambda one: one.padding_effect)
    return check(
        "padding_changes_nothing",
        Text("A post gets the same answer alone and padded"),
        worst.padding_effect <= allowed,
        Text(
            "{file} minds padding most: its logits change by {padding_effect:.2g} of their "
            "standard deviation, at most {allowed:g} is expected.",
            file=worst.model.file,
            padding_effect=worst.padding_effect,
            allowed=allowed,
        ),
        [
            Text(
                "Use attention_mask: add a large negative number to the scores of padding before "
                "the softmax, and leave padding out of convolutions, means and maxima."
            ),
            Text(
                "Where padding stands, the mask has to set scores of attention to a large "
                "negative number, and means are over real tokens alone."
            ),
            Text(
                "A convolution sees its neighbours: multiply by the mask before it, not after "
                "it only."
            ),
        ],
    )


def _tokenizers_fit(exam: Exam, outcomes: Outcomes) -> Check:
    """Whether every row of the embedding belongs to a token of the tokenizer."""
    problems = [found for one in outcomes.values() if (found := _misfit(one, exam)) is not None]
    message = (
        problems[0]
        if problems
        else Text("Every row of the embeddings belongs to a token, and few posts are cut.")
    )
    return check(
        "tokenizer_fits",
        Text("The tokenizer fits the model"),
        not problems,
        message,
        [
            Text(
                "Trim the vocabulary and the embedding together (trim in tokenization.py): keep "
                "the tokens of the training posts, renumber them, and drop the other rows."
            ),
            Text(
                "The embedding has a row for each token, no more: the numbers of trim() run "
                "without gaps from 0."
            ),
        ],
    )


def _misfit(one: Outcome, exam: Exam) -> Text | None:
    rows = one.model.embedding_rows
    used = one.encoded.vocabulary
    if rows > 1.02 * used + 8:
        return Text(
            "{file}: the embedding has {rows:,} rows, the tokenizer {used:,} tokens; the other "
            "rows are never read.",
            file=one.model.file,
            rows=rows,
            used=used,
        )
    cut, posts = one.encoded.cut, len(exam.labels)
    if cut > 0.1 * posts:
        return Text(
            "{file}: {cut:.0%} of the posts are cut; most of what decides their class may stand "
            "at the end.",
            file=one.model.file,
            cut=cut / posts,
        )
    return None


# Claims -------------------------------------------------------------------------------------


def _claims_hold(claims: Claims) -> Check:
    wrong = claims.wrong
    return check(
        "claims_hold",
        Text("The figures of table.csv hold"),
        bool(claims.cells) and not claims.missing and not wrong,
        _said(claims),
        [
            Text(
                "`python experiments.py --table` writes {file} from what it measured; run it again "
                "after the last change and do not write figures by hand.",
                file=FILE,
            ),
            Text(
                "Write table.csv last: `python experiments.py --table` measures the files as "
                "they lie there."
            ),
        ],
    )


def _said(claims: Claims) -> Text:
    if claims.problems:
        return Text("{file} cannot be read whole: {first}.", file=FILE, first=claims.problems[0])
    if claims.missing:
        missing = ", ".join(claims.missing)
        return Text(
            "Expected a row in {file} for each of the four models, found none for {missing}.",
            file=FILE,
            missing=missing,
        )
    if claims.wrong:
        worst = claims.wrong[0]
        more = len(claims.wrong) - 1
        return Text(
            "Of {cells} claimed figures {wrong} differ from what was measured: {where} "
            "{claimed:.4g} → {measured:.4g}{more}.",
            cells=len(claims.cells),
            wrong=len(claims.wrong),
            where=f"{worst.model}.{worst.column}:",
            claimed=worst.claimed,
            measured=worst.measured,
            more=Text(" and {more} more", more=more) if more else EMPTY,
        )
    return Text(
        "All {cells_count} claimed figures agree with what was measured.",
        cells_count=len(claims.cells),
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
