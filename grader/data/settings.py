"""Everything that decides what `speech-synthetic` sounds like, in one place."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace

from grader.data.clips import PARTS, Part
from grader.errors import UsageError
from grader.text import Text

NEGATIVES_PER_POSITIVE = 3


@dataclass(frozen=True)
class Size:
    """How many clips with the keyword and how many without."""

    positives: int
    negatives: int

    @property
    def clips(self) -> int:
        return self.positives + self.negatives


@dataclass(frozen=True)
class SyntheticSettings:
    """A lesson may change these; each combination has a cache entry of its own."""

    train: Size = Size(2_500, 9_500)
    validation: Size = Size(1_500, 4_500)
    hidden: Size = Size(4_000, 12_000)
    """With 200 positives the interval of AU-FA-FR is as wide as the value; see docs/data.md."""

    keyword: str = "sheila"
    snr_db: tuple[float, float] = (5.0, 35.0)
    """Signal-to-noise ratio, uniform in decibels: hard enough that the seminar's baseline makes
    errors (AU-FA-FR around 3e-5), easy enough that a much smaller student can match it."""
    level_dbfs: tuple[float, float] = (-35.0, -15.0)
    """RMS of the word, uniform in decibels below full scale."""
    pitch: tuple[int, int] = (25, 75)
    inflection: tuple[int, int] = (30, 70)
    """Both on eSpeak's scale, 50 is the voice's own."""
    rate_wpm: tuple[int, int] = (110, 190)

    shard: int = 2_000
    """Clips spoken by one fresh process; part of the data, since eSpeak remembers."""
    version: int = 2
    """Raise it when the code changes what comes out."""

    def __post_init__(self) -> None:
        for part in PARTS:
            size = self.size(part)
            if size.positives < 1 or size.negatives < 1:
                raise UsageError(
                    Text(
                        en=f"The {part} part of speech-synthetic needs clips with and without the "
                        f"keyword, got {size.positives} and {size.negatives}.",
                        ru=f"В части {part} набора speech-synthetic нужны клипы с ключевым словом "
                        f"и без него, задано {size.positives} и {size.negatives}.",
                    )
                )

    def size(self, part: Part) -> Size:
        size: Size = getattr(self, part)
        return size

    def with_positives(self, part: Part, positives: int) -> SyntheticSettings:
        """The same with `positives` in one part, and three times as many negatives."""
        values = {name: self.size(name) for name in PARTS}
        values[part] = Size(positives, NEGATIVES_PER_POSITIVE * positives)
        return replace(
            self,
            train=values["train"],
            validation=values["validation"],
            hidden=values["hidden"],
        )

    def for_part(self, part: Part) -> dict[str, object]:
        """What the clips of one part depend on: plain data, to be hashed and stored."""
        values = asdict(self)
        for other in PARTS:
            del values[other]
        return values | {"part": part, **asdict(self.size(part))}
