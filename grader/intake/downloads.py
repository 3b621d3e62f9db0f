"""A class's download, zipped or unpacked, as what each student handed in; nothing is executed.

A folder of Moodle's or of clones is graded where it lies. Files that lie side by side, and what is
in an archive, go to a folder for each student, under names that every file system takes.
"""

from __future__ import annotations

import re
import shutil
import stat
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Literal, get_args

from grader.intake.archives import archive_suffix
from grader.intake.candidates import candidates
from grader.intake.class_zip import ClassZip, unpacked
from grader.intake.rules import IGNORED_PARTS, ignored
from grader.lesson.spec import Intake
from grader.text import Text
from grader.text.errors import UsageError
from grader.text.untrusted import readable

# What the names in a class's download say: Moodle's, Canvas's and GitHub Classroom's layouts.
#
# Moodle (mod_assign): `Full Name_12345_assignsubmission_file_/work.zip`, before 4.1 with the last
# underscore and since without; or, where folders are switched off, one file
# `Full Name_12345_assignsubmission_file_work.zip`. The number is the participant's.
#
# Canvas (ContentZipper): `lastfirst_LATE_4321_98765_work.zip`, the user's id, then the
# attachment's. Each upload has an attachment of its own, so later ones have larger ids; a file
# that was handed in again gets `-1` behind its name. Texts and links end in `_text.html` and
# `_link.html`. Anonymous ones start with `anon` and have letters for an id.
#
# GitHub Classroom: a clone for each student or team, called `assignment-login`.


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


Stem = Callable[[str], str]
"""From any name to one that a file may have."""


@dataclass(frozen=True)
class Version:
    """One thing that one student handed in."""

    name: str
    """What the submission is called; the same for every version of one student."""
    who: str
    """The student's name or login, as the download writes it."""
    path: Path
    files: tuple[str, ...]
    """What belongs to it, as the download calls it."""
    number: str = ""
    """The student's in the LMS."""
    order: int = 0
    """Larger for later ones, where the download says which came later."""
    late: bool = False
    """The LMS marked it as late."""
    superseded: bool = False
    """A later upload of the same student replaces it; it is named, not graded."""


@dataclass(frozen=True)
class Download:
    """What a class handed in."""

    layout: Layout
    versions: list[Version] = field(default_factory=list)
    loose: list[str] = field(default_factory=list)
    """Entries that nobody handed in, such as a README."""


def open_download(
    place: Path, store: Path, rules: Intake, stem: Stem, layout: Layout | None = None
) -> Download:
    """The download at `place`, a folder or an archive, by its layout or by the given one.

    `store` gets what has to be unpacked or put together. Raises UsageError when `place` is neither.
    """
    if place.is_file() and archive_suffix(place) == ".zip":
        return _from_zip(place, store, rules, stem, layout)
    names = _entries(place)
    clones = sum((place / name / ".git").is_dir() for name in names)
    layout = layout or recognised(names, clones)
    if layout in ("moodle", "canvas"):
        return _labelled(place, names, layout, store, stem)
    found, loose = candidates(place)
    who = {one.path.name: one.name for one in found}
    if layout == "github":
        who = logins([one.path.name for one in found], place.resolve().name)
    return Download(
        layout,
        [
            Version(one.name, who[one.path.name], one.path, (readable(one.path.name),))
            for one in found
        ],
        [readable(path.name) for path in loose],
    )


def _entries(place: Path) -> list[str]:
    if not place.is_dir():
        raise UsageError(
            Text(
                en=f"{place} is neither a folder nor a .zip; expected a folder with one submission "
                "each, or the archive that Moodle or Canvas gives.",
                ru=f"{place} — не папка и не .zip; ожидалась папка, в которой каждая работа "
                "отдельно, или архив из Moodle или Canvas.",
            )
        )
    return sorted(
        path.name
        for path in place.iterdir()
        if not path.name.startswith(".") and path.name not in IGNORED_PARTS
    )


# Archives -----------------------------------------------------------------------------------


def _from_zip(
    place: Path, store: Path, rules: Intake, stem: Stem, layout: Layout | None
) -> Download:
    """Every student's members in a folder each, and then as if it had been unpacked by hand."""
    with ClassZip(place) as archive:
        names = archive.entries()
        layout = layout or recognised(names)
        name_of = _naming(names, layout)
        contents: dict[str, list[tuple[int, str]]] = defaultdict(list)
        files: dict[str, set[str]] = defaultdict(set)
        labels: dict[str, list[tuple[str, Label]]] = defaultdict(list)
        loose = []
        for index, path in archive.members():
            top, inner = path.parts[0], "/".join(path.parts[1:])
            owner = name_of(top)
            label = _label(top, layout)
            if owner is None or (not inner and label is None and not _is_work(top)):
                loose.append(top)
                continue
            files[owner].add(top)
            if label is not None and (top, label) not in labels[owner]:
                labels[owner].append((top, label))
            contents[owner].append((index, inner or (label.stem if label else top)))
        versions: list[Version] = []
        for owner, members in contents.items():
            old = _replaced([one for one in labels[owner] if one[1].attachment])
            found = [one for one in labels[owner] if one[0] not in old]
            kept = [one for one in members if archive.top(one[0]) not in old]
            folder = store / stem(owner)
            where = unpacked(archive, _without_text(archive, kept, found), folder, rules)
            versions += _versions(owner, where, found, sorted(files[owner] - old), old, labels)
        return Download(layout, versions, sorted(set(loose)))


