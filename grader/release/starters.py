"""Starters made from reference solutions: `make starters`, or `python -m grader.release.starters`.

A region of a reference file is what students write. The starter has the lines below STARTER in its
place, without their comment marks; a region without such lines leaves nothing:

    # BEGIN SOLUTION
    return weight.abs().sum(dim=1)
    # STARTER
    # raise NotImplementedError("write norms in prune.py")
    # END SOLUTION

A single line that ends with `# SOLUTION` is left out. In C and assembly the mark is `//`. Which
files are made in this way, `[starter]` of lesson.toml says.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from grader.lesson import loading
from grader.lesson.loading import Lesson, files_of
from grader.release.contents import matches
from grader.text.errors import GraderError, SpecError

_MARKS = {
    **dict.fromkeys((".py", ".toml", ".ini", ".yml"), "#"),
    **dict.fromkeys((".c", ".h", ".S", ".ino"), "//"),
}
"""What begins a comment, by the suffix of a file. Other files have no regions."""
SOLUTION, STARTER = "SOLUTION", "STARTER"
BEGIN, END = f"BEGIN {SOLUTION}", f"END {SOLUTION}"
_NEXT = {None: (BEGIN,), BEGIN: (STARTER, END), STARTER: (END,)}
"""The markers that may follow a marker; None stands for the text outside regions."""


def starter_text(reference: str, path: Path) -> str:
    """What students see of the text of a reference file; `path` tells the language.

    Raises SpecError naming file and line for a marker that is out of place.
    """
    return _side(reference, path, STARTER)


def solution_text(reference: str, path: Path) -> str:
    """The text of a reference file without markers and without what only students see.

    Raises SpecError as `starter_text` does.
    """
    return _side(reference, path, SOLUTION)


def generated(lesson: Lesson) -> Iterator[tuple[PurePosixPath, bytes]]:
    """Paths and contents of the files of the starter that come from the reference.

    Raises SpecError for a malformed marker, a pattern that matches nothing, and for a file of the
    starter that `[starter]` does not list.
    """
    where, spec = f"{lesson.folder / 'lesson.toml'}: [starter]", lesson.spec.starter
    inside = dict(files_of(lesson.reference))
    for pattern in spec.generated:
        if not any(matches(one, pattern) for one in inside):
            raise SpecError(
                "{where} generates {pattern!r}, but the reference has no such file.",
                where=where,
                pattern=pattern,
            )
    for one, _ in files_of(lesson.template):
        listed = one in inside and any(matches(one, pattern) for pattern in spec.generated)
        if not listed and not any(matches(one, pattern) for pattern in spec.own):
            raise SpecError(
                "{template} is neither generated nor the starter's own; list it in [starter] of "
                "{folder} or delete it.",
                template=lesson.template / one,
                folder=lesson.folder / "lesson.toml",
            )
    for one, path in inside.items():
        if any(matches(one, pattern) for pattern in spec.generated):
            raw = path.read_bytes()
            if path.suffix in _MARKS:
                raw = starter_text(raw.decode("utf-8"), path).encode("utf-8")
            yield one, raw


def shared(lesson: Lesson) -> Iterator[tuple[Path, bytes]]:
    """Files and contents of the reference's copies of folders that `grader new` copies."""
    for place, folder in lesson.given[1:]:
        copies = [path for path in lesson.reference.rglob(place) if path.is_dir()]
        for inside, path in files_of(folder):
            if str(PurePosixPath(place, inside)) not in lesson.spec.starter.solved:
                yield from ((copy / inside, path.read_bytes()) for copy in copies)


def write(lesson: Lesson, *, check: bool = False) -> list[Path]:
    """Write the generated files of the starter and the shared files of the reference.

    Returns those that changed; with `check` nothing is written. Raises SpecError.
    """
    made = [(lesson.template / inside, content) for inside, content in generated(lesson)]
    changed = []
    for path, content in [*made, *shared(lesson)]:
        if path.is_file() and path.read_bytes() == content:
            continue
        changed.append(path)
        if not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    return changed


