"""Functions for the scripts of a student's project: what a student need not change.

    from grader import starter

    train, validation = starter.load(data.load, "speech-synthetic")
    for epoch in starter.epochs(20): ...
    starter.export(network, Path("model.onnx"), example, ["features"], ["logits"])
    starter.agreement(network, Path("model.onnx"), {"features": validation.features[:256]}, 1e-4)
    starter.add_row(Path("experiments.csv"), {"name": "first", "au_fa_fr": 1e-5})

What docs/starter.md lists is stable. No function does the work of a lesson: none prunes, rounds or
distills a network, or makes a stream of it. The module imports torch, so nothing else in `grader`
imports it.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import logging
import math
import random
import tempfile
import time
import warnings
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import onnx
import onnx.compose
import torch
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from torch import Tensor, nn

from grader import board
from grader.board import firmware
from grader.board.integer_network import IntegerNetwork
from grader.data import ClipSet, PairSet
from grader.data.speech.tracks import Slots
from grader.data.text.posts import LABELS, PostSet
from grader.lesson.spec import RunLimits
from grader.measure import latency
from grader.measure.costs.graph import GraphLimits, inspect
from grader.measure.quality import classification
from grader.measure.quality.detection import au_fa_fr
from grader.sandbox.runners.sequences import SequenceJob, run_sequences
from grader.text import Text, language
from grader.text.errors import GraderError, UsageError
from grader.text.progress import Reporter

_T = TypeVar("_T")
OPSET = 17
GRAPH_OPSET = 21
"""The first with 4-bit weights and blocks in DequantizeLinear."""
STREAM_TOLERANCE = 1e-4
"""Between two forms of one stream, in a probability."""
TIMED_CHARACTERS = 30
"""Characters that a board predicts for the cycles in experiments.csv."""


class Disagreement(GraderError):
    """An exported file computes something else than what it was made from."""


# Scripts --------------------------------------------------------------------------------------


def parser(
    description: str | None, data: str, choices: Iterable[str] | None = None
) -> argparse.ArgumentParser:
    """Options that every training script has: --data, --from (as `source`) and --seed.

    `data` is the default data set, `choices` are the others.
    """
    options = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--data", default=data, choices=choices)
    options.add_argument("--from", dest="source", type=Path, help="a copy of the data on disk")
    options.add_argument("--seed", type=int, default=0)
    return options


def run_main(main: Callable[[], None]) -> None:
    """Call `main`; an error that is meant for a person, such as missing data, ends the script
    with its sentence instead of a traceback."""
    try:
        main()
    except GraderError as error:
        raise SystemExit(error.to(language())) from None


def load(read: Callable[..., _T], data: str, source: Path | None = None) -> tuple[_T, _T]:
    """The training and the validation part of a data set, with a progress bar.

    `read` is one of `grader.data.load`, `load_pairs`, `load_posts`, or `tracks.load`; `source` is
    a folder with a copy of the data. Raises DataError and UsageError with what to do.
    """
    with Reporter() as progress:  # the first time, built-in speech is made: half a minute
        train, validation = (
            read(data, part, source=source, progress=progress) for part in ("train", "validation")
        )
    return train, validation


@dataclass(frozen=True)
class Clips:
    """One part of a set of clips as tensors."""

    features: Tensor
    """(clips, 40, 101) log-mel bands, float32."""
    labels: Tensor
    """(clips,), int64: 1 where the keyword is spoken."""

    @classmethod
    def of(cls, part: ClipSet) -> Clips:
        labels = torch.from_numpy(part.labels.astype(np.int64))
        return cls(torch.from_numpy(np.array(part.features)), labels)


@dataclass(frozen=True)
class Seconds(Clips):
    """Seconds of a stream; `features` (seconds, 40, 98), whose frames are not centred."""

    spans: Tensor
    """(seconds, 2) first and last 10 ms frame of the word; (0, 0) without one."""

    @classmethod
    @torch.no_grad()
    def heard(cls, slots: Slots, log_mel: Callable[[Tensor], Tensor]) -> Seconds:
        """`log_mel` maps samples (seconds, 16000) in -1..1 to features."""
        parts = np.array_split(slots.audio, max(len(slots) // 100, 1))
        sounds = (torch.from_numpy(part.astype(np.float32) / 32768.0) for part in parts)
        features = torch.cat([log_mel(sound) for sound in sounds])
        labels = torch.from_numpy(slots.labels.astype(np.int64))
        return cls(features, labels, torch.from_numpy(slots.spans // 160))


def repeatable(seed: int) -> None:
    """Seed torch, numpy and random, and let torch use one thread.

    Small layers lose time to threads, and one thread repeats a training bit by bit with the same
    versions on the same kind of processor.
    """
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    np.random.seed(seed)
    random.seed(seed)


@dataclass
class Epoch:
    """One epoch of `epochs`."""

    number: int
    """Counted from 1."""
    count: int
    started: float
    losses: list[float]

    def step(
        self,
        loss: Tensor,
        optimizer: torch.optim.Optimizer,
        schedule: Any = None,
        largest_norm: float = math.inf,
    ) -> None:
        """One step down the gradient of `loss`, a scalar; the steps of `schedule` follow.

        A gradient of all weights that is longer than `largest_norm` is shortened to it.
        """
        optimizer.zero_grad()
        loss.backward()
        if largest_norm < math.inf:
            weights = [weight for group in optimizer.param_groups for weight in group["params"]]
            nn.utils.clip_grad_norm_(weights, largest_norm)
        optimizer.step()
        if schedule:
            schedule.step()
        self.losses.append(loss.item())

    @property
    def loss(self) -> float:
        """The mean over the batches so far."""
        return float(np.mean(self.losses))

    def done(self, note: str) -> None:
        """Print one line: the epoch, its loss, `note` and the seconds it took."""
        print(
            f"  epoch {self.number:3}/{self.count}  loss {self.loss:.4f}  {note}  "
            f"{time.perf_counter() - self.started:.1f} s",
            flush=True,
        )


def epochs(count: int) -> Iterator[Epoch]:
    """`count` epochs in turn; call `step` for every batch and `done` at the end of each."""
    for number in range(1, count + 1):
        yield Epoch(number, count, time.perf_counter(), [])


@torch.no_grad()
def follow(mean: nn.Module, network: nn.Module, decay: float) -> None:
    """Move the weights of `mean`, a copy of `network`, a step of 1 - decay towards its weights."""
    for kept, new in zip(mean.parameters(), network.parameters(), strict=True):
        kept.lerp_(new, 1 - decay)


# Batches --------------------------------------------------------------------------------------


def balanced_batches(
    labels: Tensor, batch_size: int, generator: torch.Generator
) -> tuple[Tensor, ...]:
    """One epoch of row numbers, drawn so that each class of `labels` (rows,) is as frequent."""
    share = torch.bincount(labels).double()
    drawn = torch.multinomial(1 / share[labels], len(labels), replacement=True, generator=generator)
    return drawn.split(batch_size)


@dataclass(frozen=True)
class Posts:
    """One part of a set of posts, as a model reads it."""

    ids: list[Tensor]
    """Token numbers of every post, int64; 0 is the padding."""
    labels: Tensor
    """(posts,), int64."""

    @classmethod
    def of(cls, part: PostSet, tokenizer: Tokenizer) -> Posts:
        """The posts of `part` in the numbers of `tokenizer`."""
        ids = [torch.tensor(found.ids) for found in tokenizer.encode_batch(list(part.texts))]
        return cls(ids, torch.from_numpy(np.array(part.labels)))

    def batch(self, numbers: Tensor) -> tuple[Tensor, Tensor]:
        """input_ids and attention_mask, (batch, longest of the batch)."""
        ids = nn.utils.rnn.pad_sequence([self.ids[i] for i in numbers], batch_first=True)
        return ids, (ids != 0).long()

    def without_words(
        self, numbers: Tensor, share: float, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """A batch with a random `share` of its tokens replaced by [UNK]; [CLS] and padding stay."""
        ids, mask = self.batch(numbers)
        dropped = torch.rand(ids.shape, generator=generator) < share
        return torch.where(
            dropped & (ids > SPECIAL.index(START)), SPECIAL.index(UNKNOWN), ids
        ), mask

    def batches(self, size: int, generator: torch.Generator) -> list[Tensor]:
        """The numbers of all posts in batches of about equal length, in random order."""
        lengths = torch.tensor([len(post) for post in self.ids])
        jitter = 1 + 0.2 * torch.rand(len(lengths), generator=generator)
        alike = (lengths * jitter).argsort().split(size)
        return [alike[i] for i in torch.randperm(len(alike), generator=generator)]


@torch.no_grad()
def predict(model: nn.Module, posts: Posts) -> Tensor:
    """Logits (posts, classes) in evaluation mode."""
    model.eval()
    order = torch.tensor([len(post) for post in posts.ids]).argsort()
    logits = torch.cat([model(*posts.batch(numbers)) for numbers in order.split(256)])
    return logits[order.argsort()]


def accuracy(model: nn.Module, posts: Posts) -> float:
    """Share of posts whose label has the largest logit."""
    return float((predict(model, posts).argmax(dim=1) == posts.labels).double().mean())


# Tokenizers -----------------------------------------------------------------------------------

SPECIAL = PAD, UNKNOWN, START = "[PAD]", "[UNK]", "[CLS]"
"""Tokens 0, 1 and 2. Every post begins with [CLS], so that an empty one has a token too."""
ALPHABET = 120
"""Different characters that get a token; rarer ones make their word [UNK]."""
LENGTH = 63
"""Tokens of a post that are read; 1 in 20 posts of RuSentiment is longer. One less than a
transformer with 64 positions reads, so that a batch may be padded wider than its longest post."""


def train_tokenizer(
    posts: Sequence[str], vocabulary: int, *, alphabet: int = ALPHABET, length: int = LENGTH
) -> Tokenizer:
    """A WordPiece tokenizer of at most `vocabulary` pieces of lower-case words and of runs of
    punctuation, which stay together because they carry meaning: `)))` is a smile."""
    tokenizer = Tokenizer(models.WordPiece(unk_token=UNKNOWN))
    tokenizer.normalizer = normalizers.Sequence(normal_forms())
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"\w+|[^\w\s]+"), "removed", invert=True)
    letters = frequent_letters(tokenizer, posts, alphabet)
    trainer = trainers.WordPieceTrainer(
        vocab_size=vocabulary,
        # Numbered beforehand: pieces of equal frequency would be learned in an order of chance.
        special_tokens=[*SPECIAL, *(f"##{letter}" for letter in letters)],
        initial_alphabet=letters,
        limit_alphabet=len(letters),
        show_progress=False,
    )
    tokenizer.train_from_iterator(posts, trainer)
    return with_pieces(tokenizer, tokenizer.get_vocab(), length)


def with_pieces(tokenizer: Tokenizer, pieces: dict[str, int], length: int = LENGTH) -> Tokenizer:
    """A tokenizer that normalizes and splits as this one, with these pieces and their numbers."""
    new = Tokenizer(models.WordPiece(pieces, unk_token=UNKNOWN))
    new.normalizer = tokenizer.normalizer
    new.pre_tokenizer = tokenizer.pre_tokenizer
    return finished(new, length)


def finished(tokenizer: Tokenizer, length: int) -> Tokenizer:
    """It begins every post with [CLS], and stops after `length` tokens."""
    tokenizer.add_special_tokens(list(SPECIAL))
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{START} $A", special_tokens=[(START, tokenizer.token_to_id(START))]
    )
    tokenizer.enable_truncation(length)
    return tokenizer


def normal_forms() -> list[normalizers.Normalizer]:
    """Lower case, one form of each character, no addresses."""
    return [
        normalizers.NFKC(),
        normalizers.Lowercase(),
        normalizers.Replace("\u0451", "\u0435"),  # yo, which many write as ye
        normalizers.Replace(Regex(r"https?://\S+"), " url "),
    ]


def frequent_letters(
    tokenizer: Tokenizer, posts: Sequence[str], count: int = ALPHABET
) -> list[str]:
    """The `count` most frequent characters. The trainer would break ties by chance."""
    counts = Counter(
        letter for post in posts for letter in tokenizer.normalizer.normalize_str(post)
    )
    ordered = sorted(counts, key=lambda letter: (-counts[letter], letter))
    return [letter for letter in ordered if not letter.isspace()][:count]


def compact(tokenizer: Tokenizer) -> bytes:
    """`tokenizer.json` without spaces and with Cyrillic as it is: a third fewer bytes."""
    content = json.loads(tokenizer.to_str())
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()


# Tables ---------------------------------------------------------------------------------------


def add_row(path: Path, row: Mapping[str, object]) -> None:
    """Add a row to a CSV table; without the file, its first line are the keys of `row`.

    Columns that `row` lacks stay empty. Raises UsageError for keys that are no column.
    """
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    columns = next(csv.reader(lines[:1]), list(row))
    for key in row:
        if key not in columns:
            raise UsageError(
                "{name} has no column {key!r}, only {columns}; add it to the first line.",
                name=path.name,
                key=key,
                columns=", ".join(columns),
            )
    with path.open("a", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, columns, lineterminator="\n")
        if not lines:
            table.writeheader()
        table.writerow(row)


def write_rows(path: Path, rows: Sequence[Mapping[str, object]]) -> None:
    """Write a CSV table anew; its columns are the keys of the first of `rows`."""
    path.unlink(missing_ok=True)
    for row in rows:
        add_row(path, row)


# From torch to ONNX ---------------------------------------------------------------------------

Store = Callable[[np.ndarray, int | None], "np.ndarray | tuple[np.ndarray, np.ndarray]"]
"""What to store for float32 values: float16 values, or int8 numbers with a float16 scale for each
index of an axis. Called with the values and the axis of their output channels, None for weights
that have no channels, such as biases."""

OUTPUT_AXIS = {"Conv": 0, "Gemm": 0, "MatMul": -1, "GRU": 1, "LSTM": 1, "RNN": 1}
"""The axis of an operator's weights that counts output channels."""


