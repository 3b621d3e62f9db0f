"""What data sets there are."""

from __future__ import annotations

from dataclasses import dataclass

from grader.data import (
    chat_synthetic,
    fsdd,
    posts_synthetic,
    prepared,
    rusentiment,
    speech_commands,
    synthetic,
    tinychat,
)
from grader.data.chat_synthetic import ChatSettings
from grader.data.posts_synthetic import PostSettings
from grader.data.settings import SyntheticSettings
from grader.text import Text


@dataclass(frozen=True)
class DatasetInfo:
    """One row of `grader data list`."""

    name: str
    title: Text
    keyword: str
    """What is to be heard; empty where nothing is heard."""
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
        DatasetInfo(
            name=chat_synthetic.NAME,
            title=Text(
                en="short questions and answers made from templates (built in)",
                ru="короткие реплики и ответы по шаблонам (встроенный)",
            ),
            keyword="",
            licence="made on this machine, no rights in it",
            size=Text(
                en=f"{_queries(ChatSettings()):,} queries",
                ru=f"{_queries(ChatSettings()):,} запросов",
            ),
            address=chat_synthetic.__name__,
            needs_download=False,
            prepared=True,
        ),
        DatasetInfo(
            name=tinychat.NAME,
            title=Text(
                en="query|reply pairs of Z80-uLM's tinychat, and its network",
                ru="пары «запрос|ответ» чат-бота tinychat из Z80-uLM и его сеть",
            ),
            keyword="",
            licence="MIT or Apache-2.0",
            size=Text(en="3,002 pairs, 0.2 MB", ru="3,002 пары, 0,2 МБ"),
            address=tinychat.ADDRESS,
            needs_download=True,
            prepared=tinychat.is_prepared(),
        ),
        DatasetInfo(
            name=posts_synthetic.NAME,
            title=Text(
                en="Russian posts in five classes of sentiment, made from templates (built in)",
                ru="русские посты пяти классов тональности, по шаблонам (встроенный)",
            ),
            keyword="",
            licence="made on this machine, no rights in it",
            size=Text(
                en=f"{_posts(PostSettings()):,} posts",
                ru=f"{_posts(PostSettings()):,} постов",
            ),
            address=posts_synthetic.__name__,
            needs_download=False,
            prepared=posts_synthetic.is_cached("train") and posts_synthetic.is_cached("validation"),
        ),
        DatasetInfo(
            name=rusentiment.NAME,
            title=Text(
                en="RuSentiment: posts of VKontakte, labelled by people",
                ru="RuSentiment: посты из ВКонтакте, размеченные людьми",
            ),
            keyword="",
            licence="CC BY-NC-SA 4.0, for evaluation only",
            size=Text(en="31,185 posts, 4.8 MB", ru="31,185 постов, 4,8 МБ"),
            address=rusentiment.ADDRESS,
            needs_download=True,
            prepared=rusentiment.is_prepared(),
        ),
    ]


def _posts(settings: PostSettings) -> int:
    return settings.train + settings.validation + settings.hidden


def _queries(settings: ChatSettings) -> int:
    return settings.train + settings.validation + settings.hidden
