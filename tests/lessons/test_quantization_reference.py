"""The quantization reference: it trains, exports faithfully, and shrinks without a word lost."""

from __future__ import annotations

import importlib
import itertools
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from grader import starter
from grader.data.text.posts import LABELS, PostSet
from grader.measure.costs.graph import GraphLimits, inspect
from grader.measure.quantization import inspect_quantization
from grader.starter import Posts
from tests.lessons.projects import imported

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "reference_solutions" / "quantization"
BASELINE = ROOT / "assignments" / "quantization" / "baseline"
MODULES = (
    "losses",
    "model",
    "tokenization",
    "export",
    "train",
    "distill",
    "quantize",
    "qat",
    "kws",
    "letters",
)
MODELS = ("teacher", "teacher_ptq", "student", "student_ptq")


@pytest.fixture(scope="module")
def code() -> SimpleNamespace:
    """The reference's modules, imported as its own scripts import them."""
    return imported(REFERENCE, MODULES)


@pytest.fixture(autouse=True)
def _repeatable():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def posts() -> PostSet:
    """A thousand posts whose label is a word in them."""
    rng = np.random.default_rng(0)
    moods = ("ужасно", "обычно", "отлично", "непонятно", "поздравляю")
    things = ("еда", "погода", "Фильм", "работа", "ёлка", "день", "музыка", "книга")
    labels = rng.integers(0, len(LABELS), 1000)
    texts = [
        " ".join([*rng.choice(things, rng.integers(1, 6)), moods[label], ")" * rng.integers(0, 4)])
        for label in labels
    ]
    return PostSet("toy", "train", tuple(texts), labels, ("",) * 1000)


@pytest.fixture(scope="module")
def tokenizer(code, posts):
    return starter.train_tokenizer(posts.texts, 150)


def networks(code: SimpleNamespace, vocabulary: int) -> dict[str, torch.nn.Module]:
    """Small ones of every kind, with weights as after training."""
    torch.manual_seed(1)
    teacher = code.model.TeacherConfig(vocabulary, width=32, heads=4, hidden=64)
    student = code.model.StudentConfig(vocabulary, width=16, channels=32, kernel=5)
    made = {
        "teacher": code.model.Transformer(teacher).eval(),
        "student": code.model.Convolutional(student).eval(),
        "ngrams": code.model.Ngrams(code.model.NgramConfig(10 * vocabulary)).eval(),
    }
    with torch.no_grad():
        for module in made.values():
            for name, parameter in module.named_parameters():
                if name != "embedding.weight":
                    parameter.add_(0.1 * torch.randn_like(parameter))
    return made


def run(
    code: SimpleNamespace, model: onnx.ModelProto, ids: np.ndarray, *, as_written: bool = False
) -> np.ndarray:
    """Logits; `as_written` without the kernels that fuse int4 weights and round activations."""
    options = onnxruntime.SessionOptions()
    if as_written:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    names = [port.name for port in session.get_inputs()]
    return session.run(["logits"], code.quantize.feed(names, ids))[0]


def batch(vocabulary: int) -> np.ndarray:
    """Three posts of 9, 4 and 1 tokens."""
    ids = np.random.default_rng(0).integers(3, vocabulary, (3, 9))
    ids[1, 4:] = ids[2, 1:] = 0
    return ids


def test_the_tokenizer_is_the_same_in_every_process(code, posts, tokenizer):
    """Its trainer is parallel and counts in hash maps, whose order differs from run to run."""
    again = [starter.train_tokenizer(posts.texts, 150) for _ in range(3)]
    files = {starter.compact(one) for one in (tokenizer, *again)}
    assert len(files) == 1


def test_a_compact_tokenizer_reads_as_before_in_fewer_bytes(code, posts, tokenizer):
    small = starter.compact(tokenizer)
    assert len(small) < 0.8 * len(tokenizer.to_str(pretty=True).encode())
    read = type(tokenizer).from_buffer(small)
    assert [one.ids for one in read.encode_batch(list(posts.texts[:100]))] == [
        one.ids for one in tokenizer.encode_batch(list(posts.texts[:100]))
    ]


def test_trimming_keeps_the_numbers_of_the_pieces_that_stay(code, tokenizer):
    trimmed = code.tokenization.trim(tokenizer, 110)
    assert trimmed.get_vocab_size() == 110
    assert trimmed.get_vocab().items() <= tokenizer.get_vocab().items()
    assert tuple(trimmed.id_to_token(i) for i in range(3)) == starter.SPECIAL


