"""HTML from templates: all text is escaped, and pages load nothing from outside."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from grader.report import numbers
from grader.report.labels import Labels
from grader.text import Lang, untrusted

MOST_CHARACTERS = 2_000
"""Limit of one text on a page; a file name of kilobytes in a message must not fill it."""
_TEMPLATES = Path(__file__).parent / "templates"


def page(template: str, labels: Labels, **values: object) -> str:
    """A template with its values, the style sheet and the texts of one language."""
    return (
        _environment(labels.lang)
        .get_template(template)
        .render(w=labels, lang=labels.lang, **values)
        + "\n"
    )


def script_hash(script: str) -> str:
    """A script's source expression for the Content-Security-Policy."""
    digest = hashlib.sha256(script.encode("utf-8")).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"


@cache
def _environment(lang: Lang) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES, encoding="utf-8"),
        autoescape=True,
        finalize=_readable,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.filters["name"] = untrusted.name
    environment.filters["number"] = lambda value, digits=4: numbers.number(value, lang, digits)
    environment.filters["points"] = lambda value: numbers.points(value, lang)
    environment.filters["interval"] = lambda bounds: numbers.interval(bounds, lang)
    environment.filters["percent"] = lambda part, whole: numbers.percent(part, whole, lang)
    environment.filters["fixed"] = lambda value, digits: numbers.formatted(
        value, f"{{:.{digits}f}}", lang
    )
    environment.filters["code"] = _code
    environment.filters["whole"] = _whole
    script = _asset("class.js")
    environment.globals["style"] = Markup(_asset("style.css") + _asset("charts.css"))
    environment.globals["class_style"] = Markup(_asset("class.css"))
    environment.globals["script"] = Markup(script)
    environment.globals["script_hash"] = Markup(script_hash(script))
    return environment


def _asset(name: str) -> str:
    # Universal newlines: the hash holds wherever the file was checked out.
    return (_TEMPLATES / name).read_text(encoding="utf-8")


def _readable(value: object) -> object:
    """The `finalize` of jinja2: text is bounded and has no invisible characters."""
    if isinstance(value, Markup) or not isinstance(value, str):
        return value
    return untrusted.visible(untrusted.shorten(value, MOST_CHARACTERS))


def _whole(text: str) -> Markup:
    """Text at its full length, for the log, which is bounded already."""
    return Markup.escape(untrusted.visible(text))


def _code(text: str) -> Markup:
    """Text in which `commands` between backquotes become code elements."""
    parts = str(_readable(text)).split("`")
    if len(parts) % 2 == 0:
        return Markup.escape("`".join(parts))
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if index % 2 else Markup.escape(part)
        for index, part in enumerate(parts)
    )
