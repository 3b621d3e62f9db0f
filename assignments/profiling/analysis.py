"""The typed form of `analysis.toml`, and its reader."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal, get_args

import msgspec

from grader.intake import Submission
from grader.measure.hardware.platforms import DType
from grader.text import Text, verbatim
from grader.text.errors import Rejected
from grader.text.untrusted import quoted

from .names import instead_of, text_of

FILE = "analysis.toml"
Area = Literal["vision", "language", "speech", "recommendation"]
Method = Literal[
    "distillation", "quantization", "pruning", "architecture", "hardware", "inference", "combined"
]
"""The classes of methods that the lecture lists."""
Bound = Literal["compute", "memory", "overhead"]
Count = Annotated[float, msgspec.Meta(ge=0, le=1e21)]
"""A whole number; 9.1e5 is allowed."""
Patterns = Annotated[list[str], msgspec.Meta(min_length=1, max_length=200)]


class _Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    pass


class ModelFigures(_Strict, frozen=True, kw_only=True):
    """Figures of the model, at batch 1."""

    params: Count
    macs: Count
    weight_bytes: Count
    activation_bytes: Count
    """The largest sum of activations that exist at once, without the weights."""


class Limits(_Strict, frozen=True, kw_only=True):
    """Limits of the platform in bytes, bytes per second, MAC/s and watts; and the verdict."""

    ram_bytes: Count
    storage_bytes: Count | None = None
    """Left out where weights lie in RAM."""
    bandwidth: Count
    peak_macs: Count
    """MAC/s in the data type of the analysis."""
    power_w: Count | None = None
    fits: bool


class Bottleneck(_Strict, frozen=True, kw_only=True):
    layers: Patterns
    """Names of layers, or patterns such as `/gru/*`."""
    bound: Bound
    why: str


class Hypothesis(_Strict, frozen=True, kw_only=True):
    name: str
    layers: Patterns
    method: Method
    speedup: Annotated[float, msgspec.Meta(gt=0, le=1e6)]
    """Speed-up of the whole model, not of these layers."""
    why: str
    trade_off: str
    """The trade-off of the hypothesis."""


class Analysis(_Strict, frozen=True, kw_only=True):
    schema: Literal[1]
    area: Area
    title: str
    model: str
    """The file that the figures are measured from."""
    platform: str
    platform_file: str | None = None
    """A file of the student's own with the platform in it."""
    dtype: DType = "float32"
    sizes: dict[str, Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]] = {}
    """Sizes of dynamic dimensions, such as length = 32."""
    stated: ModelFigures
    limits: Limits
    bottlenecks: Annotated[list[Bottleneck], msgspec.Meta(min_length=1, max_length=50)]
    hypotheses: Annotated[list[Hypothesis], msgspec.Meta(min_length=1, max_length=50)]


def read(submission: Submission) -> Analysis:
    """Read the submitted analysis. Raises Rejected with one sentence when the file is missing, has
    another name or encoding, is no TOML, or does not have the required keys and types."""
    if not submission.has(FILE):
        raise Rejected(instead_of(FILE, submission))
    text = text_of(submission, FILE)
    try:
        found = msgspec.toml.decode(text, type=Analysis)
    except msgspec.ValidationError as error:
        raise Rejected(_misfit(str(error), msgspec.toml.decode(text))) from error
    except (ValueError, OverflowError, RecursionError) as error:
        # No TOML, numbers of thousands of digits, or lists nested too deep.
        raise Rejected(_no_toml(str(error))) from error
    for path in filter(None, (found.model, found.platform_file)):
        _require_plain(path)
    return found


_CHOICES: Mapping[str, tuple[str, ...]] = {
    "area": get_args(Area),
    "method": get_args(Method),
    "bound": get_args(Bound),
    "dtype": get_args(DType),
    "schema": ("1",),
}
_KINDS = {
    "int": Text("a whole number"),
    "float": Text("a number"),
    "str": Text("text in quotes"),
    "bool": Text("true or false"),
    "array": Text("a list"),
    "object": Text("a section"),
    "table": Text("a section"),
}
_AT = re.compile(r" - at `(?:key in )?\$\.?(?P<path>[^`]*)`$")
_STEP = re.compile(r"[^.\[\]]+")
_INDEX = re.compile(r"\[(\d+)\]")
_TYPES = re.compile(r"Expected `(?P<wanted>[^`]+)`, got `(?P<found>[^`]+)`")
_VALUE = re.compile(r"Invalid enum value (?P<value>.+)$")
_MISSING = re.compile(r"Object missing required field `(?P<name>[^`]+)`")
_UNKNOWN = re.compile(r"Object contains unknown field `(?P<name>[^`]+)`")
_LENGTH = re.compile(r"Expected `array` of length")
_RANGE = re.compile(r"Expected `(?:int|float)` (?P<sign>[<>]=?) (?P<limit>\S+)")
_PLACE = re.compile(r"line (\d+), column (\d+)")


