"""The profiler part: what is true, who gets full marks, and what each mistake is told.

Every mutant is the reference profiler with one edit, called in the sandbox as a submission is.
"""

from __future__ import annotations

import importlib
import io
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from grader.intake import open_submission
from grader.lesson import loading
from grader.lesson.contract import Setup
from grader.lesson.grades import Check
from grader.measure.costs import graph
from grader.release import contents
from tests.sandbox.conftest import closed_level  # noqa: F401  (a fixture)

LESSON = loading.load("profiling")
AUTOGRADER: Any = LESSON.autograder
families, truth, formulas, checks, exams, answering = (
    importlib.import_module(f"{AUTOGRADER.__name__}.{name}")
    for name in ("families", "truth", "formulas", "profiler_checks", "exam", "profiler_answers")
)
REFERENCE = (LESSON.reference / "profiler.py").read_text(encoding="utf-8")
SECRETS = ("public", "tests", "another")
NAMES = [family.name for family in families.FAMILIES]
PRODUCTS = ("Conv", "ConvTranspose", "MatMul", "Gemm", "Einsum", "GRU", "LSTM")


def exam(secret: str = "tests", **changes: Any) -> Any:
    made = AUTOGRADER.prepare(
        Setup(LESSON.spec, LESSON.folder, "hidden", LESSON.spec.data.names[0], seed=secret)
    )
    settings = {**made.settings, "profiler": {**made.settings["profiler"], **changes}}
    return exams.Exam(made.data_id, made.baseline, made.seed, made.hidden, made.limits, settings)


# The truth ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def models() -> Iterator[Any]:
    """The trusted builders that run in the sandbox, imported here to be counted by others."""
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)
    sys.path.insert(0, str(LESSON.folder))
    try:
        yield importlib.import_module("harness_models")
    finally:
        sys.path.remove(str(LESSON.folder))
        for name in ("harness_models", "harness_networks"):
            sys.modules.pop(name, None)


def case_of(name: str, secret: str) -> Any:
    return next(case for case in families.draw(secret) if case.name == name)


@pytest.mark.parametrize("name", [n for n in NAMES if n not in ("lstm", "quantised_linear")])
def test_macs_are_those_of_torchs_own_counter(models: Any, name: str) -> None:
    """It does not see fused LSTMs, quantized layers and products of elements."""
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.utils.flop_counter import FlopCounterMode

    for secret in SECRETS:
        case = case_of(name, secret)
        module, inputs = models.build(name, dict(case.sizes), case.seed)
        # The fused kernel of attention is unknown to it; the plain one does the same products.
        with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
            module(*inputs)
        unseen = sum(part.macs for part in case.truth.parts if part.op in ("mul", "mul and sum"))
        assert counter.get_total_flops() == 2 * (case.truth.total("macs") - unseen)


@pytest.mark.parametrize("name", NAMES)
def test_macs_are_those_of_the_exported_graph(models: Any, name: str) -> None:
    import torch

    for secret in SECRETS:
        case = case_of(name, secret)
        module, inputs = exportable(models, case)
        buffer = io.BytesIO()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.onnx.export(module, inputs, buffer, dynamo=False, opset_version=17)
        counted = (*PRODUCTS, "Mul") if name == "elementwise" else PRODUCTS
        report = graph.inspect(buffer.getvalue())
        found = sum(one.macs for one in report.layers if one.op in counted)
        assert found + at_load_time(case) == case.truth.total("macs")


