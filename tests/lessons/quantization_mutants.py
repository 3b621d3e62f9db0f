"""The quantization reference with one thing changed: what students get wrong, and what some try.

Every mutant is a function of a folder that holds a copy of the reference's artefacts.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnx import GraphProto, TensorProto, helper, numpy_helper

from grader.lesson import loading

LESSON = loading.load("quantization")
REFERENCE = LESSON.reference
NAMES = ("teacher", "teacher_ptq", "student", "student_ptq")
ARTEFACTS = (
    *(f"{name}.onnx" for name in NAMES),
    "tokenizer.json",
    "student_tokenizer.json",
    "table.csv",
    "calibration.txt",
)
Edit = Callable[[Path], None]


@dataclass(frozen=True)
class Mutant:
    """A change that is graded all the same, and the check that has to notice it."""

    name: str
    edit: Edit
    caught_by: str


@dataclass(frozen=True)
class Refused:
    """A change that cannot be graded, and part of the sentence that says so."""

    name: str
    edit: Edit
    says: str


def reference(folder: Path) -> Path:
    """A submission with the reference's artefacts alone."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ARTEFACTS:
        if (REFERENCE / name).is_file():
            shutil.copy(REFERENCE / name, folder)
    return folder


# Editing ------------------------------------------------------------------------------------


@contextmanager
def graph(folder: Path, name: str) -> Iterator[GraphProto]:
    """The graph of a model in the folder; it is written back."""
    path = folder / f"{name}.onnx"
    model = onnx.load(path)
    yield model.graph
    path.write_bytes(model.SerializeToString())


def copied(source: str, target: str) -> Edit:
    def edit(folder: Path) -> None:
        shutil.copy(folder / source, folder / target)

    return edit


def removed(*names: str) -> Edit:
    def edit(folder: Path) -> None:
        for name in names:
            (folder / name).unlink()

    return edit


def written(name: str, contents: bytes) -> Edit:
    def edit(folder: Path) -> None:
        (folder / name).write_bytes(contents)

    return edit


def after(name: str, op: str, constant: np.ndarray, **attributes: object) -> Edit:
    """One more operator between what `name` computes and its logits."""

    def edit(folder: Path) -> None:
        with graph(folder, name) as found:
            for node in found.node:
                node.output[:] = ["inner" if one == "logits" else one for one in node.output]
            found.initializer.append(numpy_helper.from_array(constant, "added"))
            found.node.append(helper.make_node(op, ["inner", "added"], ["logits"], **attributes))

    return edit


def weights(
    name: str, change: Callable[[np.ndarray], np.ndarray], least: int = 4096, most: int = 10**9
) -> Edit:
    """Change every stored matrix of a size between `least` and `most`, in its own type."""

    def edit(folder: Path) -> None:
        with graph(folder, name) as found:
            changed = 0
            for tensor in found.initializer:
                array = numpy_helper.to_array(tensor)
                if array.ndim == 2 and least <= array.size <= most:
                    new = change(array).astype(array.dtype)
                    tensor.CopyFrom(numpy_helper.from_array(new, tensor.name))
                    changed += 1
            assert changed

    return edit


def fixed(name: str, axis: int, size: int) -> Edit:
    """Declare one size of the inputs as fixed."""

    def edit(folder: Path) -> None:
        with graph(folder, name) as found:
            for port in found.input:
                port.type.tensor_type.shape.dim[axis].dim_value = size

    return edit


def tokenizers(change: Callable[[dict], None]) -> Edit:
    """Change every tokenizer of the folder."""

    def edit(folder: Path) -> None:
        for path in folder.glob("*tokenizer.json"):
            found = json.loads(path.read_text(encoding="utf-8"))
            change(found)
            path.write_text(json.dumps(found, ensure_ascii=False), encoding="utf-8")

    return edit


def both(*edits: Edit) -> Edit:
    def edit(folder: Path) -> None:
        for one in edits:
            one(folder)

    return edit


# Quantizing otherwise -----------------------------------------------------------------------


def dynamic(source: str, target: str, **options: object) -> Edit:
    """Quantize `source` into `target` with ONNX Runtime's own dynamic quantizer."""

    def edit(folder: Path) -> None:
        from onnxruntime.quantization import QuantType, quantize_dynamic

        model = onnx.load(folder / f"{source}.onnx")
        model.graph.ClearField("value_info")
        plain = folder / "plain.tmp"
        onnx.save(model, plain)
        quantize_dynamic(plain, folder / f"{target}.onnx", weight_type=QuantType.QInt8, **options)
        plain.unlink()

    return edit


