"""Templates to HTML: everything escaped, nothing loaded from outside, no inline handlers."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from grader.report.charts import numbers
from grader.report.words import Words
from grader.text import untrusted

MOST_CHARACTERS = 2_000
"""Of one sentence on a page; a file name of kilobytes in a message must not fill it."""
_TEMPLATES = Path(__file__).parent / "templates"


def page(template: str, words: Words, **values: object) -> str:
    """A template with its values, the style sheet and the words of one language."""
    return _environment().get_template(template).render(w=words, lang=words.lang, **values) + "\n"


def script_hash(script: str) -> str:
    """A script's source expression for the Content-Security-Policy."""
    digest = hashlib.sha256(script.encode("utf-8")).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"


@cache
def _environment() -> Environment:
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
    environment.filters["number"] = numbers.number
    environment.filters["points"] = numbers.points
    environment.filters["percent"] = _percent
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
    """What jinja2 writes for a value: text is bounded and has no invisible characters."""
    if isinstance(value, Markup) or not isinstance(value, str):
        return value
    return untrusted.visible(untrusted.shorten(value, MOST_CHARACTERS))


def _whole(text: str) -> Markup:
    """Text at its full length: the log, which is bounded already."""
    return Markup.escape(untrusted.visible(text))


def _percent(part: float, whole: float) -> str:
    share = 100 * part / whole if whole else 0.0
    if 0 < share < 0.1:
        return "<0.1%"
    return f"{share:.1f}%" if share < 10 else f"{share:.0f}%"


def _code(text: str) -> Markup:
    """Text with `commands` in backquotes, as in a terminal."""
    parts = str(_readable(text)).split("`")
    if len(parts) % 2 == 0:
        return Markup.escape("`".join(parts))
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if index % 2 else Markup.escape(part)
        for index, part in enumerate(parts)
    )
