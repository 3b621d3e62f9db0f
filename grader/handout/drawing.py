"""Figures of the handouts: drawn by a lesson's functions, kept in a cache, and put into pages.

A function of a lesson's `handout_figures.py` gets a `Drawing` and draws on it with matplotlib, in
the light colors of the course. `inline_svg` replaces these by the CSS variables of the page, so
that the same picture fits a light and a dark background.
"""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import io
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from html import escape
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal
from xml.etree import ElementTree as ET

from grader.handout import pages
from grader.handout.cache import cached
from grader.handout.measured import Table, figures_file
from grader.lesson.loading import Lesson
from grader.text import Lang, Text
from grader.text.errors import SpecError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Kind = Literal["svg", "png"]
FUNCTIONS = "handout_figures.py"
KINDS = {".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".svg": "image/svg+xml"}
"""Media types of picture files by their suffix."""
_SVG = "http://www.w3.org/2000/svg"
_XLINK = "http://www.w3.org/1999/xlink"
_STYLE = "*{stroke-linejoin: round; stroke-linecap: butt}"
"""The style sheet in every SVG of matplotlib; page.css has the same rule for all pictures."""
_LEFT_OUT = {f"{{{_SVG}}}metadata", f"{{{_SVG}}}script"}
_COLORED = ("fill", "stroke", "stop-color")


@dataclass
class Drawing:
    """One drawing: the lesson, its measured numbers, and an empty figure."""

    lesson: Lesson
    lang: Lang
    tables: Mapping[str, Table] = field(default_factory=dict)
    size: tuple[float, float] = (6.4, 3.4)
    """Inches; set it before the figure is first used."""
    _figure: Figure | None = None

    def text(self, text: Text) -> str:
        """The text in the page's language."""
        return text.to(self.lang)

    def measured(self, name: str) -> Table:
        """A measured table of the page. Raises KeyError."""
        if name not in self.tables:
            raise KeyError(f"no measured table {name!r} among {', '.join(self.tables)}")
        return self.tables[name]

    def file(self, name: str) -> Any:
        """The contents of `figures/NAME.json` or `.toml`. Raises KeyError."""
        return figures_file(self.lesson.folder, name)

    @property
    def figure(self) -> Figure:
        """The matplotlib figure, created on first use."""
        from matplotlib.figure import Figure

        if self._figure is None:
            self._figure = Figure(figsize=self.size, layout="constrained")
        return self._figure

    def axes(self, x: str = "", y: str = "") -> Axes:
        """The figure's only axes, labelled."""
        axes = self.figure.subplots()
        axes.set(xlabel=x, ylabel=y)
        return axes

    ink = property(lambda self: pages.colors()["ink"])
    soft = property(lambda self: pages.colors()["soft"])
    accent = property(lambda self: pages.colors()["accent"])
    experiment = property(lambda self: pages.colors()["experiment"])
    reference = property(lambda self: pages.colors()["reference"])
    good = property(lambda self: pages.colors()["good"])
    bad = property(lambda self: pages.colors()["bad"])


def drawn(drawing: Drawing, name: str, kind: Kind = "svg") -> bytes:
    """The picture of the lesson's function `name`, cached until a file that it may read changes.

    Raises SpecError when there is no such function.
    """
    lesson = drawing.lesson
    files = [
        lesson.folder / FUNCTIONS,
        lesson.folder / "lesson.toml",
        *(lesson.folder / "figures").glob("*.*"),
    ]
    key = [name, kind, drawing.lang, repr(sorted(drawing.tables.items()))]
    return cached(
        f"figures/{lesson.name}-{name}.{kind}",
        [*key, *(path.read_bytes() for path in sorted(files) if path.is_file())],
        lambda: _draw(drawing, name, kind),
    )


def _draw(drawing: Drawing, name: str, kind: Kind) -> bytes:
    import matplotlib

    function = getattr(functions(drawing.lesson), name, None)
    if not callable(function) or name.startswith("_"):
        raise SpecError(
            "{folder} has no function {name}(drawing).",
            folder=drawing.lesson.folder / FUNCTIONS,
            name=name,
        )
    with matplotlib.rc_context(_style()):
        function(drawing)
        written = io.BytesIO()
        about = {"Date": None, "Creator": None} if kind == "svg" else {"Software": None}
        drawing.figure.savefig(
            written, format=kind, metadata=about, dpi=160, transparent=kind == "svg"
        )
    return written.getvalue()


def functions(lesson: Lesson) -> ModuleType:
    """The lesson's `handout_figures.py`. Raises SpecError when there is none."""
    path = lesson.folder / FUNCTIONS
    if not path.is_file():
        raise SpecError("{path} is missing; docs/handouts.md, Figures.", path=path)
    name = f"grader_handout_figures_{path.parent.name}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses of the module look for it there
    spec.loader.exec_module(module)
    return module


def picture(path: Path, alt: str) -> str:
    """The picture in a file of one of KINDS as an element: SVG inline, other files as data.

    Raises ET.ParseError for a damaged SVG.
    """
    if path.suffix == ".svg":
        return inline_svg(path.read_bytes(), alt)
    packed = base64.b64encode(path.read_bytes()).decode("ascii")
    return f'<img src="data:{KINDS[path.suffix]};base64,{packed}" alt="{escape(alt)}">'


def inline_svg(content: bytes, alt: str) -> str:
    """An `<svg>` element for the middle of a page. Raises ET.ParseError.

    Ids get a prefix, so that those of two pictures differ. Colors of the course become its CSS
    variables, black and white those of text and cards.
    """
    ET.register_namespace("", _SVG)
    ET.register_namespace("xlink", _XLINK)
    root = ET.fromstring(content)
    prefix = "p" + hashlib.sha256(content).hexdigest()[:8] + "-"
    root.set("id", "picture")
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in _LEFT_OUT or (child.tag == f"{{{_SVG}}}style" and child.text == _STYLE):
                parent.remove(child)
            elif child.tag == f"{{{_SVG}}}style":
                # A picture's own style sheet applies to this picture alone.
                child.text = f"@scope (#{prefix}picture) {{ {child.text} }}"
    for element in root.iter():
        for name, value in element.items():
            element.set(name, _attribute(name, value, prefix))
    width = root.attrib.pop("width", "")
    root.attrib.pop("height", None)
    number = width.removesuffix("pt").removesuffix("px")
    if number.replace(".", "", 1).isdigit():
        pixels = float(number) * (4 / 3 if width.endswith("pt") else 1)
        root.set("style", f"max-width: {pixels:.0f}px")
    root.set("role", "img")
    root.set("aria-label", alt)
    return ET.tostring(root, encoding="unicode")


def _attribute(name: str, value: str, prefix: str) -> str:
    """The attribute with prefixed ids and with CSS variables for colors."""
    if name == "id":
        return prefix + value
    if name in ("href", f"{{{_XLINK}}}href") and value.startswith("#"):
        return "#" + prefix + value[1:]
    if name == "style":
        declarations = (one.partition(":") for one in value.split(";"))
        return ";".join(
            f"{key}{colon}{_value(text, prefix, color=True)}" for key, colon, text in declarations
        )
    return _value(value, prefix, color=name in _COLORED)


def _value(text: str, prefix: str, *, color: bool) -> str:
    """One value of a style or an attribute; a color of the course or a reference is replaced."""
    value = text.strip()
    if color and value.startswith("#"):
        long = pages.long_color(value.lower())
        variable = _variables().get(long)
        return text.replace(value, f"var(--{variable}, {long})" if variable else long)
    return text.replace("url(#", f"url(#{prefix}") if value.startswith("url(#") else text


@cache
def _variables() -> dict[str, str]:
    """Names of CSS variables by their light color; of equal colors the first."""
    named = {value: name for name, value in reversed(pages.colors().items())}
    return named | {"#ffffff": "card", "#000000": "ink"}


def _style() -> Any:
    color = pages.colors()
    return {
        "svg.fonttype": "none",
        "svg.hashsalt": "grader",
        "font.family": "DejaVu Sans",
        "font.size": 10,
        "text.color": color["ink"],
        "axes.labelcolor": color["ink"],
        "axes.edgecolor": color["cloud"],
        "axes.facecolor": "none",
        "axes.titlesize": 10,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "axes.axisbelow": True,
        "axes.formatter.use_mathtext": False,
        "axes.unicode_minus": False,
        "grid.color": color["line"],
        "xtick.color": color["soft"],
        "ytick.color": color["soft"],
        "legend.frameon": False,
        "legend.labelcolor": color["ink"],
        "lines.linewidth": 2,
        "figure.facecolor": "#ffffff",
    }
