"""Calls a student's profile_model on one model after another. Runs in a sandbox with the student's
code, so it holds no right counts.

Requests: {"look": [cases]} returns thop's counts and the time of a call, before any of the
student's code is imported; {"case": {...}} returns the student's profile of one model.
"""

from __future__ import annotations

import contextlib
import io
import math
import time
import warnings
from typing import Any

import harness_models
import torch

FIELDS = ("parameters", "bytes", "macs", "activation_bytes", "seconds")
MOST = 10**15
MOST_LAYERS = 2000
NAME_LENGTH = 200


def answer(order: dict[str, Any], student: Any) -> dict[str, Any]:
    warnings.simplefilter("ignore")
    if "look" in order:
        return {"models": [look(case) for case in order["look"]]}
    model, inputs = harness_models.build(**order["case"])
    profile = student.function("profiler", "profile_model")
    return checked(student.call(profile, model, inputs))


def look(case: dict[str, Any]) -> dict[str, Any]:
    """Seconds of one call, the median of several, and thop's MACs (None where it fails)."""
    model, inputs = harness_models.build(**case)
    seconds = []
    with torch.no_grad():
        for _ in range(6):
            started = time.perf_counter()
            model(*inputs)
            seconds.append(time.perf_counter() - started)
    return {"seconds": sorted(seconds[1:])[2], "thop": _thop(model, inputs)}


def _thop(model: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> float | None:
    try:
        import thop

        with contextlib.redirect_stdout(io.StringIO()), torch.no_grad():
            macs, _ = thop.profile(model, inputs=inputs, verbose=False)
        return float(macs)
    except Exception:  # shown for comparison only; thop has no exception of its own
        return None


def checked(found: Any) -> dict[str, Any]:
    """The answer as plain data, or {"problem": kind, "at": place, "found": what}.

    Only exact types are inspected: a subclass could run its own code."""
    try:
        total = _record(found, "", (*FIELDS, "layers"))
        layers = total.pop("layers")
        if type(layers) not in (list, tuple):
            raise _Problem("not_list", "layers", _kind(layers))
        if len(layers) > MOST_LAYERS:
            raise _Problem("too_many", "layers", str(len(layers)))
        rows = [
            _record(row, f"layers[{number}]", ("name", *FIELDS))
            for number, row in enumerate(layers)
        ]
    except _Problem as problem:
        return {"problem": problem.kind, "at": problem.at, "found": problem.found}
    return {**total, "layers": rows}


class _Problem(Exception):
    def __init__(self, kind: str, at: str, found: str) -> None:
        super().__init__(kind)
        self.kind, self.at, self.found = kind, at, found


def _record(found: Any, at: str, fields: tuple[str, ...]) -> dict[str, Any]:
    if type(found) is not dict:
        raise _Problem("not_dict", at, _kind(found))
    values = {key: value for key, value in found.items() if type(key) is str}
    missing = [name for name in fields if name not in values]
    if missing:
        raise _Problem("missing", at, ", ".join(missing))
    place = f"{at}." if at else ""
    return {name: _value(values[name], name, place + name) for name in fields}


def _value(value: Any, name: str, at: str) -> Any:
    if name == "layers":
        return value
    if name == "name":
        if type(value) is not str:
            raise _Problem("not_text", at, _kind(value))
        return value[:NAME_LENGTH]
    if type(value) is int:
        # Converting an integer of any length to text can take very long.
        if value.bit_length() > 64 or value > MOST:
            raise _Problem("huge", at, f"about 2**{value.bit_length()}")
    elif type(value) is float:
        if not math.isfinite(value):
            raise _Problem("not_finite", at, repr(value))
        if value > MOST:
            raise _Problem("huge", at, repr(value))
    else:
        raise _Problem("not_number", at, _kind(value))
    if value < 0:
        raise _Problem("negative", at, repr(value))
    return value


def _kind(value: Any) -> str:
    """The name of the type, without running code of the object."""
    kind = type(value)
    module = type.__getattribute__(kind, "__module__")
    name = type.__getattribute__(kind, "__qualname__")
    plain = type(module) is str and module != "builtins"
    return f"{module}.{name}"[:80] if plain else str(name)[:80]