def exportable(models: Any, case: Any) -> tuple[Any, Any]:
    """The model, or one of the same products where it cannot be exported as it is."""
    from torch import nn

    module, inputs = models.build(case.name, dict(case.sizes), case.seed)
    if case.name == "quantised_linear":  # the same layers before they are quantized
        inner, outer = case.sizes["inputs"], case.sizes["outputs"]
        middle = case.sizes["middle"]
        module = nn.Sequential(nn.Linear(inner, middle), nn.ReLU(), nn.Linear(middle, outer))
    elif case.name == "embedding_bag":  # a bag becomes a loop; without it all products are there
        mean = type("Mean", (nn.Module,), {"forward": lambda _, x: x.mean(1)})
        module.bag = nn.Sequential(module.position, mean())
    elif case.name == "modules_in_lists":  # what is not registered is exported as constants
        for layer in (*module.steps, *module.named.values()):
            layer.requires_grad_(False)
    return module, inputs


def at_load_time(case: Any) -> int:
    """The products of a first state of zeros with its weights: constants in a graph."""
    if case.name != "recurrent_loop":
        return 0
    return int(case.sizes["batch"] * 3 * case.sizes["hidden"] ** 2)


@pytest.mark.parametrize("name", [n for n in NAMES if n not in ("quantised_linear",)])
def test_weights_are_those_that_the_model_holds(models: Any, name: str) -> None:
    import torch

    case = case_of(name, "tests")
    module, _ = models.build(name, dict(case.sizes), case.seed)
    hidden = [*module.steps, *module.named.values()] if name == "modules_in_lists" else []
    every = torch.nn.ModuleList([module, *hidden])
    parameters = list(every.parameters())
    stored = [*parameters, *every.buffers()]
    assert case.truth.total("parameters") == sum(p.numel() for p in parameters)
    assert case.truth.total("bytes") == sum(t.numel() * t.element_size() for t in stored)


def test_quantized_weights_take_a_byte_each(models: Any) -> None:
    case = case_of("quantised_linear", "tests")
    module, _ = models.build(case.name, dict(case.sizes), case.seed)
    tensors = [t for layer in (module[0], module[2]) for t in (layer.weight(), layer.bias())]
    assert case.truth.total("parameters") == sum(t.numel() for t in tensors)
    assert case.truth.total("bytes") == sum(t.numel() * t.element_size() for t in tensors)


def test_public_and_hidden_models_have_other_sizes() -> None:
    public, hidden = families.draw("public"), families.draw("tests")
    assert [case.name for case in public] == [case.name for case in hidden] == NAMES
    assert all(a.sizes != b.sizes for a, b in zip(public, hidden, strict=True))
    assert families.draw("tests") == hidden


# Submissions --------------------------------------------------------------------------------

Examine = Callable[..., Any]


@pytest.fixture
def examine(tmp_path: Path) -> Examine:
    def with_source(source: str, **changes: Any) -> Any:
        (tmp_path / "profiler.py").write_text(source, encoding="utf-8")
        with open_submission(tmp_path, LESSON.spec.intake) as submission:
            return checks.examine_profiler(exam(**changes), submission)

    return with_source