def static(source: str, target: str) -> Edit:
    """Quantize with stored scales of activations, calibrated on some token numbers."""

    def edit(folder: Path) -> None:
        from onnxruntime.quantization import (
            CalibrationDataReader,
            QuantFormat,
            QuantType,
            quantize_static,
        )

        class Reader(CalibrationDataReader):
            def __init__(self, inputs: list[str]) -> None:
                rng = np.random.default_rng(0)
                ids = [rng.integers(3, 900, (1, length)) for length in (4, 9, 16, 25)]
                self.feeds = iter(
                    {name: one if name == "input_ids" else np.ones_like(one) for name in inputs}
                    for one in ids
                )

            def get_next(self) -> dict[str, np.ndarray] | None:
                return next(self.feeds, None)

        model = onnx.load(folder / f"{source}.onnx")
        model.graph.ClearField("value_info")
        plain = folder / "plain.tmp"
        onnx.save(model, plain)
        quantize_static(
            plain,
            folder / f"{target}.onnx",
            Reader([port.name for port in model.graph.input]),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=["MatMul", "Gather"],
            per_channel=True,
            weight_type=QuantType.QInt8,
            activation_type=QuantType.QUInt8,
        )
        plain.unlink()

    return edit


def outlier(array: np.ndarray) -> np.ndarray:
    """One weight that is sixty times the others."""
    changed = array.copy()
    changed[7, 3] = 60 * float(np.abs(array).std())
    return changed


def coarse(levels: np.ndarray) -> np.ndarray:
    """Three levels of 256."""
    middle = 128 if levels.dtype == np.uint8 else 0
    return np.clip(np.rint((levels.astype(int) - middle) / 70), -1, 1) * 70 + middle


def wasteful(name: str) -> Edit:
    """A long detour before the logits that changes nothing but the time."""

    def edit(folder: Path) -> None:
        with graph(folder, name) as found:
            for node in found.node:
                node.output[:] = ["inner" if one == "logits" else one for one in node.output]
            identity = np.eye(600, dtype=np.float32)
            found.initializer.append(numpy_helper.from_array(identity, "detour"))
            found.initializer.append(
                numpy_helper.from_array(np.eye(5, 600, dtype=np.float32), "widen")
            )
            found.initializer.append(
                numpy_helper.from_array(np.eye(600, 5, dtype=np.float32), "narrow")
            )
            found.node.append(helper.make_node("MatMul", ["inner", "widen"], ["detour.0"]))
            for step in range(240):
                found.node.append(
                    helper.make_node("MatMul", [f"detour.{step}", "detour"], [f"detour.{step + 1}"])
                )
            found.node.append(helper.make_node("MatMul", ["detour.240", "narrow"], ["logits"]))

    return edit


def more_rows(name: str, count: int) -> Edit:
    """Embedding rows that no token has."""

    def edit(folder: Path) -> None:
        with graph(folder, name) as found:
            tables = [t for t in found.initializer if "embedding" in t.name and len(t.dims) == 2]
            largest = max(tables, key=lambda tensor: tensor.dims[0])
            rows = numpy_helper.to_array(largest)
            new = np.concatenate([rows, rows[:count]])
            largest.CopyFrom(numpy_helper.from_array(new, largest.name))

    return edit


def claim(**changes: str) -> Edit:
    """Change cells of the row `student_ptq` of table.csv."""

    def edit(folder: Path) -> None:
        path = folder / "table.csv"
        head, *rows = path.read_text(encoding="utf-8").splitlines()
        columns = head.split(",")
        for number, row in enumerate(rows):
            cells = dict(zip(columns, row.split(","), strict=True))
            if cells["name"] == "student_ptq":
                rows[number] = ",".join((cells | changes).values())
        path.write_text("\n".join([head, *rows]) + "\n", encoding="utf-8")

    return edit


def noisy(name: str, share: float) -> Edit:
    """Float weights with noise of `share` of their size: another training run, nearly."""
    rng = np.random.default_rng(0)
    return weights(name, lambda array: array + share * array.std() * rng.normal(size=array.shape))


def shuffled(name: str) -> Edit:
    """Every matrix with its rows in another order: the same numbers, nothing learnt."""
    return weights(name, lambda array: np.random.default_rng(0).permutation(array))


