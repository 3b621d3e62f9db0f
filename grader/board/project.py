"""A firmware project: which files it may have, and what its sources must not contain."""

from __future__ import annotations

import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from grader.text import Text
from grader.text.errors import Rejected, UsageError

SOURCES = (".c", ".cpp", ".S")
HEADERS = (".h", ".inc")
MAX_FILES = 64
MAX_FILE_BYTES = 2_000_000
MAX_TOTAL_BYTES = 4_000_000
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]*")
_TOKENS = re.compile(
    r"//[^\n]*|/\*(?:.*?\*/|.*)|\"(?:\\.|[^\"\\\n])*\"?|'(?:\\.|[^'\\\n])*'?", re.DOTALL
)
"""Comments and literals, closed or not: each alternative matches what it begins, so that no text is
read twice."""
_ESCAPE = Text(
    "it reaches for a file outside the project; include headers of the project by a relative "
    "name, and <avr/...> of the compiler."
)
_BINARY = Text(
    "files may not be inserted as bytes (.incbin, #embed, .include); export the table as a C array."
)
_PRAGMA = Text(
    "of the optimization pragmas and attributes only O0 to O3, Os and unroll-loops are allowed."
)
_PROBE = Text("__has_include may not ask about files; include what the project has.")
_LEVEL = "(?:O[0-3s]|unroll-loops)"
_HASH = r"^[ \t]*(?:#|%:|\?\?=)[ \t]*"
_INCLUDE = _HASH + r"(?:include|include_next|import)\b"
_REFUSED = tuple(
    (re.compile(pattern, re.MULTILINE), reason)
    for pattern, reason in (
        (_INCLUDE + r"[ \t]*[\"<][ \t]*(?:/|\\|~|[A-Za-z]:)", _ESCAPE),
        (_INCLUDE + r"[^\n]*\.\.[/\\]", _ESCAPE),
        (_HASH + r"embed\b|__has_embed|\.incbin\b|\.include\b", _BINARY),
        (r"__has_include", _PROBE),
        (rf"GCC[ \t]+optimize\b(?![ \t]*\(?[ \t]*\"{_LEVEL}\"[ \t]*\)?[ \t\r]*$)", _PRAGMA),
        (rf"\boptimize(?:__)?[ \t]*\((?![ \t]*\"{_LEVEL}\"[ \t]*\))(?=[ \t]*\")", _PRAGMA),
        (r"GCC[ \t]+(?:target|dependency)\b", _PRAGMA),
    )
)
"""Patterns that read a text once: they are anchored, or begin with fixed letters."""


@dataclass(frozen=True)
class Project:
    """The files that are compiled or included, by their path with forward slashes."""

    files: Mapping[str, bytes]

    @property
    def sources(self) -> list[str]:
        return sorted(name for name in self.files if name.endswith(SOURCES))


def read(project: Mapping[str, bytes] | Path) -> Project:
    """Check the names, sizes and texts of a project. Files that are neither sources nor headers
    are left out. Raises Rejected, or UsageError when there is no folder."""
    found = dict(project) if isinstance(project, Mapping) else dict(_from_folder(project))
    files = {name: data for name, data in found.items() if name.endswith((*SOURCES, *HEADERS))}
    for name, data in files.items():
        if len(data) > MAX_FILE_BYTES:
            raise _too_large(name)
    if len(files) > MAX_FILES or sum(map(len, files.values())) > MAX_TOTAL_BYTES:
        raise Rejected(
            "The project has more than {max_files} source files or {max_total_bytes:,} bytes; "
            "leave out what the firmware does not use.",
            max_files=MAX_FILES,
            max_total_bytes=MAX_TOTAL_BYTES,
        )
    for name, data in files.items():
        _check_name(name)
        _check_source(name, data)
    chosen = Project(files)
    if not chosen.sources:
        raise Rejected("The firmware project has no source: put main.c beside its headers.")
    return chosen


def _from_folder(folder: Path) -> Iterator[tuple[str, bytes]]:
    if not folder.is_dir():
        raise UsageError("There is no folder {folder}.", folder=folder)
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if any(part.startswith(".") for part in PurePosixPath(name).parts):
            continue
        mode = path.lstat().st_mode
        if stat.S_ISLNK(mode):
            raise Rejected("{name} is a link; replace it with the file itself.", name=name)
        if stat.S_ISREG(mode) and name.endswith((*SOURCES, *HEADERS)):
            if path.stat().st_size > MAX_FILE_BYTES:
                raise _too_large(name)
            yield name, path.read_bytes()


def _too_large(name: str) -> Rejected:
    return Rejected(
        "{name} has more than {max_file_bytes:,} bytes; a table that fits 32 KB of flash is far "
        "smaller.",
        name=name,
        max_file_bytes=MAX_FILE_BYTES,
    )


def _check_name(name: str) -> None:
    parts = PurePosixPath(name).parts
    if len(parts) <= 4 and all(_NAME.fullmatch(part) for part in parts) and ".." not in name:
        return
    raise Rejected(
        "The file name '{name}' is not allowed; use letters, digits, '_', '-' and '.', and at "
        "most three folders.",
        name=name[:80],
    )


def _check_source(name: str, data: bytes) -> None:
    """Refuse references to files outside the project. This only makes a clear message: a reference
    that it does not find fails in the compiler, which is isolated from all other files."""
    text = _without_comments(_joined(data.decode("utf-8", "replace")))
    for pattern, reason in _REFUSED:
        if found := pattern.search(text):
            line = text.count("\n", 0, found.start()) + 1
            raise Rejected("{name}:{line}: {reason}", name=name, line=line, reason=reason)


def _joined(text: str) -> str:
    """The text with lines joined at a backslash, and as many lines as before."""
    lines: list[str] = []
    parts: list[str] = []
    for line in text.split("\n"):
        bare = line.rstrip(" \t\r")
        if bare.endswith("\\"):
            parts.append(bare[:-1])
            continue
        lines += ["".join([*parts, line]), *[""] * len(parts)]
        parts = []
    return "\n".join([*lines, "".join(parts)])


def _without_comments(text: str) -> str:
    """The text with blanks for comments, and as many lines as before."""

    def blank(match: re.Match[str]) -> str:
        token = match.group(0)
        return "\n" * token.count("\n") + " " if token.startswith(("//", "/*")) else token

    return _TOKENS.sub(blank, text)
