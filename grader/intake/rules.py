"""Rules for every submitted file, in a folder or in an archive, and the sentences about them."""

from __future__ import annotations

import unicodedata
from pathlib import Path, PurePath, PurePosixPath

from grader.lesson.spec import Intake
from grader.text import Text
from grader.text.errors import Rejected
from grader.text.untrusted import quoted, readable

ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
MAX_DEPTH = 32
"""Nested folders."""
CHECK_FOLDER = ".grader"
CHECK_FILES = ("grade.json", "grade.svg", "grade.md", "report.html")
"""Files that `grader check` writes into a project (grader/grading/project.py); the last is the
name that the handouts give to `--html`."""
IGNORED_PARTS = frozenset(
    {"__MACOSX", "__pycache__", ".git", ".venv", "venv", ".ipynb_checkpoints", ".pytest_cache"}
    | {CHECK_FOLDER}
)
IGNORED_FILES = frozenset({".DS_Store", "Thumbs.db", "desktop.ini", *CHECK_FILES})
_MEMBERS_PER_FILE = 4
"""Folders and ignored files are counted on top of the files."""


def archive_suffix(path: PurePosixPath | Path) -> str:
    """The suffix by which `path` is an archive; empty for other names."""
    lower = path.name.lower()
    return max((suffix for suffix in ARCHIVES if lower.endswith(suffix)), key=len, default="")


def ignored(path: PurePath) -> bool:
    """True for files that tools leave behind, which are no part of a submission and never read."""
    return path.name in IGNORED_FILES or not IGNORED_PARTS.isdisjoint(path.parts)


def indistinct(name: str) -> str:
    """Equal for names that some file system does not distinguish."""
    return unicodedata.normalize("NFC", name).casefold()


def max_members(rules: Intake) -> int:
    """The most entries of any kind that an archive or folder may have."""
    return _MEMBERS_PER_FILE * rules.max_files


def check_sizes(name: str, size: int, count: int, total: int, rules: Intake) -> None:
    """Raises Rejected when the file `name` of `size` bytes exceeds one of the lesson's limits; with
    it there are `count` files of `total` bytes."""
    if size > rules.max_file_bytes:
        raise Rejected(
            "{name} has {size:,} bytes, at most {max_file_bytes:,} are allowed; leave data and "
            "checkpoints out.",
            name=quoted(name),
            size=size,
            max_file_bytes=rules.max_file_bytes,
        )
    if total > rules.max_total_bytes:
        raise Rejected(
            "The files add up to more than {max_total_bytes:,} bytes (at {name}); leave data and "
            "checkpoints out.",
            max_total_bytes=rules.max_total_bytes,
            name=quoted(name),
        )
    if count > rules.max_files:
        raise Rejected(too_many(rules.max_files))


def too_many(limit: int) -> Text:
    """The sentence about a submission with more than `limit` files or entries."""
    return Text("There are more than {limit:,} files; submit only the project's own.", limit=limit)


def link(name: str) -> Text:
    """The sentence about a symbolic link."""
    return Text("{name} is a link; replace it with the file itself.", name=quoted(name))


def not_a_file(name: str) -> Text:
    """The sentence about an entry that cannot be read like a file."""
    return Text("{name} is a device, pipe or socket, not a file; remove it.", name=quoted(name))


def changed(name: str) -> Text:
    """The sentence about a file that changed after it was listed."""
    return Text(
        "{name} changed while it was being read; grade the submission again when nothing writes "
        "to it.",
        name=quoted(name),
    )


def not_utf8(name: str) -> Text:
    """The sentence about a name that JSON and pages cannot represent."""
    shown = quoted(readable(name))
    return Text("The name {shown} is not UTF-8; rename the file.", shown=shown)


def too_deep(name: str) -> Text:
    """The sentence about a file in too many nested folders."""
    return Text(
        "{name} lies more than {max_depth} folders deep; submit only the project.",
        name=quoted(name),
        max_depth=MAX_DEPTH,
    )