def translate(
    module: nn.Module,
    example: tuple[Any, ...],
    inputs: Sequence[str],
    outputs: Sequence[str],
    free: Mapping[str, Mapping[int, str]] | None = None,
    **options: Any,
) -> ModelProto:
    """The module in evaluation mode as ONNX, as torch writes it from an `example` of its inputs.

    `free` names the axes of any size: {"features": {0: "batch"}}. The exporter is the older one,
    which writes a GRU as one operator; `options` go to torch.onnx.export.
    """
    file: Any = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the older exporter says that there is a newer one
        torch.onnx.export(
            module.eval(),
            example,
            file,
            input_names=list(inputs),
            output_names=list(outputs),
            dynamic_axes={name: dict(axes) for name, axes in (free or {}).items()},
            **({"opset_version": OPSET, "dynamo": False} | options),
        )
    return onnx.load_from_string(file.getvalue())


def export(
    module: nn.Module,
    path: Path,
    example: tuple[Any, ...],
    inputs: Sequence[str],
    outputs: Sequence[str],
    free: Mapping[str, Mapping[int, str]] | None = None,
    *,
    store: Store | None = None,
    tables: Callable[[Tensor], Any] | None = None,
    exact: bool = False,
) -> None:
    """Write the module to `path` as ONNX without what costs bytes or time for nothing.

    Arguments as for `translate`. `store` says how weights are stored; the arithmetic stays
    float32. `tables` maps a zero of shape (1,) to a named tuple of constants, which the module
    takes as its last argument; the file computes them when it is loaded and does not store them.

    ONNX Runtime replaces DequantizeLinear and MatMul by one operator that rounds activations to 8
    bits too. With `exact`, weights of MatMul are widened by Cast and Mul, which it leaves alone.
    """
    if tables:
        constants = tables(torch.zeros(1))
        names = [f"table_{name}" for name in constants._fields]
        example, inputs = (*example, constants), [*inputs, *names]
    model = translate(module, example, inputs, outputs, free)
    _drop_zero_states(model.graph)
    if store:
        _store(model.graph, store, exact)
    if tables:
        model = _with_tables(model, tables, names, outputs)
    _drop_unused(model.graph)
    del model.graph.value_info[:]  # shapes of the graph as it was before the changes
    onnx.checker.check_model(model, full_check=True)
    path.write_bytes(model.SerializeToString())


