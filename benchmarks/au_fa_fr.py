"""AU-FA-FR: speed against the course's loop, and what its intervals are worth.

    python benchmarks/au_fa_fr.py [--json] [--write-docs]

Prints four tables (docs/measurements.md explains the terms): speed at 20,000 clips; the
interval that each number of positives buys; coverage of the 95% interval for scores of
several shapes; coverage when clips of one voice resemble each other. Takes half a minute
on one core. Seeds are fixed, so only the timings differ between runs. Returns 1 when our
value differs from the loop's or is less than 100 times faster.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import NormalDist, median

import numpy as np

from grader.measure.quality.detection import PRIOR, au_fa_fr, detection, ratio

AREA = 5e-5
"""The quality the course asks of its baseline; all simulations are near it."""
ERROR_RATE = AREA / (PRIOR * (1 - PRIOR))
NEGATIVES_PER_POSITIVE = 3
DOCS = Path(__file__).resolve().parents[1] / "docs" / "measurements.md"

Scores = np.ndarray
Draw = Callable[[np.random.Generator, int, int], Scores]


@dataclass(frozen=True)
class Speed:
    clips: int
    loop_seconds: float
    ours_seconds: float
    times_faster: float
    with_interval_milliseconds: float
    largest_difference: float


@dataclass(frozen=True)
class Width:
    """Medians over simulated sets; `estimates` is where 95% of the estimates fell."""

    positives: int
    negatives: int
    estimates: tuple[float, float]
    interval: tuple[float, float]
    ratio_factor: float
    """The interval of a ratio of 1 is [1 / factor, factor]."""


@dataclass(frozen=True)
class Coverage:
    """Share of 95% intervals that contain the truth."""

    scores: str
    positives: int
    coverage: float
    sets: int


@dataclass(frozen=True)
class Voices:
    """Coverage of the intervals of the area and of the ratio, told the voices and not."""

    voices: int
    positives: int
    area_with_groups: float
    area_without: float
    ratio_with_groups: float
    ratio_without: float
    sets: int


@dataclass(frozen=True)
class Results:
    speed: Speed
    bootstrap: tuple[float, float]
    """Standard error of log AU-FA-FR on one set: DeLong's and the bootstrap's."""
    field_note: tuple[float, float]
    """90% interval of 3.5e-5 measured on 200 positives (median)."""
    widths: list[Width]
    coverage: list[Coverage]
    voices: list[Voices]


def measure() -> Results:
    return Results(
        speed=speed(),
        bootstrap=against_bootstrap(),
        field_note=field_note(),
        widths=[width(positives) for positives in (100, 200, 500, 1000, 2000, 4000, 8000)],
        coverage=[
            coverage(name, draw, positives)
            for name, draw in SHAPES.items()
            for positives in (200, 1000, 4000)
        ],
        voices=[voices(count) for count in (10, 20, 50, 100, 400)],
    )


def speed(clips: int = 20_000, repeats: int = 3) -> Speed:
    """Both on the same probabilities in turn; the loop is in numpy, faster than in torch."""
    rng = np.random.default_rng(0)
    labels = labels_of(clips // 4, clips - clips // 4)
    probabilities = 1 / (1 + np.exp(-binormal(rng, clips // 4, clips - clips // 4)))
    loops, ours, both, differences = [], [], [], []
    for _ in range(repeats):
        seconds, expected = timed(lambda: seminar_loop(probabilities, labels))
        loops.append(seconds)
        for _ in range(5):
            seconds, value = timed(lambda: au_fa_fr(probabilities, labels, prior=None))
            differences.append(abs(value - expected))
            ours.append(seconds)
            both.append(timed(lambda: detection(probabilities, labels).value)[0])
    return Speed(
        clips=clips,
        loop_seconds=median(loops),
        ours_seconds=median(ours),
        times_faster=median(loops) / median(ours),
        with_interval_milliseconds=1e3 * median(both),
        largest_difference=max(differences),
    )


def seminar_loop(probabilities: Scores, labels: np.ndarray) -> float:
    """The course's definition: count at every threshold, then the trapezoidal rule."""
    false_accepts, false_rejects = [], []
    for threshold in np.concatenate([[0], np.sort(probabilities), [1]]):
        accepted = (probabilities >= threshold) * 1
        false_accepts.append(np.sum(accepted[labels == 0]) / len(labels))
        false_rejects.append(np.sum(labels[accepted == 0]) / len(labels))
    return float(-np.trapezoid(false_rejects, x=false_accepts))


