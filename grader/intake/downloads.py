"""A class's download, zipped or unpacked, as what each student handed in; nothing is executed.

`LAYOUTS` has an entry for each kind of download. A folder of Moodle's or of git clones is graded
where it lies. Files of several students in one folder, and what is in an archive, are written to a
folder for each student, with names that every file system accepts.
"""

from __future__ import annotations

import os.path
import re
import shutil
import stat
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from grader.intake.candidates import Candidate, candidates, is_work
from grader.intake.rules import IGNORED_PARTS, archive_suffix, ignored
from grader.intake.zips import ClassZip
from grader.lesson.spec import Intake
from grader.text.errors import UsageError
from grader.text.untrusted import readable

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
_UPLOAD_NUMBER = re.compile(r"-\d{1,3}(?=\.[A-Za-z0-9.]+$)")

Stem = Callable[[str], str]
"""Makes a file name, without a suffix, of any name."""


@dataclass(frozen=True)
class Label:
    """What the name of one entry of a download says."""

    who: str
    """The student's name or login, as the download writes it."""
    number: str
    """The student's number in the LMS."""
    file: str
    """Name of the file within the submission; empty for a student's folder."""
    is_text: bool = False
    """True for text that was typed in the LMS instead of a file."""
    attachment: int = 0
    """Canvas's number of the upload; larger for later uploads."""
    late: bool = False
    """True when the LMS marked it as late."""

    @property
    def stem(self) -> str:
        """The name of the file, the same for all uploads of it."""
        return _UPLOAD_NUMBER.sub("", self.file) if self.attachment else self.file


def moodle(name: str) -> Label | None:
    """The label of an entry of Moodle's download (mod_assign); None for another name.

    `Full Name_12345_assignsubmission_file_/work.zip`, before 4.1 with the last underscore and since
    then without; or, without folders, `Full Name_12345_assignsubmission_file_work.zip`. The number
    is the participant's."""
    if (found := _MOODLE.fullmatch(name)) is None:
        return None
    return Label(found["who"], found["number"], found["file"] or "", found["plugin"] != "file")


def canvas(name: str) -> Label | None:
    """The label of a file of Canvas's download (ContentZipper); None for another name.

    `lastfirst_LATE_4321_98765_work.zip` has the numbers of the user and of the attachment. Each
    upload is a new attachment with a larger number, and a file that was uploaded again has `-1`
    after its name. Texts and links end in `_text.html` and `_link.html`. Anonymous students are
    called `anon` and have letters in their numbers."""
    kinds = (_CANVAS_ANONYMOUS, _CANVAS, _CANVAS_TEXT)
    found = next(filter(None, (kind.fullmatch(name) for kind in kinds)), None)
    if found is None:
        return None
    attachment, late = int(found.groupdict().get("attachment", 0)), bool(found["late"])
    is_text = found.re is _CANVAS_TEXT
    return Label(found["who"], found["number"], found["file"], is_text, attachment, late)


@dataclass(frozen=True)
class Layout:
    """How an LMS names the entries of a download."""

    label: Callable[[str], Label | None] | None = None
    """Reads the name of an entry; None for a layout in which each entry is one submission."""
    clones: bool = False
    """True when entries are git clones, whose names are the assignment's and then the login."""

    def label_of(self, name: str) -> Label | None:
        return self.label(name) if self.label is not None else None


LAYOUTS: dict[str, Layout] = {
    "moodle": Layout(moodle),
    "canvas": Layout(canvas),
    "github": Layout(clones=True),  # GitHub Classroom: a clone for each student or team
    "plain": Layout(),
}


@dataclass(frozen=True)
class Version:
    """One version of what one student handed in."""

    name: str
    """The name of the submission, the same for all versions of one student."""
    who: str
    """The student's name or login, as the download writes it."""
    path: Path
    files: tuple[str, ...]
    """Its entries in the download."""
    number: str = ""
    """The student's number in the LMS."""
    order: int = 0
    """Larger for later versions, if the download says which are later."""
    late: bool = False
    """True when the LMS marked it as late."""
    superseded: bool = False
    """True when a later upload of the same student replaces it; it is listed, but not graded."""


