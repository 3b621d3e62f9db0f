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

from .families import Case

HARNESS = ("harness_models", "harness_profiler")
CODE = (".py", ".json", ".toml", ".txt")
"""Files that a submitted profiler may consist of."""
LOOK_SECONDS = 60.0

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
    """Seconds of one call of the model, measured before the submission ran; 0 if unknown."""
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
    """Call the submitted profile_model on every model. Raises Disturbed, Fault."""
    files = {
        str(file.path): submission.read(str(file.path))
        for file in submission.files
        if file.path.suffix.lower() in CODE
    }
    job = HarnessJob(_harness(), files, lost_calls=settings["lost_calls"])
    orders = [{"family": c.name, "sizes": dict(c.sizes), "seed": c.seed} for c in cases]
    calls = [Call("look", {"look": orders}, seconds=LOOK_SECONDS)]
    calls += [Call(o["family"], {"case": o}, settings["call_seconds"]) for o in orders]
    run = run_harness(job, calls, limits)
    seen = _reference_figures(run.answers[0], len(cases))
    return Answers(
        tuple(
            _answer(case, answered, *one)
            for case, answered, one in zip(cases, run.answers[1:], seen, strict=True)
        ),
        run.log,
    )


def _harness() -> dict[str, bytes]:
    folder = Path(__file__).parent
    return {name: (folder / f"{name}.py").read_bytes() for name in HARNESS}


def _reference_figures(looked: Answered, models: int) -> list[tuple[float, float | None]]:
    """Seconds and thop's MACs of each model, measured before any code of the submission ran."""
    if looked.value is None:
        return [(0.0, None)] * models
    return [(float(one["seconds"]), one["thop"]) for one in looked.value["models"]]


def _answer(case: Case, answered: Answered, seconds: float, thop: float | None) -> Answer:
    profile, error = None, answered.error
    if error is None:
        try:
            profile = msgspec.convert(answered.value, Profile)
        except msgspec.ValidationError:
            error = _problem(answered.value)
    return Answer(case, profile, error, answered.seconds, seconds, thop)


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