def solve(lesson: Lesson, folder: Path) -> None:
    """Write the solutions into the files of a project that `grader new` made.

    Files that only the reference has, such as trained models, are not written. Raises SpecError.
    """
    for inside in [*(str(one) for one, _ in generated(lesson)), *lesson.spec.starter.solved]:
        path = lesson.reference / inside
        raw = path.read_bytes()
        if path.suffix in _MARKS:
            raw = solution_text(raw.decode("utf-8"), path).encode("utf-8")
        (folder / inside).write_bytes(raw)


def _side(text: str, path: Path, wanted: str) -> str:
    """The text with one side of every region: SOLUTION or STARTER."""
    kept: list[str] = []
    spare = 0  # blank lines before something left out; they serve for as many after it
    for side, line in _lines(text, path):
        if side not in (None, wanted):
            spare = next((i for i, before in enumerate(reversed(kept)) if before), len(kept))
        elif spare and not line:
            spare -= 1
        else:
            spare = 0
            kept.append(line)
    return "\n".join(kept).rstrip("\n") + "\n"


def _lines(text: str, path: Path) -> Iterator[tuple[str | None, str]]:
    """Every line that is no marker, with the side that it is on; None: on both."""
    mark = re.escape(_MARKS[path.suffix])
    marker_line = re.compile(rf"\s*{mark} ({BEGIN}|{STARTER}|{END})\s*")
    one_line = re.compile(rf"(.*\S)\s+{mark} {SOLUTION}\s*")
    like_a_marker = re.compile(rf"\s*{mark}\W*(BEGIN|END)?\W*({SOLUTION}|{STARTER})S?\W*")
    comment = re.compile(rf"(\s*){mark} ?(.*)")
    last, begun = None, 0
    for number, line in enumerate(text.splitlines(), 1):
        where = f"{path}:{number}"
        if found := marker_line.fullmatch(line):
            marker = found[1]
            if marker not in _NEXT[last]:
                region = f"in the region of line {begun}" if last else "outside of a region"
                expected = " or ".join(_NEXT[last])
                raise SpecError(
                    "{where}: {marker} {region}, expected {expected}.",
                    where=where,
                    marker=marker,
                    region=region,
                    expected=expected,
                )
            begun = number if marker == BEGIN else begun
            last = None if marker == END else marker
        elif like_a_marker.fullmatch(line):
            raise SpecError(
                "{where}: {line!r} is no marker; the markers are {begin}, {starter} and {end} "
                "after a comment mark and a space.",
                where=where,
                line=line.strip(),
                begin=BEGIN,
                starter=STARTER,
                end=END,
            )
        elif last == STARTER:
            found = comment.fullmatch(line)
            if found is None:
                raise SpecError(
                    "{where}: expected a comment with a line of the starter, or {end} for the "
                    "region of line {begun}.",
                    where=where,
                    end=END,
                    begun=begun,
                )
            yield STARTER, (found[1] + found[2]).rstrip()
        elif found := one_line.fullmatch(line):
            yield SOLUTION, found[1]
        else:
            yield (SOLUTION if last == BEGIN else None), line
    if last is not None:
        raise SpecError(
            "{path}:{begun}: {begin} without {end}; close the region.",
            path=path,
            begun=begun,
            begin=BEGIN,
            end=END,
        )


def main() -> int:
    """Write every starter, or solve one that `grader new` made."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=_Raw)
    parser.add_argument("--check", action="store_true", help="write nothing; 1 where some differ")
    parser.add_argument(
        "--solve", nargs=2, metavar=("LESSON", "DIR"), help="write the solutions into DIR instead"
    )
    arguments = parser.parse_args()
    if arguments.solve:
        name, folder = arguments.solve
        solve(loading.load(name), Path(folder))
        return 0
    lessons = [lesson for lesson in loading.every() if lesson.spec.starter.generated]
    changed = [path for one in lessons for path in write(one, check=arguments.check)]
    for path in changed:
        print(f"{path} {'is out of date' if arguments.check else 'written'}")
    return int(arguments.check and bool(changed))


class _Raw(argparse.RawDescriptionHelpFormatter):
    """Keeps the lines of the description."""


if __name__ == "__main__":
    try:
        sys.exit(main())
    except GraderError as error:
        sys.exit(str(error))
