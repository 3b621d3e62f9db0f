"""Models over token ids: their answers, their timings, and a sentence for each bad ending."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from onnx import TensorProto, helper

from grader.lesson.grades import Status
from grader.lesson.spec import RunLimits
from grader.sandbox.isolation.process import Stopped
from grader.sandbox.runners.sequences import BASELINE, SequenceJob, SequenceRun, run_sequences
from grader.text.errors import GraderError
from tests.sandbox.token_models import CLASSES, answers, averaging, posts

pytestmark = pytest.mark.usefixtures("level")

LIMITS = RunLimits(wall_seconds=120, cpu_seconds=60, memory_bytes=512 * 2**20)
node = helper.make_node


def job(model: bytes, ids: list[np.ndarray] | None = None, **changes: object) -> SequenceJob:
    found = SequenceJob({"student": model}, {"student": ids or posts(40)}, CLASSES, rounds=0)
    return replace(found, **changes)


def test_every_model_gets_its_own_ids_and_gives_its_own_answers() -> None:
    ours, theirs = posts(90), posts(90, vocabulary=30, seed=1)
    run = run_sequences(
        SequenceJob(
            {"teacher": averaging(), "student": averaging(30, seed=3)},
            {"teacher": ours, "student": theirs},
            CLASSES,
            rounds=0,
        ),
        LIMITS,
    )
    np.testing.assert_allclose(run.logits["teacher"], answers(ours), atol=1e-5)
    np.testing.assert_allclose(run.logits["student"], answers(theirs, 30, 3), atol=1e-5)
    assert max(run.padding_effect.values()) < 1e-5
    assert not run.single


def test_all_models_and_the_baseline_are_timed_on_the_same_posts() -> None:
    ids = posts(40)
    run = run_sequences(
        job(
            averaging(),
            ids,
            baseline=averaging(),
            baseline_ids=ids,
            rounds=6,
            timed_posts=20,
            batch=8,
        ),
        LIMITS,
    )
    for timings in (run.single, run.batched):
        assert set(timings) == {"student", BASELINE}
        for timing in timings.values():
            assert timing.posts == 20
            assert len(timing.seconds) == 6
            assert (timing.per_post > 0).all()
    assert run.batched["student"].seconds.shape == (6, 3)


def test_the_same_models_get_the_same_answers_again() -> None:
    def once() -> SequenceRun:
        return run_sequences(job(averaging(places=20)), LIMITS)

    first, second = once(), once()
    assert (first.logits["student"] == second.logits["student"]).all()
    assert first.padding_effect == second.padding_effect


def ending(wanted: SequenceJob, limits: RunLimits = LIMITS) -> GraderError:
    with pytest.raises(GraderError) as caught:
        run_sequences(wanted, limits)
    text = caught.value.text
    assert "student.onnx" in text.to("en")
    assert "student.onnx" in text.to("ru")
    assert text.to("en") != text.to("ru")
    assert "Traceback" not in text.to("en")
    return caught.value


def test_a_tokenizer_of_another_model() -> None:
    said = ending(job(averaging(50), posts(40, vocabulary=61))).text.to("en")
    assert "the tokenizer does not match" in said
    assert "50 rows" in said


def test_a_post_that_is_longer_than_the_table_of_positions() -> None:
    said = ending(job(averaging(places=8), posts(40, longest=12))).text.to("en")
    assert "12 tokens (it takes 8)" in said
    assert "truncation" in said


def test_an_id_beyond_the_positions_is_not_taken_for_a_length() -> None:
    ids = [np.full(3, 61)] * 4
    assert "does not match" in ending(job(averaging(50, places=8), ids)).text.to("en")


def test_a_length_that_is_baked_in_without_a_table() -> None:
    cut = [
        node("Shape", ["input_ids"], ["size"], start=1, end=2),
        node("Expand", ["one_number", "size"], ["some"]),
        node("Add", ["some", "eight"], ["sums"]),
        node("ReduceSum", ["sums"], ["none"], keepdims=0),
        node("Mul", ["none", "nothing"], ["zero_"]),
        node("Add", ["result", "zero_"], ["logits"]),
    ]
    constants = {
        "one_number": np.ones(1, np.float32),
        "eight": np.ones(8, np.float32),
        "nothing": np.float32(0),
    }
    ids = [np.arange(8), np.arange(1), np.arange(11)]
    said = ending(job(averaging(extra=cut, constants=constants), ids)).text.to("en")
    assert "fails on a post of 11 tokens" in said


def scaled_by(nodes: list, **constants: np.ndarray) -> bytes:
    """Answers times `factor`, which `nodes` make of the batch."""
    sizes = [node("Shape", ["input_ids"], ["batch"], start=0, end=1)]
    product = [node("Mul", ["result", "factor"], ["logits"])]
    return averaging(extra=[*sizes, *nodes, *product], constants=constants)


def worse_in_batches() -> bytes:
    """Right alone and in pairs; nothing in larger batches."""
    nodes = [
        node("Less", ["batch", "many"], ["few"]),
        node("Cast", ["few"], ["factor"], to=TensorProto.FLOAT),
    ]
    return scaled_by(nodes, many=np.array([3]))


def worse_at_the_end_of_a_batch() -> bytes:
    """Nothing for the last of 8 posts in a call."""
    nodes = [
        node("Squeeze", ["batch"], ["count"]),
        node("Range", ["none", "count", "step"], ["rows_"]),
        node("Less", ["rows_", "last_place"], ["read"]),
        node("Cast", ["read"], ["flat"], to=TensorProto.FLOAT),
        node("Unsqueeze", ["flat", "column"], ["factor"]),
    ]
    numbers = {"none": np.array(0), "step": np.array(1), "column": np.array([1])}
    return scaled_by(nodes, last_place=np.array(7), **numbers)


def answers_of_the_neighbour() -> bytes:
    """Each post of a larger batch gets the mean of its answer and the batch's."""
    nodes = [
        node("ReduceMean", ["result", "first"], ["all"], keepdims=1),
        node("Div", ["all", "result"], ["factor"]),
    ]
    return scaled_by(nodes, first=np.array([0]))