class _Function(nn.Module):
    def __init__(self, function: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, zero: Tensor) -> Any:
        return self.function(zero)


def _with_tables(
    model: ModelProto, tables: Callable[[Tensor], Any], names: list[str], outputs: Sequence[str]
) -> ModelProto:
    """The exporter keeps operators that depend on an input; `zero` becomes a constant here."""
    made = translate(_Function(tables), (torch.zeros(1),), ["zero"], names)
    made = onnx.compose.add_prefix(made, "made_", rename_inputs=False, rename_outputs=False)
    pairs = [(name, name) for name in names]
    whole = onnx.compose.merge_models(made, model, pairs, outputs=list(outputs))
    del whole.opset_import[1:]  # the same one twice
    whole.graph.input.remove(next(port for port in whole.graph.input if port.name == "zero"))
    whole.graph.initializer.append(numpy_helper.from_array(np.zeros(1, np.float32), "zero"))
    return whole


def _drop_zero_states(graph: onnx.GraphProto) -> None:
    """A GRU without an initial state starts at zero: there is no need to build the zeros."""
    fillers = {node.output[0] for node in graph.node if node.op_type == "ConstantOfShape"}
    for node in graph.node:
        if node.op_type in ("GRU", "LSTM", "RNN"):
            for index in range(5, len(node.input)):
                if _source(graph, node.input[index]) in fillers:
                    node.input[index] = ""


