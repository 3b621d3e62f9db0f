"""A small transformer that classifies token ids, exported and quantized as students do it."""

from __future__ import annotations

import io
import tempfile
import warnings
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import ModelProto
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_dynamic,
    quantize_static,
)
from torch import Tensor, nn

torch.set_num_threads(1)


class Block(nn.Module):
    """Pre-norm attention and feed-forward."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.feed = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )

    def forward(self, x: Tensor, blocked: Tensor) -> Tensor:
        batch, length, width = x.shape
        parts = self.qkv(self.norm1(x)).view(batch, length, 3, self.heads, width // self.heads)
        q, k, v = parts.permute(2, 0, 3, 1, 4).unbind(0)
        scores = q @ k.transpose(-1, -2) / (width // self.heads) ** 0.5
        scores = scores.masked_fill(blocked, -1e4)
        mixed = (scores.softmax(-1) @ v).transpose(1, 2).reshape(batch, length, width)
        x = x + self.out(mixed)
        return x + self.feed(self.norm2(x))


class TextModel(nn.Module):
    """(batch, length) ids and mask to (batch, 5) logits."""

    def __init__(
        self,
        vocabulary: int = 500,
        width: int = 32,
        heads: int = 4,
        layers: int = 2,
        longest: int = 48,
        classes: int = 5,
        *,
        masked: bool = True,
    ) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.masked = masked
        self.words = nn.Embedding(vocabulary, width)
        self.places = nn.Embedding(longest, width)
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, classes)

    def forward(self, input_ids: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        if attention_mask is None or not self.masked:
            attention_mask = torch.ones_like(input_ids)
        places = self.places(torch.arange(input_ids.shape[1], device=input_ids.device))
        x = self.words(input_ids) + places
        blocked = (attention_mask == 0)[:, None, None, :]
        for block in self.blocks:
            x = block(x, blocked)
        kept = attention_mask.unsqueeze(-1).to(x.dtype)
        pooled = (self.norm(x) * kept).sum(1) / kept.sum(1)
        return self.head(pooled)


def export(
    model: nn.Module, *, masked: bool = True, dynamo: bool = False, opset: int = 18
) -> bytes:
    """Bytes of the ONNX file, batch and length dynamic."""
    ids = torch.randint(1, 100, (2, 7))
    arguments = (ids, torch.ones_like(ids)) if masked else (ids,)
    names = ["input_ids", "attention_mask"][: len(arguments)]
    model = model.eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if dynamo:
            shapes = tuple({0: "batch", 1: "length"} for _ in arguments)
            program = torch.onnx.export(
                model,
                arguments,
                dynamo=True,
                verbose=False,
                opset_version=opset,
                input_names=names,
                output_names=["logits"],
                dynamic_shapes=shapes,
            )
            assert program is not None
            return program.model_proto.SerializeToString()
        buffer = io.BytesIO()
        torch.onnx.export(
            model,
            arguments,
            buffer,
            dynamo=False,
            opset_version=opset,
            input_names=names,
            output_names=["logits"],
            dynamic_axes={name: {0: "batch", 1: "length"} for name in names}
            | {"logits": {0: "batch"}},
        )
        return buffer.getvalue()


def dynamic_int8(model: bytes, *, per_channel: bool = True, ops: tuple[str, ...] = ()) -> bytes:
    """ORT's own dynamic quantizer, of MatMul and Gather unless `ops` says otherwise."""
    with tempfile.TemporaryDirectory() as folder:
        before, after = Path(folder, "before.onnx"), Path(folder, "after.onnx")
        onnx.save(without_shapes(model), before)
        quantize_dynamic(
            before,
            after,
            op_types_to_quantize=list(ops) or ["MatMul", "Gather"],
            per_channel=per_channel,
            weight_type=QuantType.QInt8,
        )
        return after.read_bytes()


def static_int8(
    model: bytes, *, per_channel: bool = False, fake: bool = False, four_bits: bool = False
) -> bytes:
    """ORT's static quantizer in QDQ format, calibrated on random ids. `fake` keeps the weights in
    float32 behind QuantizeLinear and DequantizeLinear, as AddQDQPairToWeight does."""
    with tempfile.TemporaryDirectory() as folder:
        before, after = Path(folder, "before.onnx"), Path(folder, "after.onnx")
        onnx.save(without_shapes(model), before)
        quantize_static(
            before,
            after,
            _Calibration(),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=["MatMul", "Gather"],
            per_channel=per_channel,
            weight_type=QuantType.QInt4 if four_bits else QuantType.QInt8,
            extra_options={"AddQDQPairToWeight": fake},
        )
        return after.read_bytes()


class _Calibration(CalibrationDataReader):
    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        self._batches = iter([rng.integers(1, 100, (2, 12)) for _ in range(4)])

    def get_next(self) -> dict[str, np.ndarray] | None:
        ids = next(self._batches, None)
        return None if ids is None else {"input_ids": ids, "attention_mask": np.ones_like(ids)}


def without_shapes(model: bytes) -> ModelProto:
    """Declared shapes of intermediate tensors confuse the quantizer."""
    parsed = onnx.load_from_string(model)
    parsed.graph.ClearField("value_info")
    return parsed