def against_bootstrap(positives: int = 500, resamples: int = 1000) -> tuple[float, float]:
    rng = np.random.default_rng(2)
    negatives = NEGATIVES_PER_POSITIVE * positives
    labels = labels_of(positives, negatives)
    scores = binormal(rng, positives, negatives)
    values = []
    for _ in range(resamples):
        chosen = np.concatenate(
            [
                rng.integers(0, positives, positives),
                positives + rng.integers(0, negatives, negatives),
            ]
        )
        values.append(np.log(au_fa_fr(scores[chosen], labels)))
    one_sigma = detection(scores, labels, level=0.6827).interval
    return float(np.log(one_sigma[1] / one_sigma[0]) / 2), float(np.std(values))


def field_note(positives: int = 200, sets: int = 400) -> tuple[float, float]:
    """With as many other words as the prior implies."""
    rng = np.random.default_rng(3)
    negatives = round(positives * (1 - PRIOR) / PRIOR)
    labels = labels_of(positives, negatives)
    found = [
        detection(binormal(rng, positives, negatives, area=3.5e-5), labels, level=0.9).interval
        for _ in range(sets)
    ]
    low, high = np.median(found, axis=0)
    return float(low), float(high)


def width(positives: int) -> Width:
    """The second detector is equally good; its scores correlate 0.5 with the first's."""
    rng = np.random.default_rng(positives)
    negatives = NEGATIVES_PER_POSITIVE * positives
    labels = labels_of(positives, negatives)
    distance = apart(1.0)
    found, intervals, factors = [], [], []
    for _ in range(1000 if positives <= 1000 else 300):
        shared, one, two = rng.normal(size=(3, positives + negatives)) * np.sqrt(0.5)
        compared = ratio(shared + one + distance * labels, shared + two + distance * labels, labels)
        found.append(compared.numerator.value)
        intervals.append(compared.numerator.interval)
        if compared.interval is not None:
            factors.append(np.sqrt(compared.interval[1] / max(compared.interval[0], 1e-12)))
    low, high = np.quantile(found, (0.025, 0.975))
    lower, upper = np.median(intervals, axis=0)
    return Width(
        positives=positives,
        negatives=negatives,
        estimates=(float(low), float(high)),
        interval=(float(lower), float(upper)),
        ratio_factor=float(np.median(factors)),
    )


def coverage(name: str, draw: Draw, positives: int) -> Coverage:
    rng = np.random.default_rng(positives)
    negatives = NEGATIVES_PER_POSITIVE * positives
    labels = labels_of(positives, negatives)
    sets = 1000 if positives <= 1000 else 500
    intervals = (detection(draw(rng, positives, negatives), labels).interval for _ in range(sets))
    hits = [low <= AREA <= high for low, high in intervals]
    return Coverage(name, positives, float(np.mean(hits)), sets)


def voices(count: int, positives: int = 2000, sets: int = 200, sigma: float = 0.5) -> Voices:
    """Every voice has an offset of its own, another one on the keyword, per detector."""
    rng = np.random.default_rng(count)
    negatives = NEGATIVES_PER_POSITIVE * positives
    labels = labels_of(positives, negatives)
    codes = np.concatenate([np.arange(positives) % count, np.arange(negatives) % count])
    names = codes.tolist()
    deviation = np.sqrt(2 + 3 * sigma**2)
    distance = -NormalDist().inv_cdf(ERROR_RATE) * deviation
    # Within one voice the common offset cancels, so those pairs are ranked better.
    same = NormalDist().cdf(-distance / np.sqrt(2 + sigma**2))
    truth = PRIOR * (1 - PRIOR) * (ERROR_RATE * (1 - 1 / count) + same / count)
    hits = []
    for _ in range(sets):
        shared, one, two = (
            rng.normal(size=len(labels))
            + sigma * rng.normal(size=count)[codes]
            + sigma * rng.normal(size=count)[codes] * labels
            for _ in range(3)
        )
        ours, base = (np.sqrt(0.5) * (shared + own) + distance * labels for own in (one, two))
        grouped, naive = ratio(ours, base, labels, groups=names), ratio(ours, base, labels)
        hits.append(
            [
                contains(grouped.numerator.interval, truth),
                contains(naive.numerator.interval, truth),
                contains(grouped.interval, 1.0),
                contains(naive.interval, 1.0),
            ]
        )
    area_with, area_without, ratio_with, ratio_without = (float(x) for x in np.mean(hits, axis=0))
    return Voices(count, positives, area_with, area_without, ratio_with, ratio_without, sets)


def contains(interval: tuple[float, float] | None, truth: float) -> bool:
    return interval is None or interval[0] <= truth <= interval[1]


def labels_of(positives: int, negatives: int) -> np.ndarray:
    return np.concatenate([np.ones(positives, int), np.zeros(negatives, int)])


def apart(sigma: float, area: float = AREA) -> float:
    """Distance of the means of N(d, sigma^2) and N(0, 1) at which the area is `area`."""
    rate = area / (PRIOR * (1 - PRIOR))
    return float(-NormalDist().inv_cdf(rate) * np.sqrt(1 + sigma**2))


