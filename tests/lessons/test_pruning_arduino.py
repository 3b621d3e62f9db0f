"""The Arduino lesson: its arithmetic, its starter, and what the reference reaches on the board."""

from __future__ import annotations

import contextlib
import io
import itertools
import shutil
import warnings
import zipfile
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader import board, data, grading
from grader.board import firmware, integer_network
from grader.board.integer_network import IntegerNetwork
from grader.data.text.chat import CHARSET, END, MAX_QUERY, MAX_REPLY, Position
from grader.handout import starter
from grader.intake import open_submission
from grader.lesson import loading
from grader.lesson.grades import Figure, Grade, Status
from grader.measure.quality import experiments
from grader.measure.quality.classification import clustered, wilson
from grader.report import student_page
from grader.similarity.evidence import collect
from grader.text.errors import Rejected
from tests.conftest import Grader
from tests.lessons.projects import imported
from tests.report import browser

LESSON = loading.load("pruning_arduino")
TEMPLATE, REFERENCE = LESSON.template, LESSON.reference
BASELINE = LESSON.folder / "baseline"
NAME = "pruning_arduino"
MODULES = ("quantize", "model", "prune", "export", "train")
PLAIN = BASELINE / "firmware"


def project(folder: Path, *more: str) -> SimpleNamespace:
    """The modules of a project, imported as its own train.py imports them."""
    return imported(folder, (*MODULES, *more), ("teacher", "augment", "columns", "distill"))


@pytest.fixture(scope="module")
def template() -> SimpleNamespace:
    return project(TEMPLATE)


@pytest.fixture(scope="module")
def reference() -> SimpleNamespace:
    return project(REFERENCE, "columns", "published")


@pytest.fixture(scope="module")
def tinychat(shared_data: Path) -> Path:
    return shared_data / "tinychat"


def network_of(folder: Path) -> IntegerNetwork:
    return integer_network.read((folder / "model.npz").read_bytes())


def positions(seed: int, count: int) -> list[Position]:
    """Anything a board may be asked, sensible or not."""
    rng = np.random.default_rng(seed)
    letters = [chr(code) for code in range(33, 127)] + [" "]

    def text(longest: int, alphabet: list[str]) -> str:
        return "".join(rng.choice(alphabet, rng.integers(0, longest + 1)))

    return [
        Position(text(MAX_QUERY, letters), text(MAX_REPLY - 1, list(CHARSET)), END)
        for _ in range(count)
    ]


def random_model(sizes: list[int], low: int, high: int) -> IntegerNetwork:
    """An integer network with weights from `low` to `high`, and sums that wrap now and then."""
    rng = np.random.default_rng(sum(sizes) + high)
    encoding = integer_network.Encoding(sizes[0] - 30, 30, 5)
    layers = [
        integer_network.Layer(
            rng.integers(low, high + 1, (outputs, inputs)).astype(np.int8),
            rng.integers(-9000, 9000, outputs).astype(np.int16),
            rng.integers(0, 256, outputs).astype(np.uint8),
        )
        for inputs, outputs in zip(sizes, [*sizes[1:], 40], strict=True)
    ]
    return IntegerNetwork(encoding, tuple(layers))


def answers_of(folder: Path, asked: list[Position]) -> list[str]:
    with board.Board(board.build(folder)) as uno:
        return [uno.ask(firmware.line_of(position)).text for position in asked]


def shown(classes: np.ndarray) -> list[str]:
    return [integer_network.character(int(answer)) for answer in classes]


# The formula of a report that measured nothing.


def test_the_estimate_of_the_published_report_is_reproduced() -> None:
    unpruned = firmware.estimate((256, 256, 192, 128, 39))
    assert (unpruned.flash_bytes, unpruned.cycles) == (37_448, 8_950_022)
    assert unpruned.milliseconds == 559.376375


def test_the_estimate_of_its_pruned_network_is_reproduced() -> None:
    sizes = (256, 128, 96, 64, 39)
    weights = sum(a * b for a, b in itertools.pairwise(sizes))
    assert weights + sum(sizes[1:]) == 54_023
    pruned = firmware.estimate(sizes)
    assert round(pruned.flash_bytes / 1024, 2) == 13.83
    assert round(pruned.milliseconds, 2) == 208.28


# Intervals.


@given(st.integers(0, 200), st.integers(1, 200))
def test_wilsons_interval_holds_the_share(hits: int, n: int) -> None:
    share = min(hits, n) / n
    low, high = wilson(share, n)
    assert 0 <= low <= share + 1e-12
    assert share - 1e-12 <= high <= 1