def _source(graph: onnx.GraphProto, name: str) -> str:
    """The tensor that `name` is a slice of."""
    for node in graph.node:
        if name in node.output and node.op_type in ("Slice", "Identity"):
            return _source(graph, node.input[0])
    return name


def _drop_unused(graph: onnx.GraphProto) -> None:
    """Remove operators and weights whose results nothing reads."""
    needed = {output.name for output in graph.output}
    for node in reversed(list(graph.node)):
        if needed.isdisjoint(node.output):
            graph.node.remove(node)
        else:
            needed.update(node.input)
    for weight in list(graph.initializer):
        if weight.name not in needed:
            graph.initializer.remove(weight)


def _store(graph: onnx.GraphProto, store: Store, exact: bool) -> None:
    """Replace every float32 weight by what is stored, and by operators that widen it again."""
    axes = _output_axes(graph)
    multiplied = {name for node in graph.node if node.op_type == "MatMul" for name in node.input}
    wideners: list[NodeProto] = []
    for weight in [item for item in graph.initializer if item.data_type == TensorProto.FLOAT]:
        graph.initializer.remove(weight)
        name, values = weight.name, numpy_helper.to_array(weight)
        axis = axes[name] % values.ndim if name in axes else None
        stored = store(values, axis)
        if isinstance(stored, tuple):
            levels, scale = stored
            graph.initializer.append(numpy_helper.from_array(levels, f"{name}_int8"))
            wideners.append(_as_float16(graph, f"{name}_scale", scale))
            ports = [f"{name}_int8", f"{name}_scale"]
            if exact and name in multiplied:
                widened = f"{name}_levels"
                cast = helper.make_node("Cast", ports[:1], [widened], to=TensorProto.FLOAT)
                wideners += [cast, helper.make_node("Mul", [widened, ports[1]], [name])]
            else:
                wideners.append(helper.make_node("DequantizeLinear", ports, [name], axis=axis))
        else:
            wideners.append(_as_float16(graph, name, stored))
    for node in reversed(wideners):
        graph.node.insert(0, node)


def _as_float16(graph: onnx.GraphProto, name: str, values: np.ndarray) -> NodeProto:
    graph.initializer.append(numpy_helper.from_array(values, f"{name}_float16"))
    return helper.make_node("Cast", [f"{name}_float16"], [name], to=TensorProto.FLOAT)


def _output_axes(graph: onnx.GraphProto) -> dict[str, int]:
    """Weight matrices and kernels by name, with the axis of their output channels."""
    axes = {}
    for node in graph.node:
        if node.op_type in OUTPUT_AXIS:
            recurrent = node.op_type in ("GRU", "LSTM", "RNN")
            transposed = any(a.name == "transB" and a.i for a in node.attribute)
            for name in node.input[1 : 3 if recurrent else 2]:
                axes[name] = (
                    1 if node.op_type == "Gemm" and not transposed else OUTPUT_AXIS[node.op_type]
                )
    return axes


