"""Where the links of a source lead once it is a page in a folder of pages."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

from grader.handout.document import Document
from grader.lesson import course
from grader.text.errors import GraderError

_HANDOUT = re.compile(r"handout\.(en|ru)\.md")


@dataclass
class Links:
    """Links of the pages that are written together.

    `companions` collects the Markdown files that are linked and have to become pages too, by the
    name of the page. Where nothing but the page itself can be reached (PDF, notebooks), `alone`
    makes relative links plain text.
    """

    alone: bool = False
    site: bool = False
    """Whether the other lessons' handouts lie in the same folder."""
    companions: dict[str, Path] = field(default_factory=dict)

    def resolve(self, href: str, document: Document, line: int) -> str | None:
        """The link's target from the page, None where it is better not to link.

        Raises SpecError for a target that does not exist.
        """
        parts = urlsplit(href)
        if parts.scheme in ("http", "https", "mailto"):
            if parts.scheme != "mailto" and "." not in parts.netloc:
                raise _nowhere(document, line, href)
            return href
        if not parts.path:
            if unquote(parts.fragment) not in document.anchors():
                raise _nowhere(document, line, href)
            return href
        target = (document.source.path.parent / unquote(parts.path)).resolve()
        if not target.is_file():
            if _within_course(target):
                raise _nowhere(document, line, href)
            return None  # a wheel has the lessons, but not the rest of the checkout
        if self.alone or target.suffix != ".md":
            return None
        fragment = f"#{parts.fragment}" if parts.fragment else ""
        if (found := _HANDOUT.fullmatch(target.name)) is not None:
            return f"{target.parent.name}.{found[1]}.html{fragment}" if self.site else None
        name = page_name(target)
        self.companions[name] = target
        return name + fragment


def page_name(path: Path) -> str:
    """The page of a Markdown file: the last two folders and its name."""
    parts = [path.stem, *(one.name for one in list(path.parents)[:2] if one.name)]
    if path.parent.name == "docs":
        parts = parts[:2]
    return ".".join(reversed(parts)) + ".html"


def _within_course(path: Path) -> bool:
    trees = (course.assignments(), course.student_template(), course.reference_solutions())
    return any(path.is_relative_to(tree.resolve()) for tree in trees)


def _nowhere(document: Document, line: int, href: str) -> GraderError:
    return document.error(line, f"the link {href} leads nowhere.", f"ссылка {href} ведёт в никуда.")