# A logit of `negative` that is never large: one class pays.
AGAINST_ONE_CLASS = np.array([-3, 0, 0, 0, 0], np.float32)

MUTANTS = [
    Mutant(
        "student_left_in_float32",
        copied("student.onnx", "student_ptq.onnx"),
        "student_ptq_is_quantised",
    ),
    Mutant(
        "teacher_left_in_float32",
        copied("teacher.onnx", "teacher_ptq.onnx"),
        "teacher_ptq_is_quantised",
    ),
    Mutant("hardly_smaller", copied("teacher.onnx", "teacher_ptq.onnx"), "ptq_is_smaller"),
    Mutant(
        "embedding_forgotten",
        dynamic("teacher", "teacher_ptq", op_types_to_quantize=["MatMul"], per_channel=True),
        "embedding_is_quantised",
    ),
    Mutant("ptq_of_another_teacher", shuffled("teacher"), "teacher_ptq_comes_from_teacher"),
    Mutant("ptq_of_another_student", shuffled("student"), "student_ptq_comes_from_student"),
    Mutant(
        "teacher_that_knows_little",
        after("teacher", "Mul", np.array([1, 0, 0, 0, 0], np.float32)),
        "teacher_is_good",
    ),
    Mutant(
        "student_that_knows_little",
        after("student_ptq", "Mul", np.array([1, 1, 1, 0, 0], np.float32)),
        "quality_gate",
    ),
    Mutant(
        "quality_lost_in_rounding",
        weights("teacher_ptq", coarse),
        "ptq_keeps_quality",
    ),
    Mutant("one_class_pays", after("teacher_ptq", "Add", AGAINST_ONE_CLASS), "no_class_pays"),
    Mutant(
        "outlier_under_one_scale",
        both(
            weights("teacher", outlier, least=200_000),
            dynamic(
                "teacher",
                "teacher_ptq",
                op_types_to_quantize=["MatMul", "Gather"],
                per_channel=False,
            ),
        ),
        "no_outlier_layers",
    ),
    Mutant("slower_than_before", wasteful("teacher_ptq"), "ptq_is_faster"),
    Mutant(
        "student_is_the_teacher",
        both(
            copied("teacher.onnx", "student.onnx"),
            copied("teacher_ptq.onnx", "student_ptq.onnx"),
            copied("tokenizer.json", "student_tokenizer.json"),
        ),
        "student_is_smaller",
    ),
    Mutant("rows_that_nobody_reads", more_rows("student", 500), "tokenizer_fits"),
    Mutant("claims_another_accuracy", claim(accuracy="0.70"), "claims_hold"),
    Mutant("claims_fewer_bytes", claim(bytes="1000"), "claims_hold"),
    Mutant("claims_nothing", removed("table.csv"), "claims_hold"),
    Mutant(
        "calibrated_with_it_does_not_say_what",
        static("student", "student_ptq"),
        "calibration_is_public",
    ),
]


# What is refused ----------------------------------------------------------------------------


def float_constants(name: str) -> Edit:
    """Weights of ones in int8 behind a DequantizeLinear whose scales are the float32 weights."""

    def edit(folder: Path) -> None:
        shutil.copy(folder / "teacher.onnx", folder / f"{name}.onnx")
        with graph(folder, name) as found:
            table = max(found.initializer, key=lambda tensor: len(tensor.raw_data))
            values = numpy_helper.to_array(table)
            plain = table.name
            table.name = f"{plain}.scale"
            ones = np.ones(values.shape, np.int8)
            found.initializer.append(numpy_helper.from_array(ones, f"{plain}.ones"))
            found.node.insert(
                0,
                helper.make_node(
                    "DequantizeLinear",
                    [f"{plain}.ones", f"{plain}.scale"],
                    [plain],
                    axis=1,
                    block_size=1,
                ),
            )

    return edit


