"""Fetching published files over connections that break, and unpacking archives safely."""

from __future__ import annotations

import http.client
import logging
import shutil
import tarfile
import time
import urllib.error
import urllib.request
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

from grader.data import cache
from grader.data.dataset import Progress
from grader.text import Text
from grader.text.errors import DataError, UsageError

DOWNLOADING = Text("downloading (bytes)")
UNPACKING = Text("unpacking (bytes)")

_BLOCK = 1 << 20
_TEMPORARY = {408, 425, 429, 500, 502, 503, 504}
"""HTTP errors that a later attempt may not meet."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Retries:
    """How long a download is tried; each attempt continues where the last one broke off."""

    attempts: int = 6
    """Attempts in a row without a new byte before giving up."""
    pause_seconds: float = 2.0
    """Before the second attempt; doubles each time."""
    timeout_seconds: float = 30.0
    """Without an answer or a byte."""


@dataclass(frozen=True)
class PublishedFiles:
    """A data set that is a few small files, kept in `<cache>/sources/<name>/`."""

    name: str
    url: str
    """Address of the folder with the files; it ends with a slash."""
    sha256: Mapping[str, str]
    """Checksums by file name."""
    remedy: Text
    """How to get a file that is missing or damaged."""
    optional: tuple[str, ...] = ()
    """Files that a copy may lack."""

    @property
    def folder(self) -> Path:
        return cache.sources_folder() / self.name

    @property
    def required(self) -> tuple[str, ...]:
        return tuple(name for name in self.sha256 if name not in self.optional)

    def are_here(self) -> bool:
        """True when `path` needs no source."""
        return all((self.folder / name).is_file() for name in self.required)

    def path(self, name: str, source: Path | None = None) -> Path:
        """A file in `source` or in the cache. Raises DataError when it is missing."""
        folder = source or self.folder
        if not (folder / name).is_file():
            raise DataError(
                "{name} is not in {folder}: {name2} is missing. {remedy}",
                name=self.name,
                folder=folder,
                name2=name,
                remedy=self.remedy,
            )
        return folder / name

    def get(
        self, source: Path | None, progress: Progress | None, check: Callable[[Path], object]
    ) -> None:
        """Download the files into the cache, or copy them from `source`.

        Nothing is replaced unless `check` accepts each required file of the copy; it raises
        DataError for a damaged one, as `get` does for one that is missing.
        """
        with cache.locked(self.folder, progress):
            self.folder.mkdir(parents=True, exist_ok=True)
            if source is None:
                for name, sha256 in self.sha256.items():
                    target = self.folder / name
                    if not target.exists() or _sha256(target) != sha256:
                        fetch(self.url + name, target, sha256, progress=progress)
                return
            for name in self.required:
                check(self.path(name, source))
            for name, sha256 in self.sha256.items():
                path = source / name
                if name in self.optional and not path.is_file():
                    continue
                if _sha256(path) != sha256:
                    _log.warning("%s is not the published file, so figures will not compare.", path)
                partial = self.folder / f".{name}.partial"
                shutil.copyfile(path, partial)
                partial.replace(self.folder / name)


def fetch(
    address: str,
    target: Path,
    sha256: str,
    *,
    progress: Progress | None = None,
    retries: Retries | None = None,
) -> None:
    """Download to `target`, which appears only when it is complete and its sha256 right.

    What was received is kept in `target` + ".part": an interrupted download goes on from
    there, also in another process, where the server understands Range requests, and starts
    again where it does not. Raises DataError that names the address and what happened.
    """
    retries = retries or Retries()
    part = target.with_name(target.name + ".part")
    target.parent.mkdir(parents=True, exist_ok=True)
    resumed = part.exists()
    _receive(address, part, progress, retries)
    if resumed and _sha256(part) != sha256:
        # An old beginning and a new end may not belong together.
        part.unlink()
        _receive(address, part, progress, retries)
    found = _sha256(part)
    if found != sha256:
        part.unlink()
        raise DataError(
            "{address} arrived with the wrong content (sha256 {found}, expected {sha256}); try "
            "again, or give a copy with --from.",
            address=address,
            found=found,
            sha256=sha256,
        )
    part.replace(target)


def unpack(archive: Path, folder: Path, progress: Progress | None = None) -> None:
    """Unpack a `.tar.gz` (or other tar) so that `folder` is complete or absent.

    Links and paths that lead out of the folder are refused (tarfile's "data" filter).
    Raises DataError that names the archive.
    """
    if not hasattr(tarfile, "data_filter"):
        raise UsageError(
            "Unpacking safely needs Python 3.11.4 or newer; update Python, or unpack {archive} "
            "by hand and give the folder with --from.",
            archive=archive,
        )
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    total = archive.stat().st_size
    try:
        with archive.open("rb") as raw, tarfile.open(fileobj=raw) as tar:
            for number, member in enumerate(tar):
                tar.extract(member, partial, filter="data")
                if progress and number % 500 == 0:
                    progress(min(raw.tell(), total), total, UNPACKING)
    except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
        shutil.rmtree(partial, ignore_errors=True)
        raise DataError(
            "{archive} cannot be unpacked ({error}); delete it and download it again.",
            archive=archive,
            error=error,
        ) from error
    inner = list(partial.iterdir())
    only = inner[0] if len(inner) == 1 and inner[0].is_dir() else partial
    only.rename(folder)
    shutil.rmtree(partial, ignore_errors=True)


def _receive(address: str, part: Path, progress: Progress | None, retries: Retries) -> None:
    """Attempt after attempt until the file is complete."""
    failures = 0
    while True:
        before = _size(part)
        try:
            if _attempt(address, part, progress, retries.timeout_seconds):
                return
            what = "the connection broke off"
        except urllib.error.HTTPError as error:
            what = f"HTTP {error.code} {error.reason}"
            if error.code not in _TEMPORARY:
                raise _failed(address, what) from error
        except (urllib.error.URLError, http.client.HTTPException, OSError, ValueError) as error:
            if isinstance(error, OSError) and error.filename is not None:  # the disk failed
                raise DataError(
                    "{part} cannot be written ({strerror}); make room or change its permissions.",
                    part=part,
                    strerror=error.strerror,
                ) from error
            what = str(getattr(error, "reason", error)) or type(error).__name__
        failures = failures + 1 if _size(part) <= before else 1
        if failures >= retries.attempts:
            raise _failed(address, what)
        time.sleep(retries.pause_seconds * 2 ** (failures - 1))


def _attempt(address: str, part: Path, progress: Progress | None, timeout: float) -> bool:
    """One request; True when all bytes are there."""
    have = _size(part)
    headers = {"Accept-Encoding": "identity", "User-Agent": "small-fast-nets"}
    if have:
        headers["Range"] = f"bytes={have}-"
    request = urllib.request.Request(address, headers=headers)
    try:
        response = urllib.request.urlopen(request, timeout=timeout)
    except urllib.error.HTTPError as error:
        if error.code != HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            raise
        if error.headers.get("Content-Range", "").endswith(f"/{have}"):
            return True  # nothing was missing
        part.unlink()
        return False
    with response:
        span = response.headers.get("Content-Range", "")
        if response.status != HTTPStatus.PARTIAL_CONTENT or not span.startswith(f"bytes {have}-"):
            have = 0
        length = response.headers.get("Content-Length")
        total = have + int(length) if length is not None else None
        if total is not None:
            cache.require_space(part.parent, total - have)
        with part.open("ab" if have else "wb") as file:
            while block := response.read(_BLOCK):
                file.write(block)
                have += len(block)
                if progress:
                    progress(have, total or have, DOWNLOADING)
    return total is None or have >= total


def _failed(address: str, what: str) -> DataError:
    return DataError(
        "{address} cannot be downloaded: {what}. Try again later, which continues where it broke "
        "off, or give a copy with --from.",
        address=address,
        what=what,
    )


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _sha256(path: Path) -> str:
    return cache.FileSum.of(path).sha256
