"""`speech-commands-v0.01` and `-v0.02`: Google Speech Commands, keyword "sheila".

One-second recordings at 16 kHz in one folder a word, named `<speaker>_nohash_<index>.wav`,
with the official split in two lists (P. Warden, arXiv:1804.03209, section 7; CC BY 4.0):
`testing_list.txt` is our hidden part, `validation_list.txt` validation, the rest train.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from grader.data import cache, download
from grader.data.dataset import Dataset, Part, Progress
from grader.data.speech.clips import CLIP_SAMPLES, SAMPLE_RATE, ClipSet
from grader.data.speech.recordings import Collection, RecordedData, Recording, require_folder
from grader.text import Text
from grader.text.errors import DataError

KEYWORD = "sheila"
LISTS: dict[Part, str] = {"validation": "validation_list.txt", "hidden": "testing_list.txt"}

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Release:
    """One published archive."""

    version: str
    sha256: str
    """The checksum that torchaudio registers for the same address."""
    megabytes: int
    clips: int
    alias: str | None = None

    @property
    def name(self) -> str:
        return f"speech-commands-{self.version}"

    @property
    def address(self) -> str:
        return _ADDRESS.format(self.version)

    @property
    def remedy(self) -> Text:
        """How to get a file that is missing or damaged."""
        return Text(
            "Download it with `grader data get {name}`, or give a complete copy with --from.",
            name=self.name,
        )


_ADDRESS = "https://storage.googleapis.com/download.tensorflow.org/data/speech_commands_{}.tar.gz"
RELEASES = (
    Release(
        "v0.01",
        sha256="743935421bb51cccdb6bdd152e04c5c70274e935c82119ad7faeec31780d811d",
        megabytes=1_489,
        clips=64_721,
        alias="speech-commands",
    ),
    Release(
        "v0.02",
        sha256="af14739ee7dc311471de98f5f9d2c9191b18aedfe957f4a6ff791c709868ff58",
        megabytes=2_429,
        clips=105_829,
    ),
)


def collect(release: Release, source: Path, progress: Progress | None = None) -> Collection:
    """The recordings of an archive, or of a folder in its layout; a copy with fewer clips will do.

    Raises DataError when the folder or a split list is missing, or it holds no recordings.
    """
    if source.is_file():
        source = _unpacked(release.name, source, progress)
    how = release.remedy
    require_folder(source, release.name, how)
    parts = {path: part for part in LISTS for path in _listed(source, part, how)}
    recordings = tuple(_recordings(source, parts))
    if not recordings:
        raise DataError(
            "{source} holds no recording of Speech Commands, such as "
            "sheila/<speaker>_nohash_0.wav. {how}",
            source=source,
            how=how,
        )
    found = sum(recording.part != "train" for recording in recordings)
    if found < len(parts):
        _log.warning(
            "%s is a partial copy: %s of the %s clips in its split lists are there, so figures "
            "do not compare with those of the whole set",
            source,
            f"{found:,}",
            f"{len(parts):,}",
        )
    return Collection(
        name=release.name,
        folder=source,
        keyword=KEYWORD,
        sample_rate=SAMPLE_RATE,
        recordings=recordings,
        fit=lambda samples, _path: np.pad(
            samples[:CLIP_SAMPLES], (0, max(CLIP_SAMPLES - len(samples), 0))
        ),
        settings="speech-commands 1",
        remedy=how,
    )


def _download(release: Release, progress: Progress | None) -> Path:
    """The folder with the archive's files, in the cache."""
    folder = cache.sources_folder() / release.name
    with cache.locked(folder, progress):
        if not folder.exists():
            archive = folder.with_name(f"{release.name}.tar.gz")
            if not archive.exists():
                download.fetch(release.address, archive, release.sha256, progress=progress)
            download.unpack(archive, folder, progress)
            archive.unlink()
    return folder


def _unpacked(name: str, archive: Path, progress: Progress | None) -> Path:
    """A folder in the cache with the files of somebody's own copy of an archive."""
    stat = archive.stat()
    identity = f"{archive.resolve()} {stat.st_size} {stat.st_mtime_ns}"
    digest = hashlib.sha256(identity.encode()).hexdigest()[:12]
    folder = cache.sources_folder() / f"{name}-{digest}"
    with cache.locked(folder, progress):
        if not folder.exists():
            download.unpack(archive, folder, progress)
    return folder


def _listed(folder: Path, part: Part, how: Text) -> list[str]:
    path = folder / LISTS[part]
    try:
        return path.read_text(encoding="utf-8").split()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            "{path}, the official list of {part} clips, is missing or unreadable. {how}",
            path=path,
            part=part,
            how=how,
        ) from error


def _recordings(folder: Path, parts: Mapping[str, Part]) -> Iterator[Recording]:
    """All clips by path; folders such as _background_noise_ hold no words."""
    for word in sorted(folder.iterdir()):
        if word.is_dir() and not word.name.startswith(("_", ".")):
            for clip in sorted(word.iterdir()):
                if clip.suffix == ".wav" and not clip.name.startswith("."):
                    path = f"{word.name}/{clip.name}"
                    speaker = clip.stem.split("_nohash_")[0]
                    yield Recording(path, word.name, speaker, parts.get(path, "train"))


def _dataset(release: Release) -> Dataset[ClipSet]:
    recorded = RecordedData(
        release.name,
        release.remedy,
        collect=lambda source, _settings, progress: collect(release, source, progress),
        download=partial(_download, release),
    )
    return Dataset(
        name=release.name,
        holds=ClipSet,
        title=Text("Google Speech Commands {version}, real recordings", version=release.version),
        keyword=KEYWORD,
        license="CC BY 4.0",
        size=Text(
            "{clips:,} clips, {megabytes:.1f} GB to download",
            clips=release.clips,
            megabytes=release.megabytes / 1000,
        ),
        address=release.address,
        alias=release.alias,
        load=recorded.load,
        prepare=recorded.prepare,
        is_prepared=recorded.is_prepared,
    )


DATASETS = tuple(_dataset(release) for release in RELEASES)