@dataclass(frozen=True)
class Download:
    """What a class handed in."""

    layout: str
    versions: list[Version] = field(default_factory=list)
    loose: list[str] = field(default_factory=list)
    """Entries that are no submissions, such as a README."""


def open_download(
    place: Path, store: Path, rules: Intake, stem: Stem, layout: str | None = None
) -> Download:
    """The download at `place`, a folder or a .zip, in the given layout or the recognized one.

    What has to be unpacked or put together is written to `store`. Raises UsageError when `place` is
    neither a folder nor a .zip.
    """
    if place.is_file() and archive_suffix(place) == ".zip":
        return _from_zip(place, store, rules, stem, layout)
    if not place.is_dir():
        raise UsageError(
            "{place} is neither a folder nor a .zip; expected a folder with one submission each, "
            "or the archive that Moodle or Canvas gives.",
            place=place,
        )
    names = sorted(
        path.name
        for path in place.iterdir()
        if not path.name.startswith(".") and path.name not in IGNORED_PARTS
    )
    clones = sum((place / name / ".git").is_dir() for name in names)
    layout = layout or recognized(names, clones)
    if LAYOUTS[layout].label is not None:
        return _labeled(place, names, layout, store, stem)
    found, loose = candidates(place)
    who = {one.path.name: one.name for one in found}
    if LAYOUTS[layout].clones:
        who = logins([one.path.name for one in found], place.resolve().name)
    versions = [_unlabeled(one, who[one.path.name]) for one in found]
    return Download(layout, versions, [readable(path.name) for path in loose])


