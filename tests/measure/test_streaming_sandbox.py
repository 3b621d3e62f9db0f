"""A streaming model in its sandbox: one answer per chunk, and none in advance."""

from __future__ import annotations

import io
import time
from pathlib import Path

import numpy as np
import pytest

from grader.lesson.grades import Status
from grader.lesson.spec import RunLimits
from grader.sandbox.isolation.process import Stopped
from grader.sandbox.runners.child.stream import REQUEST, RESET
from grader.sandbox.runners.stream import Listener, StreamJob
from grader.text.errors import Rejected

REFERENCE = Path(__file__).resolve().parents[2] / "reference_solutions" / "streaming_kws"
FORMS = (("onnx", "model.onnx"), ("torchscript", "model.ts"))
LIMITS = RunLimits(wall_seconds=120.0)


def job(form: str, name: str) -> StreamJob:
    return StreamJob((REFERENCE / name).read_bytes(), form)  # type: ignore[arg-type]


def noise(seconds: float) -> np.ndarray:
    samples = int(seconds * 100) * 160
    return (0.1 * np.random.default_rng(0).standard_normal(samples)).astype(np.float32)


@pytest.mark.parametrize(("form", "name"), FORMS)
def test_every_chunk_gets_one_answer_on_our_clock(form, name):
    with Listener(job(form, name), LIMITS) as listener:
        listener.reset()
        heard = listener.hear(noise(2.0), [1280] * 30)
        listener.finish()
    assert list(heard.ends[:2]) == [1280, 2560]
    assert heard.ends[-1] == 32_000
    assert ((heard.probabilities >= 0) & (heard.probabilities <= 1)).all()
    assert (heard.seconds > 0).all()
    assert heard.finite.all()


def test_both_forms_answer_alike():
    answers = []
    for form, name in FORMS:
        with Listener(job(form, name), LIMITS) as listener:
            listener.reset()
            answers.append(listener.hear(noise(3.0), [160 * 7] * 100).probabilities)
    assert np.abs(answers[0] - answers[1]).max() < 1e-4


@pytest.mark.parametrize(("form", "name"), FORMS)
def test_the_state_is_weighed_and_does_not_grow(form, name):
    with Listener(job(form, name), LIMITS) as listener:
        listener.reset()
        listener.hear(noise(1.0), [1280] * 20)
        first = listener.held()
        listener.hear(noise(10.0), [1280] * 200)
        assert listener.held() == first
    assert first[1] == 4 * (320 + 760 + 1 + 40 + 200 + 10 + 1)


def test_an_answer_before_the_question_ends_the_run():
    with Listener(job(*FORMS[0]), LIMITS) as listener:
        listener.reset()
        listener._child.send(REQUEST.pack(RESET, 0))  # an answer before its request
        until = time.monotonic() + 300
        while not listener._child.pending() and time.monotonic() < until:
            time.sleep(0.01)
        with pytest.raises(Rejected, match="before the samples came"):
            listener.hear(noise(0.1), [160])


@pytest.mark.parametrize(("form", "data"), [("onnx", b"no model"), ("torchscript", b"PK no model")])
def test_what_cannot_be_loaded_is_rejected_with_the_reason(form, data):
    with (
        pytest.raises(Stopped) as stopped,
        Listener(StreamJob(data, form), LIMITS) as listener,
    ):
        listener.reset()
    assert stopped.value.status is Status.REJECTED


def test_torchscript_that_fails_is_not_sent_to_onnx_runtime():
    torch = pytest.importorskip("torch")

    class Failing(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.reshape(5, 5)

        @torch.jit.export
        def reset(self) -> None:
            pass

    buffer = io.BytesIO()
    torch.jit.save(torch.jit.script(Failing()), buffer)
    with (
        Listener(StreamJob(buffer.getvalue(), "torchscript"), LIMITS) as listener,
        pytest.raises(Stopped) as caught,
    ):
        listener.hear(noise(0.1), [160] * 10)
    assert "Run it in PyTorch" in caught.value.text.to("en")
    assert "ONNX" not in caught.value.text.to("en")


def test_a_chunk_that_a_model_cannot_take_is_its_own_fault():
    with Listener(job(*FORMS[0]), LIMITS) as listener:
        listener.reset()
        with pytest.raises(Stopped) as stopped:
            listener.hear(noise(1.0)[:161], [161])
    assert stopped.value.status is Status.REJECTED