@pytest.mark.parametrize("post", ["", "   ", "ёлка))) " * 200, "日本語 \x00 🙂", "https://a.b/c"])
def test_every_post_becomes_some_tokens_and_not_too_many(code, tokenizer, post):
    ids = torch.tensor(tokenizer.encode(post).ids)
    assert ids[0] == 2
    assert 1 <= len(ids) <= starter.LENGTH


@pytest.mark.parametrize("kind", ["teacher", "student", "ngrams"])
def test_an_export_computes_what_the_module_does(code, kind):
    module, ids = networks(code, 60)[kind], batch(60)
    tensor = torch.from_numpy(ids)
    expected = module(tensor, (tensor != 0).long()).detach().numpy()
    exported = code.export.export(module)
    assert run(code, exported, ids) == pytest.approx(expected, abs=1e-5)
    alone = [
        run(code, exported, row[None, :size])[0] for row, size in zip(ids, (9, 4, 1), strict=True)
    ]
    assert np.array(alone) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("kind", ["teacher", "student", "ngrams"])
def test_an_export_is_plain_onnx_with_the_names_of_the_module(code, kind):
    module = networks(code, 60)[kind]
    exported = code.export.export(module)
    assert [opset.domain for opset in exported.opset_import] == [""]
    stored = {weight.name for weight in exported.graph.initializer}
    assert {name for name, _ in module.named_parameters()} <= stored
    report = inspect(exported.SerializeToString(), GraphLimits(length=32))
    assert {port.name for port in report.inputs} <= {"input_ids", "attention_mask"}
    assert all(isinstance(size, str) for port in report.inputs for size in port.shape)
    assert [port.name for port in report.outputs] == ["logits"]


def storages(code: SimpleNamespace) -> list:
    kinds = itertools.product((4, 8), ("tensor", "channel", "block"))
    return [code.quantize.Storage(bits, granularity) for bits, granularity in kinds]


@pytest.mark.parametrize("by_row", [True, False])
def test_rounding_errs_by_half_a_step_at_most_and_keeps_zero(code, by_row):
    values = np.random.default_rng(0).normal(size=(48, 32)).astype(np.float32)
    values[0] = 0  # as the padding's row
    values[:, 1] = 0
    for storage in storages(code):
        levels, scale, axis = code.quantize.quantize(values, storage, by_row=by_row)
        if storage.granularity == "channel":
            spread = scale[:, None] if by_row else scale
        else:
            spread = scale.repeat(storage.block, axis) if scale.ndim else scale
        assert np.abs(levels).max() <= 2 ** (storage.bits - 1) - 1
        assert (np.abs(levels * spread - values) <= spread / 2 * 1.001).all()
        assert not levels[0].any()
        assert not levels[:, 1].any()


@pytest.mark.parametrize("by_row", [True, False])
def test_training_sees_the_very_weights_that_are_stored(code, by_row):
    values = torch.randn(48, 32)
    for storage in storages(code):
        levels, scale, axis = code.quantize.quantize(values.numpy(), storage, by_row=by_row)
        if storage.granularity == "channel":
            scale = scale[:, None] if by_row else scale
        elif storage.granularity == "block":
            scale = scale.repeat(storage.block, axis)
        seen = code.qat.fake_quantize(values, storage, by_row=by_row)
        assert np.array_equal(seen.numpy(), levels * scale)


@pytest.mark.parametrize("kind", ["teacher", "student"])
def test_stored_in_few_bits_a_model_runs_and_its_bytes_are_counted(code, kind):
    module, ids = networks(code, 600)[kind], batch(600)
    model = code.export.export(module)
    expected = run(code, model, ids)
    whole = inspect(model.SerializeToString(), GraphLimits(length=32)).bytes
    for storage in storages(code):
        small = code.quantize.weight_only(model, storage)
        size = inspect(small.SerializeToString(), GraphLimits(length=32)).bytes
        assert whole / size > (1.6 if storage.bits == 8 else 2.3)
        spread = 0.05 if storage.bits == 8 else 1.0
        difference = np.abs(run(code, small, ids) - expected).max()
        assert 0 < difference < spread * np.abs(expected).max()


