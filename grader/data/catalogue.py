"""What data sets there are."""

from __future__ import annotations

from dataclasses import dataclass

from grader.data import fsdd, prepared, speech_commands, synthetic
from grader.data.settings import SyntheticSettings
from grader.text import Text


@dataclass(frozen=True)
class DatasetInfo:
    """One row of `grader data list`."""

    name: str
    title: Text
    keyword: str
    licence: str
    size: Text
    address: str
    """Where it is from: a download, or the program that makes it."""
    needs_download: bool
    prepared: bool
    """True when it can be loaded at once."""


def catalogue() -> list[DatasetInfo]:
    """All data sets; the first needs nothing."""
    settings = SyntheticSettings()
    total = settings.train.clips + settings.validation.clips + settings.hidden.clips
    return [
        DatasetInfo(
            name=synthetic.NAME,
            title=Text(
                en="30 command words by eSpeak NG voices, with noise (built in)",
                ru="30 слов-команд голосами eSpeak NG, с шумом (встроенный)",
            ),
            keyword=settings.keyword,
            licence="made on this machine by eSpeak NG (GPL-3.0), no rights in the sound",
            size=Text(en=f"{total:,} clips", ru=f"{total:,} клипов"),
            address="https://github.com/espeak-ng/espeak-ng",
            needs_download=False,
            prepared=synthetic.is_cached("train", settings)
            and synthetic.is_cached("validation", settings),
        ),
        *(
            DatasetInfo(
                name=release.name,
                title=Text(
                    en=f"Google Speech Commands {release.name[-5:]}, real recordings",
                    ru=f"Google Speech Commands {release.name[-5:]}, живые записи",
                ),
                keyword=speech_commands.KEYWORD,
                licence="CC BY 4.0",
                size=Text(
                    en=f"{release.clips:,} clips, {release.megabytes / 1000:.1f} GB to download",
                    ru=f"{release.clips:,} клипов, загрузка {release.megabytes / 1000:.1f} ГБ",
                ),
                address=release.address,
                needs_download=True,
                prepared=prepared.is_prepared(release.name),
            )
            for release in speech_commands.RELEASES.values()
        ),
        DatasetInfo(
            name=fsdd.NAME,
            title=Text(
                en="Free Spoken Digit Dataset, real recordings",
                ru="Free Spoken Digit Dataset, живые записи",
            ),
            keyword=fsdd.KEYWORD,
            licence="CC BY-SA 4.0",
            size=Text(en="3,000 clips, 20 MB", ru="3,000 клипов, 20 МБ"),
            address=fsdd.ADDRESS,
            needs_download=True,
            prepared=prepared.is_prepared(fsdd.NAME),
        ),
    ]
