"""`rusentiment`: 31,185 posts of VKontakte, labeled by people (Rogers et al., COLING 2018).

Three CSV files with the columns `label` and `text`: posts drawn at random and posts chosen by
active learning, both for training, and the test set, which is our hidden part. They are read anew
at every load (a fifth of a second). CC BY-NC-SA 4.0: for evaluation, never part of this package.
"""

from __future__ import annotations

import csv
import io
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from grader.data.dataset import Dataset, Part, Request, damaged, empty
from grader.data.download import PublishedFiles
from grader.data.text.posts import LABELS, PostSet, spelling_key
from grader.text import EMPTY, Text
from grader.text.errors import DataError

NAME = "rusentiment"
ADDRESS = "https://github.com/strawberrypie/rusentiment"
RANDOM = "rusentiment_random_posts.csv"
PRESELECTED = "rusentiment_preselected_posts.csv"
TEST = "rusentiment_test.csv"
MAX_BYTES = 32 * 2**20

FILES = PublishedFiles(
    NAME,
    url="https://raw.githubusercontent.com/strawberrypie/rusentiment/HEAD/Dataset/",
    sha256={
        RANDOM: "bfa850dd0548aaea682bcfa3f1106763c4ed1ed8f5341cec75fed61fda8ff2f3",
        PRESELECTED: "f25f1a73dcb7be5d932cb65b931cf5ed2576c1c983df5fc98c1596ea48d28d88",
        TEST: "35964a82c1ecf360e6d4a9fe31cf8532225213cf610ba13bb7eacb081446dc10",
    },
    remedy=Text(
        "Run `grader data get {name}` to download it, or add --from with a folder that holds "
        "{random}, {preselected} and {test} (from {address}).",
        name=NAME,
        random=RANDOM,
        preselected=PRESELECTED,
        test=TEST,
        address=ADDRESS,
    ),
)

_VALIDATION_SHARE = 10
"""One in so many training posts validates."""

Row = tuple[str, str]
"""Label and text."""


@dataclass(frozen=True)
class Cleaning:
    """What was found and corrected in the training posts.

    Two posts are the same when they differ in case or in white space at their ends only.
    """

    published: int
    """Training posts in both files."""
    repeated: int
    """Left out because the same post stands there before."""
    conflicting_groups: int
    """Groups of the same post with different labels."""
    undecided: int
    """Posts left out because their group has no most frequent label."""
    tests_in_train: int
    """Test posts that were among the training posts."""
    leaked: int
    """Training posts left out because they are test posts."""
    kept: int

    @property
    def summary(self) -> Text:
        return Text(
            "{published:,} training posts as published; {tests_in_train} test posts were among "
            "them ({leaked} posts left out); {conflicting_groups} groups of the same post had "
            "conflicting labels (most frequent one kept, {undecided} posts without one left "
            "out); {repeated} more repetitions left out; {kept:,} kept",
            published=self.published,
            tests_in_train=self.tests_in_train,
            leaked=self.leaked,
            conflicting_groups=self.conflicting_groups,
            undecided=self.undecided,
            repeated=self.repeated,
            kept=self.kept,
        )


def clean(source: Path | None = None) -> tuple[list[Row], Cleaning]:
    """The training rows without repetitions and without posts of the test set, and the counts.

    Raises DataError that names the file, and the row where there is one.
    """
    train = [row for name in (RANDOM, PRESELECTED) for row in _read(FILES.path(name, source))]
    test = [_same(text) for _, text in _read(FILES.path(TEST, source))]
    tested = set(test)
    votes: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for label, text in train:
        votes[_same(text)][label] += 1
    rows: list[Row] = []
    seen: set[str] = set()
    leaked = repeated = undecided = 0
    for _, text in train:
        key = _same(text)
        (label, count), *others = votes[key].most_common(2)
        if key in tested:
            leaked += 1
        elif others and others[0][1] == count:
            undecided += 1
        elif key in seen:
            repeated += 1
        else:
            rows.append((label, text))
        seen.add(key)
    cleaning = Cleaning(
        published=len(train),
        repeated=repeated,
        conflicting_groups=sum(len(counts) > 1 for counts in votes.values()),
        undecided=undecided,
        tests_in_train=sum(key in votes for key in test),
        leaked=leaked,
        kept=len(rows),
    )
    return rows, cleaning