def binormal(
    rng: np.random.Generator, m: int, n: int, sigma: float = 1.0, area: float = AREA
) -> Scores:
    return np.concatenate([rng.normal(apart(sigma, area), sigma, m), rng.normal(0, 1, n)])


def logistic(rng: np.random.Generator, m: int, n: int) -> Scores:
    return np.concatenate([rng.logistic(logistic_distance(), 1, m), rng.logistic(0, 1, n)])


def logistic_distance() -> float:
    """Solves P(other > keyword) = (e^d (d - 1) + 1) / (e^d - 1)^2 = ERROR_RATE for d."""
    low, high = 1.0, 50.0
    for _ in range(100):
        middle = (low + high) / 2
        rate = (np.exp(middle) * (middle - 1) + 1) / (np.exp(middle) - 1) ** 2
        low, high = (middle, high) if rate > ERROR_RATE else (low, middle)
    return low


SHAPES: dict[str, Draw] = {
    "normal, equal spread": binormal,
    "normal, keywords spread 2x": lambda rng, m, n: binormal(rng, m, n, sigma=2.0),
    "normal, other words spread 2x": lambda rng, m, n: binormal(rng, m, n, sigma=0.5),
    "logistic (heavy tails)": logistic,
}


def timed(call: Callable[[], float]) -> tuple[float, float]:
    """Seconds and result of one call."""
    started = time.perf_counter()
    result = call()
    return time.perf_counter() - started, result


def as_markdown(results: Results) -> str:
    quick, (low, high) = results.speed, results.field_note
    delong, bootstrap = results.bootstrap
    return f"""\
**Speed.** {quick.clips:,} clips: {1e3 * quick.ours_seconds:.1f} ms, the course's loop \
{quick.loop_seconds:.2f} s: **{quick.times_faster:,.0f} times faster**; with an interval \
{quick.with_interval_milliseconds:.1f} ms. Largest difference from the loop: \
{quick.largest_difference:.0e}.

**What the positives buy.** AU-FA-FR {AREA:.0e}, {NEGATIVES_PER_POSITIVE} other clips a keyword, \
normal scores, independent clips. The ratio is to an equally good detector whose scores correlate \
0.5. All at 95%.

{widths_table(results.widths)}

With 200 keywords and {round(200 * (1 - PRIOR) / PRIOR):,} other clips the 90% interval of 3.5e-5 \
is {span((low, high))} (median).

**Coverage** of the 95% interval at {AREA:.0e}: the share of simulated sets whose interval \
contains the truth.

{coverage_table(results.coverage)}

**Voices.** The same when clips of one voice resemble each other (offsets of 0.5 standard \
deviations), {results.voices[0].positives:,} positives.

{voices_table(results.voices)}

Standard error of log AU-FA-FR on one set of 500 positives: DeLong {delong:.3f}, bootstrap \
{bootstrap:.3f}."""


def widths_table(found: list[Width]) -> str:
    heading = ("positives", "other clips", "estimates fall within", "interval (median)")
    rows = [
        (
            f"{row.positives:,}",
            f"{row.negatives:,}",
            span(row.estimates),
            span(row.interval),
            f"x/÷ {row.ratio_factor:.2f}",
        )
        for row in found
    ]
    return as_table((*heading, "ratio to a baseline"), rows)


def coverage_table(found: list[Coverage]) -> str:
    sizes = sorted({row.positives for row in found})
    shares = {(row.scores, row.positives): f"{row.coverage:.3f}" for row in found}
    rows = [(name, *(shares[name, size] for size in sizes)) for name in SHAPES]
    return as_table(("scores", *(f"{size:,} positives" for size in sizes)), rows)


def voices_table(found: list[Voices]) -> str:
    heading = ("voices", "area, voices given", "area, as if independent")
    rows = []
    for row in found:
        area = (row.area_with_groups, row.area_without)
        shares = (*area, row.ratio_with_groups, row.ratio_without)
        rows.append((str(row.voices), *(f"{share:.3f}" for share in shares)))
    return as_table((*heading, "ratio, voices given", "ratio, as if independent"), rows)


def as_table(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    # Beside this file; whoever loads it by its path draws no tables.
    from grader.handout.figures import table

    return table(heading, rows)


def span(interval: tuple[float, float]) -> str:
    return f"{interval[0]:.1e} to {interval[1]:.1e}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.add_argument(
        "--write-docs", action="store_true", help=f"replace the tables in docs/{DOCS.name}"
    )
    options = parser.parse_args()
    results = measure()
    print(json.dumps(asdict(results), indent=2) if options.json else as_markdown(results))
    if options.write_docs:
        from grader.handout.figures import write_between

        write_between(DOCS, "au_fa_fr", as_markdown(results))
    good = results.speed.times_faster >= 100 and results.speed.largest_difference <= 1e-12
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