def test_an_interval_is_as_wide_as_independent_queries_make_it() -> None:
    """200 queries of 5 positions that are all right or all wrong count as 200, not as 1,000."""
    right = np.repeat(np.random.default_rng(0).random(200) < 0.6, 5)
    queries = [str(number) for number in np.repeat(np.arange(200), 5)]
    share, interval = clustered(right, queries)
    assert interval == pytest.approx(wilson(share, 200), abs=0.002)


def test_the_interval_covers_what_it_promises() -> None:
    rng = np.random.default_rng(1)
    covered = 0
    for _ in range(400):
        easy = rng.beta(2, 1, 150)  # each query has a difficulty of its own; the mean is 2/3
        right = rng.random((150, 6)) < easy[:, None]
        _, (low, high) = clustered(right.ravel(), [str(n) for n in np.repeat(range(150), 6)])
        covered += low <= 2 / 3 <= high
    assert 0.92 <= covered / 400 <= 0.98


# Reading what was submitted.


@given(st.data())
def test_a_damaged_model_is_refused_and_nothing_worse(draw: Any) -> None:
    """Bytes of the file, and of the heads of its arrays behind a right checksum."""
    raw = bytearray((REFERENCE / "model.npz").read_bytes())
    if draw.draw(st.booleans()):
        raw = bytearray(_repacked(bytes(raw), draw))
    else:
        for _ in range(draw.draw(st.integers(1, 4))):
            raw[draw.draw(st.integers(0, len(raw) - 1))] = draw.draw(st.integers(0, 255))
    with contextlib.suppress(Rejected), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        integer_network.read(bytes(raw))


def _repacked(raw: bytes, draw: Any) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(raw)) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            member = bytearray(old.read(name))
            if draw.draw(st.integers(0, 3)) == 0:
                place = draw.draw(st.integers(0, min(127, len(member) - 1)))
                member[place] = draw.draw(st.sampled_from(list(b"0123456789{}()',:<|iufbOV \0")))
            new.writestr(name, bytes(member))
    return target.getvalue()


# One arithmetic, written three times: in numpy, and two programs in C.


def test_a_saved_network_is_read_again(tmp_path: Path) -> None:
    model = random_model([70, 33, 17], -8, 7)
    model.save(tmp_path / "model.npz")
    again = network_of(tmp_path)
    asked = positions(0, 100)
    assert again.sizes == model.sizes
    assert (again.classes(asked) == model.classes(asked)).all()
    assert len(set(model.classes(asked).tolist())) > 5


@pytest.mark.parametrize(("bits", "low", "high"), [(1, -1, 1), (2, -2, 1), (4, -8, 7)])
def test_the_plain_runtime_equals_the_integer_model(
    template: SimpleNamespace, tmp_path: Path, bits: int, low: int, high: int
) -> None:
    model = random_model([70, 33, 17], low, high)
    if bits == 1:
        layers = tuple(
            replace(layer, weight=np.where(layer.weight > 0, 1, -1)) for layer in model.layers
        )
        model = replace(model, layers=layers)
    shutil.copytree(PLAIN, tmp_path / "firmware")
    template.export.write_header(model, tmp_path / "firmware" / "weights.h")
    asked = positions(bits, 60)
    assert answers_of(tmp_path / "firmware", asked) == shown(model.classes(asked))


def test_the_sparse_runtime_equals_the_integer_model(
    reference: SimpleNamespace, tmp_path: Path
) -> None:
    """Every level from -2 to 1, long runs of zeros, and columns without any weight."""
    model = random_model([70, 200, 17], -2, 1)
    rng = np.random.default_rng(5)
    layers = []
    for layer in model.layers:
        thin = layer.weight * (rng.random(layer.weight.shape) < rng.choice([0.02, 0.3, 0.9]))
        thin[:, ::7] = 0
        layers.append(replace(layer, weight=thin.astype(np.int8)))
    model = reference.columns.round_biases(replace(model, layers=tuple(layers)))
    shutil.copytree(REFERENCE / "firmware", tmp_path / "firmware")
    reference.columns.write_header(model, tmp_path / "firmware" / "weights.h")
    asked = positions(6, 60)
    assert answers_of(tmp_path / "firmware", asked) == shown(model.classes(asked))


