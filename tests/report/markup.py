"""A strict reader of HTML for tests: what a browser would forgive is an error here."""

from __future__ import annotations

from html.parser import HTMLParser

VOID = frozenset(
    ("area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "wbr")
)
URLS = frozenset({"href", "src", "srcset", "action", "formaction", "poster", "data", "xlink:href"})


class Document(HTMLParser):
    """A parsed page. Raises AssertionError for unbalanced tags."""

    def __init__(self, source: str) -> None:
        super().__init__(convert_charrefs=True)
        self._open: list[str] = []
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.texts: list[tuple[str, str]] = []
        """Enclosing tag and text."""
        self.feed(source)
        self.close()
        assert self._open == [], f"never closed: {self._open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), f"<{tag}> repeats an attribute: {names}"
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self._open, f"</{tag}> closes nothing"
        assert self._open[-1] == tag, f"</{tag}> inside <{self._open[-1]}>"
        self._open.pop()

    def handle_data(self, data: str) -> None:
        self.texts.append((self._open[-1] if self._open else "", data))

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def tags(self) -> set[str]:
        return {tag for tag, _ in self.elements}

    @property
    def ids(self) -> list[str]:
        return [attributes["id"] for _, attributes in self.elements if "id" in attributes]

    @property
    def urls(self) -> list[str]:
        return [
            value
            for _, attributes in self.elements
            for name, value in attributes.items()
            if name in URLS
        ]

    @property
    def words(self) -> str:
        """What a person reads, without the style sheet and the script."""
        shown = (text for tag, text in self.texts if tag not in ("style", "script"))
        return " ".join(" ".join(shown).split())


def sound(source: str) -> Document:
    """The page, after checking what every page of ours must hold to."""
    page = Document(source)
    assert source.startswith("<!DOCTYPE html>")
    assert len(page.ids) == len(set(page.ids)), "ids repeat"
    named = [
        target
        for _, attributes in page.elements
        for key in ("aria-labelledby", "for")
        for target in attributes.get(key, "").split()
    ]
    assert set(named) <= set(page.ids), "a label points nowhere"
    assert page.tags.isdisjoint({"iframe", "object", "embed", "base", "link", "form", "img"})
    handlers = [name for _, attributes in page.elements for name in attributes if name[:2] == "on"]
    assert handlers == []
    for url in page.urls:
        assert url.startswith(("#", "reports/", "../")) or url == "similar.html", (
            f"leads outside: {url}"
        )
    assert "url(" not in source
    assert "@import" not in source
    assert len(page.all("h1")) == 1
    assert len(page.all("main")) == 1
    assert page.all("html")[0]["lang"] in ("en", "ru")
    assert {"name": "viewport", "content": "width=device-width, initial-scale=1"} in page.all(
        "meta"
    )
    for svg in page.all("svg"):
        assert svg.get("aria-label") or svg.get("aria-hidden") == "true"
    for head in page.all("th"):
        assert head.get("scope") in ("row", "col")
    return page
