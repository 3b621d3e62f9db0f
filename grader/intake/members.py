"""Members of an archive: all are checked before the first is written."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Literal

from grader.intake.rules import (
    MAX_DEPTH,
    check_sizes,
    ignored,
    indistinct,
    link,
    max_members,
    not_a_file,
    not_utf8,
    too_deep,
    too_many,
)
from grader.lesson.spec import Intake
from grader.text import Text, notebooks
from grader.text.errors import Rejected
from grader.text.untrusted import quoted, readable

if TYPE_CHECKING:
    from _typeshed import SupportsRead

MAX_PATH = 240
"""Bytes of a member's path."""
BLOCK = 2**16
"""Bytes that are read or written at a time."""

Kind = Literal["file", "folder", "link", "sparse", "other"]


@dataclass(frozen=True)
class Member:
    """What an archive says about one of its entries."""

    name: str
    size: int
    """Bytes once unpacked, as declared."""
    kind: Kind


@dataclass(frozen=True)
class PlannedFile:
    """A file to unpack."""

    index: int
    """Its position among the members."""
    path: PurePosixPath
    """Relative to the folder that is unpacked into."""
    size: int
    """Bytes, as declared."""


class Damaged(Exception):
    """The archive is inconsistent; the caller adds its name."""


def files_to_unpack(members: Iterable[Member], rules: Intake) -> list[PlannedFile]:
    """The files among the members, without folders and ignored files. Raises Rejected, with the
    name, for a member that is a link or a device, has a path outside the folder, occurs twice or is
    too large, and for too many members."""
    planned: list[PlannedFile] = []
    keys: set[str] = set()
    folders: set[str] = set()
    total = 0
    for index, member in enumerate(members):
        if index >= max_members(rules):
            raise Rejected(too_many(max_members(rules)))
        path = _checked_path(member)
        if path is None or ignored(path):
            continue
        name = quoted(member.name)
        if member.kind == "link":
            raise Rejected(link(member.name))
        if member.kind == "sparse":
            raise Rejected(
                "The archive holds {name} as a sparse file; pack the folder without that option "
                "of tar.",
                name=name,
            )
        if member.kind == "other":
            raise Rejected(not_a_file(member.name))
        if member.size < 0:
            raise Damaged
        if member.kind == "folder":
            continue
        key = indistinct(path.as_posix())
        if key in keys:
            raise Rejected(
                "The archive holds {name} twice (or twice but for upper and lower case); keep one.",
                name=name,
            )
        keys.add(key)
        folders.update(indistinct(parent.as_posix()) for parent in path.parents)
        total += member.size
        check_sizes(member.name, member.size, len(keys), total, rules)
        planned.append(PlannedFile(index, path, member.size))
    if not keys.isdisjoint(folders):
        raise Damaged  # a file where another member needs a folder
    return planned


def places(
    announced: Sequence[tuple[str, int, str]], folder: Path, rules: Intake
) -> dict[int, Path]:
    """The paths of the files that a run wrote, by their index in `announced`: names, sizes and
    kinds (`file`, `link`, `other`). The rules for submitted files apply; the notebook itself is
    left out."""
    known: dict[str, Kind] = {"file": "file", "link": "link"}
    members = [Member(name, size, known.get(kind, "other")) for name, size, kind in announced]
    try:
        planned = files_to_unpack(members, rules)
    except Damaged:
        raise Rejected(
            "A file lies where another needs a folder (upper and lower case count as one); "
            "rename it."
        ) from None
    return {
        found.index: folder / found.path
        for found in planned
        if found.path.as_posix() != notebooks.FILE
    }


def write(path: Path, source: SupportsRead[bytes], size: int) -> None:
    """Write exactly `size` bytes into a new file. Raises Damaged when there are fewer."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as target:
        while size > 0:
            block = source.read(min(size, BLOCK))
            if not block:
                raise Damaged
            size -= target.write(block)


def _checked_path(member: Member) -> PurePosixPath | None:
    """The path of the member; None for the archive's root folder."""
    name = member.name
    # Checked first, because a header can hold a very long name.
    if len(name) > MAX_PATH or "\0" in name:
        raise Rejected(_long_name(name))
    path = PurePosixPath(name.replace("\\", "/"))
    if member.kind == "folder" and path == PurePosixPath():
        return None
    if not path.parts or path.is_absolute() or ".." in path.parts or ":" in path.parts[0]:
        raise Rejected(
            "The archive holds {name}, which would land outside the submission's folder; pack "
            "the folder again with relative paths.",
            name=quoted(name),
        )
    if readable(name) != name:
        raise Rejected(not_utf8(name))
    if len(name.encode()) > MAX_PATH:
        raise Rejected(_long_name(name))
    if len(path.parts) > MAX_DEPTH:
        raise Rejected(too_deep(name))
    return path


def _long_name(name: str) -> Text:
    return Text(
        "The archive holds a name of {name_count:,} characters ({name}...); at most {max_path} "
        "bytes, none of them zero, are allowed.",
        name_count=len(name),
        name=quoted(name[:40]),
        max_path=MAX_PATH,
    )
