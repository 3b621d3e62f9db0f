"""The reference stream with one thing wrong each: what a student's bug looks like.

No `from __future__ import annotations` here: TorchScript reads the annotations.
"""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, List, NamedTuple  # noqa: UP035  (TorchScript knows this one)

import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from grader import starter
from tests.lessons.projects import imported

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "reference_solutions" / "streaming_kws"
MODULES = ("frontend", "offline", "streaming", "export")


def project(folder: Path, names: tuple[str, ...] = MODULES) -> SimpleNamespace:
    """The modules of a project, imported as its own train.py imports them."""
    return imported(folder, names, (*MODULES, "train", "augment"))


reference = project(REFERENCE)
State, Tables = reference.streaming.State, reference.frontend.Tables
StreamingKws, ScriptStream = reference.streaming.StreamingKws, reference.streaming.ScriptStream


def forget_scripted_classes() -> None:
    """TorchScript knows a class by its name for as long as a process lives; starter and reference
    use the same names."""
    torch._C._jit_clear_class_registry()
    torch.jit._recursive.concrete_type_store = torch.jit._recursive.ConcreteTypeStore()
    torch.jit._state._clear_class_state()


def trained() -> Any:
    """The committed network, from its TorchScript file."""
    crnn = reference.offline.Crnn(reference.offline.SMALL)
    stored = torch.jit.load(REFERENCE / "model.ts").state_dict()
    crnn.load_state_dict({name.removeprefix("stream."): value for name, value in stored.items()})
    return crnn.eval()


@dataclass(frozen=True)
class Mutant:
    """One bug; `make` writes the submission into an empty folder."""

    name: str
    caught_by: str
    make: Callable[[Path], None]


# One wrong line in the stream ---------------------------------------------------------------


class FrameEarly(StreamingKws):
    """Off by one in the receptive field: each step ends a frame too soon."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.ghosts -= 1


class SeesBeforeTheBeginning(StreamingKws):
    """Steps look at frames that begin before the stream."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.ghosts = 0


