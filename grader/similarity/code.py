"""Texts that share more than the template: winnowed fingerprints, weighted by rarity.

copydetect reduces a text to its structure (names become V, strings S; spaces and comments are
removed), so that renaming and reformatting change nothing. Some of its pieces of `CHARACTERS`
characters are kept as fingerprints (winnowing: Schleimer, Wilkerson, Aiken 2003, also in
copydetect); those of the template and the handout are removed. A fingerprint of few submissions has
the weight 1, one of all submissions nearly 0, because solutions of one exercise are alike.

    similarity of two = weight of what they share / (weight of the smaller + SMALL)

Fingerprints are hashed here, because Python's own hash differs from process to process, and
compared in a sparse matrix, because comparing all pairs of files takes quadratic time.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from grader.intake.rules import ignored
from grader.similarity.behaviour import products, rarity
from grader.similarity.evidence import (
    FIRMWARE,
    MAX_TEXT_BYTES,
    PROSE,
    PYTHON,
    is_text,
    readable_text,
)

CHARACTERS = 32
"""Length of a fingerprinted piece of the reduced text, about fourteen tokens."""
WINDOW = 16
"""One of this many fingerprints in a row is kept, so common pieces of 47 characters are found."""
SMALL = 12.0
"""Weight, of about 200 reduced characters, below which a submission's own text is too short to say
who wrote it."""
TABLE_SHARE = 0.6
"""A text with a larger share of digits and commas consists of exported numbers."""
LONGEST_LINE = 1_000
"""Characters of a line of code; longer ones are generated, and some lexers are slow at them."""
GAP = 160
"""Characters that may differ within one common passage."""
MOST_PLACES = 16
"""Occurrences of one fingerprint in a submission that are searched for passages."""
_FACTOR = np.uint64(0x100000001B3)
_FENCED = re.compile(r"^```\w*[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
_WORD = re.compile(r"\w+")
_LEXERS = {".ipynb": "notebook.py", ".ino": "sketch.cpp", ".s": "part.S", ".asm": "part.S"}
"""File names that select the lexer, for suffixes by which none or another would be selected."""

Hashes = NDArray[np.uint64]


@dataclass(frozen=True)
class Prints:
    """The fingerprints of one text, in the order of the text."""

    hashes: Hashes
    starts: NDArray[np.int64]
    """Index of the first character in the text as handed in."""
    ends: NDArray[np.int64]
    """Index after the last character."""


@dataclass(frozen=True)
class Passage:
    """A passage that two texts have in common, with its first and last lines, from 1."""

    file_a: str
    lines_a: tuple[int, int]
    file_b: str
    lines_b: tuple[int, int]
    prints: int
    """Number of its fingerprints."""


def fingerprints(text: str, path: str, window: int = WINDOW) -> Prints:
    """The fingerprints of a text, of the kind that `path` says; empty for generated text."""
    nothing = Prints(np.array([], np.uint64), *[np.array([], np.int64)] * 2)
    if _is_generated(text, path):
        return nothing
    reduced, positions = _reduced(text, path)
    if len(reduced) < CHARACTERS:
        return nothing
    # A number for the kind of file, so that files of different kinds have no common hash.
    suffix = PurePosixPath(path).suffix.lower()
    kinds = enumerate((PYTHON, FIRMWARE, PROSE), 1)
    hashes = _hashed(reduced, next((number for number, kind in kinds if suffix in kind), 0))
    if window == 1:
        chosen = np.arange(len(hashes))
    else:
        from copydetect.utils import winnow

        _, chosen = winnow(hashes, window, remove_duplicates=False)
        chosen = np.asarray(chosen, np.int64)
    return Prints(hashes[chosen], positions[chosen], positions[chosen + CHARACTERS - 1] + 1)


def common_to_all(folders: Sequence[Path], handouts: Sequence[Path] = ()) -> Hashes:
    """All fingerprints of the texts in the folders and of the examples in the handouts, sorted."""
    found = []
    pairs = [(folder, path) for folder in folders for path in sorted(folder.rglob("*"))]
    for top, path in pairs:
        relative = path.relative_to(top)
        if not path.is_file() or not is_text(path.name) or ignored(relative):
            continue
        if path.stat().st_size <= MAX_TEXT_BYTES:
            text = readable_text(path.read_bytes(), path.name)
            found.append(fingerprints(text, path.name, window=1).hashes)
    for path in handouts:
        for block in _FENCED.findall(path.read_text(encoding="utf-8")):
            found.append(fingerprints(block, "example.py", window=1).hashes)
    return _distinct(found)


def own_prints(texts: Mapping[str, str], common: Hashes) -> Hashes:
    """The distinct fingerprints of a submission's texts without those in `common`, sorted."""
    found = _distinct([fingerprints(text, path).hashes for path, text in texts.items()])
    return np.setdiff1d(found, common, assume_unique=True)


def _distinct(found: Sequence[Hashes]) -> Hashes:
    return np.unique(np.concatenate([*found, np.array([], np.uint64)]))


def similarity(prints: Sequence[Hashes]) -> NDArray[np.float32]:
    """(n, n), the similarity of n submissions, 0 to nearly 1; 0 on the diagonal."""
    n = len(prints)
    nothing = np.array([], np.uint64)
    hashes, columns = np.unique(np.concatenate([*prints, nothing]), return_inverse=True)
    rows = np.repeat(np.arange(n), [len(one) for one in prints])
    if n < 2 or not len(hashes):
        return np.zeros((n, n), np.float32)
    holders = np.bincount(columns, minlength=len(hashes))
    weight = rarity(holders, n)
    mass = np.bincount(rows, weight[columns], minlength=n).astype(np.float32)
    shared = (holders > 1)[columns]
    shares = sparse.csr_matrix(
        (np.sqrt(weight[columns[shared]]).astype(np.float32), (rows[shared], columns[shared])),
        shape=(n, len(hashes)),
    )
    alike = products(shares)
    alike /= np.minimum(mass[:, None], mass[None, :]) + SMALL
    np.fill_diagonal(alike, 0.0)
    return alike


