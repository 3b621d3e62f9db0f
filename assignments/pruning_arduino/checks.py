"""The gate on accuracy, and the checks that a report lists."""

from __future__ import annotations

from grader import board
from grader.board.firmware import Conversation
from grader.lesson.grades import Check, Gate, Measurement
from grader.measure.quality import experiments
from grader.text import EMPTY, Text, ru_number


def gate(accuracy: Measurement, threshold: float) -> Gate:
    """Whether the share of right next characters reaches `threshold`."""
    assert accuracy.interval is not None
    low, high = accuracy.interval
    return Gate(
        metric="next_char_accuracy",
        value=accuracy.value,
        threshold=threshold,
        interval=accuracy.interval,
        passed=accuracy.value >= threshold,
        within_noise=low < threshold < high,
        explanation=Text(
            en="Every position of every reply counts, its end included; the reply so far is the "
            "real one.",
            ru="Считается каждая позиция каждого ответа, включая его конец; начало ответа берётся "
            "настоящее.",
        ),
    )


def reaches_gate(gate: Gate, *, hidden: bool) -> Check:
    """The gate as a check; `hidden` if it was measured on the hidden part."""
    low, high = gate.interval
    return Check(
        name="next_char_accuracy_reaches_the_gate",
        title=Text(en="It knows what to say", ru="Модель знает, что ответить"),
        visibility="hidden" if hidden else "public",
        points=0.0,
        max_points=0.0,
        passed=gate.passed,
        message=Text(
            en=f"Expected {gate.threshold:.0%} of the next characters, found {gate.value:.1%} "
            f"(95%: {low:.1%} to {high:.1%}).",
            ru=f"Ожидалось {gate.threshold:.0%} следующих символов, найдено {gate.value:.1%} "
            f"(95%: от {low:.1%} до {high:.1%}).",
        ),
        hint=EMPTY
        if gate.passed
        else Text(
            en="Prune less, train longer after pruning, or distil a larger network.",
            ru="Прореживайте меньше, дольше дообучайте после прунинга или дистиллируйте большую "
            "сеть.",
        ),
    )


def markers_enclose(talk: Conversation, share: float) -> Check:
    """Whether the layer table is complete: `share` of the cycles lies between the markers."""
    total = sum(one.reply.cycles for one in talk.characters)
    marked = sum(one.reply.inference_cycles for one in talk.characters)
    once = all(len(one.reply.inferences) == 1 for one in talk.characters)
    passed = once and marked >= share * total
    return Check(
        name="markers_enclose_the_work",
        title=Text(en="The markers enclose the work", ru="Маркеры охватывают работу"),
        visibility="public",
        points=0.0,
        max_points=0.0,
        passed=passed,
        message=Text(
            en=f"Expected one pair of markers a character with at least {share:.0%} "
            f"of the cycles in between, found {marked / total:.1%}"
            f"{'' if once else ' and not one pair each'}.",
            ru="Ожидалась одна пара маркеров на символ и между ними не менее "
            f"{share:.0%} тактов, найдено {marked / total:.1%}"
            f"{'' if once else ', и пар не по одной'}.",
        ),
        hint=EMPTY
        if passed
        else Text(
            en="Write 1 to GPIOR0 before the features and 2 after the class is known. All cycles "
            "are scored, wherever the markers are.",
            ru="Записывайте 1 в GPIOR0 перед вычислением признаков и 2, когда класс известен. "
            "Оцениваются все такты, где бы ни стояли маркеры.",
        ),
    )


def enough_experiments(table: experiments.Table, fewest: int, *, submitted: bool) -> Check:
    """Whether `fewest` differently named rows are recorded; `submitted` if there is a table."""
    found = len({one.name for one in table.experiments})
    passed = found >= fewest
    unread = table.problems[:3] if submitted and not passed else []
    en = f" ({'; '.join(problem.en for problem in unread)})" if unread else ""
    ru = f" ({'; '.join(problem.ru for problem in unread)})" if unread else ""
    return Check(
        name="experiments_are_recorded",
        title=Text(en="Experiments are recorded", ru="Эксперименты записаны"),
        visibility="public",
        points=0.0,
        max_points=0.0,
        passed=passed,
        message=Text(
            en=f"Expected at least {fewest} differently named rows in "
            f"experiments.csv, found {found}{en}.",
            ru=f"Ожидалось не менее {fewest} строк с разными именами в "
            f"experiments.csv, найдено {found}{ru}.",
        ),
        hint=EMPTY
        if passed
        else Text(
            en="Run train.py with other ratios and bits and another --name each time.",
            ru="Запускайте train.py с другими долями и битами и каждый раз с новым --name.",
        ),
    )


def firmware_recorded(table: experiments.Table, image: board.Image) -> Check:
    """Whether a row has the flash that the submitted firmware takes."""
    sizes = [one.values["flash_bytes"] for one in table.experiments]
    near = any(abs(size / image.flash_bytes - 1) <= 0.02 for size in sizes)
    return Check(
        name="the_submitted_firmware_is_recorded",
        title=Text(en="The submitted firmware is recorded", ru="Сданная прошивка записана"),
        visibility="public",
        points=0.0,
        max_points=0.0,
        passed=near,
        message=Text(
            en=f"Expected a row in experiments.csv with {image.flash_bytes:,} bytes of flash, "
            "give or take 2%.",
            ru="Ожидалась строка experiments.csv с размером прошивки "
            f"{ru_number(image.flash_bytes)} байт, плюс-минус 2%.",
        ),
        hint=EMPTY
        if near
        else Text(
            en="Run train.py once more with a --name for what you submit.",
            ru="Запустите train.py ещё раз с именем (--name) для сдаваемого варианта.",
        ),
    )