class FramesMisaligned(StreamingKws):
    """Frames begin 80 samples late: the overlap of 240 samples is kept, and no more."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.history = 240


class WindowOffByOne(StreamingKws):
    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.window -= 1


class _Edited(StreamingKws):
    """A stream whose state or answer passes through `edit` on its way."""

    def forward(self, chunk: Tensor, state: State, constants: Tables) -> tuple[Tensor, State]:
        probability, new = super().forward(chunk, self.before(state), constants)
        return self.after(probability, new)

    def before(self, state: State) -> State:
        return state

    def after(self, probability: Tensor, state: State) -> tuple[Tensor, State]:
        return probability, state


def _dropped(field: str) -> type[_Edited]:
    """A part of the state that is not carried from chunk to chunk."""

    class Dropped(_Edited):
        def before(self, state: State) -> State:
            return state._replace(**{field: getattr(state, field) * 0.0})

    return Dropped


class HiddenDroppedEveryStep(StreamingKws):
    """The GRU begins at zero at every step."""

    def _recurrent(self, inputs: Tensor, hidden: Tensor, done: Tensor) -> tuple[Tensor, Tensor]:
        steps = inputs.transpose(0, 1)
        for gru in self.grus:
            steps, _ = gru(steps)
        return steps.transpose(0, 1), hidden * 0.0


class HiddenOfThePossibleSteps(StreamingKws):
    """The last state of the GRU is carried, though its step is not complete yet."""

    def _recurrent(self, inputs: Tensor, hidden: Tensor, done: Tensor) -> tuple[Tensor, Tensor]:
        carried = []
        for layer, gru in enumerate(self.grus):
            inputs, last = gru(inputs, hidden[layer : layer + 1])
            carried.append(last)
        return inputs, torch.cat(carried, 0)


class EnergiesLate(StreamingKws):
    """Energies move through their buffer one step behind the outputs that they belong to."""

    def _attended(self, outputs: Tensor, energies: Tensor, filled: Tensor) -> Tensor:
        late = torch.cat([energies[:, :1], energies[:, :-1]], 1)
        return super()._attended(outputs, late, filled)


class ChunksNormalized(StreamingKws):
    """Every chunk is brought to the same loudness by itself."""

    def forward(self, chunk: Tensor, state: State, constants: Tables) -> tuple[Tensor, State]:
        return super().forward(chunk / (chunk.abs().amax() + 1e-3), state, constants)


class LooksAhead(StreamingKws):
    """Frames are centred: where the future has not come yet, zeros stand for it."""

    def forward(self, chunk: Tensor, state: State, constants: Tables) -> tuple[Tensor, State]:
        ahead = torch.cat([chunk[:, 80:], torch.zeros(1, 80)], 1)
        return super().forward(ahead, state, constants)


class Logits(StreamingKws):
    """Log-odds come out where a probability should."""

    def _attended(self, outputs: Tensor, energies: Tensor, filled: Tensor) -> Tensor:
        probability = super()._attended(outputs, energies, filled).clamp(1e-6, 1 - 1e-6)
        return torch.log(probability) - torch.log(1.0 - probability)


class HalfSure(_Edited):
    """Never more than a half: no threshold above it is reached."""

    def after(self, probability: Tensor, state: State) -> tuple[Tensor, State]:
        return 0.5 * probability, state


class OneBitWeights(StreamingKws):
    """Weights rounded so coarsely that the network is deaf."""

    def __init__(self, crnn: Any, *arguments: Any) -> None:
        super().__init__(crnn, *arguments)
        with torch.no_grad():
            for gru in self.grus:
                for weight in gru.parameters():
                    weight.copy_(weight.sign() * weight.abs().mean())


# More state than the reference has ----------------------------------------------------------


class Sums(NamedTuple):
    """The numerator (1, hidden) and the denominator (1, 1) of the softmax."""

    top: Tensor
    bottom: Tensor


class RunningSoftmax(nn.Module):
    """Exponentials are kept, new ones added to a running sum and old ones subtracted; with
    `forgets` off nothing is ever subtracted: the window is not bounded."""

    def __init__(self, stream: StreamingKws, sharpness: float, forgets: bool) -> None:
        super().__init__()
        self.stream, self.sharpness, self.forgets = stream, sharpness, forgets

    def forward(self, chunk: Tensor, state: Any, sums: Any, constants: Any) -> tuple[Tensor, ...]:
        state, constants = State(*state), Tables(*constants)
        top, bottom = sums
        _, new = self.stream(chunk, state, constants)
        done, window = self._done(chunk, state), self.stream.window
        place = torch.arange(window)
        came = place >= window - done
        left = (place < done) & (place >= window - state.filled)
        weight = torch.exp(self.sharpness * new.energies) * came
        old = torch.exp(self.sharpness * state.energies) * left
        top = top + torch.matmul(weight, new.outputs[0])
        bottom = bottom + weight.sum(1, keepdim=True)
        if self.forgets:
            top = top - torch.matmul(old, state.outputs[0])
            bottom = bottom - old.sum(1, keepdim=True)
        logits = self.stream.classifier(top / (bottom + 1e-30))
        probability = torch.softmax(logits, 1)[:, 1:]
        probability = torch.where(new.filled > 0.5, probability, torch.zeros_like(probability))
        return (probability, *new, top, bottom)

    def _done(self, chunk: Tensor, state: State) -> Tensor:
        count = chunk.shape[1] // 160
        due = self.stream.kernel + self.stream.ghosts - 1 - state.position
        return torch.clamp(torch.floor((count - 1 - due) / self.stream.step) + 1, min=0.0)


class Delayed(nn.Module):
    """Answers with the probability of several chunks ago."""

    def __init__(self, stream: StreamingKws, chunks: int) -> None:
        super().__init__()
        self.stream, self.chunks = stream, chunks

    def forward(self, chunk: Tensor, state: Any, past: Any, constants: Any) -> tuple[Tensor, ...]:
        probability, new = self.stream(chunk, State(*state), Tables(*constants))
        waiting = torch.cat([past[0], probability], 1)
        return (waiting[:, :1], *new, waiting[:, 1:])


class Counts(nn.Module):
    """Divides by the time that is left of a minute."""

    def __init__(self, stream: StreamingKws) -> None:
        super().__init__()
        self.stream = stream

    def forward(self, chunk: Tensor, state: Any, clock: Any, constants: Any) -> tuple[Tensor, ...]:
        probability, new = self.stream(chunk, State(*state), Tables(*constants))
        frames = clock[0] + chunk.shape[1] // 160
        left = torch.clamp(6000.0 - frames, min=0.0)
        return (probability * left / left, *new, frames)


# TorchScript --------------------------------------------------------------------------------


class ForgetsNothing(ScriptStream):
    """reset() does nothing but the first time."""

    @torch.jit.export
    def reset(self) -> None:
        if self.constants[0].numel() == 0:
            self.state = self.stream.initial()
            self.constants = tables(torch.zeros(1))


class KeepsHiddenState(ScriptStream):
    @torch.jit.export
    def reset(self) -> None:
        new = self.stream.initial()
        hidden = self.state[3]
        if hidden.numel() == 0:
            hidden = new[3]
        self.state = State(new[0], new[1], new[2], hidden, new[4], new[5], new[6])
        self.constants = tables(torch.zeros(1))


class KeepsPosition(ScriptStream):
    """The place in a step is not reset. (Old samples and frames would do no harm: no step looks
    at a frame that begins before the stream.)"""

    @torch.jit.export
    def reset(self) -> None:
        new = self.stream.initial()
        position = self.state[2]
        if position.numel() == 0:
            position = new[2]
        self.state = State(new[0], new[1], position, new[3], new[4], new[5], new[6])
        self.constants = tables(torch.zeros(1))


class Hoards(ScriptStream):
    """Every answer is kept for ever."""

    state: State
    constants: Tables
    answers: List[Tensor]  # noqa: UP006

    def __init__(self, stream: StreamingKws) -> None:
        super().__init__(stream)
        self.answers = [torch.zeros(1, 1)]

    @torch.jit.export
    def reset(self) -> None:
        self.state = self.stream.initial()
        self.constants = tables(torch.zeros(1))
        self.answers = [torch.zeros(1, 1)]

    def forward(self, chunk: Tensor) -> Tensor:
        probability, self.state = self.stream(chunk, self.state, self.constants)
        self.answers.append(probability)
        return probability


tables = reference.frontend.tables


# Writing submissions ------------------------------------------------------------------------


def unchanged(folder: Path) -> None:
    """The reference itself, ONNX."""
    for name in ("model.onnx", "offline.onnx"):
        shutil.copy(REFERENCE / name, folder)


def as_onnx(kind: type[StreamingKws]) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        reference.export.export_stream(kind(trained()), folder / "model.onnx")
        shutil.copy(REFERENCE / "offline.onnx", folder)

    return make


def with_state(
    wrap: Callable[[StreamingKws], nn.Module], extra: dict[str, Tensor]
) -> Callable[[Path], None]:
    """A wrapper of the reference stream with states of its own."""

    def make(folder: Path) -> None:
        stream = StreamingKws(trained()).eval()
        names = [*(f"state_{name}" for name in State._fields), *extra]
        example = (torch.zeros(1, 6400), stream.initial(), tuple(extra.values()))
        outputs = ["probability", *(f"{name}_next" for name in names)]
        path, free = folder / "model.onnx", {"chunk": {1: "samples"}}
        inputs = ["chunk", *names]
        starter.export(wrap(stream), path, example, inputs, outputs, free, tables=tables)
        shutil.copy(REFERENCE / "offline.onnx", folder)

    return make


def as_script(kind: type[ScriptStream]) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        forget_scripted_classes()
        script = torch.jit.script(kind(StreamingKws(trained()).eval()))
        torch.jit.save(script, folder / "model.ts")
        shutil.copy(REFERENCE / "offline.onnx", folder)

    return make


def edited(edit: Callable[[onnx.ModelProto], None]) -> Callable[[Path], None]:
    """The reference's ONNX file after `edit`."""

    def make(folder: Path) -> None:
        model = onnx.load(REFERENCE / "model.onnx")
        edit(model)
        (folder / "model.onnx").write_bytes(model.SerializeToString())
        shutil.copy(REFERENCE / "offline.onnx", folder)

    return make


