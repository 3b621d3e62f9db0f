"""The measured tables and the figure of the streaming handout, in both languages.

    python assignments/streaming_kws/figures/tables.py [--write] [--only NAME ...]

What a second of listening costs, step by step from recomputing to the reference; what it costs in
chunks of several lengths; how a network trained on single seconds and one trained on streams hear
with their state carried; a past student's two demonstrations (window 20 and step 8, window 8 and
step 5); how far running sums of exponentials drift in an hour. With `--write` each replaces the
text between its two markers in assignments/streaming_kws/handout.{ru,en}.md, and the figure is
drawn to assignments/streaming_kws/figures/. Public data only; a few minutes on one core.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from time import perf_counter
from types import SimpleNamespace

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn
from torch.nn import functional as F

from grader.data.speech import tracks
from grader.handout.figures import Table, count, plain, project, publish
from grader.lesson import course
from grader.measure.quality import detection
from grader.measure.streams import detections, stream_model
from grader.text import Lang, Text, languages

LESSON = course.assignments() / "streaming_kws"
DATA = "speech-synthetic"
STARTER_MODULES = ("frontend", "offline", "streaming", "export", "train")
MODULES = (*STARTER_MODULES, "augment")
HOP_SECONDS = 0.01
WINDOWS = ((10, 8), (20, 8), (8, 5))
"""The reference's, then the two of the demonstrations: window length and step."""
DEMO_THRESHOLD = 0.5
DEMO_SECONDS, DEMO_PLACES = 12, (3, 8)


@cache
def starter() -> SimpleNamespace:
    return project(course.student_template() / "streaming_kws", *STARTER_MODULES)


@cache
def reference() -> SimpleNamespace:
    return project(course.reference_solutions() / "streaming_kws", *MODULES)


# The networks -------------------------------------------------------------------------------


@cache
def baseline_crnn() -> nn.Module:
    """The committed baseline as the reference's module, so that both can be streamed alike."""
    model = onnx.load(LESSON / "baseline" / f"{DATA}.onnx")
    stored = {
        item.name: torch.from_numpy(numpy_helper.to_array(item).copy())
        for item in model.graph.initializer
    }
    prefix = "stream.crnn."
    weights = {n.removeprefix(prefix): v for n, v in stored.items() if n.startswith(prefix)}
    cells = [node.input for node in model.graph.node if node.op_type == "GRU"]
    for layer, names in enumerate(cells):
        parts = (stored[names[1]][0], stored[names[2]][0], *stored[names[3]][0].chunk(2))
        for kind, part in zip(("weight_ih", "weight_hh", "bias_ih", "bias_hh"), parts, strict=True):
            update, reset, new = part.chunk(3)  # ONNX orders gates z, r, h; torch r, z, n
            weights[f"grus.{layer}.{kind}_l0"] = torch.cat([reset, update, new])
    products = [n.input[1] for n in model.graph.node if n.op_type == "MatMul"]
    for name, product in zip(("energy.0", "energy.2"), products[-2:], strict=True):
        weights[f"{name}.weight"] = stored[product].T
    crnn = reference().offline.Crnn(reference().offline.BASELINE)
    crnn.load_state_dict(weights)
    return crnn.eval()


@cache
def reference_crnn() -> nn.Module:
    """The committed reference, from its TorchScript file."""
    crnn = reference().offline.Crnn(reference().offline.SMALL)
    script = torch.jit.load(course.reference_solutions() / "streaming_kws" / "model.ts")
    weights = {n.removeprefix("stream."): v for n, v in script.state_dict().items()}
    crnn.load_state_dict(weights)
    return crnn.eval()


# Costs --------------------------------------------------------------------------------------


def _kept(model: stream_model.StreamModel) -> int:
    """Bytes of weights and state."""
    return model.bytes + model.state_bytes


