from __future__ import annotations

import io
import itertools
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grader.similarity import behaviour, weights
from grader.similarity.behaviour import beyond_class, usual_similarity
from grader.similarity.pairs import USUAL_AGREEMENT
from grader.similarity.weights import LessonTensors, sketches_of
from tests.similarity import works

NOTHING = LessonTensors([])


def alike(*models: bytes, known: LessonTensors = NOTHING) -> np.ndarray:
    owned = [weights.own_tensors(sketches_of(raw, "model.onnx"), known) for raw in models]
    return weights.similarity(owned, known)


# Weights ------------------------------------------------------------------------------------


def test_copies_of_weights_stand_out_and_runs_of_their_own_do_not() -> None:
    own = works.trained(1)
    models = {
        "other seed": works.trained(2),
        "same seed, another run": works.trained(3, start=1, moved=0.3),
        "equal": own,
        "trained further": works.tuned(own, 9),
        "permuted": works.permuted(own),
    }
    found = {
        name: alike(works.model(own), works.model(other))[0, 1] for name, other in models.items()
    }
    assert found["other seed"] == 0
    assert found["same seed, another run"] < 0.1
    assert found["equal"] == pytest.approx(1)
    assert found["permuted"] == pytest.approx(1)
    assert found["trained further"] > 0.8


def test_half_precision_does_not_hide_a_copy() -> None:
    own = works.trained(1)
    assert alike(works.model(own), works.model(own, np.float16))[0, 1] > 0.99


def test_tensors_that_the_lesson_hands_out_are_not_similar() -> None:
    base = works.trained(5)
    known = LessonTensors(sketches_of(works.model(base), "baseline.onnx"))
    pruned = [works.tuned(base, seed, by=0.3) for seed in (1, 2)]
    assert alike(works.model(base), works.model(base), known=known).max() == 0
    assert alike(*map(works.model, pruned), known=known).max() == 0
    assert alike(*map(works.model, [pruned[0]] * 2), known=known)[0, 1] > 0.99


def test_public_network_that_half_of_the_class_uses_has_little_weight() -> None:
    hub = works.trained(1)
    models = [works.model(hub)] * 12 + [works.model(works.trained(n)) for n in range(20, 30)]
    assert beyond_class(alike(*models), 0.0).max() == 0


def test_two_bit_weights_are_compared_in_order_only() -> None:
    rng = np.random.default_rng(0)
    first = {"w": rng.permutation(np.repeat([-2, -1, 0, 1], 64)).astype(np.float32).reshape(16, 16)}
    second = {"w": rng.permutation(first["w"].ravel()).reshape(16, 16)}
    assert alike(works.model(first), works.model(second))[0, 1] == 0
    assert alike(works.model(first), works.model(first))[0, 1] == 1


def test_files_that_are_no_models_leave_no_sketch() -> None:
    pickled = io.BytesIO()
    np.savez(pickled, a=np.array([{}] * 99, object), b=np.arange(99.0))
    assert [one.name for one in sketches_of(pickled.getvalue(), "m.npz")] == ["b"]
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(5):
            archive.writestr(f"{number}.npy", bytes(100 * 2**20))
    assert sketches_of(bomb.getvalue(), "m.npz") == []
    for raw in (b"", b"PK\x03\x04", b"\xff" * 99, works.model(works.trained(1))[:-50]):
        assert sketches_of(raw, "m.onnx") == []
        assert sketches_of(raw, "m.npz") == []
    broken = works.model({"w": np.full((16, 16), np.nan, np.float32)})
    assert sketches_of(broken, "m.onnx") == []