@pytest.fixture
def few_families(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some of the families, where it is not the point that all are asked about."""
    chosen = ("linear", "gru", "embedding_bag", "elementwise", "shared_weights", "modules_in_lists")
    assert set(chosen) <= set(NAMES)
    monkeypatch.setattr(
        checks, "draw", lambda seed: [case_of(name, seed) for name in NAMES if name in chosen]
    )


def check(found: Any, name: str) -> Check:
    return next(one for one in found.checks if one.name == f"profiler_{name}")


def edited(old: str, new: str) -> str:
    assert old in REFERENCE
    return REFERENCE.replace(old, new, 1)


def wrapped(lines: str) -> str:
    """The reference's answer `r`, spoilt by `lines` before it is returned."""
    body = "\n".join(f"    {line}" for line in lines.splitlines())
    return (
        REFERENCE.replace("def profile_model(", "def honest(", 1)
        + "\n\ndef profile_model(model, example_inputs):\n"
        + "    r = honest(model, example_inputs)\n"
        + f"{body}\n    return r\n"
    )


def test_the_reference_gets_full_marks(examine: Examine) -> None:
    found = examine(REFERENCE)
    assert found.measurements["profiler"].value == 1.0
    assert [one.message.to("en") for one in found.checks if not one.passed] == []
    assert sum(one.points for one in found.checks) == pytest.approx(
        LESSON.spec.settings["profiler"]["points"]
    )
    assert {figure.name for figure in found.figures} == {
        "macs_by_family",
        "counts",
        "time_by_layer",
    }


@pytest.mark.usefixtures("few_families")
def test_the_template_says_what_is_missing(examine: Examine) -> None:
    found = examine((LESSON.template / "profiler.py").read_text(encoding="utf-8"))
    assert found.measurements["profiler"].value < 0.3
    assert "MACs 0 instead of" in check(found, "linear").message.to("en")


THOP = """
import time
import thop

def profile_model(model, example_inputs):
    parameters = sum(p.numel() for p in model.parameters())
    started = time.perf_counter()
    model(*example_inputs)
    seconds = time.perf_counter() - started
    macs, _ = thop.profile(model, inputs=example_inputs, verbose=False)
    total = dict(parameters=parameters, bytes=4 * parameters, macs=macs, activation_bytes=0,
                 seconds=seconds)
    return {**total, "layers": [{"name": "", **total}]}
"""


def test_thop_does_not_pass_and_its_blind_spots_are_named(examine: Examine) -> None:
    found = examine(THOP)
    assert found.measurements["profiler"].value < 0.5
    told = check(found, "thop")
    assert not told.passed
    assert "exactly thop's" in told.message.to("en")
    for words in (
        "nn.MultiheadAttention -100% (misses MultiheadAttention, products of attention)",
        "(misses scaled_dot_product_attention)",
        "(misses quantized Linear)",
        "(misses einsum)",
        "(misses mul and sum, mul)",
        "GRU +",
    ):
        assert words in told.message.to("en")
    assert "scaled_dot_product_attention is not counted" in check(
        found, "scaled_dot_product"
    ).message.to("en")


def test_flop_counter_mode_does_not_pass(examine: Examine) -> None:
    source = wrapped(
        "from torch.utils.flop_counter import FlopCounterMode\n"
        "with FlopCounterMode(display=False) as counter:\n"
        "    model(*example_inputs)\n"
        "r['macs'] = counter.get_total_flops() // 2"
    )
    found = examine(source)
    assert found.measurements["profiler"].value < 0.95
    assert "mul and sum, mul is not counted" in check(found, "elementwise").message.to("en")
    assert "quantized Linear is not counted" in check(found, "quantised_linear").message.to("en")
    assert check(found, "thop").passed


# Mistakes in one family cost that family ----------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ("raise ValueError('unknown layer')", "ValueError: unknown layer (profiler.py, line "),
        ("import time; time.sleep(60)", "did not finish within 10 s"),
        ("import os; os._exit(0)", "ended the process"),
        ("import numpy; r['macs'] = numpy.int64(5)", "`macs` has to be a plain Python number"),
        ("r['macs'] = torch.tensor(5)", "found torch.Tensor"),
        ("r['macs'] = {'total': [r['macs']]}", "found dict"),
        ("r['macs'] = str(r['macs'])", "found str"),
        ("r['macs'] = True", "found bool"),
        ("r['macs'] = -r['macs']", "can be negative"),
        ("r['seconds'] = float('nan')", "`seconds` is nan"),
        ("r['bytes'] = 10**40", "`bytes` is about 2**133"),
        ("r['layers'][0]['macs'] = None", "`layers[0].macs`"),
        ("r['layers'] = r['layers'] * 2000", "at most 2,000"),
        ("r['layers'] = r", "`layers` has to be a list"),
        ("del r['activation_bytes']", "lacks activation_bytes"),
        ("r = [r]", "profile_model() has to be a dict"),
        ("r['layers'][0]['name'] = 7", "`layers[0].name` has to be a str"),
        (
            "class Evil(int):\n"
            "    __eq__ = __float__ = __index__ = __repr__ = lambda *_: 1 / 0\n"
            "r['macs'] = Evil(5)",
            "plain Python number, found profiler.profile_model.<locals>.Evil",
        ),
        ("r['layers'] = []", "the layer 'head' has 0 MACs"),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else None,
)
@pytest.mark.usefixtures("few_families")
def test_a_mistake_on_one_family_costs_that_family_only(
    examine: Examine, lines: str, words: str
) -> None:
    inside = "\n".join(f"    {line}" for line in lines.splitlines())
    source = wrapped(f"if hasattr(model, 'bag'):\n{inside}")
    found = examine(source)
    failed = [one for one in found.checks if not one.passed]
    assert [one.name for one in failed] == ["profiler_embedding_bag"]
    assert words in failed[0].message.to("en")
    assert failed[0].message.to("ru") != failed[0].message.to("en")
    assert 0.8 < found.measurements["profiler"].value < 1.0