def passages(
    texts_a: Mapping[str, str], texts_b: Mapping[str, str], common: Hashes
) -> list[Passage]:
    """The passages that the texts of two submissions have in common, the longest first."""
    places: dict[int, list[tuple[str, int, int]]] = defaultdict(list)
    for path, prints in _located(texts_b, common):
        for value, start, end in prints:
            if len(places[value]) < MOST_PLACES:
                places[value].append((path, start, end))
    runs: list[_Run] = []
    for path, prints in _located(texts_a, common):
        open_runs: list[_Run] = []
        for value, start, end in prints:
            if value not in places:
                continue
            open_runs = [run for run in open_runs if start - run.end_a <= GAP]
            if not any(run.extend(start, end, places[value]) for run in open_runs):
                other, begin, stop = places[value][0]
                run = _Run(path, start, end, other, begin, stop)
                open_runs.append(run)
                runs.append(run)
    runs.sort(key=lambda run: (-run.prints, run.path_a, run.start_a))
    return [run.passage(texts_a, texts_b) for run in runs]


@dataclass
class _Run:
    """A passage that is being extended; its places are indices of characters."""

    path_a: str
    start_a: int
    end_a: int
    path_b: str
    start_b: int
    end_b: int
    prints: int = 1

    def extend(self, start: int, end: int, places: Sequence[tuple[str, int, int]]) -> bool:
        """Add a fingerprint at `start` of the first text, if the second text has it nearby."""
        for path, begin, stop in places:
            near = self.start_b <= begin <= self.end_b + GAP
            if path == self.path_b and near and stop >= self.end_b:
                self.end_a, self.end_b = max(self.end_a, end), stop
                self.prints += 1
                return True
        return False

    def passage(self, texts_a: Mapping[str, str], texts_b: Mapping[str, str]) -> Passage:
        return Passage(
            self.path_a,
            _lines(texts_a[self.path_a], self.start_a, self.end_a),
            self.path_b,
            _lines(texts_b[self.path_b], self.start_b, self.end_b),
            self.prints,
        )


def _located(
    texts: Mapping[str, str], common: Hashes
) -> list[tuple[str, list[tuple[int, int, int]]]]:
    """Paths of the texts, with hashes, starts and ends of the fingerprints not in `common`."""
    found = []
    for path, text in texts.items():
        prints = fingerprints(text, path)
        own = ~np.isin(prints.hashes, common)
        places = (prints.hashes[own], prints.starts[own], prints.ends[own])
        found.append((path, list(zip(*(one.tolist() for one in places), strict=True))))
    return found


def _lines(text: str, start: int, end: int) -> tuple[int, int]:
    """The first and last line of a range of characters, without white space at its end."""
    last = max(start, min(end, len(text)) - 1)
    while last > start and text[last].isspace():
        last -= 1
    return text.count("\n", 0, start) + 1, text.count("\n", 0, last) + 1


def _reduced(text: str, path: str) -> tuple[str, NDArray[np.int64]]:
    """The text's structure, and the index in `text` of each of its characters."""
    suffix = PurePosixPath(path).suffix.lower()
    if suffix in PROSE:
        found = list(_WORD.finditer(text))
        words = [(match[0], match[0].lower()) for match in found]
        reduced = "".join(low if len(low) == len(word) else word for word, low in words)
        indices = [np.arange(*match.span()) for match in found]
        return reduced, np.concatenate([*indices, np.array([], np.int64)])
    from copydetect.utils import filter_code

    reduced, table = filter_code(text, _LEXERS.get(suffix, f"file{suffix}"))
    places = np.arange(len(reduced))
    if len(table):
        # Rows: an index in the reduced text, and the number of characters removed before it. Rows
        # of class names have a smaller number, although it never decreases.
        dropped = np.maximum.accumulate(table[:, 1])
        nearest = np.searchsorted(table[:, 0], places)
        places = places + dropped[np.minimum(nearest, len(table) - 1)]
    return reduced, np.minimum(places, max(len(text) - 1, 0))


def _is_generated(text: str, path: str) -> bool:
    """Whether the text is a table of numbers, or code with very long lines."""
    numbers = sum(text.count(sign) for sign in "0123456789,")
    solid = len(text) - text.count(" ") - text.count("\n")
    if numbers > TABLE_SHARE * max(solid, 1):
        return True
    prose = PurePosixPath(path).suffix.lower() in PROSE
    return not prose and any(len(line) > LONGEST_LINE for line in text.split("\n"))


def _hashed(reduced: str, kind: int) -> Hashes:
    """The hashes of all pieces of CHARACTERS characters: a polynomial, mixed as in splitmix64."""
    codes = np.frombuffer(reduced.encode("utf-32-le", "replace"), np.uint32).astype(np.uint64)
    count = len(codes) - CHARACTERS + 1
    hashes = np.full(count, kind, np.uint64)
    for offset in range(CHARACTERS):
        hashes = hashes * _FACTOR + codes[offset : offset + count]
    hashes = (hashes ^ (hashes >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    hashes = (hashes ^ (hashes >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return hashes ^ (hashes >> np.uint64(31))