def costs() -> Table:
    """From the window computed anew to the reference, one change at a time."""
    ours, given = reference(), starter()
    steps: list[tuple[Text, stream_model.StreamModel]] = [
        (
            Text("second recomputed every 80 ms"),
            stream_model.read((LESSON / "baseline" / f"{DATA}.onnx").read_bytes(), "onnx", (8,)),
        )
    ]
    with _front_end(ours, given):
        steps.append(
            (
                Text("streamed"),
                _counted(ours, baseline_crnn(), "float32"),
            )
        )
    steps.append(
        (
            Text("and a faster transform"),
            _counted(ours, baseline_crnn(), "float32"),
        )
    )
    for name, storage in (
        (Text("and a smaller network"), "float32"),
        (Text("and int8 weights"), "int8"),
    ):
        steps.append((name, _counted(ours, reference_crnn(), storage)))
    first = steps[0][1]
    rows = []
    for name, model in steps:
        macs = model.macs_per_second[1280]
        rows.append(
            (
                name,
                plain(f"{macs / 1e6:.2f}"),
                plain(f"{first.macs_per_second[1280] / macs:.1f}"),
                count(model.bytes),
                count(model.state_bytes),
                plain(f"{_kept(first) / _kept(model):.1f}"),
            )
        )
    return Table(
        header=(
            Text("stream"),
            Text("million MACs a second"),
            Text("fewer"),
            Text("weights, B"),
            Text("state, B"),
            Text("both smaller"),
        ),
        rows=rows,
        caption=Text("Measured: counted from the graphs at chunks of 80 ms, front end included."),
    )


@contextmanager
def _front_end(ours: SimpleNamespace, given: SimpleNamespace) -> Iterator[None]:
    """The reference's stream with the starter's matrix for a Fourier transform."""
    places = [
        (ours.streaming, "log_mel", given.frontend.log_mel),
        (ours.streaming, "tables", given.frontend.tables),
        (ours.export, "tables", given.frontend.tables),
        (ours.export, "Tables", given.frontend.Tables),
    ]
    before = [(module, name, getattr(module, name)) for module, name, _ in places]
    for module, name, value in places:
        setattr(module, name, value)
    try:
        yield
    finally:
        for module, name, value in before:
            setattr(module, name, value)


def _counted(
    ours: SimpleNamespace, crnn: nn.Module, storage: str, hops: Sequence[int] = (8,)
) -> stream_model.StreamModel:
    return stream_model.read(_exported(ours, crnn, storage), "onnx", hops)


