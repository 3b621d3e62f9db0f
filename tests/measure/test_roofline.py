"""Workloads of networks, their time on a platform, and whether they fit its memory."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from grader.board import integer_network
from grader.board.integer_network import Encoding, IntegerNetwork, Layer
from grader.lesson import course
from grader.measure.costs import graph
from grader.measure.hardware import platforms, traffic, workload
from grader.measure.hardware.platforms import Figure, Memory, Platform
from grader.measure.hardware.roofline import amdahl_bound, predict, speedup_bound
from grader.measure.hardware.this_machine import cut
from grader.measure.hardware.traffic import Use, live_amounts
from grader.measure.hardware.workload import Amount, Work, Workload
from grader.text import Text
from grader.text.errors import UsageError
from tests.measure.graph_models import model, node, weights

BASELINE = course.assignments() / "distillation" / "baseline" / "speech-synthetic.onnx"


def figure(value: float) -> Figure:
    return Figure(value=value, source="a test")


def machine(
    *,
    peak: float = 1e6,
    bandwidth: float = 1e6,
    overhead: float | None = None,
    ram: float = 1e6,
    storage: float | None = None,
    storage_bandwidth: float | None = None,
    cache: float | None = None,
) -> Platform:
    return Platform(
        name="machine",
        title=Text.in_languages({"en": "A machine", "ru": "Машина"}),
        kind="laptop",
        price="under 10 USD",
        clock_hz=figure(1e6),
        memory=Memory(
            ram=figure(ram),
            storage=figure(storage) if storage else None,
            cache=figure(cache) if cache else None,
        ),
        bandwidth=figure(bandwidth),
        storage_bandwidth=figure(storage_bandwidth) if storage_bandwidth else None,
        peak={"float32": figure(peak), "int8": figure(4 * peak)},
        overhead_s=figure(overhead) if overhead else None,
    )


# One product of matrices, by hand: (2, 3) by (3, 4).


@pytest.fixture(scope="module")
def product() -> bytes:
    return model([node("MatMul", "x w", "y")], {"x": [2, 3]}, {"w": weights(3, 4)})


def test_a_product_moves_its_matrices_once(product: bytes) -> None:
    (work,) = traffic.of_onnx(product).works
    assert work.macs == 2 * 3 * 4
    assert work.weights.bytes() == work.fetched.bytes() == 4 * 12
    assert work.activations.bytes() == 4 * (6 + 8)


def test_a_layer_takes_as_long_as_its_slower_roof(product: bytes) -> None:
    found = traffic.of_onnx(product)
    (slow_memory,) = predict(found, machine(peak=1e6, bandwidth=1e6)).layers
    assert (slow_memory.compute_s, slow_memory.memory_s) == pytest.approx((24e-6, 104e-6))
    assert slow_memory.seconds == pytest.approx(104e-6)
    assert (slow_memory.bound, slow_memory.intensity) == ("memory", pytest.approx(24 / 104))
    (slow_sums,) = predict(found, machine(peak=1e5, bandwidth=1e6)).layers
    assert (slow_sums.bound, slow_sums.seconds) == ("compute", pytest.approx(240e-6))


def test_weights_come_at_the_speed_of_the_flash(product: bytes) -> None:
    slow = machine(storage=1e3, bandwidth=1e6, storage_bandwidth=1e4)
    (layer,) = predict(traffic.of_onnx(product), slow).layers
    assert layer.memory_s == pytest.approx(48 / 1e4 + 56 / 1e6)


def test_starting_an_operator_costs_its_overhead(product: bytes) -> None:
    found = predict(traffic.of_onnx(product), machine(overhead=1e-3))
    assert found.seconds == pytest.approx(1e-3 + 104e-6)
    assert found.layers[0].limit == "overhead"
    assert found.time_by_limit() == pytest.approx(
        {"compute": 0.0, "memory": 104e-6, "overhead": 1e-3}
    )


def test_a_type_sizes_numbers_and_chooses_the_peak(product: bytes) -> None:
    found = traffic.of_onnx(product)
    (layer,) = predict(found, machine(), "int8").layers
    assert (layer.weight_bytes, layer.bytes_moved) == (12, 12 + 14)
    assert layer.compute_s == pytest.approx(24 / 4e6)


def test_a_type_that_the_platform_lacks_is_named(product: bytes) -> None:
    with pytest.raises(UsageError, match="cannot compute in float16; it has float32, int8"):
        predict(traffic.of_onnx(product), machine(), "float16")


def test_the_batch_multiplies_work_but_not_weights() -> None:
    batched = model([node("MatMul", "x w", "y")], {"x": ["n", 3]}, {"w": weights(3, 4)})
    one, many = (traffic.of_onnx(batched, batch=size).works[0] for size in (1, 5))
    assert many.macs == 5 * one.macs
    assert many.activations.bytes() == 5 * one.activations.bytes()
    assert many.weights == one.weights


# What operators move.


def test_views_are_free_and_a_shared_weight_is_stored_once() -> None:
    found = traffic.of_onnx(
        model(
            [
                node("MatMul", "x w", "a"),
                node("Reshape", "a shape", "b"),
                node("MatMul", "b w", "y"),
            ],
            {"x": [1, 4]},
            {"w": weights(4, 4), "shape": np.array([1, 4])},
        )
    )
    first, second = found.works
    assert (first.weights.bytes(), second.weights.bytes()) == (64, 0)
    assert (first.fetched.bytes(), second.fetched.bytes()) == (64, 64)
    assert found.weights.bytes() == 64 + 16  # and the shape


def test_a_look_up_reads_only_its_rows() -> None:
    ids = helper.make_tensor_value_info("ids", TensorProto.INT64, [3])
    made = helper.make_graph(
        [node("Gather", "table ids", "y")],
        "g",
        [ids],
        [helper.make_empty_tensor_value_info("y")],
        [numpy_helper.from_array(weights(1000, 8), "table")],
    )
    raw = helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    found = traffic.of_onnx(raw.SerializeToString())
    (work,) = found.works
    assert work.weights.bytes() == 4 * 8000
    assert work.fetched.bytes() == 4 * 3 * 8
    assert work.activations.bytes() == 3 * 8 + 4 * 3 * 8


def recurrent(steps: int, hidden: int = 4) -> bytes:
    return model(
        [node("GRU", "x w r", "y", hidden_size=hidden)],
        {"x": [steps, 1, 2]},
        {"w": weights(1, 3 * hidden, 2), "r": weights(1, 3 * hidden, hidden)},
    )


def test_recurrent_weights_are_read_at_every_step_unless_a_cache_keeps_them() -> None:
    found = traffic.of_onnx(recurrent(steps=7))
    again, once = 4 * 3 * 4 * 4, 4 * 3 * 4 * 2
    (work,) = found.works
    (bare,) = predict(found, machine()).layers
    (cached,) = predict(found, machine(cache=again)).layers
    (small,) = predict(found, machine(cache=again - 1)).layers
    kept = work.activations.bytes() + once + again
    assert cached.bytes_moved == kept
    assert bare.bytes_moved == small.bytes_moved == kept + 6 * again


def test_a_quantized_product_is_computed_in_its_own_type() -> None:
    found = traffic.of_onnx(
        model(
            [
                node("DynamicQuantizeLinear", "x", "q s z"),
                node("MatMulInteger", "q w z", "i"),
                node("Cast", "i", "f", to=TensorProto.FLOAT),
                node("MatMul", "f v", "y"),
            ],
            {"x": [2, 8]},
            {"w": np.ones((8, 8), np.int8), "v": weights(8, 4)},
        )
    )
    layers = {layer.op: layer for layer in predict(found, machine(peak=1e6)).layers}
    assert layers["MatMulInteger"].dtype == "int8"
    assert layers["MatMulInteger"].compute_s == pytest.approx(2 * 8 * 8 / 4e6)
    assert layers["MatMulInteger"].bytes_moved == 64 + (16 + 1) + 4 * 16  # z is one byte
    assert layers["MatMul"].dtype == "float32"
    assert layers["MatMul"].compute_s == pytest.approx(2 * 8 * 4 / 1e6)
    assert found.dtype == "int8"


def test_quantized_weights_keep_their_bytes_and_belong_to_their_reader() -> None:
    found = traffic.of_onnx(
        model(
            [node("DequantizeLinear", "q s", "w"), node("MatMul", "x w", "y")],
            {"x": [1, 8]},
            {"q": np.ones((8, 8), np.int8), "s": np.float32(0.5)},
        )
    )
    (work,) = found.works
    assert (work.op, work.fetched.bytes(), found.dtype) == ("MatMul", 64 + 4, "float32")
    assert predict(found, machine(), "int8").layers[0].weight_bytes == 64 + 1


# Memory.


def test_peak_memory_of_a_branch_by_hand() -> None:
    # x (10) -> a (10); b = relu(a) (10); y = a + b: at the sum a, b and y exist, x is gone.
    found = traffic.of_onnx(
        model(
            [node("Neg", "x", "a"), node("Relu", "a", "b"), node("Add", "a b", "y")],
            {"x": [1, 10]},
        )
    )
    assert [amount.bytes() for amount in found.live] == [80, 80, 120]
    assert found.peak_activation_bytes() == 120
    assert found.peak_activation_bytes("int8") == 30


def test_a_view_keeps_its_source_alive_and_takes_nothing() -> None:
    found = traffic.of_onnx(
        model(
            [
                node("Neg", "x", "a"),
                node("Reshape", "a shape", "v"),
                node("Relu", "x", "b"),
                node("Concat", "v b", "y", axis=1),
            ],
            {"x": [1, 10]},
            {"shape": np.array([1, 10])},
        )
    )
    assert [amount.bytes() for amount in found.live] == [80, 80, 120, 160]


@st.composite
def graphs(draw: st.DrawFn) -> tuple[list[Use], dict[str, int], list[str], list[str]]:
    """A few nodes; each reads what inputs and earlier nodes made."""
    known = [f"in{i}" for i in range(draw(st.integers(1, 2)))]
    inputs, uses = list(known), []
    for index in range(draw(st.integers(1, 7))):
        reads = draw(st.lists(st.sampled_from(known), min_size=1, max_size=3))
        makes = [f"t{index}_{i}" for i in range(draw(st.integers(1, 2)))]
        uses.append(Use(tuple(reads), tuple(makes)))
        known += makes
    sizes = {name: draw(st.integers(1, 9)) for name in known}
    read = [name for use in uses for name in use.reads]
    made = [name for use in uses for name in use.makes]
    outputs = [name for name in made if name not in read or draw(st.booleans())]
    return uses, sizes, [name for name in inputs if name in read], outputs


@given(graphs())
def test_liveness_equals_looking_at_every_moment(
    drawn: tuple[list[Use], dict[str, int], list[str], list[str]],
) -> None:
    uses, sizes, inputs, outputs = drawn
    amounts = {name: Amount(fixed=size) for name, size in sizes.items()}
    found = [one.bytes() for one in live_amounts(uses, amounts, inputs, outputs)]
    for now, use in enumerate(uses):
        exist = set(inputs) | {n for earlier in uses[: now + 1] for n in earlier.makes}
        needed_later = {name for later in uses[now:] for name in later.reads} | set(outputs)
        alive = (exist & needed_later) | set(use.makes)
        assert found[now] == sum(sizes[name] for name in alive)


@pytest.mark.parametrize(
    ("ram", "storage", "said"),
    [
        (56, 48, "Fits: weights 48 B of 48 B flash, activations 56 B of 56 B RAM."),
        (56, 47, "weights take 48 B, 1 B more than the 47 B of flash."),
        (50, 48, "activations take 56 B at once, 6 B more than the 50 B of RAM."),
        (104, None, "Fits: weights 48 B and activations 56 B of 104 B memory."),
        (100, None, "weights and activations take 104 B, 4 B more than the 100 B of memory."),
    ],
)
def test_the_sentence_says_what_overflows(
    product: bytes, ram: float, storage: float | None, said: str
) -> None:
    fit = predict(traffic.of_onnx(product), machine(ram=ram, storage=storage)).fit
    assert fit.fits == said.startswith("Fits")
    assert fit.sentence.to("en").endswith(said)
    assert ("Помещается" in fit.sentence.to("ru")) == fit.fits


# The whole is never faster than either roof.

AMOUNTS = st.integers(0, 10**6).map(lambda n: Amount(numbers=n, stored=4 * n))
WORKS = st.builds(
    Work,
    name=st.text("abc/", min_size=1, max_size=4),
    op=st.sampled_from(["Conv", "GRU", "Add"]),
    macs=st.integers(0, 10**9),
    fetched=AMOUNTS,
    activations=AMOUNTS,
)
MACHINES = st.builds(
    machine,
    peak=st.floats(1e3, 1e15),
    bandwidth=st.floats(1e3, 1e13),
    overhead=st.none() | st.floats(1e-9, 1e-3),
)


def of(works: list[Work]) -> Workload:
    return Workload("float32", 1, tuple(works), Amount(), (), 0)


@given(st.lists(WORKS, max_size=8), MACHINES)
def test_no_prediction_beats_a_roof(works: list[Work], one: Platform) -> None:
    found = predict(of(works), one)
    assert found.seconds >= max(found.compute_s, found.memory_s) * (1 - 1e-12)
    assert found.seconds == pytest.approx(sum(found.time_by_limit().values()))
    assert math.fsum(found.share(layer) for layer in found.layers) == pytest.approx(
        1.0 if found.seconds else 0.0
    )
    assert all(layer.macs / one.peak["float32"].value <= layer.seconds for layer in found.layers)


@given(st.lists(WORKS, min_size=1, max_size=8), MACHINES, st.data())
def test_no_change_to_named_layers_beats_its_bound(
    works: list[Work], one: Platform, data: st.DataObject
) -> None:
    found = predict(of(works), one)
    chosen = data.draw(st.lists(st.sampled_from([layer.name for layer in found.layers])))
    bound = speedup_bound(found, chosen)
    left = [layer.seconds for layer in found.layers if layer.name not in chosen]
    assert not bound.unmatched
    if sum(left) > 0:
        assert found.seconds / sum(left) == pytest.approx(bound.bound, rel=1e-6)


@given(st.lists(WORKS, min_size=1, max_size=8), MACHINES, st.integers(1, 9))
def test_bottlenecks_are_the_longest(works: list[Work], one: Platform, k: int) -> None:
    found = predict(of(works), one)
    top = found.bottlenecks(k)
    rest = list(found.layers)
    for layer in top:
        rest.remove(layer)
    assert len(top) == min(k, len(found.layers))
    assert all(layer.seconds >= other.seconds for layer in top for other in rest)


def test_amdahl_by_hand() -> None:
    assert amdahl_bound(0.5) == 2.0
    assert amdahl_bound(0.75) == 4.0
    assert amdahl_bound(0.5, gain=2) == pytest.approx(4 / 3)
    assert amdahl_bound(0.0) == 1.0
    assert amdahl_bound(1.0) == math.inf
    for share, gain in ((-0.1, 2.0), (1.1, 2.0), (0.5, 0.0), (0.5, -1.0)):
        with pytest.raises(ValueError, match=r"share|gain"):
            amdahl_bound(share, gain)


def test_layers_are_named_by_glob_or_operator() -> None:
    works = [
        Work("/gru/GRU", "GRU", 60),
        Work("/gru/Squeeze", "Squeeze", 10),
        Work("/conv/Conv", "Conv", 30),
    ]
    found = predict(of(works), machine())
    names = {
        pattern: [layer.name for layer in speedup_bound(found, [pattern]).layers]
        for pattern in ("/gru/*", "GRU", "/conv/Conv", "nothing*")
    }
    assert names == {
        "/gru/*": ["/gru/GRU", "/gru/Squeeze"],
        "GRU": ["/gru/GRU"],
        "/conv/Conv": ["/conv/Conv"],
        "nothing*": [],
    }
    both = speedup_bound(found, ["GRU", "/gru/*", "nothing*"])
    assert (both.share, both.bound) == (pytest.approx(0.7), pytest.approx(1 / 0.3))
    assert both.unmatched == ("nothing*",)
    assert speedup_bound(found, ["*"]).bound == math.inf


# The real networks.


@pytest.fixture(scope="module")
def speech() -> Workload:
    return traffic.of_onnx(BASELINE.read_bytes())


def test_the_baseline_counts_as_it_is_graded(speech: Workload) -> None:
    counted = graph.inspect(BASELINE.read_bytes())
    assert (speech.macs, speech.params) == (counted.macs, counted.params) == (914_624, 70_443)
    assert speech.weights.bytes() == counted.bytes
    by_name = {layer.name: layer.macs for layer in counted.layers if layer.macs}
    assert {work.name: work.macs for work in speech.works if work.macs} == by_name
    # The convolution: 40 x 101 features in, 8 channels of 18 x 11 out, float32.
    assert speech.peak_activation_bytes() == 4 * (40 * 101 + 8 * 18 * 11) == 22_496


def test_the_baseline_in_float32_fits_all_but_the_arduino(speech: Workload) -> None:
    fits = {
        one.name: predict(speech, one).fit.fits for one in platforms.catalogue().platforms.values()
    }
    assert fits == {name: name != "atmega328p" for name in fits}
    sentence = predict(speech, platforms.load("atmega328p")).fit.sentence.to("en")
    assert "281,860 B, 249,604 B more than the 32,256 B of flash" in sentence
    assert "22,496 B at once, 20,448 B more than the 2,048 B of RAM" in sentence


def test_its_recurrent_layers_are_the_bottlenecks(speech: Workload) -> None:
    for name in ("cortex-m4", "esp32", "raspberry-pi-5"):
        top = predict(speech, platforms.load(name)).bottlenecks(2)
        assert {layer.op for layer in top} == {"GRU"}, name


def test_on_an_esp32_int8_moves_the_limit_from_flash_to_arithmetic(speech: Workload) -> None:
    board = platforms.load("esp32")
    full, small = predict(speech, board), predict(speech, board, "int8")
    assert [layer.bound for layer in full.bottlenecks(1)] == ["memory"]
    assert [layer.bound for layer in small.bottlenecks(1)] == ["compute"]
    assert small.seconds < full.seconds / 4


def test_tinychat_fits_the_arduino_only_compressed(shared_data: Path) -> None:
    network = integer_network.read_published(shared_data / "tinychat" / "model.npz")
    found = workload.of_integer_network(network)
    assert (found.macs, found.dtype, found.peak_activation_bytes()) == (144_384, "int2", 1_024)
    fit = predict(found, platforms.load("atmega328p")).fit
    assert not fit.fits
    assert fit.storage is not None
    assert fit.storage.needed == 144_384 // 4 + 3 * 616  # two bits; 16-bit bias, 8-bit multiplier
    assert fit.storage.surplus == 5_688
    assert fit.ram.surplus < 0
    assert fit.rescue is not None
    assert fit.rescue.bytes == pytest.approx(20_400 + 3 * 616, abs=5)  # the published entropy
    others = [one for name, one in platforms.catalogue().platforms.items() if name != "atmega328p"]
    assert all(predict(found, one).fit.fits for one in others)


def test_the_pruned_reference_fits_the_arduino() -> None:
    raw = (course.reference_solutions() / "pruning_arduino" / "model.npz").read_bytes()
    found = workload.of_integer_network(integer_network.read(raw))
    assert predict(found, platforms.load("atmega328p")).fit.fits


@pytest.mark.parametrize(
    ("values", "bits"),
    [
        ([1, -1], 1),
        ([-1, 0, 1], 2),
        ([-2, 0, 1], 2),
        ([-2, 0, 2], 4),
        ([-8, 7, 0], 4),
        ([9, 0, 1], 8),
    ],
)
def test_weights_are_packed_into_the_bits_that_they_use(values: list[int], bits: int) -> None:
    weight = np.resize(np.array(values, np.int8), (8, 16))
    network = IntegerNetwork(
        Encoding(8, 8, 4), (Layer(weight, np.zeros(8, np.int16), np.zeros(8, np.uint8)),)
    )
    found = workload.of_integer_network(network)
    assert workload.bits_in_use(weight) == bits
    assert found.weights.bytes() == 8 * 16 * bits // 8 + 8 * 3
    assert [code.bytes for code in found.codes] == sorted(
        (code.bytes for code in found.codes), reverse=True
    )


def test_operators_that_a_file_calls_alike_stay_apart() -> None:
    twins = [helper.make_node("MatMul", [a, "w"], [b], name="twin") for a, b in ("xa", "ay")]
    raw = model(twins, {"x": [1, 4]}, {"w": weights(4, 4)})
    assert [work.name for work in traffic.of_onnx(raw).works] == ["twin", "twin (2)"]
    assert set(cut(raw)[1]) == {"twin", "twin (2)"}


# A model in pieces.


def test_each_piece_of_a_cut_model_computes_what_it_did(speech: Workload) -> None:
    import onnxruntime

    _, parts = cut(BASELINE.read_bytes())
    assert set(parts) >= {work.name for work in speech.works}
    for name, part in parts.items():
        session = onnxruntime.InferenceSession(part.model, providers=["CPUExecutionProvider"])
        given = {n: np.zeros(shape, dtype) for n, dtype, shape in part.inputs}
        assert set(given) == {one.name for one in session.get_inputs()}
        assert session.run(None, given), name
    alone = {name: traffic.of_onnx(part.model) for name, part in parts.items()}
    for work in speech.works:
        if work.op in ("Conv", "GRU", "MatMul", "Gemm"):
            assert alone[work.name].macs == work.macs
            assert alone[work.name].works[-1].fetched.numbers == work.fetched.numbers
