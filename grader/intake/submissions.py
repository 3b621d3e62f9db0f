"""Opens a folder, archive or notebook as a Submission; nothing in it is executed or unpickled."""

from __future__ import annotations

import hashlib
import io
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from grader.intake.archives import require_archive_size, unpack
from grader.intake.candidates import missing, submission_name, wrong_form
from grader.intake.listing import (
    SubmittedFile,
    fingerprint_of,
    fingerprint_of_refused,
    list_files,
    open_file,
    sha256,
)
from grader.intake.members import Damaged, write
from grader.intake.rules import archive_suffix, changed, check_sizes, not_a_file
from grader.lesson.spec import Intake
from grader.text import notebooks
from grader.text.errors import Rejected, UsageError
from grader.text.untrusted import quoted, readable


@dataclass(frozen=True)
class Submission:
    """One student's files, on disk under `root`."""

    name: str
    root: Path
    files: tuple[SubmittedFile, ...]
    fingerprint: str
    """sha256 over paths and contents of a folder's files, or over an archive's bytes."""

    def has(self, path: str) -> bool:
        """True when the file `path` (relative, with forward slashes) was handed in."""
        return self._listed(path) is not None

    def read(self, path: str) -> bytes:
        """Contents of one submitted file.

        Raises Rejected when it was not handed in, has become a link, or has changed since the
        fingerprint was taken.
        """
        listed = self._listed(path)
        if listed is None:
            raise Rejected(missing(path, list(self.files)))
        with open_file(self.root, listed.path) as file:
            contents = b""
            while block := file.read(listed.size + 1 - len(contents)):
                contents += block
        if len(contents) != listed.size or (
            listed.sha256 and hashlib.sha256(contents).hexdigest() != listed.sha256
        ):
            raise Rejected(changed(path))
        return contents

    def _listed(self, path: str) -> SubmittedFile | None:
        wanted = PurePosixPath(path)
        return next((file for file in self.files if file.path == wanted), None)


def listed(folder: Path, rules: Intake, handed_in: Submission) -> Submission:
    """The files in `folder` that running `handed_in` left, as a submission with the same name and
    fingerprint. Raises Rejected when they break a rule."""
    files = list_files(folder, rules, hashed=False)
    return Submission(handed_in.name, folder, tuple(files), handed_in.fingerprint)


@contextmanager
def open_submission(path: Path, rules: Intake, name: str | None = None) -> Iterator[Submission]:
    """The submission at `path`. An archive, also the only file of a folder, is unpacked into a
    folder that is removed on leaving.

    Raises Rejected when it breaks a rule (or `path` is a link), UsageError when nothing is there.
    """
    name = name or submission_name(path)
    with tempfile.TemporaryDirectory(prefix="grader-intake-") as temporary:
        if _kind(path) == "folder":
            files = list_files(path, rules, hashed=True)
            identity, folder = fingerprint_of(files), path
        else:
            folder = Path(temporary) / "submission"
            if _is_notebook(path):
                identity = _take_notebook(path, folder, rules)
            else:
                _require_archive(path, rules)
                with open_file(path.parent, PurePosixPath(path.name)) as raw:
                    identity = _file_fingerprint(raw, path.name)
                    folder.mkdir()
                    unpack(raw, path.name, folder, rules)
            files = list_files(folder, rules, hashed=False)
        wanted = {PurePosixPath(one).name for one in (rules.artefact, *rules.alternatives)}
        inner = files[0].path if len(files) == 1 else PurePosixPath()
        if archive_suffix(inner) and inner.name not in wanted:
            # An archive that is the only file of a folder, as in downloads from an LMS.
            with open_file(folder, inner) as raw:
                if files[0].sha256 not in ("", _file_fingerprint(raw, inner.name)):
                    raise Rejected(changed(inner.name))
                folder = Path(temporary) / "inner"
                folder.mkdir()
                unpack(raw, inner.name, folder, rules)
            files = list_files(folder, rules, hashed=False)
        if len(files) == 1 and files[0].path.suffix.lower() == notebooks.SUFFIX:
            # A notebook that was handed in alone may have any name.
            _take_notebook(folder / files[0].path, Path(temporary) / "alone", rules)
            folder = Path(temporary) / "alone"
            files = list_files(folder, rules, hashed=False)
        root = _find_root(files, rules)
        inside = tuple(
            replace(file, path=file.path.relative_to(root))
            for file in files
            if file.path.is_relative_to(root)
        )
        yield Submission(name, folder / root, inside, identity)


