"""Answers of a submitted profile_model on the models of an exam, checked for type and range."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import msgspec

from grader.intake import Submission
from grader.lesson.spec import RunLimits
from grader.sandbox.runners.harness import Answered, Call, HarnessJob, run_harness
from grader.text import Text, untrusted
from grader.text.errors import Fault

from .families import Case

CODE = (".py", ".json", ".toml", ".txt")
"""Files that a submitted profiler may consist of."""
BUILD_SECONDS = 60.0
BUILT_BYTES = 64 * 2**20
"""Limit of all packed models together."""

Number = Annotated[float, msgspec.Meta(ge=0, le=1e15)]


class ProfileOfLayer(msgspec.Struct, frozen=True):
    name: str
    parameters: Number
    bytes: Number
    macs: Number
    activation_bytes: Number
    seconds: Number


class Profile(msgspec.Struct, frozen=True):
    """The result of profile_model."""

    parameters: Number
    bytes: Number
    macs: Number
    activation_bytes: Number
    seconds: Number
    layers: list[ProfileOfLayer]


@dataclass(frozen=True)
class Answer:
    """The answer for one model: a profile, or a sentence about the error."""

    case: Case
    profile: Profile | None
    error: Text | None
    call_seconds: float
    """Seconds of the whole call, on our clock."""
    model_seconds: float
    """Seconds of one call of the model, measured before the submission ran."""
    thop_macs: float | None
    """MACs by thop for the same model."""


@dataclass(frozen=True)
class Answers:
    answers: tuple[Answer, ...]
    log: str


def ask(
    submission: Submission,
    cases: Sequence[Case],
    limits: RunLimits,
    settings: Mapping[str, Any],
) -> Answers:
    """Call the submitted profile_model on every model. Raises Disturbed, Fault.

    The models are built in a process without the submission, and its process gets the models alone,
    in an order of the exam: neither their families nor their sizes are there to be found.
    """
    files = {
        str(file.path): submission.read(str(file.path))
        for file in submission.files
        if file.path.suffix.lower() in CODE
    }
    built = _build(cases, limits)
    harness = _harness("harness_networks", "harness_profiler")
    job = HarnessJob(harness, files, lost_calls=settings["lost_calls"])
    mixed = sorted(range(len(cases)), key=lambda number: cases[number].seed)
    calls = [
        Call(cases[number].name, {"packed": built[number].packed}, settings["call_seconds"])
        for number in mixed
    ]
    run = run_harness(job, calls, limits)
    answered = dict(zip(mixed, run.answers, strict=True))
    return Answers(
        tuple(_answer(case, answered[n], built[n]) for n, case in enumerate(cases)), run.log
    )


class _Built(msgspec.Struct, frozen=True):
    """A model of an exam, packed by harness_models."""

    packed: str
    seconds: float
    """Seconds of one call."""
    thop: float | None


class _AllBuilt(msgspec.Struct, frozen=True):
    models: list[_Built]


def _build(cases: Sequence[Case], limits: RunLimits) -> list[_Built]:
    """Build all models, and measure them before any code of the submission runs. Raises Fault."""
    orders = [{"family": c.name, "sizes": dict(c.sizes), "seed": c.seed} for c in cases]
    job = HarnessJob(_harness("harness_networks", "harness_models"), {})
    call = Call("models", {"cases": orders}, BUILD_SECONDS, BUILT_BYTES)
    answered = run_harness(job, [call], limits).answers[0]
    if answered.error is not None:
        raise Fault(
            "The models of the exam could not be built: {error} Run `grader doctor`.",
            error=answered.error,
        )
    return msgspec.convert(answered.value, _AllBuilt).models


def _harness(*names: str) -> dict[str, bytes]:
    folder = Path(__file__).parent
    return {name: (folder / f"{name}.py").read_bytes() for name in names}


def _answer(case: Case, answered: Answered, built: _Built) -> Answer:
    profile, error = None, answered.error
    if error is None:
        try:
            profile = msgspec.convert(answered.value, Profile)
        except msgspec.ValidationError:
            error = _problem(answered.value)
    return Answer(case, profile, error, answered.seconds, built.seconds, built.thop)


def _problem(value: Any) -> Text:
    """A sentence about why an answer is no profile."""
    try:
        kind, at, found = (untrusted.quoted(value[key]) for key in ("problem", "at", "found"))
        return _PROBLEMS[kind](f"`{at}`" if at else "profile_model()", found)
    except (KeyError, TypeError):
        return Text(
            "What came back is not what profile_model() returned: something answered in its "
            "place; only return values."
        )


_PROBLEMS = {
    "not_dict": lambda at, found: Text(
        "{at} has to be a dict with the fields of the template, found {found}.", at=at, found=found
    ),
    "not_list": lambda at, found: Text(
        "{at} has to be a list with one dict a layer, found {found}.", at=at, found=found
    ),
    "too_many": lambda at, found: Text(
        "{at} has {found} entries, at most 2,000 are read; give one a module.", at=at, found=found
    ),
    "missing": lambda at, found: Text(
        "{at} lacks {found}; the template lists the fields of a profile.", at=at, found=found
    ),
    "not_text": lambda at, found: Text("{at} has to be a str, found {found}.", at=at, found=found),
    "not_number": lambda at, found: Text(
        "{at} has to be a plain Python number, found {found}; convert it with int() or float().",
        at=at,
        found=found,
    ),
    "not_finite": lambda at, found: Text(
        "{at} is {found}; every figure has to be a finite number.", at=at, found=found
    ),
    "negative": lambda at, found: Text(
        "{at} is {found}; no figure of a profile can be negative.", at=at, found=found
    ),
    "huge": lambda at, found: Text(
        "{at} is {found}; these models are small, nothing reaches 10**15.", at=at, found=found
    ),
}