# Mistakes everywhere ------------------------------------------------------------------------


@pytest.mark.usefixtures("few_families")
def test_shared_weights_counted_twice(examine: Examine) -> None:
    found = examine(edited("if id(tensor) not in seen:", "if True:"))
    told = check(found, "shared_weights")
    assert not told.passed
    assert "parameters" in told.message.to("en")
    assert "MACs" not in told.message.to("en")


@pytest.mark.usefixtures("few_families")
def test_modules_in_lists_overlooked(examine: Examine) -> None:
    source = edited("for layer in layers.all:", "for layer in layers.all[:1]:")
    assert not check(examine(source), "modules_in_lists").passed


def test_gates_counted_as_products(examine: Examine) -> None:
    found = examine(edited("return 0 if inside else output.numel()", "return output.numel()"))
    failed = {one.name for one in found.checks if not one.passed}
    assert failed == {"profiler_gru", "profiler_recurrent_loop"}


SEARCH = """
import gc, inspect, os, sys

def profile_model(model, example_inputs):
    found = []
    def keep(value, depth=0):
        if type(value) in (str, bytes):
            found.append(value if type(value) is str else value.decode("latin-1"))
        elif type(value) in (list, tuple, set, frozenset) and depth < 3:
            for one in list(value)[:5000]:
                keep(one, depth + 1)
        elif type(value) is dict and depth < 3:
            for one in list(value.items())[:5000]:
                keep(one, depth + 1)
    SEARCHES[WHERE](keep, model)
    words = [word[::-1] for word in WORDS]  # this source itself is among what is found
    text = "\\n".join(found)
    stolen = [word for word in words if word in text]
    total = dict(parameters=len(stolen), bytes=0, macs=len(found), activation_bytes=0, seconds=0)
    return {**total, "layers": [{**total, "name": word} for word in stolen]}

def frames(keep, model):
    frame = sys._getframe()
    while frame.f_back is not None:
        frame = frame.f_back
        keep(dict(frame.f_locals))
        keep(dict(frame.f_globals))
        keep([str(name) for name in frame.f_code.co_names + frame.f_code.co_consts])

def collector(keep, model):
    for one in gc.get_objects():
        if type(one) in (dict, list, tuple):
            keep(one, 2)
        elif inspect.isfunction(one) and one.__module__ != __name__:
            keep([one.__name__, one.__qualname__, str(one.__doc__)])

def classes(keep, model):
    for module in model.modules():
        kind = type(module)
        keep([kind.__name__, kind.__qualname__, kind.__module__, str(kind.__doc__)])
        keep([kind.forward.__qualname__, kind.forward.__code__.co_filename])
        keep(vars(module))
    for name, module in list(sys.modules.items()):
        keep([name, str(getattr(module, "__doc__", "")), str(getattr(module, "__file__", ""))])
        if "harness" in name or "networks" in name:
            keep([list(vars(module)), [str(one.__doc__) for one in vars(module).values()]])

def files(keep, model):
    keep([str(list(os.environ.items())), str(sys.argv), str(sys.orig_argv)])
    for folder, _, names in os.walk("."):
        keep([folder, *names])
    for number in range(64):  # what was handed over, such as the sources of the harness
        try:
            keep(os.pread(number, os.lseek(number, 0, 2), 0))
        except OSError:
            pass
    for path in sys.path:
        for name in ("assignments/profiling", "grader/_course/assignments/profiling"):
            for file in ("formulas.py", "families.py", "harness_models.py"):
                try:
                    keep(open(os.path.join(path, name, file)).read())
                except OSError:
                    pass

SEARCHES = {one.__name__: one for one in (frames, collector, classes, files)}
"""
TELLING = (
    *("FORMULAS", "truth_of", "BUILDERS", "public_counts", "hidden_truth", "a secret of the exam"),
    # Families whose name is used by neither torch nor Python.
    *("grouped_convolution", "modules_in_lists", "shared_weights", "recurrent_loop"),
    *("normalised_residual", "quantised_linear", "functional_matmul", "multihead_attention'"),
    *("'batch_first':", '"batch_first"', '"sizes"', "'sizes'"),
)
"""Names of families and keys of sizes, as they stand in requests and in our sources."""


