"""The course's colours, from the style sheet of the grade reports, where they are written down.

`:root { --ink: #1d1e23; ... }` holds the light ones, the same within a media query the dark ones.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import grader

_SHEET = Path(grader.__file__).parent / "report" / "templates" / "style.css"
_ROOT = re.compile(r":root \{(.*?)\}", re.DOTALL)
_COLOUR = re.compile(r"--([a-z-]+): (#[0-9a-f]{3,6})")


@cache
def colours(*, dark: bool = False) -> dict[str, str]:
    """Colours by name, as `#rrggbb`."""
    found = _COLOUR.findall(_roots()[int(dark)])
    return {name: _long(value) for name, value in found}


def variables() -> str:
    """CSS that defines the colours, for light and dark, or as `data-theme` on the page says."""
    light, dark = (_ROOT.sub(r"\1", text).strip() for text in _roots())
    return (
        f":root {{ color-scheme: light; {_custom(light)} }}\n"
        "@media screen and (prefers-color-scheme: dark) {\n"
        f"  :root:not([data-theme=light]) {{ color-scheme: dark; {_custom(dark)} }}\n}}\n"
        f"@media screen {{ :root[data-theme=dark] {{ color-scheme: dark; {_custom(dark)} }} }}\n"
    )


@cache
def _roots() -> tuple[str, str]:
    light, dark, *_ = _ROOT.findall(_SHEET.read_text(encoding="utf-8"))
    return light, dark


def _custom(block: str) -> str:
    return " ".join(f"--{name}: {value};" for name, value in _COLOUR.findall(block))


def _long(value: str) -> str:
    return value if len(value) == 7 else "#" + "".join(2 * digit for digit in value[1:])
