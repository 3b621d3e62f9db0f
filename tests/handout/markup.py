"""Reading a page back: elements, ids, links and headings."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path


@dataclass
class Read(HTMLParser):
    """What a page holds."""

    ids: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    headings: list[int] = field(default_factory=list)
    unlabelled: list[str] = field(default_factory=list)
    """Pictures without words."""

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if "id" in found:
            self.ids.append(str(found["id"]))
        if tag == "a":
            self.links.append(str(found.get("href")))
        if len(tag) == 2 and tag[0] == "h" and tag[1].isdigit():
            self.headings.append(int(tag[1]))
        named = found.get("aria-label") or found.get("alt") or found.get("aria-hidden")
        if tag in ("svg", "img") and not named:
            self.unlabelled.append(str(attrs))


def read(page: Path | str) -> Read:
    """A page, or the text of one."""
    found = Read()
    found.feed(page.read_text(encoding="utf-8") if isinstance(page, Path) else page)
    return found
