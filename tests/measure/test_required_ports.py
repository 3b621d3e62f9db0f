"""The input and output that a lesson demands, and the sentences about others."""

from __future__ import annotations

import re

import pytest
from graph_models import model, node, weights

from grader.measure.costs.graph import Tensor, inspect, require
from grader.text.errors import Rejected

FEATURES, LOGITS = Tensor("features", (4,)), Tensor("logits", (2,))
WEIGHTS = {"w": weights(4, 2)}


def exported(
    name: str = "features", answer: str = "logits", batch: int | str = "n", **options: object
) -> bytes:
    nodes = [node("MatMul", f"{name} w", answer)]
    return model(nodes, {name: [batch, 4]}, WEIGHTS, outputs=[answer], **options)


def sentence(raw: bytes) -> str:
    with pytest.raises(Rejected) as caught:
        require(inspect(raw), expects=FEATURES, returns=LOGITS)
    assert re.search("[а-я]", caught.value.text.to("ru"))
    assert len(caught.value.text.to("ru")) < 700
    assert "\x1b" not in caught.value.text.to("en") + caught.value.text.to("ru")
    return caught.value.text.to("en")


@pytest.mark.parametrize("batch", ["n", 1])
def test_the_batch_may_be_free_or_one(batch: int | str) -> None:
    require(inspect(exported(batch=batch)), expects=FEATURES, returns=LOGITS)


def test_the_sentence_says_what_was_expected_and_what_was_found() -> None:
    found = sentence(exported(name="x"))
    assert "Expected one input `features` float32 [batch, 4]" in found
    assert "found `x` float32 [n, 4]; export" in found
    assert "`logits` float32 [batch, 2] with batch free or 1, found `y`" in sentence(
        exported(answer="y")
    )
    assert "[2, 4]" in sentence(exported(batch=2))


def test_a_hundred_inputs_with_long_names_make_a_short_sentence() -> None:
    names = ["features", *("\x1b[31m" + "x" * 1000 + str(number) for number in range(100))]
    raw = model(
        [node("MatMul", "features w", "logits")],
        {name: ["n", 4] for name in names},
        WEIGHTS,
        outputs=["logits"],
    )
    found = sentence(raw)
    assert "and 98 more" in found
    assert len(found) < 600
