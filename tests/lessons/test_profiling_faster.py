"""The faster part: what the reference reaches, and what each mistake and each cheat is told.

Every mutant is the reference's faster.py with one edit, built and run in the sandbox.
"""

from __future__ import annotations

import importlib
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from grader.intake import open_submission
from grader.lesson import loading
from grader.lesson.contract import Setup
from grader.lesson.grades import Check
from grader.measure.costs import graph

LESSON = loading.load("profiling")
AUTOGRADER: Any = LESSON.autograder
checks, runs, exams = (
    importlib.import_module(f"{AUTOGRADER.__name__}.{name}")
    for name in ("faster_checks", "faster_run", "exam")
)
REFERENCE = (LESSON.reference / "faster.py").read_text(encoding="utf-8")
SETTINGS = {"inputs": 12, "timed": 8, "build_seconds": 6.0}


def exam(secret: str = "tests") -> Any:
    setup = Setup(LESSON.spec, LESSON.folder, "hidden", LESSON.spec.data.names[0], seed=secret)
    made = AUTOGRADER.prepare(setup)
    settings = {**made.settings, "faster": {**made.settings["faster"], **SETTINGS}}
    return exams.Exam(made.data_id, made.baseline, made.seed, made.hidden, made.limits, settings)


Examine = Callable[..., Any]


@pytest.fixture
def examine(tmp_path: Path) -> Examine:
    def with_source(source: str, without: tuple[str, ...] = ()) -> Any:
        for name in ("slow.py", "slow.npz"):
            if name not in without:
                shutil.copy(LESSON.reference / name, tmp_path)
        (tmp_path / "faster.py").write_text(source, encoding="utf-8")
        with open_submission(tmp_path, LESSON.spec.intake) as submission:
            return checks.examine_faster(exam(), submission)

    return with_source


def check(found: Any, name: str) -> Check:
    return next(one for one in found.checks if one.name == f"faster_{name}")


def edited(old: str, new: str) -> str:
    assert old in REFERENCE
    return REFERENCE.replace(old, new, 1)


def rebuilt(body: str) -> str:
    """The reference's network `old`, inside another module whose forward is `body`."""
    return (
        REFERENCE.replace("def build(", "def honest(", 1)
        + "\n\nclass Wrapped(nn.Module):\n"
        + "    def __init__(self):\n        super().__init__()\n        self.old = honest()\n"
        + "        self.extra = nn.Linear(40 * 96, 512)\n"
        + f"    def forward(self, x):\n        {body}\n\n\n"
        + "def build():\n    return Wrapped().eval()\n"
    )


def refused(found: Any, words: str) -> None:
    """The part is worth nothing, and its check says why."""
    for name in ("same_outputs", "speedup", "compression", "latency_ratio_b1"):
        assert found.measurements[name].value == 0.0
    (only,) = found.checks
    assert not only.passed
    assert words in only.message.to("en")
    assert only.message.to("ru") != only.message.to("en")


def test_the_reference_does_a_fraction_of_the_work(examine: Examine) -> None:
    found = examine(REFERENCE)
    # How fast a machine is at the moment is nothing to assert.
    assert {one.name for one in found.checks if not one.passed} <= {"faster_time"}
    values = {name: one.value for name, one in found.measurements.items()}
    assert values["same_outputs"] == 1.0
    assert values["largest_error"] < 1e-5
    assert values["speedup"] > 11.5
    assert values["compression"] > 6.5
    assert values["latency_ratio_b1"] > 0
    assert [figure.name for figure in found.figures] == ["faster_macs"]


def test_the_template_gives_the_slow_networks_outputs_and_gains_nothing(examine: Examine) -> None:
    found = examine((LESSON.template / "faster.py").read_text(encoding="utf-8"))
    assert found.measurements["same_outputs"].value == 1.0
    assert found.measurements["speedup"].value == pytest.approx(1.0, abs=0.01)
    assert found.measurements["compression"].value == pytest.approx(1.0, abs=0.01)


# Networks that run, and are not what they should be -----------------------------------------


@pytest.mark.parametrize(
    "source",
    [
        edited("_set(new.head, old.head.weight, old.head.bias)", "_set(new.head, old.head.weight)"),
        edited("rank = int((singular > NEGLIGIBLE * singular[0]).sum())", "rank = 5"),
        edited('("reset", "update", "new")', '("update", "reset", "new")'),
        rebuilt("return self.old(x).to(torch.bfloat16).float()"),
        rebuilt("return self.old(0 * x)"),
        rebuilt("return self.old(x) / 0"),
    ],
    ids=["bias", "rank", "gates", "rounded", "one answer", "not finite"],
)
def test_other_outputs_score_nothing(examine: Examine, source: str) -> None:
    found = examine(source)
    assert found.measurements["same_outputs"].value == 0.0
    told = check(found, "same_outputs")
    assert not told.passed
    assert told.points == 0.0
    assert "On 12 inputs" in told.message.to("en")


