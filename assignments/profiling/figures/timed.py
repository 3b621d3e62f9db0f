"""The tables of the profiling handout that a clock makes.

One thread. What counts is its own processor time, and of that the fastest round: other programs
only ever add to either.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile

from grader.handout.figures import Table, count, plain, project
from grader.lesson import course
from grader.measure.hardware.roofline import amdahl_bound
from grader.text import Text, verbatim

REFERENCE = course.reference_solutions() / "profiling"
KWS = course.student_template() / "distillation"
ROUNDS = 15
LEAST_SECONDS = 1e-3
SHOWN_OPERATORS = 6
PROFILED = 8
SEED = 0


def fastest(functions: Mapping[str, Callable[[], Any]], rounds: int = ROUNDS) -> dict[str, float]:
    """Processor seconds of one call of each function, in its fastest round; they take turns."""
    found = dict.fromkeys(functions, math.inf)
    with torch.no_grad():
        repeats = {name: _repeats(function) for name, function in functions.items()}
        for _ in range(rounds):
            for name, function in functions.items():
                found[name] = min(found[name], _seconds(function, repeats[name]))
    return found


def _repeats(function: Callable[[], Any]) -> int:
    """So many calls that reading the clock does not count, after one that fills caches."""
    function()
    return max(1, round(LEAST_SECONDS / max(_seconds(function, 1), 1e-7)))


def _seconds(function: Callable[[], Any], repeats: int) -> float:
    started = time.thread_time()
    for _ in range(repeats):
        function()
    return (time.thread_time() - started) / repeats


# Three regimes ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Operation:
    name: Text
    run: Callable[[], Any]
    macs: int
    bytes: int


def regimes() -> Table:
    """Operators that wait for three different things."""
    torch.manual_seed(SEED)
    operations = _operations()
    times = fastest({str(one.name): one.run for one in operations})
    rows = []
    for one in operations:
        seconds = times[str(one.name)]
        rows.append(
            (
                one.name,
                count(one.macs),
                plain(f"{one.macs / one.bytes:.2f}"),
                plain(_digits(1e6 * seconds)),
                plain(_digits(one.macs / seconds / 1e9)),
                plain(_digits(one.bytes / seconds / 1e9)),
            )
        )
    return Table(
        header=(
            Text("operation, float32"),
            plain("MAC"),
            Text("MAC/B"),
            Text("µs"),
            Text("GMAC/s"),
            Text("GB/s"),
        ),
        rows=rows,
        caption=_timed(Text("single operations")),
    )


def _operations() -> list[Operation]:
    small, single = torch.randn(8, 8), torch.randn(1)
    square, long = torch.randn(768, 768), torch.randn(2**24)
    wide, vector = torch.randn(4096, 4096), torch.randn(4096)
    place, answer = torch.empty_like(long), torch.empty_like(square)
    return [
        Operation(Text("1 number × 1 number"), lambda: single * single, 1, 12),
        Operation(Text("8 × 8 times 8 × 8"), lambda: small @ small, 512, 768),
        Operation(
            Text("16.8 M numbers × 2"),
            lambda: torch.mul(long, 2, out=place),
            2**24,
            2**27,
        ),
        Operation(
            Text("4096 × 4096 times a vector"),
            lambda: wide @ vector,
            2**24,
            4 * (2**24 + 2**13),
        ),
        Operation(
            Text("768 × 768 times 768 × 768"),
            lambda: torch.mm(square, square, out=answer),
            768**3,
            12 * 768**2,
        ),
    ]


# One request, or many a second --------------------------------------------------------------


def batches() -> Table:
    """The keyword spotter: how long one waits, and how many are served."""
    torch.manual_seed(SEED)
    kws = project(KWS, "model").model
    model = kws.Crnn(kws.BASELINE).eval()
    sizes = (1, 4, 16, 64)
    inputs = {str(size): torch.randn(size, 40, 101) for size in sizes}
    times = fastest({name: partial(model, x) for name, x in inputs.items()}, 3 * ROUNDS)
    rows = []
    for size in sizes:
        seconds = times[str(size)]
        rows.append(
            (
                plain(str(size)),
                plain(_digits(1e3 * seconds)),
                count(round(size / seconds)),
                plain(f"{size / seconds * times['1']:.1f}"),
            )
        )
    return Table(
        header=(
            Text("clips at a time"),
            Text("ms until the answer"),
            Text("clips a second"),
            Text("times as many"),
        ),
        rows=rows,
        caption=_timed(
            Text("the keyword spotter of the distillation lesson"),
        ),
    )


# The slow network, stage by stage -----------------------------------------------------------


@dataclass(frozen=True)
class Networks:
    """The lesson's slow network, the reference's, and what lies between."""

    slow: Any
    faster: Any
    mixed: Any
    """Slow, with one GRU operator for its loop."""
    spectrogram: Tensor

    @classmethod
    def load(cls) -> Networks:
        slow, faster, _ = reference()
        torch.manual_seed(SEED)
        quick = faster.build()
        mixed = _with_gru(slow.build(), quick)
        return cls(slow.build(), quick, mixed, torch.randn(1, slow.BANDS, slow.FRAMES))


def _with_gru(network: Any, quick: Any) -> Any:
    """`network` with the memory and the running mean of the fast one."""

    def remembered(x: Tensor) -> Tensor:
        x = x.transpose(0, 1)
        x = x + torch.tanh(quick.context(x.cumsum(0) * quick.each))
        return quick.memory(x)[0].transpose(0, 1)

    network._remembered = remembered
    return network


def stages() -> Table:
    """Work and time of each stage of the slow network."""
    networks = Networks.load()
    found = _stages(networks.slow, networks.spectrogram)
    times = fastest({str(name): run for name, run in found})
    macs = {str(name): _macs(run) for name, run in found}
    calls = {str(name): _calls(run) for name, run in found}
    whole = sum(times.values())
    rows = [
        (
            name,
            count(macs[str(name)]),
            plain(f"{macs[str(name)] / sum(macs.values()):.1%}"),
            count(calls[str(name)]),
            plain(f"{1e3 * times[str(name)]:.2f}"),
            plain(f"{times[str(name)] / whole:.1%}"),
        )
        for name, run in found
    ]
    return Table(
        header=(
            Text("stage"),
            plain("MAC"),
            Text("of all"),
            Text("operators called"),
            Text("ms"),
            Text("of the time"),
        ),
        rows=rows,
        caption=_timed(
            Text("`slow.py` of the template, each stage alone"),
        ),
    )


def _stages(network: Any, spectrogram: Tensor) -> list[tuple[Text, Callable[[], Any]]]:
    with torch.no_grad():
        normalized = network._normalized(spectrogram)
        image = network._image(normalized)
        steps = network._steps(image)
        states = network._remembered(steps)
    return [
        (Text("copies at the entrance"),
         lambda: network._normalized(spectrogram)),
        (Text("convolutions"), lambda: network._image(normalized)),
        (Text("two matrices"), lambda: network._steps(image)),
        (Text("the recurrent loop"),
         lambda: network._remembered(steps)),
        (Text("the answer"), lambda: network._answers(states)),
    ]  # fmt: skip


def amdahl() -> Table:
    """What replacing one part promises for the whole, and what it gave."""
    networks = Networks.load()
    x = networks.spectrogram
    parts = dict.fromkeys(("slow", "mixed"))
    runs: dict[str, Callable[[], Any]] = {
        "slow": lambda: networks.slow(x),
        "mixed": lambda: networks.mixed(x),
        "faster": lambda: networks.faster(x),
    }
    with torch.no_grad():
        steps = networks.slow._steps(networks.slow._image(networks.slow._normalized(x)))
    for name in parts:
        network = getattr(networks, name)
        runs[f"{name} loop"] = partial(network._remembered, steps)
    times = fastest(runs)
    share = times["slow loop"] / times["slow"]
    gain = times["slow loop"] / times["mixed loop"]
    macs = {name: _macs(runs[name]) for name in ("slow", "mixed", "faster")}

    def row(name: Text, key: str, promised: str, bound: str) -> tuple[Text, ...]:
        return (
            name,
            plain(f"{macs['slow'] / macs[key]:.2f}"),
            plain(f"{1e3 * times[key]:.2f}"),
            plain(bound),
            plain(promised),
            plain(f"{times['slow'] / times[key]:.2f}"),
        )

    return Table(
        header=(
            Text("network"),
            Text("fewer MACs"),
            Text("ms"),
            Text("Amdahl's bound"),
            Text("Amdahl's law"),
            Text("measured"),
        ),
        rows=[
            row(verbatim("`slow.py`"), "slow", "1.00", "–"),
            row(
                Text("one GRU for the loop"),
                "mixed",
                f"{amdahl_bound(share, gain):.2f}",
                f"{amdahl_bound(share):.2f}",
            ),
            row(Text("the reference solution"), "faster", "–", "–"),
        ],
        caption=Text(
            "Measured in turn, one thread: the loop takes {share:.0%} of the time, and the "
            "operator that replaces it is {gain:.1f} times faster.",
            share=share,
            gain=gain,
        ),
    )


def operators() -> Table:
    """What torch.profiler says about the slow network."""
    calls, seconds = _profiled()
    order = sorted(seconds, key=lambda name: -seconds[name])
    shown, rest = order[:SHOWN_OPERATORS], order[SHOWN_OPERATORS:]
    whole = sum(seconds.values())

    def row(title: Text, names: list[str]) -> tuple[Text, ...]:
        called, spent = sum(calls[name] for name in names), sum(seconds[name] for name in names)
        each = plain(_digits(1e6 * spent / called))
        return title, count(called), each, plain(f"{spent / whole:.1%}")

    return Table(
        header=(
            Text("operator"),
            Text("calls"),
            Text("µs a call, its own"),
            Text("of the time"),
        ),
        rows=[
            *(row(plain(f"`{name}`"), [name]) for name in shown),
            row(Text("all others"), rest),
        ],
        caption=Text(
            "Measured: `slow.py` under torch.profiler, one thread; of each operator the fastest "
            "of {profiled} calls of the network.",
            profiled=PROFILED,
        ),
    )


def _profiled() -> tuple[dict[str, int], dict[str, float]]:
    """Calls of each operator in one call of the slow network, and its own seconds."""
    networks = Networks.load()
    calls: dict[str, int] = {}
    seconds: dict[str, float] = {}
    with torch.no_grad():
        networks.slow(networks.spectrogram)
        for _ in range(PROFILED):
            with profile(activities=[ProfilerActivity.CPU]) as found:
                networks.slow(networks.spectrogram)
            for one in found.key_averages():
                if one.key.startswith("aten::"):
                    spent = 1e-6 * one.self_cpu_time_total
                    calls[one.key] = one.count
                    seconds[one.key] = min(seconds.get(one.key, math.inf), spent)
    return calls, seconds


def _timed(what: Text) -> Text:
    """A caption: what was measured, and how."""
    return Text(
        "Measured: {what}, PyTorch {version}, processor time of one thread, the fastest of "
        "{rounds} rounds.",
        what=what,
        version=torch.__version__.partition("+")[0],
        rounds=ROUNDS,
    )


# What is measured ---------------------------------------------------------------------------


@cache
def reference() -> tuple[ModuleType, ModuleType, ModuleType]:
    """slow.py, faster.py and profiler.py of the reference solution."""
    found = project(REFERENCE, "slow", "faster", "profiler")
    return found.slow, found.faster, found.profiler


class Called(nn.Module):
    """A function as a module, so that a profiler can be asked about it."""

    def __init__(self, run: Callable[[], Any]) -> None:
        super().__init__()
        self._run = run

    def forward(self) -> Any:
        return self._run()


def _macs(run: Callable[[], Any]) -> int:
    return int(reference()[2].profile_model(Called(run), ())["macs"])


def _calls(run: Callable[[], Any]) -> int:
    """Operators that Python calls, those inside of others not counted."""
    with torch.no_grad(), profile(activities=[ProfilerActivity.CPU]) as found:
        run()
    return sum(_outermost(event) for event in found.events() or ())


def _outermost(event: Any) -> bool:
    return event.name.startswith("aten::") and event.cpu_parent is None


def _digits(value: float, digits: int = 3) -> str:
    """Three significant digits, never as a power of ten."""
    if value >= 10 ** (digits - 1):
        return f"{value:,.0f}".replace(",", "")
    text = f"{value:.{digits}g}"
    return text if "e" not in text else f"{value:.6f}".rstrip("0")


TABLES: dict[str, Callable[[], Table]] = {
    "regimes": regimes,
    "batches": batches,
    "stages": stages,
    "operators": operators,
    "amdahl": amdahl,
}