def int4_products(folder: Path) -> None:
    """4-bit weights where ONNX Runtime has kernels for 8 only."""
    with graph(folder, "student_ptq") as found:
        del found.node[:], found.initializer[:]
        numbers = np.random.default_rng(0).integers(-8, 8, (200, 16)).astype(np.int8)
        packed = helper.make_tensor("table", TensorProto.INT4, numbers.shape, numbers.reshape(-1))
        found.initializer.append(packed)
        found.initializer.append(
            numpy_helper.from_array(np.ones((16, 5), np.float32), "classifier")
        )
        found.initializer.append(numpy_helper.from_array(np.array([1]), "axis"))
        found.node.extend(
            [
                helper.make_node("Gather", ["table", "input_ids"], ["rows"]),
                helper.make_node("Cast", ["rows"], ["floats"], to=TensorProto.FLOAT),
                helper.make_node("ReduceMax", ["floats", "axis"], ["best"], keepdims=0),
                helper.make_node("MatMul", ["best", "classifier"], ["logits"]),
            ]
        )


def other_order(name: str) -> Edit:
    """Classes sorted in another way."""
    return after(name, "Gather", np.array([2, 1, 0, 4, 3]), axis=1)


def reversed_inputs(folder: Path) -> None:
    with graph(folder, "student") as found:
        for node in found.node:
            node.input[:] = ["tokens" if one == "input_ids" else one for one in node.input]
        for port in found.input:
            if port.name == "input_ids":
                port.name = "tokens"


def unmasked(folder: Path) -> None:
    """A teacher that reads padding as if it were words."""
    with graph(folder, "teacher") as found:
        found.initializer.append(numpy_helper.from_array(np.array([1]), "nothing"))
        for node in found.node:
            node.input[:] = ["all_ones" if one == "attention_mask" else one for one in node.input]
        found.node.insert(
            0, helper.make_node("Equal", ["attention_mask", "attention_mask"], ["same"])
        )
        found.node.insert(1, helper.make_node("Cast", ["same"], ["all_ones"], to=TensorProto.INT64))


def no_truncation(content: dict) -> None:
    content["truncation"] = None


def no_special_tokens(content: dict) -> None:
    """Posts of which nothing is left."""
    content["post_processor"] = None
    content["truncation"] = None
    content["pre_tokenizer"] = {
        "type": "Split",
        "pattern": {"Regex": "@"},
        "behavior": "Removed",
        "invert": True,
    }


def more_words(content: dict) -> None:
    """The tokenizer of a model with a larger vocabulary."""
    vocabulary = content["model"]["vocab"]
    count = len(vocabulary)
    content["model"]["vocab"] = {
        word: number if number < 3 else number + count for word, number in vocabulary.items()
    }


REFUSED = [
    Refused("float32_in_disguise", float_constants("teacher_ptq"), "teacher_ptq.onnx"),
    Refused("tokenizer_of_another_model", tokenizers(more_words), "does not match"),
    Refused("longer_than_the_model_takes", tokenizers(no_truncation), "truncation"),
    Refused("posts_without_a_token", tokenizers(no_special_tokens), "no token"),
    Refused("tokenizer_missing", removed("tokenizer.json"), "tokenizer.json"),
    Refused("tokenizer_is_no_json", written("tokenizer.json", b"[PAD]\n[UNK]\n"), "tokenizers"),
    Refused(
        "tokenizer_in_utf_16",
        lambda folder: (folder / "tokenizer.json").write_text("{}", encoding="utf-16"),
        "UTF-8",
    ),
    Refused("classes_in_another_order", other_order("student_ptq"), "another order of classes"),
    Refused("teacher_in_another_order", other_order("teacher"), "another order of classes"),
    Refused("batch_fixed", fixed("student_ptq", 0, 1), "batch of `input_ids` is fixed at 1"),
    Refused("length_fixed", fixed("teacher", 1, 32), "length"),
    Refused("no_kernel_for_int4", int4_products, "does not take int4"),
    Refused("not_a_number", after("student", "Mul", np.full(5, np.nan, np.float32)), "finite"),
    Refused("three_classes", after("student", "Gather", np.array([0, 1, 2]), axis=1), "logits"),
    Refused("inputs_renamed", reversed_inputs, "input_ids"),
    Refused("padding_is_read", unmasked, "padding"),
    Refused("teacher_missing", removed("teacher.onnx"), "teacher.onnx"),
    Refused(
        "student_is_a_checkpoint",
        written("student.onnx", b"PK\x03\x04archive/data.pkl"),
        "student.onnx",
    ),
    Refused("cut_off", written("teacher_ptq.onnx", b"\x08\x0a\x12"), "teacher_ptq.onnx"),
    Refused(
        "calibration_is_no_text",
        both(static("student", "student_ptq"), written("calibration.txt", bytes(range(256)))),
        "calibration.txt",
    ),
]
