"""Values in a source: `{{ gate.factor }}` is an expression over the lesson's own numbers.

Each expression is within one line and is evaluated alone, by Jinja in a sandbox. So the rest of a
source is never read as a template, and an error has a line.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from jinja2 import StrictUndefined, TemplateError
from jinja2.sandbox import SandboxedEnvironment

from grader.handout.blocks import wrong
from grader.handout.measured import Cell, Table, figures_file
from grader.lesson import formula
from grader.lesson.loading import Lesson
from grader.text import ENGLISH, Lang, Text, languages, numbers, to_builtins
from grader.text.errors import SpecError

_EXPRESSION = re.compile(r"\{\{(.+?)\}\}(?!\})")


class Values:
    """The names that expressions of one lesson may use, in one language."""

    def __init__(
        self, lesson: Lesson, lang: Lang, tables: Mapping[str, Table] | None = None
    ) -> None:
        self._lesson, self._lang, self._tables = lesson, lang, tables or {}

    def fill(self, text: str, path: Path) -> str:
        """`text` with every expression replaced; lines stay where they are.

        Raises SpecError naming `path` and the line of an expression that cannot be evaluated.
        """
        lines, fenced = [], False
        for number, line in enumerate(text.split("\n"), 1):
            fenced ^= line.lstrip().startswith("```")
            lines.append(_EXPRESSION.sub(partial(self._value, path, number, fenced), line))
        return "\n".join(lines)

    def _value(self, path: Path, line: int, fenced: bool, expression: re.Match[str]) -> str:
        code, before = expression[1].strip(), expression.string[: expression.start()]
        try:
            compiled = self._environment.compile_expression(code, undefined_to_none=False)
            result = compiled(**self._names)
            if isinstance(result, StrictUndefined):
                str(result)  # raises an error with the name
        except (
            TemplateError, ArithmeticError, TypeError, ValueError, KeyError, SpecError,
        ) as error:  # fmt: skip
            reason = error.args[0] if error.args else error
            raise wrong(
                path,
                line,
                Text(
                    "`{{{{ {code} }}}}` has no value: {reason}. docs/handouts.md lists the names.",
                    code=code,
                    reason=reason,
                ),
            ) from error
        if isinstance(result, bool) or not isinstance(result, str | int | float):
            raise wrong(
                path,
                line,
                Text(
                    "`{{{{ {code} }}}}` is {name}, not a number or a text.",
                    code=code,
                    name=type(result).__name__,
                ),
            )
        in_code = fenced or before.count("`") % 2 or before.count("$") % 2
        if isinstance(result, Cell) and in_code:
            return result.plain
        if type(result) is not float:
            return str(result)
        whole = result.is_integer() and abs(result) < 1e15
        lang = ENGLISH if in_code else self._lang
        return str(int(result)) if whole else numbers.formatted(result, ".12g", lang)

    @cached_property
    def _environment(self) -> SandboxedEnvironment:
        environment = SandboxedEnvironment(undefined=StrictUndefined)
        environment.filters = dict(filters(self._lang))
        return environment

    @cached_property
    def _names(self) -> dict[str, Any]:
        spec = self._lesson.spec
        names = _in_language(to_builtins(spec), self._lang)
        return names | {
            "formula": spec.formula,
            "terms": {term["name"]: term for term in names["terms"]},
            "score": self._score,
            "measured": self._measured,
            "figures": _Lazy(self._figures),
            "computed": _Lazy(self._computed),
        }

    def _measured(self, table: str, row: str, column: str | int) -> Cell | str:
        if table not in self._tables:
            raise KeyError(f"no measured table {table!r} among {', '.join(self._tables)}")
        return self._tables[table].cell(row, column)

    def _score(self, report_penalty: float = 0.0, **values: float) -> float:
        spec = self._lesson.spec
        points = sum(term.points for term in spec.score(values, gate_passed=True))
        late = formula.evaluate(spec.late_penalty, values) if spec.late_penalty else 0.0
        return max(points - late - report_penalty, 0.0)

    def _figures(self, name: str) -> Any:
        try:
            found = figures_file(self._lesson.folder, name)
        except KeyError as error:  # Jinja would report a missing attribute instead
            raise ValueError(error.args[0]) from error
        return _in_language(found, self._lang)

    def _computed(self, name: str) -> Any:
        from grader.handout.drawing import functions

        make: Any = getattr(functions(self._lesson), "values", lambda _: {})
        made: dict[str, Any] = make(self._lesson)
        if name not in made:
            raise ValueError(f"values(lesson) gives no {name!r}")
        return _in_language(made[name], self._lang)


def filters(lang: Lang) -> dict[str, Callable[..., str | float]]:
    """Filters of expressions, which format numbers as the language does."""

    def number(value: float) -> str:
        return numbers.number(value, lang)

    def fixed(value: float, digits: int = 0) -> str:
        return numbers.formatted(value, f",.{digits}f", lang)

    def percent(value: float, digits: int = 0) -> str:
        return numbers.formatted(value, f".{digits}%", lang)

    def exponent(value: float) -> str:
        mantissa, _, power = f"{value:.6e}".partition("e")
        return numbers.formatted(float(mantissa), "g", lang) + f"e{int(power)}"

    return {
        "number": number,
        "fixed": fixed,
        "percent": percent,
        "exponent": exponent,
        "round": round,
    }


class _Lazy:
    """A namespace whose members are computed on access."""

    def __init__(self, make: Callable[[str], Any]) -> None:
        self._make = make

    def __getitem__(self, name: str) -> Any:
        return self._make(name)

    def __iter__(self) -> Iterator[str]:
        return iter(())


def _in_language(value: Any, lang: Lang) -> Any:
    """The value with every `{en, ru}` replaced by the text of one language, at any depth."""
    if isinstance(value, dict):
        if ENGLISH in value and value.keys() <= set(languages()):
            return value.get(lang, value[ENGLISH])
        return {key: _in_language(one, lang) for key, one in value.items()}
    if isinstance(value, list):
        return [_in_language(one, lang) for one in value]
    return value
