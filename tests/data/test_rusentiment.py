"""RuSentiment: how the published files are read, what is mended, and what is refused."""

from __future__ import annotations

import csv
from collections import defaultdict
from pathlib import Path

import pytest
from click.testing import CliRunner

from grader import data
from grader.cli.data import command
from grader.data.text import rusentiment
from grader.data.text.posts import LABELS, spelling_key
from grader.text.errors import DataError

from .conftest import shared_data


@pytest.fixture
def published() -> Path:
    return shared_data("rusentiment")


Rows = list[tuple[str, str]]
TRAIN: Rows = [("neutral", f"пост номер {number}") for number in range(60)]
TEST: Rows = [("positive", "ура"), ("skip", "ну такое")]


def folder_of(
    folder: Path, random: Rows = TRAIN, preselected: Rows = TRAIN[:1], test: Rows = TEST
) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    names = (rusentiment.RANDOM, rusentiment.PRESELECTED, rusentiment.TEST)
    for name, rows in zip(names, (random, preselected, test), strict=True):
        with (folder / name).open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([("label", "text"), *rows])
    return folder


# The published files.


def test_the_published_files_hold_what_the_documents_say(published: Path) -> None:
    _, found = rusentiment.clean(published)
    assert found.published == 28_218
    assert found.conflicting_groups == 15
    assert found.tests_in_train == 33
    assert found.leaked == 61
    parts = {part: data.load_posts("rusentiment", part, source=published) for part in data.PARTS}
    assert len(parts["train"]) + len(parts["validation"]) == found.kept
    assert found.kept == found.published - found.leaked - found.undecided - found.repeated
    assert len(parts["hidden"]) == 2_967
    assert max((parts["hidden"].labels == index).mean() for index in range(5)) == pytest.approx(
        0.479, abs=0.001
    )


def test_the_counts_agree_with_a_plain_reading_of_the_files(published: Path) -> None:
    def rows(name: str) -> Rows:
        with (published / name).open(encoding="utf-8", newline="") as file:
            return [(row["label"], row["text"]) for row in csv.DictReader(file)]

    train = rows(rusentiment.RANDOM) + rows(rusentiment.PRESELECTED)
    groups: dict[str, set[str]] = defaultdict(set)
    for label, text in train:
        groups[text.strip().lower()].add(label)
    assert len(train) == 28_218
    assert sum(len(labels) > 1 for labels in groups.values()) == 15
    assert sum(text.strip().lower() in groups for _, text in rows(rusentiment.TEST)) == 33


def test_no_post_is_in_two_parts(published: Path) -> None:
    parts = {part: data.load_posts("rusentiment", part, source=published) for part in data.PARTS}
    same = {part: {text.strip().lower() for text in one.texts} for part, one in parts.items()}
    assert not same["hidden"] & (same["train"] | same["validation"])
    train, validation = (set(map(spelling_key, same[part])) for part in ("train", "validation"))
    assert not train & validation


def test_line_breaks_and_quotation_marks_inside_posts_are_kept(published: Path) -> None:
    texts = data.load_posts("rusentiment", "hidden", source=published).texts
    assert texts[0] == "Александр, тебе к лицу эта пушка :)\n"
    assert sum("\n" in text for text in texts) > 400


def test_get_reports_what_was_mended_and_no_source_is_needed_afterwards(
    published: Path, cache: Path
) -> None:
    with pytest.raises(DataError, match="grader data get rusentiment"):
        data.load_posts("rusentiment", "train")
    arguments = ["get", "rusentiment", "--from", str(published), "--lang", "en"]
    done = CliRunner().invoke(command, arguments)
    assert done.exit_code == 0, done.output
    assert "28,218 training posts as published; 33 test posts were among them" in done.output
    assert "15 groups of the same post had conflicting labels" in done.output
    assert len(data.load_posts("rusentiment", "hidden")) == 2_967
    assert any(info.name == "rusentiment" and info.is_prepared() for info in data.DATASETS.values())


# What is mended.


def test_a_test_post_is_not_trained_on(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, [*TRAIN, ("negative", " УРА ")])
    rows, found = rusentiment.clean(folder)
    assert (found.tests_in_train, found.leaked) == (1, 1)
    assert all(text.strip().lower() != "ура" for _, text in rows)


def test_the_most_frequent_label_wins_and_a_tie_is_left_out(tmp_path: Path) -> None:
    votes = [("positive", "Да!"), ("skip", "да!"), ("positive", "да! ")]
    votes += [("skip", "нет"), ("speech", "Нет")]
    rows, found = rusentiment.clean(folder_of(tmp_path, [*TRAIN, *votes]))
    assert [label for label, text in rows if text.strip().lower() == "да!"] == ["positive"]
    assert not [text for _, text in rows if text.strip().lower() == "нет"]
    assert (found.conflicting_groups, found.undecided) == (2, 2)


def test_labels_are_numbered_in_our_order_whatever_the_file_says(tmp_path: Path) -> None:
    rows = [(label, f"это {label}") for label in reversed(LABELS)]
    hidden = data.load_posts("rusentiment", "hidden", source=folder_of(tmp_path, test=rows))
    assert hidden.labels.tolist() == [4, 3, 2, 1, 0]


@pytest.mark.parametrize(
    "encode",
    [
        lambda text: text.encode("utf-8-sig"),
        lambda text: text.replace("\r\n", "\n").encode(),
        lambda text: "\r\n".join(
            ",".join(reversed(line.split(","))) for line in text.splitlines()
        ).encode(),
    ],
    ids=["byte order mark", "line feeds", "columns exchanged"],
)
def test_harmless_differences_between_copies_do_not_matter(tmp_path: Path, encode) -> None:  # type: ignore[no-untyped-def]
    folder = folder_of(tmp_path)
    before = data.load_posts("rusentiment", "train", source=folder).fingerprint
    path = folder / rusentiment.RANDOM
    path.write_bytes(encode(path.read_bytes().decode()))
    assert data.load_posts("rusentiment", "train", source=folder).fingerprint == before


# What is refused.


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("label,text\nneutral,привет\n".encode("cp1251"), "not UTF-8"),
        (b"", "no post"),
        (b"label,text\n", "no post"),
        ("label;text\nneutral;привет\n".encode(), "expected label,text"),
        ("neutral,привет\n".encode(), "expected label,text"),
        ("label,text\nhappy,привет\n".encode(), "row 2 has the label 'happy'"),
        ("label,text\n1,привет\n".encode(), "row 2 has the label '1'"),
        (b"label,text\nneutral,  \n", "row 2 has no text"),
        ("label,text\nneutral,один,два\n".encode(), "row 2 has 3 fields"),
        ('label,text\nneutral,"не закрыто\n'.encode(), "damaged"),
    ],
)
def test_a_damaged_file_is_named_and_replaces_nothing(
    tmp_path: Path, cache: Path, content: bytes, said: str
) -> None:
    data.get("rusentiment", folder_of(tmp_path / "good"))
    before = data.load_posts("rusentiment", "train").fingerprint
    broken = folder_of(tmp_path / "broken")
    (broken / rusentiment.PRESELECTED).write_bytes(content)
    with pytest.raises(DataError, match=rusentiment.PRESELECTED) as caught:
        data.get("rusentiment", broken)
    assert said in str(caught.value)
    assert data.load_posts("rusentiment", "train").fingerprint == before


def test_a_folder_without_a_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"{rusentiment.RANDOM} is missing"):
        data.load_posts("rusentiment", "train", source=tmp_path)