class Graph:
    """A classifier of token numbers as ONNX, written by hand, operator by operator.

    An exporter would fill the graph with arithmetic on shapes that costs time at every call, and
    name the weights by number. Methods append operators and return the name of the output.
    """

    def __init__(self) -> None:
        self.nodes: list[NodeProto] = []
        self.weights: dict[str, np.ndarray] = {}

    def add(self, operator: str, *inputs: str, name: str, **attributes: Any) -> str:
        """Append one operator; its only output has its `name`, which is returned."""
        self.nodes.append(helper.make_node(operator, inputs, [name], name=name, **attributes))
        return name

    def weight(self, values: Any, name: str) -> str:
        """Store a float32 weight, or an int64 shape."""
        array = values.detach().cpu().numpy() if isinstance(values, Tensor) else np.array(values)
        self.weights[name] = array.astype(np.int64 if array.dtype == np.int64 else np.float32)
        return name

    def dense(self, x: str, layer: Any, name: str) -> str:
        """x @ layer.weight + layer.bias, with a weight (inputs, outputs) and perhaps no bias."""
        product = self.add("MatMul", x, self.weight(layer.weight, f"{name}.weight"), name=name)
        if layer.bias is None:
            return product
        bias = self.weight(layer.bias, f"{name}.bias")
        return self.add("Add", product, bias, name=f"{name}.sum")

    def norm(self, x: str, norm: nn.LayerNorm, name: str) -> str:
        parts = {"weight": norm.weight, "bias": norm.bias}
        stored = [self.weight(values, f"{name}.{part}") for part, values in parts.items()]
        return self.add("LayerNormalization", x, *stored, name=name, epsilon=norm.eps)

    def mask(self) -> tuple[str, str]:
        """The input `attention_mask` as float32, (batch, length), and what attention adds to its
        scores, (batch, 1, 1, length): 0 for tokens and -1e4 for padding."""
        mask = self.add("Cast", "attention_mask", name="mask", to=TensorProto.FLOAT)
        hidden = self.add("Sub", self.weight(1.0, "one"), mask, name="hidden_tokens")
        penalty = self.add("Mul", hidden, self.weight(-1e4, "penalty"), name="masked")
        axes = self.weight([1, 2], "mask.axes")
        return mask, self.add("Unsqueeze", penalty, axes, name="mask.wide")

    def neighbours(self, table: Tensor, size: int, margin: int) -> str:
        """Rows of the embedding `table` (tokens, width) of every token and its neighbours, (batch,
        length + 2 * margin - size + 1, size * width); the padding's row stands in the margin.

        `neighbour.0` to `neighbour.{size - 1}` are the rows of each. This only moves rows.
        """
        margins = self.weight([0, margin, 0, margin], "margins")
        padded = self.add("Pad", "input_ids", margins, name="padded")  # with 0, the padding
        rows = self.add("Gather", self.weight(table, "embedding.weight"), padded, name="embedding")
        axis, end = self.weight([1], "axis"), np.iinfo(np.int64).max
        parts = []
        for i in range(size):
            first = self.weight([i], f"from.{i}")
            last = self.weight([i - size + 1 or end], f"to.{i}")
            parts.append(self.add("Slice", rows, first, last, axis, name=f"neighbour.{i}"))
        return self.add("Concat", *parts, name="windows", axis=2)

    def positions(self, table: Tensor) -> str:
        """The first rows of `table` (positions, width), as many as the input has tokens."""
        length = self.add("Shape", "input_ids", name="length", start=1)
        count = self.add("Squeeze", length, name="length.count")
        first, step = self.weight(np.int64(0), "first"), self.weight(np.int64(1), "step")
        numbers = self.add("Range", first, count, step, name="numbers")
        return self.add("Gather", self.weight(table, "positions"), numbers, name="places")

    def attention(self, x: str, layer: Any, masked: str, name: str) -> str:
        """Attention of a `layer` with `heads` and dense layers `query`, `key`, `value`, `output`
        on x (batch, length, width)."""
        width, heads = layer.query.weight.shape[1], {}
        size = width // layer.heads
        orders = {"query": (0, 2, 1, 3), "key": (0, 2, 3, 1), "value": (0, 2, 1, 3)}
        for part, order in orders.items():
            projected = self.dense(x, getattr(layer, part), f"{name}.{part}")
            split = self._reshape(projected, [0, 0, layer.heads, size], f"{name}.{part}.split")
            heads[part] = self.add("Transpose", split, name=f"{name}.{part}.heads", perm=order)
        products = self.add("MatMul", heads["query"], heads["key"], name=f"{name}.products")
        scale = self.weight(size**-0.5, f"{name}.scale")
        scaled = self.add("Mul", products, scale, name=f"{name}.scaled")
        scores = self.add("Add", scaled, masked, name=f"{name}.scores")
        shares = self.add("Softmax", scores, name=f"{name}.shares", axis=3)
        seen = self.add("MatMul", shares, heads["value"], name=f"{name}.seen")
        together = self.add("Transpose", seen, name=f"{name}.together", perm=(0, 2, 1, 3))
        joined = self._reshape(together, [0, 0, width], f"{name}.joined")
        return self.dense(joined, layer.output, f"{name}.output")

    def mean(self, x: str, mask: str) -> str:
        """The mean of x (batch, length, width) over the tokens of `mask`, as a product."""
        axis = self.weight([1], "mean.axis")
        tokens = self.add("ReduceSum", mask, axis, name="tokens", keepdims=1)
        share = self.add("Div", mask, tokens, name="share")
        row = self.add("Unsqueeze", share, axis, name="share.row")
        mean = self.add("MatMul", row, x, name="mean.row")
        return self.add("Squeeze", mean, axis, name="mean")

    def _reshape(self, x: str, shape: list[int], name: str) -> str:
        """0 keeps a dimension."""
        return self.add("Reshape", x, self.weight(shape, f"{name}.shape"), name=name)

    def model(self, *inputs: str, classes: int) -> ModelProto:
        """The finished model. `inputs` are int64 (batch, length), the output of the last operator
        becomes `logits`, float32 (batch, classes)."""
        self.nodes[-1].output[0] = "logits"
        make, tokens = helper.make_tensor_value_info, ["batch", "length"]
        graph = helper.make_graph(
            self.nodes,
            "posts",
            [make(name, TensorProto.INT64, tokens) for name in inputs],
            [make("logits", TensorProto.FLOAT, ["batch", classes])],
            [numpy_helper.from_array(array, name) for name, array in self.weights.items()],
        )
        opsets = [helper.make_opsetid("", GRAPH_OPSET)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=10)
        onnx.checker.check_model(model, full_check=True)
        return model


