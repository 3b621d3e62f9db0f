"""What the quantization handout times: a network of rubert-tiny2's shape, and single products.

Weights are random: neither bytes nor time depend on them. Nothing is downloaded.
"""

from __future__ import annotations

import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import ModelProto, TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantType
from torch import Tensor, nn

from grader.handout.figures import project
from grader.lesson import course
from grader.measure.costs.graph import GraphLimits, inspect
from grader.text import Text, verbatim

REFERENCE = course.reference_solutions() / "quantization"
CLASSES = 5
LENGTHS = (6, 9, 12, 15, 19, 24, 32, 48)
"""Tokens of the posts that are timed; the median is that of posts in social networks."""
ROUNDS = 16
REFERENCE_MODULES = project(
    REFERENCE,
    "losses",
    "model",
    "tokenization",
    "train",
    "quantize",
    "rubert",
    "kws",
    "export",
    "qat",
)
quantize, rubert = REFERENCE_MODULES.quantize, REFERENCE_MODULES.rubert


# The network --------------------------------------------------------------------------------


class Classifier(nn.Module):
    """rubert-tiny2's shape with five classes: tokens (batch, length) to logits (batch, 5)."""

    def __init__(self) -> None:
        super().__init__()
        from transformers import BertConfig, BertForSequenceClassification

        self.network = BertForSequenceClassification(
            BertConfig(
                vocab_size=83_828,
                hidden_size=312,
                num_hidden_layers=3,
                num_attention_heads=12,
                intermediate_size=600,
                max_position_embeddings=2048,
                num_labels=CLASSES,
                attn_implementation="eager",  # the only one that can be exported
            )
        )

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        return self.network(input_ids=input_ids, attention_mask=attention_mask).logits


def network() -> Classifier:
    torch.manual_seed(0)
    return Classifier().eval()


def parts(module: nn.Module) -> dict[str, int]:
    """Parameters by what they are for."""
    sizes = dict.fromkeys(("words", "positions", "attention", "feed-forward", "rest"), 0)
    for name, weight in module.named_parameters():
        if "word_embeddings" in name:
            kind = "words"
        elif "position_embeddings" in name:
            kind = "positions"
        elif "attention" in name and "LayerNorm" not in name:
            kind = "attention"
        elif ".layer." in name and "LayerNorm" not in name:
            kind = "feed-forward"
        else:
            kind = "rest"
        sizes[kind] += weight.numel()
    return sizes


# Contenders ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Contender:
    """Something that answers posts, and its bytes."""

    name: Text
    bytes: int
    run: Callable[[np.ndarray], object]
    """Takes ids int64 (batch, length)."""


def contenders() -> Iterator[Contender]:
    """The network in torch and in ONNX Runtime, the float32 module first."""
    whole = network()
    size = sum(4 * weight.numel() for weight in whole.parameters())
    yield Contender(verbatim("torch, float32"), size, in_torch(whole))
    for engine in ("x86", "fbgemm", "onednn", "qnnpack"):
        if engine in torch.backends.quantized.supported_engines:
            small = torch_dynamic(whole, engine)
            name = f"torch, quantize_dynamic, {engine}"
            yield Contender(verbatim(name), torch_bytes(small), in_torch(small, engine))
    exported = as_onnx(whole)
    for about, model in (
        (verbatim("float32"), exported),
        (
            Text("MatMul, defaults"),
            quantize.dynamic(
                exported, embedding=False, per_channel=False, weights=QuantType.QUInt8
            ),
        ),
        (
            Text("MatMul, int8 per channel"),
            quantize.dynamic(exported, embedding=False),
        ),
        (
            Text("MatMul + Gather, int8 per channel"),
            quantize.dynamic(exported),
        ),
    ):
        data = model.SerializeToString()
        stored = inspect(data, GraphLimits(length=32)).bytes
        name = Text("ONNX Runtime, {about}", about=about)
        yield Contender(name, stored, in_onnxruntime(data))


def as_onnx(whole: nn.Module) -> ModelProto:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        rubert.export_pretrained(whole, path)
        return onnx.load(path)