@pytest.mark.usefixtures("closed_level")
@pytest.mark.parametrize("place", ["frames", "collector", "classes", "files"])
def test_the_process_of_a_profiler_holds_the_model_and_nothing_else(
    place: str, tmp_path: Path
) -> None:
    source = SEARCH.replace("WHERE", repr(place)).replace("WORDS", repr([w[::-1] for w in TELLING]))
    (tmp_path / "profiler.py").write_text(source, encoding="utf-8")
    chosen = ("grouped_convolution", "modules_in_lists")
    cases = [case_of(name, "a secret of the exam") for name in chosen]
    with open_submission(tmp_path, LESSON.spec.intake) as submission:
        asked = answering.ask(
            submission, cases, LESSON.spec.limits, LESSON.spec.settings["profiler"]
        )
    assert [answer.error for answer in asked.answers] == [None, None]
    for answer in asked.answers:
        assert answer.profile.macs >= 5, "the search itself found text"
        assert [layer.name for layer in answer.profile.layers] == []


def test_a_profiler_that_copies_the_truth_gets_nothing(examine: Examine, tmp_path: Path) -> None:
    """It evaluates the formulas for the family and the sizes that it finds in a caller's frame."""
    copied = Path(formulas.__file__).read_text(encoding="utf-8")
    copied = copied[copied.index("def truth_of") : copied.index("def public_counts")]
    record = (
        "from dataclasses import dataclass\n@dataclass\nclass Part:\n    name: str\n    op: str\n"
        "    macs: int = 0\n    parameters: int = 0\n    returned: int = 0\n"
        "    buffer_bytes: int = 0\n    stored_bytes: int = 0\n"
    )
    head = f"from __future__ import annotations\nTruth = list\n{record}"
    (tmp_path / "formulas.py").write_text(head + copied, encoding="utf-8")
    found = examine("""
import sys, time
import formulas

def profile_model(model, example_inputs):
    frame = sys._getframe()
    while "case" not in (frame.f_locals.get("order") or {}):
        frame = frame.f_back
    case = frame.f_locals["order"]["case"]
    parts = formulas.truth_of(case["family"], case["sizes"])
    macs, parameters = sum(p.macs for p in parts), sum(p.parameters for p in parts)
    total = dict(parameters=parameters, bytes=4 * parameters, macs=macs, seconds=0.0,
                 activation_bytes=4 * sum(p.returned for p in parts))
    return {**total, "layers": []}
""")
    assert found.measurements["profiler"].value == 0.0
    assert sum(one.points for one in found.checks) == 0.0