def test_answers_remembered_from_public_inputs_do_not_serve_hidden_ones(examine: Examine) -> None:
    public = runs.hidden_inputs("public", 4)
    body = (
        f"public = torch.tensor({public[:, 0, :4].tolist()!r})\n"
        "        near = (x[0, 0, :4] - public).abs().sum(1).argmin()\n"
        "        return torch.eye(12)[near].unsqueeze(0) + 0 * x[:, 0, :12]"
    )
    assert examine(rebuilt(body)).measurements["same_outputs"].value == 0.0


def test_a_bloated_network_is_told_so(examine: Examine) -> None:
    found = examine(rebuilt("return self.old(x) + 0 * self.extra(x.flatten(1)).sum()"))
    assert found.measurements["same_outputs"].value == 1.0
    assert found.measurements["compression"].value < 1
    assert not check(found, "bytes").passed
    assert "the slow network has 1,395," in check(found, "bytes").message.to("en")


# Networks that do not get so far ------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (rebuilt("return self.old(x).double()"), "found `answers` float64 [1, 12]"),
        (rebuilt("return self.old(x).half()"), "found `answers` float16 [1, 12]"),
        (rebuilt("return self.old(x)[0]"), "found `answers` float32 [12]"),
        (rebuilt("return self.old(torch.zeros_like(x))"), "found -"),
        (rebuilt("return torch.linalg.svd(x)[1][:, :12]"), "linalg_svd"),
        (rebuilt("return self.old(x.numpy())"), "(faster.py, line "),
        (rebuilt("return self.old(x) + torch.rand(1)"), "Random"),
        ("def build():\n    return 3\n", "has to return a torch.nn.Module, not int"),
        ("def build():\n    open('/etc/passwd').read()\n", "(faster.py, line 2)"),
        ("def build():\n    import time; time.sleep(60)\n", "did not finish within 6 s"),
        ("def build():\n    import os; os._exit(0)\n", "ended the process"),
        ("build = 1\n", "faster.py defines no function build()"),
        ("import slow_networks\n", "cannot be imported: ModuleNotFoundError"),
    ],
    ids=lambda value: None if "\n" in value else value[:30],
)
def test_what_cannot_be_measured_is_told_why(examine: Examine, source: str, words: str) -> None:
    refused(examine(source), words)


def test_the_lessons_own_files_are_out_of_reach(examine: Examine) -> None:
    slow = LESSON.folder / "slow.onnx"
    assert slow.is_file()
    refused(examine(f"def build():\n    open({str(slow)!r}, 'rb').read()\n"), "Error: [Errno")


def test_weights_that_were_not_handed_in(examine: Examine) -> None:
    refused(examine(REFERENCE, without=("slow.npz",)), "FileNotFoundError")


def test_weights_are_never_unpickled(examine: Examine, tmp_path: Path) -> None:
    with (tmp_path / "own.npz").open("wb") as file:
        np.savez(file, weight=np.array([{"a": 1}], dtype=object))
    source = "import numpy as np\ndef build():\n    return np.load('own.npz')['weight']\n"
    refused(examine(source), "allow_pickle=False")


def test_a_missing_file_costs_its_own_part(tmp_path: Path) -> None:
    (tmp_path / "profiler.py").write_text("", encoding="utf-8")
    with open_submission(tmp_path, LESSON.spec.intake) as submission:
        refused(checks.examine_faster(exam(), submission), "no faster.py")


# The slow network itself --------------------------------------------------------------------


def test_the_slow_network_wastes_what_it_says() -> None:
    """The figures of make_slow.py's table, from the weights."""
    with np.load(LESSON.template / "slow.npz", allow_pickle=False) as arrays:
        stem, spread = arrays["stem.weight"], arrays["spread.weight"]
        texture, shape = arrays["texture.weight"], arrays["shape.weight"]
        gate = arrays["detail_gate"]
    ring = stem.copy()
    ring[:, :, 1:4, 1:4] = 0
    assert not ring.any()
    assert not spread[~np.eye(16, dtype=bool)].any()
    assert not gate.any()
    for channel in range(32):
        assert np.linalg.matrix_rank(texture[:, channel].reshape(32, 25), tol=1e-4) == 1
    by_axis = shape.transpose(0, 2, 1, 3).reshape(160, 160)
    assert np.linalg.matrix_rank(by_axis, tol=1e-4) == 6


def test_the_committed_graph_is_that_of_slow_py() -> None:
    committed = graph.inspect((LESSON.folder / "slow.onnx").read_bytes())
    assert committed.macs == 77_972_796
    assert committed.inputs[0].shape == (1, 40, 96)
    assert b"/slow.py" not in (LESSON.folder / "slow.onnx").read_bytes()


def test_hidden_inputs_are_others_than_public_ones() -> None:
    public, hidden = runs.hidden_inputs("public", 6), runs.hidden_inputs("tests", 6)
    assert public.shape == hidden.shape == (6, 40, 96)
    assert np.isfinite(hidden).all()
    # Two in ten thousand float32 may be equal by chance.
    assert np.isin(hidden[hidden != 0], public[public != 0]).mean() < 1e-2
