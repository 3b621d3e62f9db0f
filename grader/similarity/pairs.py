"""All pairs of a class by one number, and what the first of them have in common.

Each detector says how far a pair lies beyond what independent work shows (0) towards equal (1),
compared with the rest of the class and with what was measured on independent work. The number of
a pair is the share that they leave unexplained together,

    number = 1 - (1 - code) (1 - weights) (1 - mistakes)

so that one detector is enough, and several add up. It is no probability of anything.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from grader.lesson.loading import Lesson
from grader.similarity import behaviour, code, weights
from grader.similarity.behaviour import Agreement, beyond_class, median_of_pairs
from grader.similarity.code import Hashes, Passage
from grader.similarity.evidence import SCHEMA, Evidence, from_json
from grader.similarity.weights import Key, Known, Match

USUAL_CODE = 0.2
USUAL_AGREEMENT = 0.5
"""Similarities that independent work reaches in a class too small to tell; measured by
benchmarks/similarity.py, docs/similarity.md has the figures."""
LEAST = 0.1
"""Pairs below are not listed."""
MOST_PASSAGES = 8
MOST_LINES = 32
MOST_CHARACTERS = 200
"""Of a line."""
TOP = 50
NORMAL_95 = 1.96

Progress = Callable[[int, int], None]


class Shared(msgspec.Struct, frozen=True):
    """A passage with its lines, the first MOST_LINES of each side."""

    passage: Passage
    text_a: list[str]
    text_b: list[str]


class Mistakes(msgspec.Struct, frozen=True):
    """What two submissions answered wrong."""

    a: int
    b: int
    shared: int
    """Items that both answered wrong in the same way."""
    agreement: float
    """Beyond chance, 1 where one's are all the other's too."""
    interval: tuple[float, float]
    """95%."""


class Pair(msgspec.Struct, frozen=True):
    """Two submissions, by the paths of their evidence, and how alike they are."""

    a: str
    b: str
    number: float
    code: float
    weights: float
    mistakes: float
    code_similarity: float
    """Before it is compared with the class."""
    equal_files: list[str] = []
    """Own files of the first that the second has too, byte for byte."""
    passages: list[Shared] = []
    more_passages: int = 0
    tensors: list[Match] = []
    answers: Mistakes | None = None


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """`similar.json`."""

    schema: int = 1
    lesson: str
    compared: int
    without: list[str]
    """Submissions that left no evidence: not opened, or graded by an earlier version."""
    pairs_in_all: int
    pairs_listed: int
    """With a number of at least LEAST; `pairs` are the first of them."""
    together: int
    """Pairs left out because they are one student's or one group's."""
    as_given: int
    """Pairs left out because both handed in the template's code as it is."""
    with_code: int
    with_weights: int
    with_mistakes: int
    usual_code: float | None
    """Median similarity of all pairs: where it is high, the whole class is alike, and `pairs` are
    those that are more alike than the others. None where fewer than three can be compared."""
    usual_agreement: float | None
    pairs: list[Pair]


@dataclass(frozen=True)
class Held:
    """What of one submission stays in memory while all are compared."""

    path: Path
    name: str
    prints: Hashes
    tensors: dict[Key, weights.Sketch]
    items: str
    mistakes: NDArray[np.uint8]
    as_given: bool


@dataclass(frozen=True)
class Scores:
    """(n, n) each; all but `code` and `agreement` beyond what is usual."""

    code: NDArray[np.float32]
    code_beyond: NDArray[np.float32]
    weights: NDArray[np.float32]
    agreement: Agreement
    mistakes_beyond: NDArray[np.float32]
    excluded: NDArray[np.bool_] = field(repr=False)

    def numbers(self) -> NDArray[np.float32]:
        """The number of every pair; 0 below the diagonal and for those that are excluded."""
        left = 1 - self.code_beyond
        left *= 1 - self.weights
        left *= 1 - self.mistakes_beyond
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
    """Compare the submissions whose evidence lies at `paths`. `names` are all that were graded;
    `students` are those who handed in what is called so: work of the same student is no pair."""
    common = code.common_to_all(lesson.template, sorted(lesson.folder.glob("*.md")))
    known = Known.of_folders((lesson.template, lesson.folder))
    held = hold(paths, lesson.name, common, known, jobs=jobs, progress=progress)
    scores = score(held, known, students or {})
    numbers = scores.numbers()
    listed = int(np.count_nonzero(numbers >= LEAST))
    pairs = [
        _detailed(held, scores, float(numbers[a, b]), a, b, common)
        for a, b in _first(numbers, min(top, listed))
    ]
    n, present = len(held), {one.name for one in held}
    return Comparison(
        lesson=lesson.name,
        compared=n,
        without=sorted(set(names) - present),
        pairs_in_all=n * (n - 1) // 2,
        pairs_listed=listed,
        together=_pairs_together(held, students or {}),
        as_given=_two_of(sum(one.as_given for one in held)),
        with_code=sum(len(one.prints) > 0 for one in held),
        with_weights=sum(len(one.tensors) > 0 for one in held),
        with_mistakes=sum(one.items == _usual_items(held) and bool(one.items) for one in held),
        usual_code=median_of_pairs(scores.code, np.array([len(one.prints) > 0 for one in held])),
        usual_agreement=median_of_pairs(scores.agreement.value, scores.agreement.error.max(0) > 0),
        pairs=pairs,
    )