def _misfit(message: str, content: Any) -> Text:
    """An error of msgspec as a sentence; `content` is what the file holds, without types."""
    at = _AT.search(message)
    stated = _at(at["path"] if at else "", content)
    # People count sections from 1.
    path = _INDEX.sub(lambda one: f"[{int(one[1]) + 1}]", at["path"] if at else "")
    said = message[: at.start()] if at else message
    inside = path or "analysis.toml"
    leaf = path.rpartition(".")[2]
    if found := _MISSING.search(said):
        key = f"{path}.{found['name']}" if path else found["name"]
        return Text(
            "{file}: {key} is missing; the template shows every key, add it.", file=FILE, key=key
        )
    if found := _UNKNOWN.search(said):
        key = quoted(f"{path}.{found['name']}" if path else found["name"])
        return Text(
            "{file}: there is no key {key}; correct its spelling or delete it.", file=FILE, key=key
        )
    if found := _VALUE.search(said):
        choices = ", ".join(_CHOICES.get(leaf, ()))
        value = quoted(found["value"])
        return Text(
            "{file}: {path} is {value}; expected one of {choices}.",
            file=FILE,
            path=path,
            value=value,
            choices=choices,
        )
    if _LENGTH.search(said):
        return Text(
            "{file}: {path} has no entries, or too many; expected at least one.",
            file=FILE,
            path=path,
        )
    if found := _RANGE.search(said):
        limit = f"{found['sign']} {float(found['limit']):g}"
        return Text(
            "{file}: {path} is {stated}; it must be {limit}.",
            file=FILE,
            path=path,
            stated=stated,
            limit=limit,
        )
    if found := _TYPES.search(said):
        wanted, got = _kind(found["wanted"]), _kind(found["found"])
        if found["found"] in ("int", "float"):  # an infinite number, or one with a fraction
            got = verbatim(stated)
        return Text(
            "{file}: {inside} must be {wanted}, but it is {got}.",
            file=FILE,
            inside=inside,
            wanted=wanted,
            got=got,
        )
    return verbatim(f"{FILE}: {quoted(message)}.")


def _at(path: str, content: Any) -> str:
    """The value at a path of msgspec such as `hypotheses[0].speedup`, as text cut short."""
    try:
        for step in _STEP.findall(path):
            content = content[int(step) if isinstance(content, list) else step]
    except (KeyError, IndexError, TypeError, ValueError):
        return "?"
    return f"{content:g}" if isinstance(content, float) else quoted(str(content))


def _kind(names: str) -> Text:
    """Types such as `float | null` in words."""
    kinds = {_KINDS.get(name.strip(), verbatim(name)) for name in names.split("|")}
    kinds -= {verbatim(" null"), verbatim("null")}
    first, *rest = sorted(kinds, key=str)
    for kind in rest:
        first = Text("{first} or {second}", first=first, second=kind)
    return first


def _no_toml(message: str) -> Text:
    place = _PLACE.search(message)
    where = Text("at its end")
    if place:
        where = Text("line {line}, column {column}", line=place[1], column=place[2])
    return Text(
        "{file} is no TOML, {where}: {why}; correct that line.",
        file=FILE,
        where=where,
        why=quoted(message.partition(" (at")[0]),
    )


def _require_plain(path: str) -> None:
    """Raise Rejected for a path with letters that some archives and file systems lose."""
    inside = PurePosixPath(path)
    if not path.isascii():
        raise Rejected(
            Text(
                "{file} names the file {path}, whose letters are not all Latin; archives change "
                "such names, so rename the file and the entry.",
                file=FILE,
                path=quoted(path),
            )
        )
    if inside.is_absolute() or ".." in inside.parts or not path or "\\" in path:
        raise Rejected(
            Text(
                "{file} names the file {path}; give its path inside your folder, such as "
                "model.onnx.",
                file=FILE,
                path=quoted(path),
            )
        )
