"""Templates with their style and script: what every page of this package is written with."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from grader.handout import palette
from grader.handout.words import Words

_TEMPLATES = Path(__file__).parent / "templates"


def page(template: str, words: Words, *, sheet: str, script: str, **values: object) -> str:
    """A self-contained page: `sheet` and `script` name files beside the template."""
    code = _asset(script)
    style = palette.variables() + _asset("page.css") + _asset(sheet)
    return (
        _environment()
        .get_template(template)
        .render(
            w=words,
            lang=words.lang,
            style=Markup(style),
            script=Markup(code),
            script_hash=Markup(_hash(code)),
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


def _hash(script: str) -> str:
    """A script's source expression for the Content-Security-Policy."""
    digest = hashlib.sha256(script.encode("utf-8")).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"