@pytest.mark.parametrize(
    ("kind", "small"), [("teacher", "dynamic"), ("student", "lookup"), ("ngrams", "lookup")]
)
def test_the_submitted_ptq_is_int8_with_its_embedding(code, kind, small):
    module, ids = networks(code, 600)[kind], batch(600)
    model = code.export.export(module)
    quantized = getattr(code.quantize, small)(model)
    expected = run(code, model, ids)
    assert np.abs(run(code, quantized, ids) - expected).max() < 0.08 * np.abs(expected).max()
    found = inspect_quantization(quantized.SerializeToString(), GraphLimits(length=32))
    assert {w.quantized for w in found.weights if w.component == "embedding"} == {True}


@pytest.mark.parametrize("kind", ["student", "ngrams"])
def test_the_integer_students_answer_depends_on_its_post_alone(code, kind):
    """Scales that are found anew for every batch would let its neighbours change it."""
    model = code.quantize.lookup(code.export.export(networks(code, 60)[kind]))
    ids = batch(60)
    alone = [
        run(code, model, row[None, :size])[0] for row, size in zip(ids, (9, 4, 1), strict=True)
    ]
    assert np.array(alone) == pytest.approx(run(code, model, ids), abs=1e-6)


@given(text=st.text(max_size=300))
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_becomes_letters_within_the_range_that_is_hashed_exactly(code, posts, text):
    tokenizer = code.letters.letters_tokenizer(posts.texts)
    ids = torch.tensor(tokenizer.encode(text).ids)
    assert 1 <= len(ids) <= code.letters.LETTERS
    assert ids[0] == 2
    assert 0 < ids.min() <= ids.max() < tokenizer.get_vocab_size()
    largest = code.model.multipliers(5, 2).sum(dim=1).max().item()
    assert largest * (starter.ALPHABET + 4) < 2**24


def test_the_rows_of_ngrams_are_those_that_onnx_runtime_finds(code):
    """A hash that is rounded anywhere would look up another row, far from the right one."""
    module = code.model.Ngrams(code.model.NgramConfig(10_007)).eval()
    ids = np.random.default_rng(0).integers(3, 200, (4, 250))
    model = code.export.export(module)
    model.graph.output.append(
        onnx.helper.make_tensor_value_info("numbers", onnx.TensorProto.INT64, None)
    )
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    (found,) = session.run(["numbers"], {"input_ids": ids})
    assert np.array_equal(found, module.numbers(torch.from_numpy(ids)).numpy())
    assert len(np.unique(found)) > 2000
    assert (found[:, 0] == ids * int(module.hashing[0, 0]) % 10_007).all()


def test_static_scales_come_from_the_posts_that_are_shown(code, posts, tokenizer):
    model = code.export.export(networks(code, 150)["teacher"])
    shown = Posts.of(posts, tokenizer)
    small = code.quantize.static(model, shown)
    ids = np.stack([shown.ids[0].numpy()])
    expected = run(code, model, ids)
    assert np.abs(run(code, small, ids) - expected).max() < 0.2 * np.abs(expected).max()


def recipe(code: SimpleNamespace, **changes: object):
    return code.train.Recipe(**{"epochs": 6, "learning_rate": 1e-2, "word_dropout": 0.0, **changes})


def trained(code: SimpleNamespace, posts: PostSet, tokenizer, kind: str, **changes: object):
    part = Posts.of(posts, tokenizer)
    module = networks(code, 150)[kind]
    loss = code.losses.hard_loss(part.labels)
    model = code.train.fit(module, part, part, loss, recipe(code, **changes))
    return model, starter.accuracy(model, part)


@pytest.mark.parametrize("kind", ["teacher", "student", "ngrams"])
def test_training_learns_what_is_there_and_repeats_itself(code, posts, tokenizer, kind):
    model, accuracy = trained(code, posts, tokenizer, kind)
    again, _ = trained(code, posts, tokenizer, kind)
    assert accuracy > 0.95
    assert all(map(torch.equal, model.parameters(), again.parameters()))
    assert not model.embedding.weight[0].any()  # the padding


