"""Self-contained pages from templates, with the labels, colors and style sheets of all pages."""

from __future__ import annotations

import base64
import hashlib
import re
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

import grader
from grader.text import Lang, Text, from_toml

_TEMPLATES = Path(__file__).parent / "templates"
_SHEET = Path(grader.__file__).parent / "report" / "templates" / "style.css"
"""The style sheet of the grade reports. Its first `:root { --ink: #1d1e23; ... }` has the colors of
the course for a light background, its second those for a dark one."""
_ROOT = re.compile(r":root \{(.*?)\}", re.DOTALL)
_COLOR = re.compile(r"--([a-z-]+): (#[0-9a-f]{3,6})")


class Labels:
    """The fixed texts of the pages in one language: `labels("slide_of", n=3, total=7)`."""

    def __init__(self, lang: Lang) -> None:
        self.lang = lang

    def __call__(self, key: str, **values: object) -> str:
        """Raises KeyError for a key or a placeholder that `labels.toml` does not have."""
        return catalogue()[key].filled(**values).to(self.lang)


@cache
def catalogue() -> dict[str, Text]:
    """`labels.toml`, read once."""
    raw = (Path(__file__).parent / "labels.toml").read_bytes()
    return from_toml(raw, dict[str, Text])


@cache
def colors(*, dark: bool = False) -> dict[str, str]:
    """The colors of the course by name, as `#rrggbb`."""
    return {name: long_color(value) for name, value in _COLOR.findall(_roots()[int(dark)])}


def long_color(value: str) -> str:
    """`#rgb` as `#rrggbb`; a longer value unchanged."""
    return "#" + "".join(2 * digit for digit in value[1:]) if len(value) == 4 else value


def variables() -> str:
    """CSS that defines the colors, for light and dark, or as `data-theme` on the page says."""
    light, dark = (
        " ".join(f"--{name}: {value};" for name, value in _COLOR.findall(root)) for root in _roots()
    )
    return (
        f":root {{ color-scheme: light; {light} }}\n"
        "@media screen and (prefers-color-scheme: dark) {\n"
        f"  :root:not([data-theme=light]) {{ color-scheme: dark; {dark} }}\n}}\n"
        f"@media screen {{ :root[data-theme=dark] {{ color-scheme: dark; {dark} }} }}\n"
    )


def page(template: str, labels: Labels, *, assets: str = "chapter", **values: object) -> str:
    """A self-contained page with the style sheet and the script that are named `assets`."""
    script = _asset(f"{assets}.js")
    digest = hashlib.sha256(script.encode("utf-8")).digest()
    return (
        _environment()
        .get_template(template)
        .render(
            w=labels,
            lang=labels.lang,
            style=Markup(variables() + _asset("page.css") + _asset(f"{assets}.css")),
            script=Markup(script),
            # The source expression of the Content-Security-Policy.
            script_hash=Markup(f"'sha256-{base64.b64encode(digest).decode('ascii')}'"),
            **values,
        )
    )


@cache
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(_TEMPLATES, encoding="utf-8"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )


@cache
def _asset(name: str) -> str:
    return (_TEMPLATES / name).read_text(encoding="utf-8")


@cache
def _roots() -> tuple[str, str]:
    light, dark, *_ = _ROOT.findall(_SHEET.read_text(encoding="utf-8"))
    return light, dark
