"""Ranks all pairs of a class by one number, and lists what the first pairs have in common.

Each detector places a pair between what is usual for independent work, 0, and equality, 1. What is
usual comes from the rest of the class and from measurements on independent work. The number of a
pair,

    number = 1 - (1 - code) (1 - weights) (1 - mistakes)

is high if one detector is high, and higher if several are. It is not a probability.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from statistics import NormalDist

import msgspec
import numpy as np
from numpy.typing import NDArray

from grader.lesson.loading import Lesson
from grader.similarity import behaviour, code, evidence, weights
from grader.similarity.behaviour import Agreement, beyond_class, median_of_pairs
from grader.similarity.code import Hashes, Passage
from grader.similarity.weights import Key, LessonTensors, Match

USUAL_CODE = 0.2
USUAL_AGREEMENT = 0.5
"""Similarities that independent work reaches, for classes too small to show it; measured by
benchmarks/similarity_trained.py, see docs/similarity.md."""
LEAST = 0.1
"""The smallest number of a pair that is listed."""
MOST_PASSAGES = 8
MOST_LINES = 32
MOST_CHARACTERS = 200
"""Of a line of a passage."""
TOP = 50
NORMAL_95 = 1.96
CHUNK = 16
"""Number of files that a process reads at a time."""

Progress = Callable[[int, int], None]


class Shared(msgspec.Struct, frozen=True):
    """A common passage with its text: at most MOST_LINES lines of each side."""

    passage: Passage
    text_a: list[str]
    text_b: list[str]


class Mistakes(msgspec.Struct, frozen=True):
    """The wrong answers of two submissions."""

    a: int
    b: int
    shared: int
    """Number of items that both answered wrong in the same way."""
    agreement: float
    """0 by chance, 1 if all mistakes of one are the other's too."""
    interval: tuple[float, float]
    """The 95% interval of the agreement."""


class Pair(msgspec.Struct, frozen=True):
    """Two submissions and how alike they are."""

    a: str
    b: str
    number: float
    code: float
    weights: float
    mistakes: float
    code_similarity: float
    """Before the comparison with the class."""
    equal_files: list[str] = []
    """The first submission's own files that the second has too, byte for byte."""
    passages: list[Shared] = []
    more_passages: int = 0
    tensors: list[Match] = []
    answers: Mistakes | None = None
    """None if the submissions cannot be compared by their mistakes."""


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """The contents of `similar.json`."""

    schema: int = 1
    lesson: str
    compared: int
    without: list[str]
    """Submissions without evidence: not opened, or graded by an earlier version."""
    pairs_in_all: int
    pairs_listed: int
    """Number of pairs with a number of at least LEAST; `pairs` has the first of them."""
    together: int
    """Number of pairs left out because they are one student's or one group's."""
    as_given: int
    """Number of pairs left out because both have the template's code unchanged."""
    with_code: int
    with_weights: int
    with_mistakes: int
    usual_code: float | None
    """Median similarity of all pairs, None for fewer than three submissions. If it is high, the
    whole class is alike, and `pairs` are those that are even more alike."""
    usual_agreement: float | None
    pairs: list[Pair]


@dataclass(frozen=True)
class Features:
    """The part of a submission's evidence that is in memory during the comparison."""

    path: Path
    name: str
    prints: Hashes
    tensors: dict[Key, weights.Sketch]
    items: str
    mistakes: NDArray[np.uint8]
    as_given: bool
    """True if the template's code was handed in unchanged."""


@dataclass(frozen=True)
class Scores:
    """(n, n) each; all but `code` and `agreement` are relative to what is usual."""

    code: NDArray[np.float32]
    code_beyond: NDArray[np.float32]
    weights: NDArray[np.float32]
    agreement: Agreement
    mistakes_beyond: NDArray[np.float32]
    excluded: NDArray[np.bool_]

    def numbers(self) -> NDArray[np.float32]:
        """(n, n), the number of every pair; 0 below the diagonal and for excluded pairs."""
        left = (1 - self.code_beyond) * (1 - self.weights) * (1 - self.mistakes_beyond)
        found = np.triu(1 - left, 1)
        found[self.excluded] = 0
        return found