def _load(request: Request) -> PostSet:
    if request.part == "hidden":
        rows, notes = _read(FILES.path(TEST, request.source)), EMPTY
    else:
        rows, cleaning = clean(request.source)
        rows = [row for row in rows if _part_of(row[1]) == request.part]
        notes = cleaning.summary if request.part == "train" else EMPTY
    if not rows:
        raise empty(NAME, request.part, request.source or FILES.folder, FILES.remedy)
    labels = np.array([LABELS.index(label) for label, _ in rows], np.int64)
    texts = tuple(text for _, text in rows)
    return PostSet(NAME, request.part, texts, labels, ("",) * len(rows), notes)


def _same(text: str) -> str:
    return text.lower().strip()


def _part_of(text: str) -> Part:
    share = zlib.crc32(f"{NAME}/{spelling_key(text)}".encode()) % _VALIDATION_SHARE
    return "validation" if share == 0 else "train"


def _read(path: Path) -> list[Row]:
    """All rows of one file. A byte order mark, CRLF and columns in another order are fine."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise _bad(
                path,
                Text("it is larger than {max_bytes:,} bytes", max_bytes=MAX_BYTES),
            )
        text = path.read_bytes().decode("utf-8-sig")
        rows = list(_parse(path, csv.reader(io.StringIO(text, newline=""), strict=True)))
    except UnicodeDecodeError as error:
        raise _bad(
            path,
            Text("byte {start} is not UTF-8; save it as UTF-8", start=error.start),
        ) from error
    except (OSError, ValueError, csv.Error) as error:
        raise damaged(path, error, FILES.remedy) from error
    if not rows:
        raise _bad(path, Text("it holds no post"))
    return rows


def _bad(path: Path, why: Text) -> DataError:
    """A file that cannot be used, with the reason."""
    return damaged(path, why, FILES.remedy)


def _parse(path: Path, lines: Iterator[list[str]]) -> Iterator[Row]:
    """Rows after the header. Raises DataError with the first bad row, the header being row 1."""
    header: list[str] | None = None
    for number, fields in enumerate(lines, start=1):
        if header is None:
            header = [field.strip().lower() for field in fields]
            if "label" not in header or "text" not in header:
                first = ",".join(fields)[:80]
                raise _bad(
                    path,
                    Text("its first row is {first!r}, expected label,text", first=first),
                )
            continue
        if not fields:
            continue
        if len(fields) != len(header):
            raise _bad(
                path,
                Text(
                    "row {number} has {fields_count} fields, expected {header_count}",
                    number=number,
                    fields_count=len(fields),
                    header_count=len(header),
                ),
            )
        label, text = fields[header.index("label")].strip(), fields[header.index("text")]
        if label not in LABELS:
            known = ", ".join(LABELS)
            raise _bad(
                path,
                Text(
                    "row {number} has the label {label!r}, known are {known}",
                    number=number,
                    label=label[:40],
                    known=known,
                ),
            )
        if not text.strip():
            raise _bad(path, Text("row {number} has no text", number=number))
        yield label, text


DATASET = Dataset(
    name=NAME,
    holds=PostSet,
    title=Text("RuSentiment: posts of VKontakte, labelled by people"),
    license="CC BY-NC-SA 4.0, for evaluation only",
    size=Text("31,185 posts, 4.8 MB"),
    address=ADDRESS,
    load=_load,
    prepare=lambda source, progress: FILES.get(source, progress, check=_read),
    is_prepared=FILES.are_here,
)