def _exported(ours: SimpleNamespace, crnn: nn.Module, storage: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        ours.export.export_stream(ours.streaming.StreamingKws(crnn), path, storage)
        return path.read_bytes()


CHUNKS = (1, 2, 4, 8, 10, 16, 25, 50, 100)


def chunks(rounds: int = 300) -> Table:
    """The reference in chunks of several lengths: multiplications and time for a second."""
    import onnxruntime

    data = (course.reference_solutions() / "streaming_kws" / "model.onnx").read_bytes()
    model = stream_model.read(data, "onnx", CHUNKS)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    states = {p.name: np.zeros(p.shape, np.float32) for p in session.get_inputs()[1:]}
    rng = np.random.default_rng(0)
    rows = []
    for hops in CHUNKS:
        chunk = (0.1 * rng.standard_normal((1, 160 * hops))).astype(np.float32)
        taken = []
        for _ in range(rounds):
            started = perf_counter()
            session.run(None, {"chunk": chunk, **states})
            taken.append(perf_counter() - started)
        median = float(np.median(taken))
        rows.append(
            (
                plain(f"{10 * hops}"),
                plain(f"{model.macs_per_second[160 * hops] / 1e6:.2f}"),
                plain(f"{1e6 * median:.0f}"),
                plain(f"{median / (hops * HOP_SECONDS):.4f}"),
            )
        )
    return Table(
        header=(
            Text("chunk, ms"),
            Text("million MACs a second"),
            Text("a chunk takes, µs"),
            Text("real-time factor"),
        ),
        rows=rows,
        caption=Text(
            "Measured: the reference in ONNX Runtime {version}, one thread, median of {rounds} "
            "runs.",
            version=onnxruntime.__version__,
            rounds=rounds,
        ),
    )


# Hearing ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Stream:
    """The public long stream, as features and as labels."""

    slots: tracks.Slots
    features: Tensor
    """(1, 40, frames)"""
    spans: np.ndarray
    """(keywords, 2) samples"""


@cache
def public_stream() -> Stream:
    slots = tracks.load(DATA, "validation")
    return Stream(slots, _features(slots, range(len(slots))), _spans(slots, range(len(slots))))


def _features(slots: tracks.Slots, order: Sequence[int]) -> Tensor:
    """Log-mel bands of glued slots, block by block."""
    front = reference().frontend
    sound = torch.from_numpy(tracks.glue(slots, order))[None]
    constants = front.tables(torch.zeros(1))
    parts, block = [], 6_000
    frames = (sound.shape[1] - 400) // 160 + 1
    with torch.no_grad():
        for first in range(0, frames, block):
            last = min(first + block, frames)
            piece = sound[:, 160 * first : 160 * (last - 1) + 400]
            piece = F.pad(piece, (0, -piece.shape[1] % 160))
            parts.append(front.log_mel(piece, constants)[:, :, : last - first])
    return torch.cat(parts, 2)


def _spans(slots: tracks.Slots, order: Sequence[int]) -> np.ndarray:
    return tracks.keyword_spans(slots, order)


@torch.no_grad()
def listened(
    crnn: nn.Module, features: Tensor, window: int, step: int
) -> tuple[np.ndarray, np.ndarray]:
    """Samples heard and probability after every step of the stream."""
    stride = (crnn.config.stride[0], step)
    states = F.conv2d(features.unsqueeze(1), crnn.conv.weight, crnn.conv.bias, stride)
    states = states.flatten(1, 2).transpose(1, 2)
    for gru in crnn.grus:
        states, _ = gru(states)
    energies = F.pad(crnn.energy(states).squeeze(2), (window - 1, 0), value=-1e9)
    padded = F.pad(states, (0, 0, window - 1, 0))
    attention = energies.unfold(1, window, 1).softmax(2)
    context = torch.einsum("stw,sthw->sth", attention, padded.unfold(1, window, 1))
    probability = torch.softmax(crnn.classifier(context), 2)[0, :, 1].double().numpy()
    frames = crnn.config.kernel[1] + step * np.arange(len(probability))
    # The frame is heard when the chunk of 160 samples that completes it has come.
    return (frames + 2) * 160, probability


def trained_for_streams() -> Table:
    """A network trained on single seconds and one trained on streams, each heard both ways."""
    stream = public_stream()
    labels = np.asarray(stream.slots.labels)
    ends = 16_000 * np.arange(1, len(labels) + 1)
    train = reference().train
    alone = train.seconds(stream.slots)
    rows = []
    for name, crnn in (
        (Text("baseline, single seconds"), baseline_crnn()),
        (Text("reference, glued seconds"), reference_crnn()),
    ):
        with torch.no_grad():
            logits = torch.cat([crnn(part) for part in alone.features.split(500)])
        single = (logits[:, 1] - logits[:, 0]).double().numpy()
        heard, probability = listened(crnn, stream.features, 10, 8)
        carried = _log_odds(probability[np.searchsorted(heard, ends, "right") - 1])
        offline, streamed = (detection.detection(s, labels) for s in (single, carried))
        found = detections.detect(probability, heard, stream.spans, 0.9)
        rows.append(
            (
                name,
                plain(f"{offline.value * 1e5:.2f}"),
                plain(f"{streamed.value * 1e5:.2f}"),
                plain(f"{streamed.value / offline.value:.2f}"),
                plain(f"{100 * found.found / found.keywords:.1f}"),
                plain(f"{found.false_alarms_per_hour:.0f}"),
                plain(f"{1e3 * found.median_delay:.0f}"),
            )
        )
    return Table(
        header=(
            Text("trained on"),
            Text("each second alone, 1e-5"),
            Text("in the stream, 1e-5"),
            Text("ratio"),
            Text("found, %"),
            Text("false alarms an hour"),
            Text("median delay, ms"),
        ),
        rows=rows,
        caption=Text(
            "Measured: {labels_count} minutes of public voices, {sum} keywords; AU-FA-FR at the "
            "ends of the seconds, triggers at 0.9. A delay below 0 is before the end of the word.",
            labels_count=len(labels) // 60,
            sum=labels.sum(),
        ),
    )


def demonstrations() -> Table:
    """A past student's two demonstrations on the public stream: what the window and the step do."""
    stream = public_stream()
    rows = []
    for name, crnn in (
        (Text("baseline"), baseline_crnn()),
        (Text("reference"), reference_crnn()),
    ):
        for window, step in WINDOWS:
            heard, probability = listened(crnn, stream.features, window, step)
            found = detections.detect(probability, heard, stream.spans, DEMO_THRESHOLD)
            swings = np.abs(np.diff(probability)).sum() / (heard[-1] / 16_000)
            above = (probability >= DEMO_THRESHOLD).mean() * heard[-1] / 16_000
            rows.append(
                (
                    Text(
                        "{name}, window {window}, step {step}", name=name, window=window, step=step
                    ),
                    plain(f"{((window - 1) * step + 20) * HOP_SECONDS:.2f}"),
                    plain(f"{1e3 * found.median_delay:.0f}"),
                    plain(f"{above / found.keywords:.2f}"),
                    plain(f"{100 * found.found / found.keywords:.1f}"),
                    plain(f"{found.false_alarms_per_hour:.0f}"),
                    plain(f"{swings:.2f}"),
                )
            )
    return Table(
        header=(
            Text("stream"),
            Text("hears back, s"),
            Text("median delay, ms"),
            Text("high for, s a keyword"),
            Text("found, %"),
            Text("false alarms an hour"),
            Text("up and down, 1/s"),
        ),
        rows=rows,
        caption=Text(
            "Measured: the public stream, threshold {demo_threshold:g}. The last column adds up "
            "every rise and fall of the probability, by the second.",
            demo_threshold=DEMO_THRESHOLD,
        ),
    )


SHARPNESS = (1.0, 2.0, 4.0, 20.0)


def softmax() -> Table:
    """Running sums of exponentials over an hour, against the window added up anew."""
    stream, crnn = public_stream(), baseline_crnn()
    with torch.no_grad():
        states = crnn.steps(stream.features)
        energies = crnn.energy(states)[0, :, 0].numpy()
    repeats = int(np.ceil(45_000 / len(energies)))
    outputs = np.tile(states[0].numpy(), (repeats, 1))[:45_000]
    energies = np.tile(energies, repeats)[:45_000]
    rows = []
    for sharpness in SHARPNESS:
        found = [
            running_sum_error(np.float32(sharpness) * energies[:steps], outputs[:steps])
            for steps in (750, 45_000)
        ]
        largest = float(sharpness * energies.max())
        rows.append(
            (
                plain(f"× {sharpness:g}"),
                plain(f"{largest:.1f}"),
                *(plain(f"{error:.1e}" if np.isfinite(error) else "NaN") for error in found),
                plain("0"),
            )
        )
    return Table(
        header=(
            Text("energies"),
            Text("largest"),
            Text("running sum, after 1 min"),
            Text("running sum, after 1 h"),
            Text("added up anew"),
        ),
        rows=rows,
        caption=Text(
            "Measured: the baseline's energies and outputs on an hour of public sound, float32. "
            "Largest error of a number of the context in the last minute, against float64; added "
            "up anew the difference of an hour's stream from a fresh one is exactly 0."
        ),
    )


def running_sum_error(energies: np.ndarray, outputs: np.ndarray, window: int = 10) -> float:
    """Largest error of the context in the last minute when exponentials are added and
    subtracted in float32. NaN where they overflow."""
    with np.errstate(over="ignore", invalid="ignore"):
        weights = np.exp(energies.astype(np.float32))
        terms = weights[:, None] * outputs
        top, bottom, worst = np.zeros(outputs.shape[1], np.float32), np.float32(0), 0.0
        for now in range(len(weights)):
            top, bottom = top + terms[now], bottom + weights[now]
            if now >= window:
                top, bottom = top - terms[now - window], bottom - weights[now - window]
            if now >= len(weights) - 750 and now >= window:
                inside = slice(now - window + 1, now + 1)
                wide = energies[inside].astype(np.float64)
                share = np.exp(wide - wide.max())
                exact = (share / share.sum()) @ outputs[inside].astype(np.float64)
                worst = np.maximum(worst, np.abs(top / bottom - exact).max())
    return float(worst)


# The figure ---------------------------------------------------------------------------------


def draw(path: Path, lang: Lang) -> None:
    """Probability over time for the three windows on twelve seconds with two keywords, the first
    random ones on which the short window has a false peak and the long one has none."""
    import matplotlib

    matplotlib.use("svg")
    import matplotlib.pyplot as plt

    matplotlib.rcParams["svg.hashsalt"] = "streaming_kws"
    slots = public_stream().slots
    order = next(o for o in map(_demo_order, range(1_000)) if _false_peaks(o) == (0, 1))
    features, spans = _features(slots, order), _spans(slots, order) / 16_000
    figure, rows = plt.subplots(1 + len(WINDOWS), 1, figsize=(8, 6), sharex=True)
    sound = tracks.glue(slots, order)
    rows[0].plot(np.arange(len(sound))[::50] / 16_000, sound[::50], color="#5c5f68", linewidth=0.4)
    rows[0].set_yticks([])
    for row, (window, step) in zip(rows[1:], WINDOWS, strict=True):
        heard, probability = listened(baseline_crnn(), features, window, step)
        row.step(heard / 16_000, probability, where="post", color="#3350b8")
        row.set_ylim(-0.05, 1.05)
        title = Text("window {window}, step {step}", window=window, step=step)
        row.set_title(title.to(lang), fontsize=9, loc="left")
    for row in rows:
        for begin, end in spans:
            row.axvspan(begin, end, color="#17764a", alpha=0.18, linewidth=0)
    rows[-1].set_xlabel(Text("s").to(lang))
    figure.tight_layout()
    path.parent.mkdir(exist_ok=True)
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def _demo_order(seed: int) -> np.ndarray:
    slots = public_stream().slots
    rng = np.random.default_rng(seed)
    order = rng.choice(np.flatnonzero(slots.labels == 0), DEMO_SECONDS, replace=False)
    keywords = np.flatnonzero(slots.labels == 1)
    order[list(DEMO_PLACES)] = rng.choice(keywords, len(DEMO_PLACES), replace=False)
    return order


def _false_peaks(order: np.ndarray) -> tuple[int, ...]:
    """False alarms of the two demonstrations, the long window first."""
    slots = public_stream().slots
    features, spans = _features(slots, order), _spans(slots, order)
    alarms = []
    for window, step in WINDOWS[1:]:
        heard, probability = listened(baseline_crnn(), features, window, step)
        found = detections.detect(probability, heard, spans, DEMO_THRESHOLD)
        alarms.append(len(found.false_alarms) if found.found == len(spans) else -1)
    return tuple(alarms)


# Printing and writing -----------------------------------------------------------------------

FIGURES: dict[str, Callable[[], Table]] = {
    "costs": costs,
    "chunks": chunks,
    "trained": trained_for_streams,
    "demonstrations": demonstrations,
    "softmax": softmax,
}


def _log_odds(probability: np.ndarray) -> np.ndarray:
    inside = np.clip(probability, 1e-40, 1 - 2.0**-25)
    return np.log(inside) - np.log1p(-inside)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--write", action="store_true", help="fill in both handouts")
    parser.add_argument("--only", nargs="+", choices=FIGURES, default=list(FIGURES))
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    for name in options.only:
        publish(LESSON, name, FIGURES[name](), write=options.write)
    for lang in languages() if options.write else ():
        draw(LESSON / "figures" / f"demonstrations.{lang}.svg", lang)
    return 0


if __name__ == "__main__":
    sys.exit(main())
