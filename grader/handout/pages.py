"""Templates with their style and script: what every page of this package is written with."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import re
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path

import msgspec
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

import grader
from grader import __version__
from grader.lesson import course
from grader.lesson.grades import write_atomically
from grader.text import Lang, Text

# The words of the pages: `words.toml` holds each in English and in Russian.


class Words:
    """The words of one language: `words("slide_of", n=3, total=7)`."""

    def __init__(self, lang: Lang) -> None:
        self.lang = lang

    def __call__(self, key: str, **values: object) -> str:
        """Raises KeyError for a key or a placeholder that `words.toml` does not have."""
        return catalogue()[key].to(self.lang).format(**values)


@cache
def catalogue() -> dict[str, Text]:
    """`words.toml`, read once."""
    raw = (Path(__file__).parent / "words.toml").read_bytes()
    return msgspec.toml.decode(raw, type=dict[str, Text])


# The course's colours, from the style sheet of the grade reports, where they are written down.
#
# `:root { --ink: #1d1e23; ... }` holds the light ones, the same within a media query the dark ones.


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


_TEMPLATES = Path(__file__).parent / "templates"


def page(template: str, words: Words, *, sheet: str, script: str, **values: object) -> str:
    """A self-contained page: `sheet` and `script` name files beside the template."""
    code = _asset(script)
    style = variables() + _asset("page.css") + _asset(sheet)
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


# Things that take long to make, kept by what they are made from.


def kept(name: str, made_from: Iterable[str | bytes], make: Callable[[], bytes]) -> bytes:
    """What `make()` returns, or what it returned when `made_from` was the same.

    `name` is a path within the cache that a person recognises. Where the cache cannot be written
    things are made anew.
    """
    digest = hashlib.sha256(__version__.encode())
    for part in made_from:
        raw = part.encode("utf-8") if isinstance(part, str) else part
        digest.update(len(raw).to_bytes(8, "little") + raw)
    place = Path(name)
    file_name = f"{place.stem}-{digest.hexdigest()[:24]}{place.suffix}"
    path = course.cache_root() / "handout" / place.with_name(file_name)
    with contextlib.suppress(OSError):
        return path.read_bytes()
    content = make()
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, content)
    return content