def torch_dynamic(whole: nn.Module, engine: str) -> nn.Module:
    """int8 products in every nn.Linear, by torch's own quantizer."""
    torch.backends.quantized.engine = engine
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecated, and still what most tutorials show
        return torch.ao.quantization.quantize_dynamic(whole, {nn.Linear}, torch.qint8)


def torch_bytes(module: nn.Module) -> int:
    """Weights as stored: float32 parameters, and packed int8 matrices with float32 biases."""
    size = sum(4 * weight.numel() for weight in module.parameters())
    for part in module.modules():
        if isinstance(part, torch.ao.nn.quantized.dynamic.Linear):
            bias = part.bias()
            size += part.weight().numel() + (4 * bias.numel() if bias is not None else 0)
    return size


def in_torch(module: nn.Module, engine: str | None = None) -> Callable[[np.ndarray], object]:
    def run(ids: np.ndarray) -> object:
        if engine:
            torch.backends.quantized.engine = engine
        tokens = torch.from_numpy(ids)
        with torch.inference_mode():
            return module(tokens, torch.ones_like(tokens))

    return run


def in_onnxruntime(data: bytes) -> Callable[[np.ndarray], object]:
    open_model = session(data)
    names = [port.name for port in open_model.get_inputs()]

    def run(ids: np.ndarray) -> object:
        return open_model.run(None, {name: _FEEDS[name](ids) for name in names})

    return run


_FEEDS = {"input_ids": lambda ids: ids, "attention_mask": np.ones_like}


def session(data: bytes) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])


# Time ---------------------------------------------------------------------------------------


def posts(batch: int) -> list[np.ndarray]:
    """Random tokens: a post of every length, or one batch of `batch` that is padded to 48."""
    rng = np.random.default_rng(0)
    shapes = [(1, length) for length in LENGTHS] if batch == 1 else [(batch, max(LENGTHS))]
    return [rng.integers(1, 83_828, shape) for shape in shapes]


def seconds(
    runs: Sequence[Callable[[np.ndarray], object]], inputs: Sequence[np.ndarray], rounds: int
) -> list[np.ndarray]:
    """Processor seconds (rounds, inputs) of every run; they take turns, in rotating order.

    Processor time, not the clock's: waiting for a core that another program has is not in it.
    """
    for run in runs:
        for one in inputs:
            run(one)
    taken = [np.zeros((rounds, len(inputs))) for _ in runs]
    for number in range(rounds):
        for place in range(len(runs)):
            which = (number + place) % len(runs)
            for column, one in enumerate(inputs):
                started = time.thread_time()
                runs[which](one)
                taken[which][number, column] = time.thread_time() - started
    return taken


# Single products ----------------------------------------------------------------------------


def products(width: int) -> list[tuple[str, Callable[[np.ndarray], object]]]:
    """x @ W for W (width, width), x float32 (rows, width): float32 and int8, torch and ONNX
    Runtime; the int8 ones find the scale of x anew each time."""
    torch.manual_seed(0)
    dense = nn.Sequential(nn.Linear(width, width)).eval()
    made = [("torch float32", _dense(dense, None))]
    made += [
        (f"torch int8 {engine}", _dense(torch_dynamic(dense, engine), engine))
        for engine in ("x86", "qnnpack")
        if engine in torch.backends.quantized.supported_engines
    ]
    model = _product(dense[0].weight.detach().numpy().T.copy())
    for name, one in (("ORT float32", model), ("ORT int8", quantize.dynamic(model))):
        made.append((name, _fed(session(one.SerializeToString()))))
    return made


def _dense(module: nn.Module, engine: str | None) -> Callable[[np.ndarray], object]:
    def run(rows: np.ndarray) -> object:
        if engine:
            torch.backends.quantized.engine = engine
        with torch.inference_mode():
            return module(torch.from_numpy(rows))

    return run


def _fed(open_model: onnxruntime.InferenceSession) -> Callable[[np.ndarray], object]:
    return lambda rows: open_model.run(None, {"x": rows})


def _product(weight: np.ndarray) -> ModelProto:
    def port(name: str) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["rows", len(weight)])

    node = helper.make_node("MatMul", ["x", "weight"], ["y"], name="product")
    stored = [numpy_helper.from_array(weight, "weight")]
    graph = helper.make_graph([node], "product", [port("x")], [port("y")], stored)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