@settings(deadline=None, max_examples=30)
@given(st.integers(64, 5000), st.floats(-1, 1), st.integers(0, 99))
def test_sketches_keep_cosines(size: int, mix: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, y = (one - one.mean() for one in rng.normal(size=(2, size)))
    z = mix * x / np.linalg.norm(x) + np.sqrt(1 - mix**2) * y / np.linalg.norm(y)
    cosine = x @ z / np.linalg.norm(x) / np.linalg.norm(z)
    a, b = (sketches_of(works.model({"w": one}), "m.onnx")[0].vector() for one in (x, z))
    assert abs(a @ b - cosine) < 0.35 * (1 - cosine**2) + 0.01


# Mistakes -----------------------------------------------------------------------------------

DIFFICULTY = np.random.default_rng(1).normal(-3.5, 1.5, 8000)


def test_shared_mistakes_stand_out_and_hard_items_do_not() -> None:
    codes = [works.mistakes(0.5 * (n % 3 - 1), n, DIFFICULTY) for n in range(30)]
    codes.append(works.mistakes(0.0, 77, DIFFICULTY, shared=0.9, like=4))
    found = behaviour.agreement(codes)
    beyond = beyond_class(found.value, USUAL_AGREEMENT, found.low(4.0))
    assert found.value[4, 30] > 0.8
    assert beyond[4, 30] > 0.4
    beyond[4, 30] = beyond[30, 4] = 0
    assert beyond.max() == 0
    chance = found.value[np.triu_indices(30, 1)]
    assert abs(chance.mean()) < 0.02  # hard items, which all get wrong, are expected
    errors = found.error[np.triu_indices(30, 1)]
    assert 0.7 < np.std(chance / errors) < 1.4  # and the interval is as wide as it says


def test_answers_that_are_wrong_in_other_ways_do_not_agree() -> None:
    rng = np.random.default_rng(0)
    wrong = [np.flatnonzero(rng.random(4000) < 0.1) for _ in range(10)]
    codes = []
    for n, places in enumerate([*wrong, wrong[0], wrong[0]]):
        answer = np.zeros(4000, int)
        answer[places] = 1 + (places if n != 11 else places + 1) % 3
        codes.append(behaviour.of_classes(answer, np.zeros(4000, int)))
    found = behaviour.agreement(codes)
    assert found.value[0, 10] > 0.9
    assert found.value[0, 11] < 0.1


def test_few_mistakes_give_no_agreement() -> None:
    code = np.zeros(5000, np.uint8)
    code[:3] = 1
    found = behaviour.agreement([code] * 2 + [np.zeros(5000, np.uint8)] * 10)
    assert found.value.max() == 0


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 1000), st.integers(2, 9), st.integers(1, 400))
def test_agreement_is_symmetric_bounded_and_the_same_in_any_order(
    seed: int, n: int, items: int
) -> None:
    rng = np.random.default_rng(seed)
    codes = [rng.integers(0, 3, items).astype(np.uint8) for _ in range(n)]
    found = behaviour.agreement(codes)
    assert np.isfinite(found.value).all()
    assert np.allclose(found.value, found.value.T, atol=1e-5)
    assert (np.abs(found.value) <= 1).all()
    assert (found.error >= 0).all()
    order = rng.permutation(n)
    again = behaviour.agreement([codes[index] for index in order])
    assert np.allclose(again.value, found.value[np.ix_(order, order)], atol=1e-4)


@given(st.lists(st.tuples(st.floats(-9, 9), st.booleans()), min_size=1, max_size=50))
def test_a_detectors_misses_and_false_accepts_are_equally_many(
    clips: list[tuple[float, bool]],
) -> None:
    scores, labels = (np.array(each) for each in zip(*clips, strict=True))
    wrong = behaviour.of_scores(scores, labels) > 0
    assert (wrong & labels).sum() == (wrong & ~labels).sum()


def test_equal_wrong_numbers_are_equal_mistakes() -> None:
    first = behaviour.of_values([3, 10.0, 7], [True, False, False])
    second = behaviour.of_values([3, 10.0, 8], [True, False, False])
    assert (first == second).tolist() == [True, True, False]
    assert first[0] == 0


# The class ----------------------------------------------------------------------------------


def test_usual_similarity_of_a_class_is_not_beyond_it() -> None:
    rng = np.random.default_rng(0)
    n = 40
    alike = np.triu(rng.normal(0.6, 0.03, (n, n)), 1).astype(np.float32)
    alike += alike.T
    alike[2, 3] = alike[3, 2] = 0.98
    beyond = beyond_class(alike, 0.2)
    assert beyond[2, 3] > 0.8
    beyond[2, 3] = beyond[3, 2] = 0
    assert beyond.max() < 0.2
    assert usual_similarity(alike[:5, :5], 0.2).max() == np.float32(0.2)


def test_group_of_copies_does_not_become_usual() -> None:
    alike = np.zeros((30, 30), np.float32)
    ring = range(6)
    for a, b in itertools.permutations(ring, 2):
        alike[a, b] = 0.9
    beyond = beyond_class(alike, 0.2)
    assert all(beyond[a, b] > 0.8 for a, b in itertools.combinations(ring, 2))
