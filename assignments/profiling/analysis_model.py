"""Measurements of the analyzed model file on the platform that the analysis names."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from grader.board import integer_network
from grader.intake import Submission
from grader.measure.costs.refusals import Refused
from grader.measure.hardware import platforms, traffic
from grader.measure.hardware.platforms import Catalogue, Platform
from grader.measure.hardware.roofline import LayerTime, Prediction, predict, speedup_bound
from grader.measure.hardware.workload import Workload, of_integer_network
from grader.text import Text
from grader.text.errors import DataError, Rejected, UsageError
from grader.text.untrusted import quoted

from .analysis import FILE, Analysis
from .names import instead_of, renamed, text_of

LEAST, MOST = 1e-12, 1e18
"""Range of a figure of a student's own platform, in SI units."""


@dataclass(frozen=True)
class Measured:
    """The model measured on its platform."""

    workload: Workload
    platform: Platform
    prediction: Prediction

    def layers(self, patterns: list[str]) -> list[LayerTime]:
        return list(speedup_bound(self.prediction, patterns).layers)


def measure(analysis: Analysis, submission: Submission) -> Measured:
    """Measure the model. Raises Rejected with a sentence when it cannot be counted, the platform is
    unknown, or the platform cannot compute in that type."""
    workload = _workload(analysis, submission)
    platform = _platform(analysis, submission)
    try:
        prediction = predict(workload, platform, analysis.dtype)
    except UsageError as error:
        has = ", ".join(platform.peak)
        raise Rejected(
            Text(
                "{file}: dtype is {dtype}, but {name} computes in {has} only; choose one of these.",
                file=FILE,
                dtype=analysis.dtype,
                name=platform.name,
                has=has,
            )
        ) from error
    return Measured(workload, platform, prediction)


def _workload(analysis: Analysis, submission: Submission) -> Workload:
    path = analysis.model
    if not submission.has(path):
        raise Rejected(_no_model(path, submission))
    raw = submission.read(path)
    if path.endswith(".npz"):
        return of_integer_network(integer_network.read(raw))
    if not path.endswith(".onnx"):
        raise Rejected(
            Text(
                "{file}: model is {path}; expected an .onnx file, export the model with "
                "torch.onnx.export.",
                file=FILE,
                path=quoted(path),
            )
        )
    try:
        return traffic.of_onnx(raw, sizes=analysis.sizes)
    except Refused as error:
        if error.code != "dynamic_dimension":
            raise
        raise Rejected(
            Text(
                "{text} Or name its size in {file}: sizes = {{ length = 32 }}.",
                text=error.text,
                file=FILE,
            )
        ) from error


def _no_model(path: str, submission: Submission) -> Text:
    return renamed(path, submission) or Text(
        "{file} names the model {path}, but there is no such file in the submission; hand it in "
        "too, the figures are measured from it.",
        file=FILE,
        path=quoted(path),
    )


def _platform(analysis: Analysis, submission: Submission) -> Platform:
    known = platforms.catalogue()
    if analysis.platform_file is not None:
        known = _own(analysis.platform_file, submission, known)
    if analysis.platform not in known.platforms:
        names = ", ".join(known.platforms)
        wanted = quoted(analysis.platform)
        raise Rejected(
            Text(
                "{file}: there is no platform {wanted}; known are {names}, and platform_file can "
                "add your own.",
                file=FILE,
                wanted=wanted,
                names=names,
            )
        )
    return known.platforms[analysis.platform]


def _own(path: str, submission: Submission, known: Catalogue) -> Catalogue:
    """The catalogue with the student's platforms, read from a copy of the submitted bytes."""
    if not submission.has(path):
        raise Rejected(instead_of(path, submission))
    raw = text_of(submission, path).encode()
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "platform.toml"
        copy.write_bytes(raw)
        try:
            own = platforms.read(copy)
        except (DataError, UsageError) as error:
            named = error.text.mapped(lambda said: said.replace(str(copy), quoted(path)))
            raise Rejected(named) from error
        except (ValueError, OverflowError, RecursionError) as error:
            raise Rejected(
                Text(
                    "{path} cannot be read as TOML; docs/platforms.md has an example.",
                    path=quoted(path),
                )
            ) from error
    for platform in own.platforms.values():
        _require_sound(platform, own, path, known)
    return Catalogue(known.platforms | own.platforms, known.sources | own.sources)


def _require_sound(platform: Platform, own: Catalogue, path: str, known: Catalogue) -> None:
    """Raise Rejected unless a student's own platform has a new name, plausible figures, and sources
    with web addresses."""
    where = f"{quoted(path)}, {platform.name}"
    if platform.name in known.platforms:
        raise Rejected(
            Text(
                "{where}: the catalogue has a platform of this name already; give yours another, "
                "or leave platform_file out.",
                where=where,
            )
        )
    for name, figure in platform.figures().items():
        address = own.sources[figure.source].address
        if not LEAST <= figure.value <= MOST:
            raise Rejected(
                Text(
                    "{where}: {name} is {value:g}; expected SI units, {least:g} to {most:g}.",
                    where=where,
                    name=name,
                    value=figure.value,
                    least=LEAST,
                    most=MOST,
                )
            )
        if not address.startswith(("https://", "http://")):
            raise Rejected(
                Text(
                    "{where}: the source of {name} is {address}; expected a web address where "
                    "the figure can be looked up.",
                    where=where,
                    name=name,
                    address=quoted(address),
                )
            )