def test_whole_replies_equal_the_integer_model() -> None:
    network = network_of(REFERENCE)
    queries = list(data.load_pairs("chat-synthetic", "validation").queries[:30])
    with board.Board(board.build(REFERENCE / "firmware")) as uno:
        assert [uno.ask(query).text for query in queries] == network.replies(queries)


def test_what_a_new_project_holds_is_no_evidence_of_copying(tmp_path: Path) -> None:
    for inside, content in starter.files(LESSON):
        (tmp_path / inside).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / inside).write_bytes(content)
    folders = tuple(folder for _, folder in LESSON.given)
    with open_submission(tmp_path, LESSON.spec.intake, "hw") as submission:
        found = collect(submission, NAME, folders)
    assert found.given_code
    assert not found.own_code
    assert not [path for path in found.files if path.startswith("firmware/")]


def test_each_kernel_stands_once() -> None:
    """Of the rest of the program, tests/release/test_starters.py says it."""
    plain = (PLAIN / "network.c").read_bytes()
    assert (REFERENCE / "binary" / "firmware" / "network.c").read_bytes() == plain
    for name in ("network.c", "add_columns.S"):
        ours = (REFERENCE / "firmware" / name).read_bytes()
        assert (REFERENCE / "tinychat" / "firmware" / name).read_bytes() == ours


def test_a_new_project_has_the_whole_program(tmp_path: Path) -> None:
    given = {str(path): content for path, content in starter.files(LESSON)}
    for path in PLAIN.iterdir():
        assert given[f"firmware/{path.name}"] == path.read_bytes()


@pytest.mark.parametrize("folder", [BASELINE, REFERENCE], ids=["starter", "reference"])
def test_the_project_is_an_arduino_sketch(folder: Path) -> None:
    """The IDE wants <folder>.ino; a main() of our own keeps the core's out of the program."""
    sketch = folder / "firmware" / "firmware.ino"
    lines = sketch.read_text(encoding="utf-8").splitlines()
    assert all(line.startswith("//") or not line for line in lines)
    assert "int main(void)" in (folder / "firmware" / "main.c").read_text(encoding="utf-8")


# What the reference left.


@pytest.mark.parametrize("name", ["", "tinychat", "binary"])
def test_the_committed_tables_are_those_of_the_committed_model(
    reference: SimpleNamespace, tmp_path: Path, name: str
) -> None:
    folder = REFERENCE / name
    model = network_of(folder)
    write = reference.export if name == "binary" else reference.columns
    write.write_header(model, tmp_path / "weights.h")
    assert (tmp_path / "weights.h").read_bytes() == (folder / "firmware" / "weights.h").read_bytes()


@pytest.mark.parametrize("name", ["", "tinychat"])
def test_the_submitted_row_of_the_experiments_is_what_is_built(name: str) -> None:
    raw = (REFERENCE / name / "experiments.csv").read_bytes()
    table = experiments.read(raw, ("next_char_accuracy", "flash_bytes", "cycles_per_char"))
    rows = {one.name: one.values for one in table.experiments}
    assert len(rows) > 20
    image = board.build(REFERENCE / name / "firmware")
    assert rows["submitted"]["flash_bytes"] == image.flash_bytes


# The starter's training.


def test_pruning_keeps_the_strongest_units_and_what_they_compute(
    template: SimpleNamespace,
) -> None:
    import torch

    torch.manual_seed(0)
    network = template.model.ChatNet(template.model.ENCODING, (12, 8, 6)).eval()
    with torch.no_grad():  # units that are zero change nothing when they go
        network.layers[0].weight[[1, 5, 7]] = 0
        network.layers[0].norm.bias[[1, 5, 7]] = -1
    smaller = template.prune.prune(network, (0.25, 0.0, 0.0)).eval()
    counts = torch.randint(0, 3, (9, 256)).float()
    assert [len(layer.weight) for layer in smaller.layers] == [9, 8, 6, 40]
    assert torch.allclose(network(counts), smaller(counts), atol=1e-5)


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_levels_are_few_and_the_gradient_passes(template: SimpleNamespace, bits: int) -> None:
    import torch

    weight = torch.randn(5, 40, requires_grad=True)
    levels = template.quantize.quantize(weight, bits)
    low, high = template.quantize.LEVELS[bits]
    assert set(levels.detach().round().flatten().tolist()) <= set(range(low, high + 1))
    levels.sum().backward()
    assert weight.grad is not None
    assert (weight.grad != 0).all()


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_the_integer_model_predicts_what_the_quantized_network_predicts(
    template: SimpleNamespace, bits: int
) -> None:
    import torch

    torch.manual_seed(bits)
    torch.set_num_threads(1)
    encoding = template.model.ENCODING
    train = template.train.Data.of(data.load_pairs("chat-synthetic", "validation"), encoding)
    network = template.model.ChatNet(encoding, (48, 32))
    for layer in network.layers:
        layer.bits = bits
    recipe = template.train.Recipe(epochs=3, warmup_epochs=1, dropout=0.0)
    network = template.train.fit(network, train, train, recipe)
    model = template.model.to_integers(network, train.counts)
    with torch.no_grad():
        believed = network(train.counts.float()).argmax(1).numpy()
    assert (model.classes_of(train.counts.numpy()) == believed).mean() > 0.95


