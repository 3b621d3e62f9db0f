"""Loading and preparing any data set by its name."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from grader.data import prepared, store, synthetic
from grader.data.clips import PARTS, ClipSet, Part, Progress
from grader.data.fsdd import FsddSettings
from grader.data.settings import SyntheticSettings
from grader.errors import UsageError
from grader.text import Text

ALIASES = {"speech-commands": "speech-commands-v0.01"}

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
    _refuse_source(source)
    if part == "hidden" and not seed:
        raise UsageError(
            Text(
                en=f"The hidden part of {name} needs the instructor's seed, and none is given.",
                ru=f"Скрытая часть {name} строится из секретного зерна преподавателя, а оно не "
                "задано.",
            )
        )
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


def get(
    name: str, source: Path | None = None, progress: Progress | None = None
) -> dict[Part, ClipSet]:
    """Prepare a data set: synthesise it, download it, or take it from `source`.

    Returns its parts (without the hidden one of speech-synthetic, which takes a seed); `load`
    finds them without a source afterwards. Raises as `load` does.
    """
    name = _known(name)
    if name != synthetic.NAME:
        return prepared.prepare(name, source, progress)
    _refuse_source(source)
    public: tuple[Part, ...] = ("train", "validation")
    return {part: load(name, part, progress=progress) for part in public}


def _known(name: str) -> str:
    name = ALIASES.get(name, name)
    names = (synthetic.NAME, *prepared.names())
    if name not in names:
        raise _unknown("data set", "набор данных", name, names)
    return name


def _refuse_source(source: Path | None) -> None:
    if source is not None:
        raise UsageError(
            Text(
                en=f"{synthetic.NAME} is built in; leave out --from.",
                ru=f"{synthetic.NAME} — встроенный набор; уберите --from.",
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