# Changing ONNX models -------------------------------------------------------------------------


def weights(model: ModelProto) -> dict[str, NDArray[np.float32]]:
    """The stored float32 weights by name; what an operator computes is not among them."""
    floats = (w for w in model.graph.initializer if w.data_type == TensorProto.FLOAT)
    return {weight.name: numpy_helper.to_array(weight) for weight in floats}


def replace_weight(
    model: ModelProto,
    name: str,
    operator: str,
    stored: Mapping[str, np.ndarray],
    **attributes: Any,
) -> None:
    """Remove the weight `name`, store others, and compute `name` from them by one operator at the
    beginning of the graph, whose inputs are `stored` in this order. Changes `model`."""
    graph = model.graph
    graph.initializer.remove(next(weight for weight in graph.initializer if weight.name == name))
    for key, values in stored.items():
        graph.initializer.append(numpy_helper.from_array(np.asarray(values), key))
    graph.node.insert(0, helper.make_node(operator, list(stored), [name], **attributes))


def state_dict(model: ModelProto) -> dict[str, Tensor]:
    """The weights of a file that `export` wrote in float32, by their names in the module, whose
    layers are its attributes or in an nn.Sequential.

    The exporter renames weights of GRUs and transposes some of nn.Linear; the operator names the
    layer. ONNX orders the gates of a GRU update, reset, new; torch reset, update, new.
    """
    stored = {name: torch.tensor(values) for name, values in weights(model).items()}
    found = {name: weight for name, weight in stored.items() if "::" not in name}
    depth: Counter[str] = Counter()
    for node in model.graph.node:
        layer = node.name.split("/")[-2] if "/" in node.name else node.name
        if node.op_type == "MatMul" and node.input[1] in stored:
            found[f"{layer}.weight"] = stored[node.input[1]].T
        elif node.op_type == "GRU":
            weight, state, bias = (stored[name][0] for name in node.input[1:4])
            parts = {"weight_ih": weight, "weight_hh": state}
            parts |= zip(("bias_ih", "bias_hh"), bias.chunk(2), strict=True)
            for kind, values in parts.items():
                update, reset, new = values.chunk(3)
                found[f"{layer}.{kind}_l{depth[layer]}"] = torch.cat([reset, update, new])
            depth[layer] += 1
    return found


class Calibration:
    """Inputs of a model, one at a time, as ONNX Runtime's `quantize_static` asks for them."""

    def __init__(self, inputs: Iterable[Mapping[str, np.ndarray]]) -> None:
        self.rows = iter(inputs)

    def get_next(self) -> dict[str, np.ndarray] | None:
        row = next(self.rows, None)
        return None if row is None else dict(row)


@contextmanager
def on_disk(model: ModelProto) -> Iterator[tuple[Path, Path]]:
    """A file with the model and the path of one to be written, both gone afterwards.

    ONNX Runtime's quantizers read and write files, and log advice for exported models.
    """
    level = logging.root.level
    logging.root.setLevel(logging.ERROR)
    try:
        with tempfile.TemporaryDirectory() as folder:
            source, target = Path(folder) / "model.onnx", Path(folder) / "small.onnx"
            onnx.save(model, source)
            yield source, target
    finally:
        logging.root.setLevel(level)


# Running exported files -----------------------------------------------------------------------


