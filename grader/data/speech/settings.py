"""Everything that decides what `speech-synthetic` sounds like, in one place."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace

import numpy as np
from numpy.typing import NDArray

from grader.data.speech.clips import PARTS, Part
from grader.text import Text
from grader.text.errors import UsageError

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


# Who speaks: eSpeak NG's English accents and voice variants, and which part each belongs to.
#
# A variant (formants, pitch, breath, ...) is what makes one eSpeak speaker sound unlike
# another; an accent changes how the words are pronounced. So the variant is the speaker, the
# parts share no variant, and every variant speaks all accents.
#
# The 105 variants of eSpeak NG 1.52 were compared pairwise: mean absolute difference of
# level-normalised log-mels over four words, in natural-log units (median over all pairs 2.1).
#
# - `fast` changes only the speed of the default voice: not a voice of its own, left out.
# - `Gene2, benjamin, edward2, klatt5, klatt6, steph2, steph3` lie within 0.3 of `Gene, adam,
#   adam, klatt4, adam, steph, steph`, which stay: left out.
# - What is left lies at least 0.9 from every voice of another part. Close relatives (the
#   `robosoft` and `iven` families, the two whispers, ...) are together in train.
# - All of them can be understood: the seminar's baseline, trained on the train voices, tells the
#   keyword from the other words of every single voice with an AUC above 0.98. Validation has
#   harder and easier ones in about the shares of hidden, so that its AU-FA-FR is a fair guide.
#
# `distance` is that comparison; a test repeats it.


ACCENTS = (
    "en",
    "en-us",
    "en-029",
    "en-gb-scotland",
    "en-gb-x-rp",
    "en-gb-x-gbclan",
    "en-gb-x-gbcwmd",
    "en-us-nyc",
)
"""`en-gb` has no file of its own (it is `en`) and fails with a variant; `en-shaw` is `en`
in another alphabet."""

VARIANTS: dict[Part, tuple[str, ...]] = {
    "train": (
        *("Alex", "Andy", "AnxiousAndy", "Demonic", "Denis", "Diogo", "Henrique", "Hugo"),
        *("Mario", "Michael", "Mike", "Mr serious", "Nguyen", "Reed", "RicishayMax"),
        *("RicishayMax2", "RicishayMax3", "Tweaky", "UniRobot", "adam", "anika", "anikaRobot"),
        *("croak", "edward", "grandpa", "gustave", "ian", "iven", "iven2", "iven3", "iven4"),
        *("john", "klatt", "klatt2", "klatt3", "klatt4", "m1", "m3", "m4", "m5", "m6", "m7"),
        *("marcelo", "max", "michel", "miguel", "mike2", "paul", "robosoft", "robosoft2"),
        *("robosoft3", "robosoft4", "robosoft5", "robosoft6", "robosoft7", "robosoft8"),
        *("steph", "victor", "whisper", "whisperf"),
    ),
    "validation": (
        *("Alicia", "Annie", "Lee", "Marco", "belinda", "f1", "f2", "f5", "m8", "pedro"),
        *("shelby", "travis"),
    ),
    "hidden": (
        *("Andrea", "Gene", "Jacky", "Storm", "announcer", "antonio", "aunty", "boris"),
        *("caleb", "david", "ed", "f3", "f4", "grandma", "kaukovalta", "linda", "m2"),
        *("norbert", "pablo", "quincy", "rob", "robert", "sandro", "zac"),
    ),
}

COMPARED_WORDS = ("sheila", "house", "five", "zero")
_COMPARED_FRAMES = 40


def distance(a: list[NDArray[np.float32]], b: list[NDArray[np.float32]]) -> float:
    """How unlike two voices are, from log-mels (40, frames) of the same words.

    Both are stretched to 40 frames; the result is their mean absolute difference.
    """
    pairs = zip(a, b, strict=True)
    return float(np.mean([np.abs(_stretch(x) - _stretch(y)).mean() for x, y in pairs]))


def _stretch(mel: NDArray[np.float32]) -> NDArray[np.float32]:
    return mel[:, np.linspace(0, mel.shape[1] - 1, _COMPARED_FRAMES).round().astype(int)]