# Grades.


@pytest.fixture(scope="module")
def graded(shared_data: Path) -> Any:
    """Grades on hidden data, each made once."""
    made: dict[tuple[Path, str], Grade] = {}

    def grade(folder: Path, name: str) -> Grade:
        if (folder, name) not in made:
            source = shared_data / "tinychat" if name == "tinychat" else None
            exam = grading.prepare(LESSON, "hidden", data=name, source=source, seed="tests")
            made[folder, name], fault = grading.grade(exam, folder, folder.name)
            assert not fault
        return made[folder, name]

    return grade


REFERENCES = {"chat-synthetic": REFERENCE, "tinychat": REFERENCE / "tinychat"}


@pytest.mark.slow
@pytest.mark.parametrize("name", REFERENCES)
def test_the_reference_is_small_fast_and_right(graded: Any, name: str) -> None:
    grade = graded(REFERENCES[name], name)
    assert grade.status is Status.GRADED
    assert grade.gate.passed
    assert grade.value("next_char_accuracy") >= 0.64
    assert grade.value("flash_bytes") <= 6_500
    assert grade.value("ms_per_char") <= 5.0
    assert grade.score == pytest.approx(LESSON.spec.max_score)


@pytest.mark.slow
def test_binary_weights_work(graded: Any) -> None:
    grade = graded(REFERENCE / "binary", "tinychat")
    assert grade.status is Status.GRADED
    assert grade.value("next_char_accuracy") >= 0.60
    levels = [set(np.unique(layer.weight)) for layer in network_of(REFERENCE / "binary").layers]
    assert all(found <= {-1, 1} for found in levels)


@pytest.mark.slow
def test_the_published_network_fits_unpruned(
    reference: SimpleNamespace, tinychat: Path, tmp_path: Path, graded: Any
) -> None:
    """144,384 weights, bit for bit, in 26 KB and 15 ms a character."""
    model = integer_network.read_published(tinychat / "model.npz")
    reference.published.write(model, tmp_path)
    assert network_of(tmp_path).sizes == model.sizes
    grade = graded(tmp_path, "tinychat")
    assert grade.status is Status.GRADED, grade.reason
    assert grade.value("flash_bytes") <= 26_000
    assert grade.value("ms_per_char") <= 15.0


@pytest.mark.slow
def test_the_grade_tells_where_flash_and_cycles_went(graded: Any, tmp_path: Path) -> None:
    grade = graded(REFERENCE, "chat-synthetic")
    figures = {figure.name: figure for figure in grade.figures}
    maps = {"memory_map": board.MAX_FLASH_BYTES, "memory_map_sram": board.SRAM_BYTES}
    names = {"cycles_by_layer", "what_was_pruned", "replies", "confusion", *maps}
    assert names <= figures.keys()
    labels = [row.to("en") for name in maps for row in figures[name].rows]
    assert {"columns0 (data)", "network_run (code)", "buffers (data)", "stack"} <= set(labels)
    for name, room in maps.items():
        assert sum(sum(one.x) for one in figures[name].series) == room
    spent = figures["cycles_by_layer"].series[0].x
    assert sum(spent) == pytest.approx(grade.value("marked_cycles"), rel=0.01)
    assert grade.value("estimated_cycles") == firmware.estimate(network_of(REFERENCE).sizes).cycles
    asked = np.array(figures["confusion"].series[0].values)
    right = [
        count
        for x, y, count in zip(*_cells(figures["confusion"]), asked, strict=True)
        if figures["confusion"].columns[x] == figures["confusion"].rows[y]
    ]
    assert sum(right) / asked.sum() == pytest.approx(grade.value("next_char_accuracy"))
    ours, real = figures["replies"].series
    assert len(ours.point_labels) == len(real.point_labels) == len(figures["replies"].rows)
    assert_no_labels_overlap(grade, tmp_path / "report.html")


