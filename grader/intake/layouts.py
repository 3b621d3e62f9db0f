"""What the names in a class's download say: Moodle's, Canvas's and GitHub Classroom's layouts.

Moodle (mod_assign): `Full Name_12345_assignsubmission_file_/work.zip`, before 4.1 with the last
underscore and since without; or, where folders are switched off, one file
`Full Name_12345_assignsubmission_file_work.zip`. The number is the participant's.

Canvas (ContentZipper): `lastfirst_LATE_4321_98765_work.zip`, the user's id, then the attachment's.
Each upload has an attachment of its own, so later ones have larger ids; a file that was handed in
again gets `-1` behind its name. Texts and links end in `_text.html` and `_link.html`. Anonymous
ones start with `anon` and have letters for an id.

GitHub Classroom: a clone for each student or team, called `assignment-login`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

Layout = Literal["moodle", "canvas", "github", "plain"]
LAYOUTS: tuple[Layout, ...] = get_args(Layout)

_MOODLE = re.compile(
    r"(?P<who>.*)_(?P<number>\d+)_assignsubmission_(?P<plugin>[a-z0-9]+)(?:_(?P<file>.*))?",
    re.DOTALL,
)
_CANVAS = re.compile(
    r"(?P<who>.+?)(?P<late>_LATE)?_(?P<number>\d+)_(?P<attachment>\d+)_(?P<file>.+)", re.DOTALL
)
_CANVAS_TEXT = re.compile(
    r"(?P<who>.+?)(?P<late>_LATE)?_(?P<number>\d+)_(?P<file>(?:text|link)\.html)", re.DOTALL
)
_CANVAS_ANONYMOUS = re.compile(
    r"(?P<who>anon)(?P<late>_LATE)?_(?P<number>[A-Za-z0-9]{5,})_(?P<attachment>\d+)_(?P<file>.+)",
    re.DOTALL,
)
_AGAIN = re.compile(r"-\d{1,3}(?=\.[A-Za-z0-9.]+$)")


@dataclass(frozen=True)
class Label:
    """What the name of one entry of a download says."""

    who: str
    """A name or login, as the download writes it."""
    number: str
    """The student's in the LMS."""
    file: str
    """Name of the file within the submission; empty for a student's folder."""
    plugin: str = "file"
    """Moodle: `file`, `onlinetext`, ..."""
    attachment: int = 0
    """Canvas: larger for later uploads."""
    late: bool = False
    """Canvas marks what came after the deadline."""

    @property
    def stem(self) -> str:
        """The same for all uploads of one file."""
        return _AGAIN.sub("", self.file) if self.attachment else self.file


def moodle(name: str) -> Label | None:
    """The label of an entry of Moodle's download, None for another name."""
    found = _MOODLE.fullmatch(name)
    if found is None:
        return None
    return Label(found["who"], found["number"], found["file"] or "", found["plugin"])


def canvas(name: str) -> Label | None:
    """The label of a file of Canvas's download, None for another name."""
    found = _CANVAS_ANONYMOUS.fullmatch(name) or _CANVAS.fullmatch(name)
    if found is not None:
        late, attachment = bool(found["late"]), int(found["attachment"])
        return Label(found["who"], found["number"], found["file"], "file", attachment, late)
    text = _CANVAS_TEXT.fullmatch(name)
    if text is None:
        return None
    return Label(text["who"], text["number"], text["file"], "text", 0, bool(text["late"]))


def recognised(names: Sequence[str], clones: int = 0) -> Layout:
    """The layout that most of the entries follow; `clones` of them are git repositories."""
    most = max(1, (len(names) + 1) // 2)
    if sum(moodle(name) is not None for name in names) >= most:
        return "moodle"
    if sum(canvas(name) is not None for name in names) >= most:
        return "canvas"
    return "github" if clones >= most else "plain"


def logins(names: Iterable[str], parent: str) -> dict[str, str]:
    """The login or team in each name of a clone: what follows the assignment's name, which is the
    folder's (`kws-submissions`), or what all names begin with."""
    names = list(names)
    prefix = f"{parent.removesuffix('-submissions')}-" if parent.endswith("-submissions") else ""
    if not all(name.startswith(prefix) for name in names) or not prefix:
        prefix = _common(names)
    return {name: name[len(prefix) :] or name for name in names}


def _common(names: Sequence[str]) -> str:
    """What all of several names begin with, up to a hyphen."""
    if len(names) < 2:
        return ""
    first, last = min(names), max(names)
    same = next((at for at, (a, b) in enumerate(zip(first, last)) if a != b), len(first))  # noqa: B905
    return first[: first.rfind("-", 0, same) + 1]
