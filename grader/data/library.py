"""Loading and preparing any data set by its name: clips with `load`, chats with `load_pairs`,
posts with `load_posts`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from grader.data import prepared, store
from grader.data.speech import fsdd, speech_commands, synthetic
from grader.data.speech.clips import PARTS, ClipSet, Part, Progress
from grader.data.speech.fsdd import FsddSettings
from grader.data.speech.settings import SyntheticSettings
from grader.data.text import chat_synthetic, posts_synthetic, rusentiment, tinychat
from grader.data.text.chat import PairSet
from grader.data.text.chat_synthetic import ChatSettings
from grader.data.text.posts import PostSet
from grader.data.text.posts_synthetic import PostSettings
from grader.text import Text
from grader.text.errors import UsageError

ALIASES = {"speech-commands": "speech-commands-v0.01"}

CHATS = (chat_synthetic.NAME, tinychat.NAME)
POSTS = (posts_synthetic.NAME, rusentiment.NAME)

Settings = SyntheticSettings | FsddSettings


def load(
    name: str,
    part: Part,
    *,
    source: Path | None = None,
    seed: str | None = None,
    settings: Settings | None = None,
    progress: Progress | None = None,
) -> ClipSet:
    """One part of a data set, from the cache or prepared now.

    `source`: a folder (or an archive of Speech Commands) to read a recorded data set from;
    not needed once `get` has prepared it. `seed`: the instructor's secret, for the hidden part
    of speech-synthetic (see `hidden_seed`). `settings` of another data set are not looked at,
    so a lesson may always pass its own.

    Raises UsageError for an unknown name or part or a missing seed, DataError for data that is
    missing or damaged.
    """
    name = _known(name)
    if part not in PARTS:
        raise _unknown("part", "часть", str(part), PARTS)
    if name != synthetic.NAME:
        chosen = settings if isinstance(settings, FsddSettings) else None
        return prepared.open_part(name, part, source, chosen, progress)
    _refuse_source(name, source)
    if part == "hidden" and not seed:
        raise _needs_seed(name)
    wanted = settings if isinstance(settings, SyntheticSettings) else SyntheticSettings()
    entropy = synthetic.entropy(part, seed)
    return store.open_or_build(
        name,
        part,
        wanted.keyword,
        synthetic.cache_key(part, wanted, entropy),
        partial(
            synthetic.build, part=part, settings=wanted, seed_entropy=entropy, progress=progress
        ),
        progress,
    )


def load_pairs(
    name: str,
    part: Part,
    *,
    source: Path | None = None,
    seed: str | None = None,
    settings: ChatSettings | None = None,
) -> PairSet:
    """One part of a chat data set; arguments and errors as those of `load`."""
    if name not in CHATS:
        raise _unknown("chat data set", "набор диалогов", name, CHATS)
    if part not in PARTS:
        raise _unknown("part", "часть", str(part), PARTS)
    if name == tinychat.NAME:
        return tinychat.load(part, source)
    _refuse_source(name, source)
    if part == "hidden" and not seed:
        raise _needs_seed(name)
    return chat_synthetic.load(part, seed, settings)


def load_posts(
    name: str,
    part: Part,
    *,
    source: Path | None = None,
    seed: str | None = None,
    settings: PostSettings | None = None,
    progress: Progress | None = None,
) -> PostSet:
    """One part of a set of posts; arguments and errors as those of `load`.

    The hidden part of rusentiment is its published test set.
    """
    if name not in POSTS:
        raise _unknown("set of posts", "набор постов", name, POSTS)
    if part not in PARTS:
        raise _unknown("part", "часть", str(part), PARTS)
    if name == rusentiment.NAME:
        return rusentiment.load(part, source)
    _refuse_source(name, source)
    if part == "hidden" and not seed:
        raise _needs_seed(name)
    return posts_synthetic.load(part, seed, settings, progress)


def get(
    name: str, source: Path | None = None, progress: Progress | None = None
) -> Mapping[Part, ClipSet | PairSet | PostSet]:
    """Prepare a data set: synthesise it, download it, or take it from `source`.

    Returns its parts (without the hidden one of a synthetic set, which takes a seed); `load`,
    `load_pairs` or `load_posts` finds them without a source afterwards. Raises as `load` does.
    """
    public: tuple[Part, ...] = ("train", "validation")
    if name == tinychat.NAME:
        tinychat.get(source, progress)
        return {part: tinychat.load(part) for part in PARTS}
    if name == chat_synthetic.NAME:
        return {part: load_pairs(name, part, source=source) for part in public}
    if name == rusentiment.NAME:
        rusentiment.get(source, progress)
        return {part: rusentiment.load(part) for part in PARTS}
    if name == posts_synthetic.NAME:
        return {part: load_posts(name, part, source=source, progress=progress) for part in public}
    name = _known(name)
    if name != synthetic.NAME:
        return prepared.prepare(name, source, progress)
    _refuse_source(name, source)
    return {part: load(name, part, progress=progress) for part in public}


def _known(name: str) -> str:
    name = ALIASES.get(name, name)
    names = (synthetic.NAME, *prepared.names())
    if name not in names:
        names += CHATS + POSTS
        raise _unknown("data set", "набор данных", name, names)
    return name


def _needs_seed(name: str) -> UsageError:
    return UsageError(
        Text(
            en=f"The hidden part of {name} needs the instructor's seed, and none is given.",
            ru=f"Скрытая часть {name} строится из секретного зерна преподавателя, а оно не задано.",
        )
    )


def _refuse_source(name: str, source: Path | None) -> None:
    if source is not None:
        raise UsageError(
            Text(
                en=f"{name} is built in; leave out --from.",
                ru=f"{name} — встроенный набор; уберите --from.",
            )
        )


def _unknown(en: str, ru: str, found: str, known: tuple[str, ...]) -> UsageError:
    listed = ", ".join(known)
    return UsageError(
        Text(
            en=f"Unknown {en} {found!r}; known are {listed}.",
            ru=f"Неизвестно, что такое {ru} {found!r}; есть {listed}.",
        )
    )


# What data sets there are.


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
