"""Chat data: what a pair is, how the parts are split, and where the real pairs come from."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader import data
from grader.data import PARTS
from grader.data.text import chat, chat_synthetic, tinychat
from grader.data.text.chat_synthetic import NAME, ChatSettings
from grader.release import contents
from grader.text.errors import DataError, UsageError

from .conftest import shared_data

SMALL = ChatSettings(train=60, validation=20, hidden=40)


@pytest.fixture
def published() -> Path:
    return shared_data("tinychat")


def write(folder: Path, text: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / tinychat.PAIRS).write_bytes(gzip.compress(text.encode()))
    return folder


# Pairs and positions.


def test_a_pair_is_asked_at_every_character_and_at_its_end() -> None:
    found = chat.positions(chat.Pair("hello", "HI"))
    assert [(one.context, one.next_char) for one in found] == [
        ("", chat.CHARSET.index("H")),
        ("H", chat.CHARSET.index("I")),
        ("HI", chat.END),
    ]


def test_comments_and_blank_lines_are_no_pairs() -> None:
    assert chat.parse(["# greetings", "", " Hello | hi "]) == [chat.Pair("hello", "HI")]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("no bar", "line 1 is no query|reply"),
        ("|HI", "line 1 is no query|reply"),
        ("hi|", "line 1 is no query|reply"),
        ("hi|100%", "has '%' in its reply"),
        ("hi|" + "A" * 25, "is longer than"),
        ("q" * 41 + "|A", "is longer than"),
        ("привет|HI", "no ASCII"),
    ],
)
def test_a_line_that_is_no_pair_is_named(line: str, said: str) -> None:
    with pytest.raises(ValueError, match=r"line 1") as caught:
        chat.parse([line])
    assert said in str(caught.value)


# The split.


@given(st.text(st.characters(codec="ascii"), min_size=1, max_size=30))
def test_how_a_query_is_spelt_does_not_move_it_to_another_part(query: str) -> None:
    spelt = f" {query.upper()} !"
    if any(char.isalnum() for char in query):
        assert chat.part_of("tinychat", spelt) == chat.part_of("tinychat", query)


def test_an_apostrophe_does_not_move_a_query_to_another_part() -> None:
    assert chat.part_of("tinychat", "I'm sure!") == chat.part_of("tinychat", "im sure")


def test_a_fifth_of_the_queries_is_hidden_and_a_tenth_is_for_validation() -> None:
    parts = [chat.part_of("any", f"query {number}") for number in range(10_000)]
    assert parts.count("hidden") / len(parts) == pytest.approx(0.2, abs=0.02)
    assert parts.count("validation") / len(parts) == pytest.approx(0.1, abs=0.02)


# Made from templates.


def test_made_pairs_are_the_same_every_time() -> None:
    first, again = (data.load_pairs(NAME, "train", settings=SMALL) for _ in range(2))
    assert first.pairs == again.pairs
    assert first.fingerprint == again.fingerprint


def test_made_pairs_are_those_that_the_reference_learned_from() -> None:
    """Who changes the phrases trains the committed models anew."""
    fingerprint = data.load_pairs(NAME, "train").fingerprint
    assert fingerprint == "001550a5246f83a652a294f7e66fd1eed3e81d7482f6ee16e650dc4efe935811"


def test_no_query_is_in_two_parts() -> None:
    queries = [set(data.load_pairs(NAME, part, seed="x", settings=SMALL).queries) for part in PARTS]
    assert [len(one) for one in queries] == [SMALL.train, SMALL.validation, SMALL.hidden]
    assert len(set.union(*queries)) == sum(map(len, queries))


def test_the_hidden_part_comes_from_the_seed() -> None:
    one, other = (data.load_pairs(NAME, "hidden", seed=s, settings=SMALL) for s in ("a", "b"))
    assert one.pairs != other.pairs
    with pytest.raises(UsageError, match="seed"):
        data.load_pairs(NAME, "hidden", settings=SMALL)


def test_the_public_parts_do_not_depend_on_the_seed() -> None:
    one, other = (data.load_pairs(NAME, "train", seed=s, settings=SMALL) for s in ("a", "b"))
    assert one.pairs == other.pairs


def test_made_pairs_are_in_the_format_of_the_real_ones() -> None:
    pairs = data.load_pairs(NAME, "train").pairs
    assert chat.parse(f"{pair.query}|{pair.reply}" for pair in pairs) == list(pairs)


# The real ones.


def test_the_published_file_is_what_the_documents_say(published: Path) -> None:
    parts = {part: data.load_pairs(tinychat.NAME, part, source=published) for part in PARTS}
    assert {part: len(found) for part, found in parts.items()} == {
        "train": 2045,
        "validation": 330,
        "hidden": 627,
    }
    assert sum(len(found.queries) for found in parts.values()) == 2290
    assert sum(len(found.positions) for found in parts.values()) == 14_848


def test_once_fetched_it_needs_no_source(published: Path, cache: Path) -> None:
    with pytest.raises(DataError, match="grader data get tinychat"):
        data.load_pairs(tinychat.NAME, "train")
    fetched = data.get(tinychat.NAME, published)
    assert str(fetched["train"].summary) == "2,045 pairs, 1,570 distinct queries, 10,094 characters"
    assert data.load_pairs(tinychat.NAME, "train").fingerprint == fetched["train"].fingerprint
    assert tinychat.published_model().read_bytes() == (published / tinychat.MODEL).read_bytes()
    assert any(info.name == tinychat.NAME and info.is_prepared() for info in data.DATASETS.values())


def test_a_damaged_file_is_named_and_replaces_nothing(cache: Path, tmp_path: Path) -> None:
    good = write(tmp_path / "good", "\n".join(f"query {n}|OK" for n in range(200)))
    data.get(tinychat.NAME, good)
    before = data.load_pairs(tinychat.NAME, "train").fingerprint
    for number, broken in enumerate((b"no gzip", gzip.compress(b"no bar\n"), b"")):
        folder = tmp_path / f"broken{number}"
        folder.mkdir()
        (folder / tinychat.PAIRS).write_bytes(broken)
        with pytest.raises(DataError, match="damaged"):
            data.get(tinychat.NAME, folder)
    assert data.load_pairs(tinychat.NAME, "train").fingerprint == before


def test_a_file_that_unpacks_without_end_is_not_read(tmp_path: Path) -> None:
    folder = write(tmp_path / "bomb", "#" * (tinychat.MAX_UNPACKED + 1))
    with pytest.raises(DataError, match="unpacks to more than"):
        data.load_pairs(tinychat.NAME, "train", source=folder)


def test_a_folder_without_the_pairs_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"training-data\.txt\.gz is missing"):
        data.load_pairs(tinychat.NAME, "train", source=tmp_path)


def test_a_chat_is_no_data_set_of_clips() -> None:
    with pytest.raises(UsageError, match="Unknown data set"):
        data.load(tinychat.NAME, "train")
    with pytest.raises(UsageError, match="tinychat"):
        data.load_pairs("fsdd", "train")


def test_no_query_of_an_exam_can_be_drawn_with_the_students_package(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It lacks the file of the phrases around hidden queries; the rest draws other queries."""
    exam = set(data.load_pairs(NAME, "hidden", seed="demo").queries)
    phrases = chat_synthetic._phrases()
    public = {"before": phrases.before, "after": phrases.after}
    monkeypatch.setattr(chat_synthetic, "hidden_only", lambda path, name: public)
    own: set[str] = set()
    for guess in range(6):
        own |= set(data.load_pairs(NAME, "hidden", seed=f"guess{guess}").queries)
    assert len(own) > 4 * len(exam)
    assert exam & own == set()
    monkeypatch.undo()
    monkeypatch.setattr(chat_synthetic, "HIDDEN", tmp_path / "none.toml")
    with pytest.raises(UsageError, match="has no hidden part of chat-synthetic"):
        data.load_pairs(NAME, "hidden", seed="demo")
    assert chat_synthetic.PHRASES.parent / "chat_hidden.toml" in contents.withheld_of_engine()
    assert "chat_hidden.toml" not in {file.place.name for file in contents.for_students([])}