def _is_work(name: str) -> bool:
    """True for a file at the top that is a student's and no list of grades."""
    from grader.intake.candidates import HANDED_IN

    path = PurePosixPath(name)
    return bool(archive_suffix(path)) or path.suffix.lower() in HANDED_IN


def _naming(names: Sequence[str], layout: Layout) -> Callable[[str], str | None]:
    """What the submission is called that an entry belongs to."""

    def name_of(top: str) -> str | None:
        label = _label(top, layout)
        if label is not None:
            return f"{label.who} ({label.number})"
        suffix = archive_suffix(PurePosixPath(top))
        return top[: -len(suffix)] if suffix and top[: -len(suffix)] not in names else top

    return name_of


def _label(name: str, layout: Layout) -> Label | None:
    if layout == "moodle":
        return moodle(name)
    return canvas(name) if layout == "canvas" else None


def _without_text(
    archive: ClassZip, members: list[tuple[int, str]], labels: list[tuple[str, Label]]
) -> list[tuple[int, str]]:
    """A text typed beside files is no part of the submission; alone it is all there is."""
    typed = {name for name, label in labels if label.plugin != "file"}
    rest = [(index, inner) for index, inner in members if archive.top(index) not in typed]
    return rest or members


def _replaced(labels: Sequence[tuple[str, Label]]) -> set[str]:
    """Uploads of one student that a later one replaces: the same file again, and every file but
    the newest where that is an archive; an archive that came before other files."""
    newest: dict[str, tuple[int, str]] = {}
    for name, label in labels:
        key = label.stem.casefold()
        newest[key] = max(newest.get(key, (0, "")), (label.attachment, name))
    latest = sorted(newest.values())
    kept = {name for _, name in latest}
    archives = [(at, name) for at, name in latest if archive_suffix(PurePosixPath(name))]
    if archives and archives[-1] == latest[-1]:
        kept = {archives[-1][1]}
    elif archives:
        kept -= {name for _, name in archives}
    return {name for name, _ in labels} - kept


def _versions(
    owner: str,
    path: Path,
    found: list[tuple[str, Label]],
    files: list[str],
    old: set[str],
    labels: dict[str, list[tuple[str, Label]]],
) -> list[Version]:
    """The version that counts, and those that it replaces."""
    who = found[0][1].who if found else owner
    number = found[0][1].number if found else ""
    order = max((label.attachment for _, label in found), default=0)
    late = any(label.late for _, label in found)
    counted = Version(owner, who, path, tuple(files), number, order, late)
    replaced = [
        Version(owner, who, path, (name,), number, label.attachment, label.late, True)
        for name, label in labels[owner]
        if name in old
    ]
    return [*replaced, counted]


# Folders ------------------------------------------------------------------------------------


def _labelled(
    place: Path, names: Sequence[str], layout: Layout, store: Path, stem: Stem
) -> Download:
    """Moodle's or Canvas's download that somebody has unpacked."""
    name_of = _naming(names, layout)
    owned: dict[str, list[tuple[str, Label]]] = defaultdict(list)
    rest = []
    for name in names:
        label = _label(name, layout)
        if label is None:
            rest.append(name)
        else:
            owned[str(name_of(name))].append((name, label))
    versions: list[Version] = []
    for owner, labels in owned.items():
        old = _replaced([one for one in labels if one[1].attachment])
        found = [one for one in labels if one[0] not in old]
        path = _path_of(place, found, store / stem(owner))
        shown = sorted(name for name, _ in found)
        versions += _versions(owner, path, found, shown, old, owned)
    others, loose = candidates(place)
    versions += [
        Version(one.name, one.name, one.path, (readable(one.path.name),))
        for one in others
        if one.path.name in rest
    ]
    return Download(layout, versions, [readable(path.name) for path in loose if path.name in rest])


def _path_of(place: Path, labels: list[tuple[str, Label]], folder: Path) -> Path:
    """Where the submission lies: the student's own folder, or one made of the student's files."""
    files = [one for one in labels if one[1].plugin == "file"] or labels
    if len(files) == 1:
        only = place / files[0][0]
        mode = only.lstat().st_mode
        if not stat.S_ISREG(mode):  # a folder; a link, which intake refuses by name
            return only
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name, label in files:
        source = place / name
        if stat.S_ISREG(source.lstat().st_mode):
            inner = PurePosixPath(label.stem).name or "file"
            if not ignored(PurePosixPath(inner)):
                shutil.copyfile(source, folder / inner, follow_symlinks=False)
        elif source.is_dir() and not source.is_symlink():
            shutil.copytree(source, folder, symlinks=True, dirs_exist_ok=True)
        else:
            return source
    return folder