def fingerprint(path: Path, rules: Intake) -> str:
    """sha256 that changes when the submission changes: over the bytes of an archive or notebook, so
    that a rerun need not unpack it; over the paths and contents of a folder's files; over metadata
    if the submission is refused before it is read."""
    if not os.path.lexists(path):
        return hashlib.sha256(b"no file").hexdigest()
    kind = _kind(path)
    try:
        if kind == "folder":
            return fingerprint_of(list_files(path, rules, hashed=True))
        if not _is_notebook(path):
            _require_archive(path, rules)
        with open_file(path.parent, PurePosixPath(path.name)) as raw:
            return _file_fingerprint(raw, path.name)
    except Rejected:
        if kind == "folder":
            return fingerprint_of_refused(path, rules)
        status = path.lstat()
        target = path.readlink() if stat.S_ISLNK(status.st_mode) else ""
        line = f"{status.st_mode}\0{status.st_size}\0{status.st_mtime_ns}\0{target}"
        return hashlib.sha256(readable(line).encode()).hexdigest()


def _kind(path: Path) -> str:
    """`folder`, `link`, `file` or `other`. Raises UsageError when nothing is there."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        raise UsageError("{path} does not exist.", path=path) from None
    if stat.S_ISLNK(mode):
        return "link"
    if stat.S_ISDIR(mode):
        return "folder"
    return "file" if stat.S_ISREG(mode) else "other"


def _is_notebook(path: Path) -> bool:
    """Whether `path` is a notebook that was handed in by itself; it may have any name."""
    return _kind(path) == "file" and path.suffix.lower() == notebooks.SUFFIX


def _take_notebook(path: Path, folder: Path, rules: Intake) -> str:
    """Copy a notebook into a new `folder`, under the expected name; returns its fingerprint."""
    folder.mkdir()
    with open_file(path.parent, PurePosixPath(path.name)) as raw:
        size = os.fstat(raw.fileno()).st_size
        check_sizes(path.name, size, 1, size, rules)
        identity = _file_fingerprint(raw, path.name)
        try:
            write(folder / notebooks.FILE, raw, size)
        except Damaged:
            raise Rejected(changed(path.name)) from None
    return identity


def _require_archive(path: Path, rules: Intake) -> None:
    """Raises Rejected unless `path` is a file with the name of an archive."""
    kind = _kind(path)
    if kind == "link":
        shown = quoted(path.name)
        raise Rejected(
            "{shown} among the submissions is a link and is never followed; put the folder or "
            "archive itself there.",
            shown=shown,
        )
    if kind == "other":
        raise Rejected(not_a_file(path.name))
    if not archive_suffix(path):
        raise Rejected(wrong_form(path, rules.artefact))
    require_archive_size(path.name, path.lstat().st_size, rules)


def _file_fingerprint(raw: io.FileIO, name: str) -> str:
    digest = sha256(raw, name, os.fstat(raw.fileno()).st_size)
    raw.seek(0)
    return digest


def _find_root(files: list[SubmittedFile], rules: Intake) -> PurePosixPath:
    """The folder with the notebook, or otherwise with the artefact: LMS downloads often wrap it in
    one or two folders."""
    named: dict[str, list[PurePosixPath]] = {}
    for name in (notebooks.FILE, rules.artefact, *rules.alternatives):
        parts = PurePosixPath(name).parts
        paths = [file.path.parts for file in files if file.path.parts[-len(parts) :] == parts]
        named[name] = [PurePosixPath(*path[: -len(parts)]) for path in paths]
    # A notebook below the folder of the artefact is just one of its files.
    above = {root for name, roots in named.items() if name != notebooks.FILE for root in roots}
    named[notebooks.FILE] = [
        root for root in named[notebooks.FILE] if above.isdisjoint(root.parents)
    ]
    artefact, roots = next(
        ((name, roots) for name, roots in named.items() if roots), (rules.artefact, [])
    )
    if PurePosixPath() in roots:
        return PurePosixPath()
    if len(roots) == 1:
        return roots[0]
    if not roots:
        raise Rejected(missing(rules.artefact, files))
    places = ", ".join(quoted(root) for root in roots[:3]) + (", ..." if len(roots) > 3 else "")
    raise Rejected(
        "Expected one {artefact}, found {roots_count} (in {places}); keep the one to be graded "
        "and delete the others.",
        artefact=artefact,
        roots_count=len(roots),
        places=places,
    )