HIDDEN = StreamingKws(trained()).hidden_size
SUMS = {"state_top": torch.zeros(1, HIDDEN), "state_bottom": torch.zeros(1, 1)}

MUTANTS = (
    Mutant("a step ends one frame early", "equals_offline", as_onnx(FrameEarly)),
    Mutant("frames before the beginning", "equals_offline", as_onnx(SeesBeforeTheBeginning)),
    Mutant("frames misaligned by 80 samples", "equals_offline", as_onnx(FramesMisaligned)),
    Mutant("attention window off by one", "equals_offline", as_onnx(WindowOffByOne)),
    Mutant("energies one step late", "equals_offline", as_onnx(EnergiesLate)),
    Mutant("samples not kept", "any_chunks", as_onnx(_dropped("samples"))),
    Mutant("frames not kept", "any_chunks", as_onnx(_dropped("frames"))),
    Mutant("place in a step not kept", "any_chunks", as_onnx(_dropped("position"))),
    Mutant("outputs not kept", "any_chunks", as_onnx(_dropped("outputs"))),
    Mutant("state of an unfinished step", "any_chunks", as_onnx(HiddenOfThePossibleSteps)),
    Mutant("chunks normalized", "any_chunks", as_onnx(ChunksNormalized)),
    Mutant("looks ahead of the chunk", "any_chunks", as_onnx(LooksAhead)),
    Mutant("hidden state dropped", "hidden_state_carried", as_onnx(HiddenDroppedEveryStep)),
    Mutant(
        "window not bounded",
        "window_bounded",
        with_state(lambda stream: RunningSoftmax(stream, 1.0, False), SUMS),
    ),
    Mutant(
        "running softmax drifts",
        "stable_for_an_hour",
        with_state(lambda stream: RunningSoftmax(stream, 4.0, True), SUMS),
    ),
    Mutant("hidden state not reset", "reset_works", as_script(KeepsHiddenState)),
    Mutant("place in a step not reset", "reset_works", as_script(KeepsPosition)),
    Mutant("reset does nothing", "reset_works", as_script(ForgetsNothing)),
    Mutant("answers hoarded", "state_bounded", as_script(Hoards)),
    Mutant("log-odds for probabilities", "is_probability", as_onnx(Logits)),
    Mutant("never sure", "keywords_found", as_onnx(HalfSure)),
    Mutant("deaf", "quality_gate", as_onnx(OneBitWeights)),
    Mutant(
        "answers half a second late",
        "soon_enough",
        with_state(lambda stream: Delayed(stream, 8), {"state_past": torch.zeros(1, 8)}),
    ),
)


