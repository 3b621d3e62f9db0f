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
                en=f"{FILE}: dtype is {analysis.dtype}, but {platform.name} computes in {has} "
                "only; choose one of these.",
                ru=f"{FILE}: dtype — {analysis.dtype}, но {platform.name} считает только в {has}; "
                "выберите один из этих типов.",
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
                en=f"{FILE}: model is {quoted(path)}; expected an .onnx file, export the model "
                "with torch.onnx.export.",
                ru=f"{FILE}: model — {quoted(path)}; нужен файл .onnx, экспортируйте модель через "
                "torch.onnx.export.",
            )
        )
    try:
        return traffic.of_onnx(raw, sizes=analysis.sizes)
    except Refused as error:
        if error.code != "dynamic_dimension":
            raise
        raise Rejected(
            Text(
                en=f"{error.text.en} Or name its size in {FILE}: sizes = {{ length = 32 }}.",
                ru=f"{error.text.ru} Либо укажите размер в {FILE}: sizes = {{ length = 32 }}.",
            )
        ) from error


def _no_model(path: str, submission: Submission) -> Text:
    return renamed(path, submission) or Text(
        en=f"{FILE} names the model {quoted(path)}, but there is no such file in the submission; "
        "hand it in too, the figures are measured from it.",
        ru=f"{FILE} называет модель {quoted(path)}, но такого файла в работе нет; сдайте и его: "
        "по нему измеряются числа.",
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
                en=f"{FILE}: there is no platform {wanted}; known are {names}, and platform_file "
                "can add your own.",
                ru=f"{FILE}: платформы {wanted} нет; есть {names}, а свою можно добавить через "
                "platform_file.",
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
            raise Rejected(
                Text(
                    en=error.text.en.replace(str(copy), quoted(path)),
                    ru=error.text.ru.replace(str(copy), quoted(path)),
                )
            ) from error
        except (ValueError, OverflowError, RecursionError) as error:
            raise Rejected(
                Text(
                    en=f"{quoted(path)} cannot be read as TOML; docs/platforms.md has an example.",
                    ru=f"{quoted(path)} не читается как TOML; пример есть в docs/platforms.md.",
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
                en=f"{where}: the catalogue has a platform of this name already; give yours "
                "another, or leave platform_file out.",
                ru=f"{where}: платформа с таким именем уже есть в каталоге; назовите свою иначе "
                "или уберите platform_file.",
            )
        )
    for name, figure in platform.figures().items():
        address = own.sources[figure.source].address
        if not LEAST <= figure.value <= MOST:
            raise Rejected(
                Text(
                    en=f"{where}: {name} is {figure.value:g}; expected SI units, {LEAST:g} to "
                    f"{MOST:g}.",
                    ru=f"{where}: {name} — {figure.value:g}; нужны единицы СИ, от {LEAST:g} до "
                    f"{MOST:g}.",
                )
            )
        if not address.startswith(("https://", "http://")):
            raise Rejected(
                Text(
                    en=f"{where}: the source of {name} is {quoted(address)}; expected a web "
                    "address where the figure can be looked up.",
                    ru=f"{where}: источник {name} — {quoted(address)}; нужен веб-адрес, по "
                    "которому число можно проверить.",
                )
            )