def session(model: Path | bytes) -> Any:
    """An onnxruntime.InferenceSession on one thread."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def run(
    model: Path | bytes, inputs: Mapping[str, np.ndarray], batch_size: int = 500
) -> NDArray[np.float32]:
    """The first output for all rows of `inputs`, which are arrays (rows, ...) of float32."""
    opened = session(model)
    rows = len(next(iter(inputs.values())))
    answers = []
    for start in range(0, rows, batch_size):
        batch = slice(start, start + batch_size)
        feed = {name: np.asarray(x[batch], np.float32) for name, x in inputs.items()}
        answers.append(opened.run(None, feed)[0])
    return np.concatenate(answers)


def compare(first: bytes, second: bytes, inputs: Mapping[str, np.ndarray]) -> tuple[float, float]:
    """Run two models in turn on each row of `inputs`, arrays (rows, ...) of float32.

    Returns the largest difference between their first outputs as a share of the largest output of
    `first`, and how many times as fast `second` is here, which varies from run to run.
    """
    models = session(first), session(second)
    error, scale, seconds = 0.0, 0.0, [0.0, 0.0]
    for row in range(len(next(iter(inputs.values())))):
        feed = {name: np.asarray(x[row : row + 1], np.float32) for name, x in inputs.items()}
        answers = []
        for index, model in enumerate(models):
            started = time.perf_counter()
            answers.append(model.run(None, feed)[0])
            seconds[index] += time.perf_counter() - started
        error = max(error, float(np.abs(answers[0] - answers[1]).max()))
        scale = max(scale, float(np.abs(answers[0]).max()))
    return error / scale, seconds[0] / seconds[1]


@torch.no_grad()
def agreement(
    module: nn.Module, path: Path, inputs: Mapping[str, np.ndarray], tolerance: float
) -> float:
    """Largest absolute difference between the outputs of the module and of its exported file.

    `inputs` by name, in the order of the module's arguments. Raises Disagreement when it is more
    than `tolerance`, a share of the largest output (or of 1).
    """
    tensors = [torch.from_numpy(np.array(values, np.float32)) for values in inputs.values()]
    expected = module.eval()(*tensors).numpy()
    difference = float(np.abs(run(path, inputs) - expected).max())
    allowed = tolerance * max(1.0, float(np.abs(expected).max()))
    if not difference <= allowed:
        raise Disagreement(
            "{name} differs from the module by {difference:.3g} in an output; at most "
            "{allowed:.3g} is expected. Export again after the last change, and check that the "
            "module has no randomness in evaluation mode.",
            name=path.name,
            difference=difference,
            allowed=allowed,
        )
    return difference


# Keyword spotters -----------------------------------------------------------------------------


def detector_figures(path: Path, clips: Clips) -> dict[str, object]:
    """AU-FA-FR, multiplications and bytes of a `model.onnx`, as the grader counts them."""
    costs = inspect(path.read_bytes())
    logits = run(path, {"features": clips.features.numpy()})
    area = au_fa_fr(logits[:, 1] - logits[:, 0], clips.labels.numpy())
    return {"au_fa_fr": f"{area:.3e}", "macs": costs.macs, "bytes": costs.bytes}


@torch.no_grad()
def detector_quality(model: nn.Module, clips: Clips) -> float:
    """AU-FA-FR of a module with logits (batch, 2), at the prior 0.0305; smaller is better."""
    model.eval()
    logits = torch.cat([model(batch) for batch in clips.features.split(1000)])
    return au_fa_fr((logits[:, 1] - logits[:, 0]).numpy(), clips.labels.numpy())


# Streams --------------------------------------------------------------------------------------


def save_script(module: nn.Module, path: Path) -> None:
    """Write the module as TorchScript, without debug records: those only say where on this
    machine its Python sources lie."""
    saved = io.BytesIO(torch.jit.script(module).save_to_buffer())
    with zipfile.ZipFile(saved) as old, zipfile.ZipFile(path, "w") as new:
        for record in old.infolist():
            if not record.filename.endswith(".debug_pkl"):
                new.writestr(zipfile.ZipInfo(record.filename), old.read(record))


def run_stream(path: Path, sound: np.ndarray, sizes: Sequence[int]) -> NDArray[np.float32]:
    """Probabilities of an ONNX stream after each chunk of `sound` (samples,).

    The file has an input `chunk`, an output `probability` and states that begin as zeros; the
    `sizes` of chunks, in samples, are used in turn.
    """
    opened = session(path)
    states = {port.name: np.zeros(port.shape, np.float32) for port in opened.get_inputs()[1:]}
    names = ["probability", *(f"{name}_next" for name in states)]
    answers = []
    for chunk in _chunks(sound, sizes):
        probability, *new = opened.run(names, {"chunk": chunk[None], **states})
        states = dict(zip(states, new, strict=True))
        answers.append(probability[0, 0])
    return np.array(answers)


@torch.no_grad()
def run_script(path: Path, sound: np.ndarray, sizes: Sequence[int]) -> NDArray[np.float64]:
    """The same with TorchScript that has `reset()` and `forward(chunk)`."""
    script = torch.jit.load(path)
    script.reset()
    chunks = _chunks(sound, sizes)
    return np.array([script(torch.from_numpy(chunk[None])).item() for chunk in chunks])


def _chunks(sound: np.ndarray, sizes: Sequence[int]) -> list[np.ndarray]:
    ends: list[int] = []
    while not ends or ends[-1] < len(sound):
        ends.append((ends[-1] if ends else 0) + sizes[len(ends) % len(sizes)])
    return np.split(sound, ends[:-1])


def stream_agreement(stream: Path, script: Path, offline: Path) -> float:
    """Largest difference between the files of one detector, in a probability.

    The ONNX `stream` and the TorchScript `script` are compared on three made-up seconds at
    16 kHz in chunks of many sizes, the stream after one second with `offline`, whose input `clip`
    is a whole second. Raises Disagreement beyond STREAM_TOLERANCE.
    """
    second, hop = 16_000, 160
    rise = np.linspace(0.0, 0.3, 3 * second)
    sound = (rise * np.random.default_rng(0).standard_normal(3 * second)).astype(np.float32)
    forms = max(
        float(np.abs(run_stream(stream, sound, sizes) - run_script(script, sound, sizes)).max())
        for sizes in ([hop], [8 * hop], [second], [5 * hop, hop, 37 * hop, 13 * hop])
    )
    _require(
        forms,
        Text("{stream} and {script} answer differently", stream=stream.name, script=script.name),
    )
    after_a_second = run_stream(stream, sound[:second], [second])[-1]
    whole = run(offline, {"clip": sound[None, :second]})[0, 0]
    apart = float(abs(whole - after_a_second))
    _require(
        apart,
        Text("after one second the stream and {offline} differ", offline=offline.name),
    )
    return max(forms, apart)


def _require(difference: float, what: Text) -> None:
    if not difference <= STREAM_TOLERANCE:
        raise Disagreement(
            "{what}, by {difference:.3g} in a probability; at most {allowed:g} is expected. Look "
            "at what is kept between chunks: how much, and from which sample on.",
            what=what,
            difference=difference,
            allowed=STREAM_TOLERANCE,
        )


# Measuring classifiers of posts ---------------------------------------------------------------


@dataclass(frozen=True)
class Candidate:
    """A model and the file of its tokenizer."""

    model: bytes
    tokenizer: bytes

    @classmethod
    def of(cls, model: ModelProto, tokenizer: bytes) -> Candidate:
        return cls(model.SerializeToString(), tokenizer)


@dataclass(frozen=True)
class Measured:
    """One model, and its ratios to the first of those measured with it."""

    name: str
    bytes: int
    """Weights as stored, and the tokenizer's file."""
    params: int
    latency_ms_b1: float
    """One post in a call."""
    latency_ms_b32: float
    """32 posts in a call, all of them together."""
    accuracy: float
    f1_macro: float
    f1_weighted: float
    compression: float = 1.0
    speedup_b1: float = 1.0
    speedup_b32: float = 1.0

    @property
    def speedup(self) -> float:
        """The geometric mean over both batch sizes, which scores."""
        return math.sqrt(self.speedup_b1 * self.speedup_b32)

    def against(self, first: Measured) -> Measured:
        """The same with ratios to `first`."""
        return replace(
            self,
            compression=first.bytes / self.bytes,
            speedup_b1=first.latency_ms_b1 / self.latency_ms_b1,
            speedup_b32=first.latency_ms_b32 / self.latency_ms_b32,
        )

    def row(self, *columns: str) -> dict[str, object]:
        """These figures for `write_rows`, numbers with five digits."""
        found = {column: getattr(self, column) for column in columns}
        return {key: f"{x:.5g}" if isinstance(x, float) else x for key, x in found.items()}