def hold(
    paths: Sequence[Path],
    lesson: str,
    common: Hashes,
    known: Known,
    *,
    jobs: int = 1,
    progress: Progress | None = None,
) -> list[Held]:
    """Read all evidence of `lesson`, in several processes where there is much of it."""
    found: list[Held] = []
    chunks = [paths[start : start + 16] for start in range(0, len(paths), 16)]
    for number, chunk in enumerate(_read(chunks, lesson, common, known, jobs), 1):
        found += chunk
        if progress is not None:
            progress(min(16 * number, len(paths)), len(paths))
    return found


def score(held: Sequence[Held], known: Known, students: Mapping[str, Sequence[str]]) -> Scores:
    """Compare everyone with everyone."""
    alike = code.similarity([one.prints for one in held])
    agreed = _agreement(held)
    n = len(held)
    tests = max(n * (n - 1) / 2, 1)
    sigmas = float(norm.isf(0.025 / tests))
    return Scores(
        code=alike,
        code_beyond=beyond_class(alike, USUAL_CODE),
        weights=beyond_class(weights.similarity([one.tensors for one in held], known), 0.0),
        agreement=agreed,
        mistakes_beyond=beyond_class(agreed.value, USUAL_AGREEMENT, agreed.low(sigmas)),
        excluded=_excluded(held, students),
    )


def _read(
    chunks: Sequence[Sequence[Path]], lesson: str, common: Hashes, known: Known, jobs: int
) -> Iterable[list[Held]]:
    if jobs <= 1 or len(chunks) <= 2:
        for chunk in chunks:
            yield _hold_each(chunk, lesson, common, known)
        return
    with ProcessPoolExecutor(
        max_workers=min(jobs, len(chunks)),
        mp_context=get_context("spawn"),
        initializer=_Worker.start,
        initargs=(lesson, common, known),
    ) as pool:
        yield from pool.map(_Worker.read, chunks)


class _Worker:
    """A process that reads evidence; it keeps what all of it is held against."""

    lesson: str
    common: Hashes
    known: Known

    @classmethod
    def start(cls, lesson: str, common: Hashes, known: Known) -> None:
        cls.lesson, cls.common, cls.known = lesson, common, known

    @classmethod
    def read(cls, paths: Sequence[Path]) -> list[Held]:
        return _hold_each(paths, cls.lesson, cls.common, cls.known)


def _hold_each(paths: Sequence[Path], lesson: str, common: Hashes, known: Known) -> list[Held]:
    read = ((path, read_evidence(path)) for path in paths)
    return [
        _held(path, one, common, known)
        for path, one in read
        if one is not None and one.schema == SCHEMA and one.lesson == lesson
    ]


def read_evidence(path: Path) -> Evidence | None:
    """The evidence at `path`, or None when there is none that can be read."""
    try:
        return from_json(path.read_bytes())
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return None


def _held(path: Path, one: Evidence, common: Hashes, known: Known) -> Held:
    return Held(
        path=path,
        name=one.name,
        prints=code.own_prints(one.read_texts(), common),
        tensors=weights.own_tensors(one.sketches, known),
        items=one.items,
        mistakes=one.read_mistakes(),
        as_given=one.given_code and not one.own_code,
    )


def _usual_items(held: Sequence[Held]) -> str:
    """What most were asked; others cannot be compared with them."""
    asked = Counter(one.items for one in held if one.items)
    return asked.most_common(1)[0][0] if asked else ""


