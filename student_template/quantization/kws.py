"""The small exercise: the keyword spotter of the distillation lesson in smaller numbers.

    python kws.py       prints bytes and AU-FA-FR of each way of storing it

Nine tenths of its weights are in its GRU. ONNX Runtime has no int8 GRU, so storage shrinks and
time does not; torch's dynamic quantization, which has one, rounds the state at every step anew.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import ModelProto, TensorProto, numpy_helper
from onnxruntime.quantization import CalibrationDataReader
from quantize import float16
from torch import nn

from grader.data import ClipSet, load
from grader.lesson import loading
from grader.measure.costs.graph import inspect
from grader.measure.quality.detection import au_fa_fr
from grader.text.errors import GraderError

BASELINE = loading.load("distillation").folder / "baseline" / "speech-synthetic.onnx"
OUTPUTS = {"Conv": 0, "Gemm": 0, "MatMul": 1, "GRU": 1}
"""The axis of an operator's weights that counts its outputs: each gets a scale of its own."""


def main() -> None:
    model = onnx.load(BASELINE)
    train, validation = (load("speech-synthetic", part) for part in ("train", "validation"))
    print(f"{'':34}{'bytes':>9}{'smaller':>9}{'AU-FA-FR':>11}")
    whole = inspect(model.SerializeToString()).bytes
    for name, small in variants(train):
        changed = small(model)
        size = inspect(changed.SerializeToString()).bytes
        area = quality(logits(changed, validation.features), validation)
        print(f"{name:34}{size:9,}{whole / size:8.2f}x{area:11.2e}")
    area = quality(torch_dynamic(model, validation.features), validation)
    print(f"{'torch dynamic int8, state too':34}{'':9}{'':9}{area:11.2e}")


def variants(train: ClipSet) -> Iterator[tuple[str, Callable[[ModelProto], ModelProto]]]:
    yield "float32", lambda model: model
    yield "float16 weights", float16
    yield "int8 weights, one scale a tensor", lambda model: int8_weights(model, per_channel=False)
    yield "int8 weights, one a channel", lambda model: int8_weights(model, per_channel=True)
    yield (
        "int8 QDQ, recurrent weights int8",
        lambda model: int8_weights(int8_products(model, train.features[:256]), per_channel=True),
    )


def quality(scores: np.ndarray, clips: ClipSet) -> float:
    return au_fa_fr(scores, clips.labels)


def int8_weights(model: ModelProto, *, per_channel: bool) -> ModelProto:
    """Weights as int8 behind a DequantizeLinear; the arithmetic stays float32."""
    model = onnx.ModelProto.FromString(model.SerializeToString())
    stored = {weight.name: weight for weight in model.graph.initializer}
    for node in list(model.graph.node):
        for name in node.input[1 : 3 if node.op_type == "GRU" else 2]:
            weight = stored.get(name)
            if node.op_type in OUTPUTS and weight is not None:
                axis = OUTPUTS[node.op_type] if per_channel else None
                _as_int8(model, weight, axis)
    return model


def int8_products(model: ModelProto, clips: np.ndarray) -> ModelProto:
    """Convolution and dense layers as QDQ, calibrated on clips (n, 40, 101) of the training part.

    TODO: quantize_static on the file that `on_disk` gives, with Calibration(clips). Why is no GRU
    among the operators that it can quantize?
    """
    raise NotImplementedError("write int8_products in kws.py")


class Calibration(CalibrationDataReader):
    """Clips one at a time."""

    def __init__(self, clips: np.ndarray) -> None:
        self.rows = iter(clips)

    def get_next(self) -> dict[str, np.ndarray] | None:
        clip = next(self.rows, None)
        return None if clip is None else {"features": np.asarray(clip, np.float32)[None]}


def logits(model: ModelProto, features: np.ndarray) -> np.ndarray:
    """How much more a clip is the keyword than not, (clips,)."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    parts = [
        session.run(["logits"], {"features": np.asarray(clips, np.float32)})[0]
        for clips in np.array_split(features, max(len(features) // 500, 1))
    ]
    answers = np.concatenate(parts)
    return answers[:, 1] - answers[:, 0]


@torch.no_grad()
def torch_dynamic(model: ModelProto, features: np.ndarray) -> np.ndarray:
    """The same in torch, with `quantize_dynamic` on its GRU and dense layers.

    Inputs of a layer, and the state of the GRU at every step, are rounded to 255 steps whose size
    the largest of the batch decides.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecated, and still what most tutorials show
        small = torch.ao.quantization.quantize_dynamic(
            in_torch(model), {nn.GRU, nn.Linear}, torch.qint8
        )
    parts = torch.from_numpy(np.array(features, np.float32)).split(500)
    answers = torch.cat([small(clips) for clips in parts])
    return (answers[:, 1] - answers[:, 0]).numpy()


def in_torch(model: ModelProto) -> nn.Module:
    """The seminar's network with the weights of its ONNX file."""
    stored = {w.name: torch.tensor(numpy_helper.to_array(w)) for w in model.graph.initializer}
    recurrent = [node for node in model.graph.node if node.op_type == "GRU"]
    dense = [node.input[1] for node in model.graph.node if node.op_type == "MatMul"]
    network = Seminar()
    state = {name: stored[name] for name in network.state_dict() if name in stored}
    for i, node in enumerate(recurrent):
        weight, state_weight, bias = (stored[name][0] for name in node.input[1:4])
        state[f"gru.weight_ih_l{i}"] = _torch_gates(weight)
        state[f"gru.weight_hh_l{i}"] = _torch_gates(state_weight)
        for kind, part in zip(("ih", "hh"), bias.chunk(2), strict=True):
            state[f"gru.bias_{kind}_l{i}"] = _torch_gates(part)
    for name, weight in zip(("energy.0", "energy.2"), dense, strict=True):
        state[f"{name}.weight"] = stored[weight].T
    network.load_state_dict(state)
    return network.eval()


class Seminar(nn.Module):
    """The keyword spotter of the distillation lesson: (clips, 40, 101) to logits (clips, 2)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 8, (5, 20), (2, 8))
        self.gru = nn.GRU(144, 64, 2, batch_first=True)
        self.energy = nn.Sequential(nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 1))
        self.classifier = nn.Linear(64, 2)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        maps = self.conv(features.unsqueeze(1))  # (clips, 8, 18, 11)
        states, _ = self.gru(maps.flatten(1, 2).transpose(1, 2))
        attention = self.energy(states).softmax(dim=1)
        return self.classifier((states * attention).sum(dim=1))


def _torch_gates(values: torch.Tensor) -> torch.Tensor:
    """ONNX stores update, reset, new; torch stores reset, update, new."""
    update, reset, new = values.chunk(3)
    return torch.cat([reset, update, new])


def _as_int8(model: ModelProto, weight: TensorProto, axis: int | None) -> None:
    """Replace a stored weight by int8 and the operator that widens it.

    TODO: as `quantize` of quantize.py, for tensors of any number of axes; `axis` is None for one
    scale. Then a DequantizeLinear whose output has the weight's name goes to the front of the
    graph.
    """
    raise NotImplementedError("write _as_int8 in kws.py")


if __name__ == "__main__":
    try:
        main()
    except GraderError as error:
        raise SystemExit(str(error)) from None
