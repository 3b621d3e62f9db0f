"""What a function of a lesson's `handout_figures.py` draws on.

Matplotlib draws in the light colours of the course; `pictures` turns them into the page's own, so
that the same drawing stands on light and on dark.
"""

from __future__ import annotations

import importlib.util
import io
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal

from grader.handout import pages
from grader.handout.measured import Table, figures_file
from grader.lesson.loading import Lesson
from grader.text import Lang, Text
from grader.text.errors import SpecError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FUNCTIONS = "handout_figures.py"


@dataclass
class Board:
    """One drawing: the lesson, its measured numbers, and an empty figure."""

    lesson: Lesson
    lang: Lang
    tables: Mapping[str, Table] = field(default_factory=dict)
    size: tuple[float, float] = (6.4, 3.4)
    """Inches, before anything is drawn."""
    _figure: Figure | None = None

    def text(self, en: str, ru: str) -> str:
        """The words in the page's language."""
        return Text(en=en, ru=ru).to(self.lang)

    def measured(self, name: str) -> Table:
        """A measured table of the page."""
        if name not in self.tables:
            raise KeyError(f"no measured table {name!r} among {', '.join(self.tables)}")
        return self.tables[name]

    def file(self, name: str) -> Any:
        """What `figures/NAME.json` or `.toml` holds."""
        return figures_file(self.lesson.folder, name)

    @property
    def figure(self) -> Figure:
        """The matplotlib figure, made when it is first asked for."""
        from matplotlib.figure import Figure

        if self._figure is None:
            self._figure = Figure(figsize=self.size, layout="constrained")
        return self._figure

    def axes(self, x: str = "", y: str = "") -> Axes:
        """The figure's only axes, labelled."""
        axes = self.figure.subplots()
        axes.set(xlabel=x, ylabel=y)
        return axes

    ink = property(lambda self: pages.colours()["ink"])
    soft = property(lambda self: pages.colours()["soft"])
    accent = property(lambda self: pages.colours()["accent"])
    experiment = property(lambda self: pages.colours()["experiment"])
    reference = property(lambda self: pages.colours()["reference"])
    good = property(lambda self: pages.colours()["good"])
    bad = property(lambda self: pages.colours()["bad"])


def draw(board: Board, name: str, kind: Literal["svg", "png"] = "svg") -> bytes:
    """The picture that the lesson's function `name` draws. Raises SpecError when there is none."""
    import matplotlib

    function = getattr(functions(board.lesson), name, None)
    if not callable(function) or name.startswith("_"):
        raise SpecError(f"{board.lesson.folder / FUNCTIONS} has no function {name}(board).")
    with matplotlib.rc_context(_style()):
        function(board)
        written = io.BytesIO()
        about = {"Date": None, "Creator": None} if kind == "svg" else {"Software": None}
        board.figure.savefig(
            written, format=kind, metadata=about, dpi=160, transparent=kind == "svg"
        )
    return written.getvalue()


def functions(lesson: Lesson) -> ModuleType:
    """The lesson's `handout_figures.py`. Raises SpecError when there is none."""
    path = lesson.folder / FUNCTIONS
    if not path.is_file():
        raise SpecError(f"{path} is missing; docs/handouts.md, Figures.")
    return _module(path)


def _module(path: Path) -> ModuleType:
    name = f"grader_handout_figures_{path.parent.name}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses of the module look for it there
    spec.loader.exec_module(module)
    return module


def _style() -> Any:
    colour = pages.colours()
    return {
        "svg.fonttype": "none",
        "svg.hashsalt": "grader",
        "font.family": "DejaVu Sans",
        "font.size": 10,
        "text.color": colour["ink"],
        "axes.labelcolor": colour["ink"],
        "axes.edgecolor": colour["cloud"],
        "axes.facecolor": "none",
        "axes.titlesize": 10,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "axes.axisbelow": True,
        "axes.formatter.use_mathtext": False,
        "axes.unicode_minus": False,
        "grid.color": colour["line"],
        "xtick.color": colour["soft"],
        "ytick.color": colour["soft"],
        "legend.frameon": False,
        "legend.labelcolor": colour["ink"],
        "lines.linewidth": 2,
        "figure.facecolor": "#ffffff",
    }