# What is refused with a sentence ------------------------------------------------------------


def _port(ports: Any, name: str) -> Any:
    return next(port for port in ports if port.name == name)


def whole_clip(model: onnx.ModelProto) -> None:
    dim = _port(model.graph.input, "chunk").type.tensor_type.shape.dim[1]
    dim.Clear()
    dim.dim_value = 16_000


def wrong_rank(model: onnx.ModelProto) -> None:
    _rename_input(model, "chunk", "flat")
    shape = numpy_helper.from_array(torch.tensor([1, -1]).numpy(), "as_batch")
    model.graph.initializer.append(shape)
    model.graph.node.insert(0, helper.make_node("Reshape", ["chunk", "as_batch"], ["flat"]))
    dims = _port(model.graph.input, "chunk").type.tensor_type.shape.dim
    del dims[0]


def wrong_dtype(model: onnx.ModelProto) -> None:
    _rename_input(model, "chunk", "float_chunk")
    cast = helper.make_node("Cast", ["chunk"], ["float_chunk"], to=TensorProto.FLOAT)
    model.graph.node.insert(0, cast)
    _port(model.graph.input, "chunk").type.tensor_type.elem_type = TensorProto.DOUBLE


def states_unmatched(model: onnx.ModelProto) -> None:
    port = _port(model.graph.output, "state_energies_next")
    model.graph.output.remove(port)


def state_grows(model: onnx.ModelProto) -> None:
    _rename_output(model, "state_energies_next", "kept_energies")
    _rename_input(model, "state_energies_next", "kept_energies")
    model.graph.node.append(
        helper.make_node(
            "Concat", ["kept_energies", "probability"], ["state_energies_next"], axis=1
        )
    )
    dims = _port(model.graph.output, "state_energies_next").type.tensor_type.shape.dim
    dims[1].dim_value += 1


def _rename_input(model: onnx.ModelProto, old: str, new: str) -> None:
    for node in model.graph.node:
        for index, name in enumerate(node.input):
            if name == old:
                node.input[index] = new


def _rename_output(model: onnx.ModelProto, old: str, new: str) -> None:
    for node in model.graph.node:
        for index, name in enumerate(node.output):
            if name == old:
                node.output[index] = new


REFUSED = (
    ("whole clip", edited(whole_clip), "needs 16,000 samples at once"),
    ("wrong rank", edited(wrong_rank), "`chunk` float32"),
    ("wrong dtype", edited(wrong_dtype), "`chunk` float64"),
    ("states unmatched", edited(states_unmatched), "`state_energies`"),
    ("state grows", edited(state_grows), "The state grows"),
    (
        "NaN after a minute",
        with_state(Counts, {"state_clock": torch.zeros(1)}),
        "after 1.0 min of sound",
    ),
)