@pytest.mark.parametrize(
    "model", [worse_in_batches(), worse_at_the_end_of_a_batch(), answers_of_the_neighbour()],
    ids=["in batches", "at the end of a batch", "mixed with others"],
)  # fmt: skip
def test_answers_that_are_others_while_time_is_measured(model: bytes) -> None:
    timed = job(model, posts(64), rounds=1, timed_posts=64, batch=8)
    said = ending(timed).text.to("en")
    assert "while time is measured, with 8 posts in a call" in said
    honest = run_sequences(job(model, posts(64)), LIMITS)  # alone it answers well
    np.testing.assert_allclose(honest.logits["student"], answers(posts(64)), atol=1e-5)


def test_repeated_timings_are_held_to_the_judged_answers() -> None:
    judged = run_sequences(job(averaging(), posts(40)), LIMITS).logits
    again = job(averaging(seed=1), posts(40), rounds=1, answers=False, judged=judged)
    assert "while time is measured" in ending(again).text.to("en")


def test_a_batch_that_is_fixed_at_one() -> None:
    fixed = averaging(
        extra=[node("Reshape", ["result", "to"], ["logits"])], constants={"to": np.array([1, 5])}
    )
    assert "not on two at once" in ending(job(fixed)).text.to("en")


def test_a_batch_that_is_declared_as_one() -> None:
    import onnx

    parsed = onnx.load_from_string(averaging())
    for port in parsed.graph.input:
        port.type.tensor_type.shape.dim[0].dim_value = 1
    assert "not on two at once" in ending(job(parsed.SerializeToString())).text.to("en")


def test_padding_that_changes_the_answer() -> None:
    said = ending(job(averaging(masked=False))).text.to("en")
    assert "padding" in said
    assert "attention_mask" in said


def test_logits_that_are_not_finite() -> None:
    broken = averaging(
        extra=[node("Div", ["result", "none"], ["logits"])], constants={"none": np.float32(0)}
    )
    assert "NaN or infinity on 40 of 40 posts" in ending(job(broken)).text.to("en")


def test_logits_of_another_number_of_classes() -> None:
    wide = averaging(extra=[node("Concat", ["result", "result"], ["logits"], axis=1)], classes=10)
    ended = ending(job(wide))
    assert isinstance(ended, Stopped)
    assert ended.status is Status.REJECTED
    assert "(1, 10)" in ended.text.to("en")


def test_types_for_which_the_runtime_has_no_kernel() -> None:
    packed = helper.make_tensor("w4", TensorProto.FLOAT4E2M1, [5, 5], [1.0] * 25)
    model = averaging(
        extra=[
            node("DequantizeLinear", ["w4", "scale"], ["w"]),
            node("MatMul", ["result", "w"], ["logits"]),
        ],
        constants={"w4": packed, "scale": np.float32(1)},
        opset=23,
    )
    said = ending(job(model)).text.to("en")
    assert "no kernel for DequantizeLinear (opset 23)" in said


def test_four_bit_weights_behind_dequantize_linear_run() -> None:
    packed = helper.make_tensor("w4", TensorProto.INT4, [5, 5], [1, -2, 3, -4, 5] * 5)
    model = averaging(
        extra=[
            node("DequantizeLinear", ["w4", "scale"], ["w"]),
            node("MatMul", ["result", "w"], ["logits"]),
        ],
        constants={"w4": packed, "scale": np.float32(0.5)},
    )
    run = run_sequences(job(model, ids := posts(20)), LIMITS)
    weights = 0.5 * np.tile([1, -2, 3, -4, 5], (5, 1))
    expected = answers(ids) @ weights
    # ONNX Runtime makes a MatMulNBits of it, which also rounds the activations to 8 bits.
    error = np.abs(run.logits["student"] - expected).max()
    assert error < 0.02 * np.abs(expected).max()


def test_a_file_that_is_no_model_is_named() -> None:
    ended = ending(job(b"not a model"))
    assert isinstance(ended, Stopped)
    assert ended.status is Status.REJECTED


def test_a_model_that_takes_too_long() -> None:
    turns = [node("MatMul", [f"turn{i}", "turn0"], [f"turn{i + 1}"]) for i in range(60)]
    turns[0] = node("Add", ["turn0", "low"], ["turn1"])
    slow = averaging(
        extra=[
            node("ReduceMin", ["result"], ["least"], keepdims=0),
            node("Mul", ["least", "nothing"], ["low"]),
            *turns,
            node("ReduceMin", ["turn60"], ["end"], keepdims=0),
            node("Mul", ["end", "nothing"], ["end0"]),
            node("Add", ["result", "end0"], ["logits"]),
        ],
        constants={"turn0": np.eye(1200, dtype=np.float32), "nothing": np.float32(0)},
    )
    ended = ending(job(slow), RunLimits(wall_seconds=60, cpu_seconds=1))
    assert isinstance(ended, Stopped)
    assert ended.status is Status.TIMED_OUT


def test_models_need_the_same_posts() -> None:
    with pytest.raises(ValueError, match="same posts"):
        run_sequences(job(averaging(), baseline=averaging(), baseline_ids=posts(3)), LIMITS)