def test_training_with_rounding_ends_on_weights_that_storing_does_not_change(
    code, posts, tokenizer
):
    part = Posts.of(posts, tokenizer)
    storage = code.quantize.Storage(4, "channel")
    student = code.qat.train_qat(
        networks(code, 150)["student"],
        storage,
        part,
        part,
        code.losses.hard_loss(part.labels),
        recipe(code, epochs=8),
    )
    assert starter.accuracy(student, part) > 0.9
    model, ids = code.export.export(student), part.ids[0].numpy()[None]
    stored = code.quantize.weight_only(model, storage)
    answers = run(code, stored, ids, as_written=True)
    assert answers == pytest.approx(run(code, model, ids), abs=1e-4)


def test_a_student_that_equals_its_teacher_has_nothing_to_learn(code):
    logits = torch.randn(8, 5)
    assert code.losses.soft_loss(logits, logits, 4.0).item() == pytest.approx(0, abs=1e-5)
    assert code.losses.soft_loss(-logits, logits, 4.0) > 0
    assert torch.allclose(code.losses.ensemble(logits, logits), logits.log_softmax(dim=1))


def test_adjustment_asks_more_of_frequent_classes_and_leaves_absent_ones_finite(code):
    bias, labels = torch.zeros(5), torch.tensor([0] * 6 + [1] * 3 + [2] * 2 + [3])
    assert torch.equal(code.losses.adjusted(bias, labels, 0.0), bias)
    moved = code.losses.adjusted(bias, labels, 1.0)
    assert moved.isfinite().all()
    assert (moved[:4].diff() > 0).all()
    assert (moved[0] - moved[1]).item() == pytest.approx(-np.log(2), abs=1e-6)


def test_an_adjusted_student_differs_in_its_last_bias_alone(code, posts, tokenizer):
    part = Posts.of(posts, tokenizer)
    config = code.model.StudentConfig(150, width=16, channels=32)
    taught = torch.zeros(len(part.ids), 5)
    plain, moved = (
        code.distill.train_student(
            config,
            part,
            part,
            recipe(code, epochs=1),
            taught,
            code.losses.LossWeights(adjustment=by),
        ).state_dict()
        for by in (0.0, 0.5)
    )
    differing = [name for name in plain if not torch.equal(plain[name], moved[name])]
    assert differing == ["classifier.bias"]


def test_a_taught_student_follows_its_teacher_against_the_labels(code, posts, tokenizer):
    part = Posts.of(posts, tokenizer)
    wrong = (part.labels + 1) % 5
    taught = 10 * torch.nn.functional.one_hot(wrong, 5).float()
    weights = code.losses.LossWeights(hard=0.1, soft=1.0, temperature=1.0)
    config = code.model.StudentConfig(150, width=16, channels=32)
    student = code.distill.train_student(config, part, part, recipe(code), taught, weights)
    assert starter.accuracy(student, Posts(part.ids, wrong)) > 0.95


def test_the_keyword_spotter_computes_the_same_in_torch(code):
    model = onnx.load(code.kws.BASELINE)
    clips = np.random.default_rng(0).normal(-8, 3, (4, 40, 101)).astype(np.float32)
    with torch.no_grad():
        answers = code.kws.in_torch(model)(torch.from_numpy(clips)).numpy()
    assert code.kws.logits(model, clips) == pytest.approx(answers[:, 1] - answers[:, 0], abs=1e-3)


def test_the_keyword_spotter_shrinks_and_keeps_its_answers(code):
    model = onnx.load(code.kws.BASELINE)
    clips = np.random.default_rng(0).normal(-8, 3, (16, 40, 101)).astype(np.float32)
    expected = code.kws.logits(model, clips)
    whole = inspect(model.SerializeToString()).bytes
    train = SimpleNamespace(features=clips)
    sizes = {}
    for name, small in code.kws.variants(train):
        changed = small(model)
        sizes[name] = inspect(changed.SerializeToString()).bytes
        assert np.abs(code.kws.logits(changed, clips) - expected).max() < 0.6, name
    assert sizes["float16 weights"] == pytest.approx(whole / 2, rel=0.01)
    assert whole / sizes["int8 weights, one a channel"] > 3.6


def test_standardizing_inside_the_keyword_spotter_changes_nothing(code):
    model = onnx.load(code.kws.BASELINE)
    clips = np.random.default_rng(0).normal(-8, 3, (16, 40, 101)).astype(np.float32)
    changed = code.kws.logits(code.kws.standardized(model, clips), clips)
    assert changed == pytest.approx(code.kws.logits(model, clips), abs=1e-2)


