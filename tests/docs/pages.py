"""The commands in README.md and docs/: which lines they are, and why some are not run."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

SHELL = ("sh", "bash", "console", "shell")
_FENCE = re.compile(
    r"(?:^<!-- not run: (?P<why>[^\n]*?) -->\n)?^```(?P<kind>\w*)\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
_COMMAND = re.compile(r"^(?:\w+=\S+ )*(?P<words>grader .*?)(?:\s{2,}#.*|\s#\s.*)?$")


@dataclass(frozen=True)
class Fence:
    """A block of a page; `why` says why a shell block is not run, `section` is its heading."""

    page: str
    line: int
    kind: str
    text: str
    why: str | None
    section: str
    first: bool = False
    """Of those in its section that are run."""

    @property
    def commands(self) -> list[str]:
        """`grader ...` lines, continued lines joined, comments cut off."""
        lines = self.text.replace("\\\n", " ").splitlines()
        found = (_COMMAND.match(line.strip()) for line in lines)
        return [match["words"].strip() for match in found if match]


def pages(repository: Path) -> list[Path]:
    return [repository / "README.md", *sorted((repository / "docs").glob("*.md"))]


def fences(page: Path) -> list[Fence]:
    text, found = page.read_text(encoding="utf-8"), []
    run: set[str] = set()
    for match in _FENCE.finditer(text):
        before = text[: match.start()]
        section = (re.findall(r"(?m)^## (.+)$", before) or [""])[-1]
        kind, why = match["kind"], match["why"]
        counts = kind in SHELL and why is None
        first = counts and section not in run
        run |= {section} if counts else set()
        line = before.count("\n") + 1
        found.append(Fence(page.name, line, kind, match["text"], why, section, first))
    return found


def shell(page: Path) -> list[Fence]:
    return [fence for fence in fences(page) if fence.kind in SHELL]


def outside(page: Path) -> str:
    """The page without its blocks."""
    return _FENCE.sub("", page.read_text(encoding="utf-8"))


def inline(page: Path) -> list[str]:
    """Commands within sentences and tables: `grader check --html PAGE`."""
    return re.findall(r"`(grader\s[^`]*)`", outside(page))