def measure(
    candidates: Mapping[str, Candidate], posts: PostSet, rounds: int = 20
) -> list[Measured]:
    """Bytes, time and quality of every candidate on `posts`, as the grader measures them.

    Ratios are to the first. The models are timed in turn, `rounds` times, on one core.
    """
    ids = {}
    for name, candidate in candidates.items():
        encoded = Tokenizer.from_buffer(candidate.tokenizer).encode_batch(list(posts.texts))
        ids[name] = [np.array(post.ids, np.int64) for post in encoded]
    models = {name: candidate.model for name, candidate in candidates.items()}
    limits = RunLimits(wall_seconds=1200, cpu_seconds=1200, memory_bytes=6 * 2**30)
    run = run_sequences(SequenceJob(models, ids, classes=len(LABELS), rounds=rounds), limits)
    rows: list[Measured] = []
    for name, candidate in candidates.items():
        predicted = classification.predictions(run.logits[name])
        found = classification.quality(predicted, posts.labels, len(LABELS))
        report = inspect(candidate.model, GraphLimits(length=32))  # bytes do not depend on it
        single, batched = run.single[name], run.batched[name]
        row = Measured(
            name,
            bytes=report.bytes + len(candidate.tokenizer),
            params=report.params,
            latency_ms_b1=1e3 * latency.typical_seconds(single.seconds, single.posts),
            latency_ms_b32=32e3 * latency.typical_seconds(batched.seconds, batched.posts),
            accuracy=found.accuracy.value,
            f1_macro=found.f1_macro.value,
            f1_weighted=found.f1_weighted.value,
        )
        rows.append(row if not rows else row.against(rows[0]))
    return rows


# Firmware -------------------------------------------------------------------------------------


def record_firmware(
    project: Path, name: str, network: IntegerNetwork, bits: str, validation: PairSet
) -> None:
    """Build and run the program in firmware/, and add what it takes to experiments.csv.

    The board predicts some characters of `validation`. Prints the figures, or the reason why there
    are none: the program does not fit, or answers otherwise than `network`.
    """
    positions = validation.positions
    right = network.classes(positions) == [one.next_char for one in positions]
    print(f"integer network: {right.mean():.1%} of the next characters on validation")
    asked = positions[:: max(1, len(positions) // TIMED_CHARACTERS)]
    limit = 60 * board.CLOCK_HZ
    questions = firmware.Questions(asked, (), limit * len(asked), len(asked), limit)
    try:
        image = board.build(project / "firmware")
        cycles = firmware.converse(image, network, questions).cycles.mean()
    except GraderError as error:
        print(f"Not recorded. {error.to(language())}")
        return
    row = {
        "name": name,
        "next_char_accuracy": f"{right.mean():.4f}",
        "flash_bytes": image.flash_bytes,
        "cycles_per_char": round(cycles),
        "sizes": "-".join(map(str, network.sizes)),
        "bits": bits,
    }
    add_row(project / "experiments.csv", row)
    print(
        f"firmware: {image.flash_bytes:,} bytes of flash, {board.milliseconds(cycles):.2f} ms a "
        f"character. Added to experiments.csv as {name!r}."
    )
