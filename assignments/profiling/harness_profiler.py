"""Calls a student's profile_model on one model after another. Runs in a sandbox with the student's
code, so it holds no right counts, and of a model neither family nor sizes nor seed.

Request: {"packed": a model and its inputs, as harness_models packed them}; the answer is the
student's profile of it.
"""

from __future__ import annotations

import base64
import math
import pickle
import warnings
from typing import Any

FIELDS = ("parameters", "bytes", "macs", "activation_bytes", "seconds")
MOST = 10**15
MOST_LAYERS = 2000
NAME_LENGTH = 200


def answer(order: dict[str, Any], student: Any) -> dict[str, Any]:
    warnings.simplefilter("ignore")
    model, inputs = pickle.loads(base64.b64decode(order.pop("packed")))
    profile = student.function("profiler", "profile_model")
    return checked(student.call(profile, model, inputs))


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
