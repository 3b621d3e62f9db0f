"""Pictures inside a page: SVG inline, in the page's own colours; anything else as data."""

from __future__ import annotations

import base64
import hashlib
import re
from html import escape
from pathlib import Path
from xml.etree import ElementTree as ET

from grader.handout import pages

SVG = "http://www.w3.org/2000/svg"
XLINK = "http://www.w3.org/1999/xlink"
KINDS = {".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".svg": "image/svg+xml"}
_STYLE = "*{stroke-linejoin: round; stroke-linecap: butt}"
"""What matplotlib writes; handout.css says it for every picture."""
_LEFT_OUT = {f"{{{SVG}}}metadata", f"{{{SVG}}}script"}
_REFERENCE = re.compile(r"url\(#([^)]+)\)")
_HEX = re.compile(r"#[0-9a-fA-F]{6}\b|#[0-9a-fA-F]{3}\b")


def data(content: bytes, suffix: str, alt: str) -> str:
    """An `<img>` that carries its content."""
    packed = base64.b64encode(content).decode("ascii")
    return f'<img src="data:{KINDS[suffix]};base64,{packed}" alt="{escape(alt)}">'


def svg(content: bytes, alt: str) -> str:
    """An `<svg>` element for the middle of a page. Raises ET.ParseError.

    Ids get a prefix, so that two pictures never share one; colours of the course become its CSS
    variables, black and white those of ink and card.
    """
    ET.register_namespace("", SVG)
    ET.register_namespace("xlink", XLINK)
    root = ET.fromstring(content)
    prefix = "p" + hashlib.sha256(content).hexdigest()[:8] + "-"
    root.set("id", "picture")
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in _LEFT_OUT or (child.tag == f"{{{SVG}}}style" and child.text == _STYLE):
                parent.remove(child)
            elif child.tag == f"{{{SVG}}}style":
                # A picture's own style is for the picture alone.
                child.text = f"@scope (#{prefix}picture) {{ {child.text} }}"
    for element in root.iter():
        for name, value in element.items():
            element.set(name, _attribute(name, value, prefix))
    _fit(root)
    root.set("role", "img")
    root.set("aria-label", alt)
    return ET.tostring(root, encoding="unicode")


def embedded(path: Path, alt: str) -> str:
    """The picture in a file of one of `KINDS`."""
    if path.suffix == ".svg":
        return svg(path.read_bytes(), alt)
    return data(path.read_bytes(), path.suffix, alt)


def _attribute(name: str, value: str, prefix: str) -> str:
    if name == "id":
        return prefix + value
    if name in ("href", f"{{{XLINK}}}href") and value.startswith("#"):
        return "#" + prefix + value[1:]
    if name in ("style", "fill", "stroke", "stop-color"):
        value = _HEX.sub(_colour, value)
    return _REFERENCE.sub(rf"url(#{prefix}\1)", value)


def _fit(root: ET.Element) -> None:
    """As wide as its place, and no wider than drawn."""
    width = root.attrib.pop("width", "")
    root.attrib.pop("height", None)
    number = re.match(r"[\d.]+", width)
    if number:
        points = float(number[0]) * (4 / 3 if width.endswith("pt") else 1)
        root.set("style", f"max-width: {points:.0f}px")


def _colour(found: re.Match[str]) -> str:
    value = found[0].lower()
    if len(value) == 4:
        value = "#" + "".join(2 * digit for digit in value[1:])
    name = _names().get(value)
    return f"var(--{name}, {value})" if name else value


def _names() -> dict[str, str]:
    known = {value: name for name, value in reversed(pages.colours().items())}
    return known | {"#ffffff": "card", "#000000": "ink"}