def test_calibrating_on_other_features_than_the_networks_own_ruins_it(code):
    """Dynamic and well calibrated networks lose nothing; this is the mistake that costs most."""
    model = onnx.load(code.kws.BASELINE)
    clips = np.random.default_rng(0).normal(-8, 3, (16, 40, 101)).astype(np.float32)
    expected = code.kws.logits(model, clips)
    wrong = {
        name: np.abs(code.kws.logits(spoil(model), clips) - expected).mean()
        for name, spoil in code.kws.suspects(SimpleNamespace(features=clips))
    }
    assert all(difference > 0 for difference in wrong.values())
    assert wrong["calibrated before the logarithm"] > 10 * wrong["one scale a tensor"]


def test_a_pretrained_bert_is_loaded_trained_exported_and_quantized(code, posts, tmp_path):
    """rubert-tiny2's architecture, some thousand times smaller, from a folder."""
    transformers = pytest.importorskip("transformers")
    words = sorted({word for text in posts.texts for word in text.lower().split()})
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words]
    (tmp_path / "vocab.txt").write_text("\n".join(words), encoding="utf-8")
    size = {"hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 4}
    config = transformers.BertConfig(vocab_size=len(words), num_hidden_layers=3, **size)
    transformers.BertModel(config).save_pretrained(tmp_path)
    vocabulary = {word: number for number, word in enumerate(words)}
    transformers.BertTokenizer(vocab=vocabulary).save_pretrained(tmp_path)
    sys.path.insert(0, str(REFERENCE))
    try:
        rubert = importlib.import_module("rubert")
        module, tokenizer = rubert.load_pretrained(str(tmp_path))
        path = tmp_path / "teacher.onnx"
        rubert.train_pretrained(module, tokenizer, posts, posts, path, seed=0)
    finally:
        sys.path.remove(str(REFERENCE))
    model = onnx.load(path)
    ids = torch.tensor(tokenizer.encode(posts.texts[0]).ids)
    expected = run(code, model, ids.numpy()[None])
    assert expected.shape == (1, 5)
    small = code.quantize.dynamic(model)
    assert np.abs(run(code, small, ids.numpy()[None]) - expected).max() < 0.2
    found = inspect_quantization(small.SerializeToString(), GraphLimits(length=32))
    assert {w.quantized for w in found.weights if w.component == "embedding"} == {True}


@pytest.mark.parametrize("name", MODELS)
def test_the_committed_networks_are_those_in_the_code(code, name):
    setup = code.train.SETUPS["posts-synthetic"]
    module = (
        code.model.Transformer(setup.teacher)
        if "teacher" in name
        else code.model.Convolutional(setup.student)
    )
    with torch.no_grad():  # equal biases, as before training, would be stored once
        for parameter in module.parameters():
            parameter.add_(torch.randn_like(parameter))
    model = code.export.export(module)
    if name.endswith("ptq"):
        model = {"t": code.quantize.dynamic, "s": code.quantize.lookup}[name[0]](model)
    fresh, committed = (
        inspect(raw, GraphLimits(length=32))
        for raw in (model.SerializeToString(), (REFERENCE / f"{name}.onnx").read_bytes())
    )
    assert (fresh.bytes, fresh.macs) == (committed.bytes, committed.macs)


def test_the_courses_teacher_is_the_references(code):
    for name in ("teacher.onnx", "tokenizer.json"):
        assert (BASELINE / name).read_bytes() == (REFERENCE / name).read_bytes()


def test_committed_files_are_small():
    files = [*REFERENCE.glob("*.onnx"), *REFERENCE.glob("*.json")]
    assert max(file.stat().st_size for file in files) <= 6_000_000
    assert sum(file.stat().st_size for file in files) <= 9_000_000


def test_the_committed_student_is_dozens_of_times_smaller():
    sizes = {}
    for name, tokenizer in (("teacher", "tokenizer"), ("student_ptq", "student_tokenizer")):
        model = inspect((REFERENCE / f"{name}.onnx").read_bytes(), GraphLimits(length=32))
        file = REFERENCE / f"{tokenizer}.json"
        sizes[name] = model.bytes + file.stat().st_size
        assert json.loads(file.read_text(encoding="utf-8"))["model"]["type"] == "WordPiece"
    assert sizes["teacher"] / sizes["student_ptq"] > 30