def _cells(figure: Figure) -> tuple[list[int], list[int]]:
    return [int(x) for x in figure.series[0].x], [int(y) for y in figure.series[0].y]


def assert_no_labels_overlap(grade: Grade, path: Path) -> None:
    if browser.executable() is None:
        return
    path.write_text(student_page(grade, LESSON.spec, "ru"), encoding="utf-8")
    with browser.page() as page:
        page.open(path)
        assert browser.overlaps(page, 1100) == []
        assert browser.overlaps(page, 390) == []


def test_the_plain_runtime_takes_as_long_for_any_weights(
    template: SimpleNamespace, tmp_path: Path
) -> None:
    """So the unpruned network, which does not fit, can be timed with its tables in one place."""
    taken = []
    for low, high in ((-2, -2), (-2, 1), (0, 0)):
        model = random_model([70, 33, 17], low, high)
        folder = tmp_path / f"{low}{high}"
        shutil.copytree(PLAIN, folder)
        layers = [replace(layer, weight=layer.weight.copy()) for layer in model.layers]
        for layer in layers:
            layer.weight[0, 0] = -2  # two bits in any case
        template.export.write_header(replace(model, layers=tuple(layers)), folder / "weights.h")
        with board.Board(board.build(folder)) as uno:
            spent = uno.ask("how are you\tI AM").inferences[0].layer_cycles()
        taken.append([spent[0], spent[1]])
    assert np.ptp(taken, axis=0).max() < 0.02 * np.min(taken)  # the rest is ReLU, per unit


def test_the_unpruned_network_does_not_fit() -> None:
    network = integer_network.read((BASELINE / "chat-synthetic.npz").read_bytes())
    image, missing = LESSON.autograder.plain_image(  # type: ignore[attr-defined]
        network, BASELINE / "firmware"
    )
    assert image.flash_bytes + missing > board.MAX_FLASH_BYTES
    assert missing == (192 * 256 + 128 * 192 + 40 * 128) // 4


def test_the_starter_says_what_to_do_first(tmp_path: Path) -> None:
    for place, folder in LESSON.given:
        shutil.copytree(folder, tmp_path / "hw" / place, dirs_exist_ok=True)
    exam = grading.prepare(LESSON, "public")
    grade, _ = grading.grade(exam, tmp_path / "hw", "hw")
    assert grade.status is Status.REJECTED
    assert "model.npz" in str(grade.reason)


@pytest.mark.slow
def test_a_first_training_in_a_new_project_is_graded(grader: Grader, tmp_path: Path) -> None:
    """One epoch each: unpruned it does not fit, pruned it does, and both are said."""
    project = tmp_path / "hw"
    assert grader("new", NAME, project).returncode == 0
    whole = grader.python("train.py", "--epochs", "1", cwd=project)
    assert whole.returncode == 0, whole.stderr
    assert "too large" in whole.stdout
    script = project / "train.py"
    text = script.read_text("utf-8").replace("(0.0, 0.0, 0.0)", "(0.7, 0.7, 0.7)")
    script.write_text(text, encoding="utf-8")
    pruned = grader.python("train.py", "--epochs", "1", "--name", "small", cwd=project)
    assert "Added to experiments.csv as 'small'" in pruned.stdout, pruned.stderr
    assert (project / "experiments.csv").read_text("utf-8").splitlines()[1].startswith("small,")
    assert "The submitted firmware is recorded" in grader("check", cwd=project).stdout


def test_what_a_firmware_takes_is_recorded_when_it_answers_as_the_network(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from grader import starter as helpers

    shutil.copytree(REFERENCE / "firmware", tmp_path / "firmware")
    pairs = data.load_pairs("chat-synthetic", "validation")
    few = replace(pairs, pairs=pairs.pairs[:10])
    helpers.record_firmware(tmp_path, "right", network_of(REFERENCE), "ternary", few)
    other = random_model([80, 33, 17], -2, 1)
    helpers.record_firmware(tmp_path, "wrong", other, "2", few)
    rows = (tmp_path / "experiments.csv").read_text("utf-8").splitlines()
    assert rows[0] == "name,next_char_accuracy,flash_bytes,cycles_per_char,sizes,bits"
    assert [row.split(",")[0] for row in rows[1:]] == ["right"]
    assert "Not recorded. The board and model.npz differ at" in capsys.readouterr().out