@pytest.mark.usefixtures("few_families")
def test_the_position_of_a_call_does_not_tell_the_family(examine: Examine) -> None:
    """A profiler that answers the n-th call with counts of the n-th family gets other models."""
    orders = {
        tuple(sorted(NAMES, key=lambda name: case_of(name, secret).seed)) for secret in SECRETS
    }
    assert len(orders) == len(SECRETS)
    found = examine("""
calls = []

def profile_model(model, example_inputs):
    calls.append(hasattr(model, "bag"))
    total = dict(parameters=0, bytes=0, macs=0, activation_bytes=0, seconds=0)
    name = str(calls.index(True)) if True in calls else ""
    return {**total, "layers": [{**total, "name": name}]}
""")
    order = sorted(
        ("linear", "gru", "embedding_bag", "elementwise", "shared_weights", "modules_in_lists"),
        key=lambda name: case_of(name, "tests").seed,
    )
    assert order.index("embedding_bag") != 2, "the seed of this test moves it"
    assert found.measurements["profiler"].value == 0.0


def test_students_get_the_public_counts_and_no_formulas() -> None:
    assert truth.PUBLIC.read_bytes() == formulas.public_counts()
    for case in families.draw("public"):
        assert case.truth == formulas.truth_of(case.name, case.sizes)
    kept_back = {path.name for path in contents.withheld(LESSON)}
    assert "formulas.py" in kept_back
    given = [file.source for file in contents.for_students([LESSON])]
    assert truth.PUBLIC in given
    told = [path.name for path in given if b"FORMULAS" in path.read_bytes()]
    assert told == []


def test_patching_torch_harms_nobody_else(examine: Examine) -> None:
    source = wrapped(
        "import time\n"
        "torch.nn.Linear.forward = lambda self, x: x\n"
        "torch.nn.Module.__call__ = lambda self, *x: x[0]\n"
        "time.perf_counter = lambda: 0.0"
    )
    spoilt = examine(source)
    assert spoilt.measurements["profiler"].value < 0.5
    assert not check(spoilt, "time").passed
    assert "thop is wrong on 13" in check(spoilt, "thop").message.to("en")
    assert examine(REFERENCE).measurements["profiler"].value == 1.0


@pytest.mark.usefixtures("few_families")
@pytest.mark.parametrize("seconds", ["0.0", "r['seconds'] * 1000", "3600.0"])
def test_times_that_cannot_be_true(examine: Examine, seconds: str) -> None:
    found = examine(wrapped(f"r['seconds'] = {seconds}"))
    assert [one.name for one in found.checks if not one.passed] == ["profiler_time"]
    assert found.measurements["profiler"].value == pytest.approx(0.95)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("import nothing_like_this\n", "cannot be imported: ModuleNotFoundError"),
        ("def profile_model(model, inputs)\n    pass\n", "SyntaxError"),
        ("profile_model = 3\n", "profiler.py defines no function profile_model()"),
    ],
)
def test_what_does_not_start_is_said_once(examine: Examine, source: str, words: str) -> None:
    found = examine(source)
    assert found.measurements["profiler"].value == 0.0
    assert [one.name for one in found.checks] == ["profiler_runs"]
    assert words in found.checks[0].message.to("en")


def test_a_missing_profiler_costs_its_own_part(tmp_path: Path) -> None:
    (tmp_path / "faster.py").write_text("", encoding="utf-8")
    with open_submission(tmp_path, LESSON.spec.intake) as submission:
        found = checks.examine_profiler(exam(), submission)
    assert found.measurements["profiler"].value == 0.0
    assert "no profiler.py" in found.checks[0].message.to("en")


def test_hints_name_every_family() -> None:
    texts = importlib.import_module(f"{AUTOGRADER.__name__}.profiler_texts")
    assert set(texts.HINTS) == set(NAMES) == set(formulas.FORMULAS)