def compare(
    paths: Sequence[Path],
    lesson: Lesson,
    *,
    names: Iterable[str] = (),
    students: Mapping[str, Sequence[str]] | None = None,
    top: int = TOP,
    jobs: int = 1,
    progress: Progress | None = None,
) -> Comparison:
    """Compare the submissions with evidence at `paths`. `names` are all graded submissions,
    `students` those of each submission: two submissions of one student are no pair."""
    given = [folder for _, folder in lesson.given]
    common = code.common_to_all(given, sorted(lesson.folder.glob("*.md")))
    known = LessonTensors.of_folders((lesson.template, lesson.folder))
    read = partial(_read, lesson=lesson.name, common=common, known=known)
    features: list[Features] = []
    for number, one in enumerate(_map(read, paths, jobs), 1):
        if one is not None:
            features.append(one)
        if progress is not None:
            progress(number, len(paths))
    scores = score(features, known, students or {})
    numbers = scores.numbers()
    listed = int(np.count_nonzero(numbers >= LEAST))
    usual = _usual_items(features)
    has_code = np.array([len(one.prints) > 0 for one in features])
    unchanged = sum(one.as_given for one in features)
    members = _by_student(features, students or {})
    together = {pair for owned in members for pair in itertools.combinations(owned, 2)}
    return Comparison(
        lesson=lesson.name,
        compared=len(features),
        without=sorted(set(names) - {one.name for one in features}),
        pairs_in_all=math.comb(len(features), 2),
        pairs_listed=listed,
        together=len(together),
        as_given=math.comb(unchanged, 2),
        with_code=int(has_code.sum()),
        with_weights=sum(len(one.tensors) > 0 for one in features),
        with_mistakes=sum(one.items == usual and bool(one.items) for one in features),
        usual_code=median_of_pairs(scores.code, has_code),
        usual_agreement=median_of_pairs(scores.agreement.value, scores.agreement.error.max(0) > 0),
        pairs=[
            _pair(features[a], features[b], scores, (a, b), float(numbers[a, b]), common)
            for a, b in _first(numbers, min(top, listed))
        ],
    )


def score(
    features: Sequence[Features], known: LessonTensors, students: Mapping[str, Sequence[str]]
) -> Scores:
    """Compare each submission with each other."""
    alike = code.similarity([one.prints for one in features])
    agreed = _agreement(features)
    tests = max(math.comb(len(features), 2), 1)
    sigmas = -NormalDist().inv_cdf(0.025 / tests)
    # Scripts and seeds of the template give equal weights.
    given = np.array([one.as_given for one in features], bool)
    excluded: NDArray[np.bool_] = given[:, None] & given[None, :]
    for members in _by_student(features, students):
        excluded[np.ix_(members, members)] = True
    return Scores(
        code=alike,
        code_beyond=beyond_class(alike, USUAL_CODE),
        weights=beyond_class(weights.similarity([one.tensors for one in features], known), 0.0),
        agreement=agreed,
        mistakes_beyond=beyond_class(agreed.value, USUAL_AGREEMENT, agreed.low(sigmas)),
        excluded=excluded,
    )


def _map(
    read: Callable[[Path], Features | None], paths: Sequence[Path], jobs: int
) -> Iterator[Features | None]:
    """`map`, in several processes if there are many paths."""
    if jobs <= 1 or len(paths) <= 2 * CHUNK:
        yield from map(read, paths)
        return
    workers = min(jobs, math.ceil(len(paths) / CHUNK))
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        yield from pool.map(read, paths, chunksize=CHUNK)