def _agreement(held: Sequence[Held]) -> Agreement:
    """Zero for those that have no mistakes to compare."""
    usual = _usual_items(held)
    able = [index for index, one in enumerate(held) if usual and one.items == usual]
    found = behaviour.agreement([held[index].mistakes for index in able])
    if len(able) == len(held):
        return found
    n = len(held)
    value, error = np.zeros((n, n), np.float32), np.zeros((n, n), np.float32)
    if able:
        value[np.ix_(able, able)], error[np.ix_(able, able)] = found.value, found.error
    return Agreement(value, error)


def _excluded(held: Sequence[Held], students: Mapping[str, Sequence[str]]) -> NDArray[np.bool_]:
    """(n, n) pairs of one student or group, and of two who changed nothing in the template: equal
    scripts with equal seeds give equal weights."""
    given = np.array([one.as_given for one in held], bool)
    excluded: NDArray[np.bool_] = given[:, None] & given[None, :]
    for members in _by_student(held, students).values():
        excluded[np.ix_(members, members)] = True
    return excluded


def _by_student(
    held: Sequence[Held], students: Mapping[str, Sequence[str]]
) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for index, one in enumerate(held):
        for student in students.get(one.name, ()):
            found.setdefault(student, []).append(index)
    return {student: members for student, members in found.items() if len(members) > 1}


def _pairs_together(held: Sequence[Held], students: Mapping[str, Sequence[str]]) -> int:
    pairs = set()
    for members in _by_student(held, students).values():
        pairs |= {(a, b) for a in members for b in members if a < b}
    return len(pairs)


def _two_of(n: int) -> int:
    return n * (n - 1) // 2


def _first(numbers: NDArray[np.float32], count: int) -> list[tuple[int, int]]:
    """The `count` pairs with the highest numbers, in order."""
    if count == 0:
        return []
    flat = numbers.ravel()
    chosen = np.argpartition(-flat, count - 1)[:count]
    chosen = chosen[np.lexsort((chosen, -flat[chosen]))]
    rows, columns = np.unravel_index(chosen, numbers.shape)
    return list(zip(rows.tolist(), columns.tolist(), strict=True))


def _detailed(
    held: Sequence[Held], scores: Scores, number: float, a: int, b: int, common: Hashes
) -> Pair:
    first, second = held[a], held[b]
    left, right = read_evidence(first.path), read_evidence(second.path)
    assert left is not None
    assert right is not None
    texts = left.read_texts(), right.read_texts()
    found = code.passages(*texts, common)
    theirs = set(right.files.values())
    return Pair(
        a=first.name,
        b=second.name,
        number=number,
        code=float(scores.code_beyond[a, b]),
        weights=float(scores.weights[a, b]),
        mistakes=float(scores.mistakes_beyond[a, b]),
        code_similarity=float(scores.code[a, b]),
        equal_files=sorted(path for path, digest in left.files.items() if digest in theirs),
        passages=[_shown(passage, *texts) for passage in found[:MOST_PASSAGES]],
        more_passages=max(len(found) - MOST_PASSAGES, 0),
        tensors=weights.matches(first.tensors, second.tensors),
        answers=_answers(held, scores.agreement, a, b),
    )


def _shown(passage: Passage, a: Mapping[str, str], b: Mapping[str, str]) -> Shared:
    return Shared(
        passage,
        _lines(a[passage.file_a], passage.lines_a),
        _lines(b[passage.file_b], passage.lines_b),
    )


def _lines(text: str, span: tuple[int, int]) -> list[str]:
    first, last = span
    lines = text.split("\n")[first - 1 : min(last, first - 1 + MOST_LINES)]
    return [line.expandtabs(4)[:MOST_CHARACTERS] for line in lines]


def _answers(held: Sequence[Held], agreement: Agreement, a: int, b: int) -> Mistakes | None:
    first, second = held[a], held[b]
    if not first.items or first.items != second.items or not agreement.error[a, b]:
        return None
    value, error = float(agreement.value[a, b]), float(agreement.error[a, b])
    both = (first.mistakes > 0) & (first.mistakes == second.mistakes)
    return Mistakes(
        a=int(np.count_nonzero(first.mistakes)),
        b=int(np.count_nonzero(second.mistakes)),
        shared=int(np.count_nonzero(both)),
        agreement=value,
        interval=(value - NORMAL_95 * error, min(value + NORMAL_95 * error, 1.0)),
    )