def recognized(names: Sequence[str], clones: int = 0) -> str:
    """The layout that most of the entries follow; `clones` of them are git repositories."""
    most = max(1, (len(names) + 1) // 2)
    for name, layout in LAYOUTS.items():
        labels = sum(layout.label_of(entry) is not None for entry in names)
        if labels >= most or (layout.clones and clones >= most):
            return name
    return "plain"


def logins(names: Sequence[str], parent: str) -> dict[str, str]:
    """The login or team in each name of a clone: what follows the name of the assignment, which is
    part of the folder's name (`kws-submissions`), or what all names begin with."""
    prefix = f"{parent.removesuffix('-submissions')}-" if parent.endswith("-submissions") else ""
    if not prefix or not all(name.startswith(prefix) for name in names):
        common = os.path.commonprefix(names) if len(names) > 1 else ""  # noqa: RUF071
        prefix = common[: common.rfind("-") + 1]
    return {name: name[len(prefix) :] or name for name in names}


def _from_zip(place: Path, store: Path, rules: Intake, stem: Stem, layout: str | None) -> Download:
    """Write each student's members to a folder of its own."""
    known = tuple(one for one in LAYOUTS.values() if one.label is not None)
    with ClassZip(place, lambda name: any(one.label_of(name) for one in known)) as archive:
        names = sorted({path.parts[0] for _, path in archive.members})
        layout = layout or recognized(names)
        contents: dict[str, list[tuple[int, str]]] = defaultdict(list)
        """Members of each submission: index, and name within the submission."""
        tops: dict[int, str] = {}
        uploads: dict[str, _Uploads] = defaultdict(_Uploads)
        loose = set()
        for index, path in archive.members:
            top, inner = path.parts[0], "/".join(path.parts[1:])
            label = LAYOUTS[layout].label_of(top)
            if not inner and label is None and not is_work(PurePosixPath(top)):
                loose.add(top)
                continue
            owner = _owner(top, label, names)
            tops[index] = top
            uploads[owner].entries[top] = label
            contents[owner].append((index, inner or (label.stem if label else top)))
        versions: list[Version] = []
        for owner, members in contents.items():
            graded = uploads[owner].graded()
            chosen = [one for one in members if tops[one[0]] in graded]
            folder = archive.unpack(chosen, store / stem(owner), rules)
            versions += uploads[owner].versions(owner, folder)
        return Download(layout, versions, sorted(loose))


def _labeled(place: Path, names: Sequence[str], layout: str, store: Path, stem: Stem) -> Download:
    """An LMS's download that was unpacked."""
    uploads: dict[str, _Uploads] = defaultdict(_Uploads)
    labels = {name: LAYOUTS[layout].label_of(name) for name in names}
    for name, label in labels.items():
        if label is not None:
            uploads[_owner(name, label, names)].entries[name] = label
    versions: list[Version] = []
    for owner, found in uploads.items():
        path = _put_together(place, found.graded(), store / stem(owner))
        versions += found.versions(owner, path)
    others, loose = candidates(place)
    versions += [_unlabeled(one, one.name) for one in others if not labels[one.path.name]]
    rest = [readable(path.name) for path in loose if not labels[path.name]]
    return Download(layout, versions, rest)


def _unlabeled(one: Candidate, who: str) -> Version:
    return Version(one.name, who, one.path, (readable(one.path.name),))


@dataclass
class _Uploads:
    """The entries of a download that belong to one submission, by name."""

    entries: dict[str, Label | None] = field(default_factory=dict)

    def replaced(self) -> dict[str, Label]:
        """Uploads that a later one replaces: of one file all but the newest; all files when an
        archive is newest; all archives when another file is newest."""
        numbered = {name: one for name, one in self.entries.items() if one and one.attachment}
        newest: dict[str, tuple[int, str]] = {}
        for name, label in numbered.items():
            key = label.stem.casefold()
            newest[key] = max(newest.get(key, (0, "")), (label.attachment, name))
        latest = [name for _, name in sorted(newest.values())]
        archives = [name for name in latest if archive_suffix(PurePosixPath(name))]
        kept = set(latest) - set(archives)
        if archives and archives[-1] == latest[-1]:
            kept = {archives[-1]}
        return {name: label for name, label in numbered.items() if name not in kept}

    def current(self) -> dict[str, Label | None]:
        """The entries that no later upload replaces."""
        old = self.replaced()
        return {name: label for name, label in self.entries.items() if name not in old}

    def graded(self) -> dict[str, Label | None]:
        """The current entries, without typed text unless there is nothing else."""
        current = self.current()
        files = {name: one for name, one in current.items() if one is None or not one.is_text}
        return files or current

    def versions(self, owner: str, path: Path) -> list[Version]:
        """The replaced versions of the submission `owner`, and the one at `path` that counts."""
        current = self.current()
        labels = [label for label in current.values() if label is not None]
        who, number = (labels[0].who, labels[0].number) if labels else (owner, "")
        order = max((label.attachment for label in labels), default=0)
        late = any(label.late for label in labels)
        return [
            *(
                Version(owner, who, path, (name,), number, label.attachment, label.late, True)
                for name, label in self.replaced().items()
            ),
            Version(owner, who, path, tuple(sorted(current)), number, order, late),
        ]


def _owner(name: str, label: Label | None, names: Sequence[str]) -> str:
    """The name of the submission that the entry `name` belongs to."""
    if label is not None:
        return f"{label.who} ({label.number})"
    suffix = archive_suffix(PurePosixPath(name))
    return name[: -len(suffix)] if suffix and name[: -len(suffix)] not in names else name


def _put_together(place: Path, entries: Mapping[str, Label | None], folder: Path) -> Path:
    """The path of a submission: the student's own folder, or `folder` with the student's files."""
    if len(entries) == 1:
        only = place / next(iter(entries))
        if not stat.S_ISREG(only.lstat().st_mode):  # a folder, or a link, which intake refuses
            return only
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name, label in entries.items():
        source = place / name
        if stat.S_ISREG(source.lstat().st_mode):
            inner = PurePosixPath(label.stem if label else name).name or "file"
            if not ignored(PurePosixPath(inner)):
                shutil.copyfile(source, folder / inner, follow_symlinks=False)
        elif source.is_dir() and not source.is_symlink():
            shutil.copytree(source, folder, symlinks=True, dirs_exist_ok=True)
        else:
            return source
    return folder