def _read(path: Path, *, lesson: str, common: Hashes, known: LessonTensors) -> Features | None:
    """The features in the evidence at `path`; None when it is not of this lesson or version."""
    one = evidence.read(path)
    if one is None or one.schema != evidence.SCHEMA or one.lesson != lesson:
        return None
    return Features(
        path=path,
        name=one.name,
        prints=code.own_prints(one.read_texts(), common),
        tensors=weights.own_tensors(one.sketches, known),
        items=one.items,
        mistakes=one.read_mistakes(),
        as_given=one.given_code and not one.own_code,
    )


def _usual_items(features: Sequence[Features]) -> str:
    """The items that most submissions were asked; others cannot be compared with them."""
    asked = Counter(one.items for one in features if one.items)
    return asked.most_common(1)[0][0] if asked else ""


def _agreement(features: Sequence[Features]) -> Agreement:
    """The agreement of mistakes; 0 for submissions without mistakes on the usual items."""
    usual, n = _usual_items(features), len(features)
    able = [index for index, one in enumerate(features) if usual and one.items == usual]
    found = behaviour.agreement([features[index].mistakes for index in able])
    value, error = np.zeros((n, n), np.float32), np.zeros((n, n), np.float32)
    if able:
        value[np.ix_(able, able)], error[np.ix_(able, able)] = found.value, found.error
    return Agreement(value, error)


def _by_student(
    features: Sequence[Features], students: Mapping[str, Sequence[str]]
) -> Iterable[list[int]]:
    """The indices of each student's submissions."""
    found: dict[str, list[int]] = defaultdict(list)
    for index, one in enumerate(features):
        for student in students.get(one.name, ()):
            found[student].append(index)
    return found.values()


def _first(numbers: NDArray[np.float32], count: int) -> list[tuple[int, int]]:
    """The `count` pairs with the highest numbers, in order."""
    if count == 0:
        return []
    flat = numbers.ravel()
    chosen = np.argpartition(-flat, count - 1)[:count]
    chosen = chosen[np.lexsort((chosen, -flat[chosen]))]
    rows, columns = np.unravel_index(chosen, numbers.shape)
    return list(zip(rows.tolist(), columns.tolist(), strict=True))


def _pair(
    a: Features, b: Features, scores: Scores, at: tuple[int, int], number: float, common: Hashes
) -> Pair:
    """All that is shown of the pair with the indices `at`."""
    left, right = evidence.read(a.path), evidence.read(b.path)
    assert left is not None
    assert right is not None
    texts = left.read_texts(), right.read_texts()
    found = code.passages(*texts, common)
    theirs = set(right.files.values())
    value, error = float(scores.agreement.value[at]), float(scores.agreement.error[at])
    answers = None
    if a.items and a.items == b.items and error:
        answers = Mistakes(
            a=int(np.count_nonzero(a.mistakes)),
            b=int(np.count_nonzero(b.mistakes)),
            shared=int(np.count_nonzero((a.mistakes > 0) & (a.mistakes == b.mistakes))),
            agreement=value,
            interval=(value - NORMAL_95 * error, min(value + NORMAL_95 * error, 1.0)),
        )
    return Pair(
        a=a.name,
        b=b.name,
        number=number,
        code=float(scores.code_beyond[at]),
        weights=float(scores.weights[at]),
        mistakes=float(scores.mistakes_beyond[at]),
        code_similarity=float(scores.code[at]),
        equal_files=sorted(path for path, digest in left.files.items() if digest in theirs),
        passages=[
            Shared(
                passage,
                _lines(texts[0][passage.file_a], passage.lines_a),
                _lines(texts[1][passage.file_b], passage.lines_b),
            )
            for passage in found[:MOST_PASSAGES]
        ],
        more_passages=max(len(found) - MOST_PASSAGES, 0),
        tensors=weights.matches(a.tensors, b.tensors),
        answers=answers,
    )


def _lines(text: str, span: tuple[int, int]) -> list[str]:
    first, last = span
    lines = text.split("\n")[first - 1 : min(last, first - 1 + MOST_LINES)]
    return [line.expandtabs(4)[:MOST_CHARACTERS] for line in lines]
