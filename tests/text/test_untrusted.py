from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader.text.untrusted import log, name, one_line, quoted, readable, shorten, visible


@pytest.mark.parametrize(
    ("hidden", "shown"),
    [
        ("a\x00b", "a␀b"),
        ("\x1b[31m", "␛[31m"),
        ("\x7f", "␡"),
        ("evil\u202egnp.exe", "evil⟨U+202E⟩gnp.exe"),
        ("a\u200bb", "a⟨U+200B⟩b"),
        ("\x85", "⟨U+0085⟩"),
        ("\ud800", "\ufffd"),
        ("e" + "\u0301" * 40, "e" + "\u0301" * 4 + "…"),
    ],
)
def test_what_cannot_be_seen_is_shown_by_a_symbol(hidden: str, shown: str) -> None:
    assert visible(hidden) == shown


@pytest.mark.parametrize(
    "text", ["Анна Соколова", "深度学習", "שכבה", "👩‍🔬", "two\nlines\tand tab"]
)
def test_letters_of_every_script_stay_as_they_are(text: str) -> None:
    assert visible(text) == text


@given(st.text(alphabet=st.characters()))
def test_visible_text_can_be_written_and_is_visible_already(text: str) -> None:
    shown = visible(text)
    shown.encode("utf-8")
    assert visible(shown) == shown


@given(st.text(alphabet=st.characters()), st.integers(4, 100))
def test_a_name_is_one_line_of_bounded_length(text: str, length: int) -> None:
    shown = name(text, length)
    assert len(shown) <= length
    assert "\n" not in shown


def test_a_long_name_keeps_its_beginning_and_its_end() -> None:
    assert shorten("abcdefghijklmnopqrstuvwxyz", 10) == "abcdef…xyz"


def test_a_quotation_is_one_short_visible_line() -> None:
    shown = quoted("\x1b[31m" + "y" * 1000 + "\nend")
    assert len(shown) == 80
    assert shown.startswith("␛[31myyy")
    assert shown.endswith("y␊end")
    assert quoted(12.5) == "12.5"


def test_a_log_keeps_its_lines_and_nothing_that_moves_a_cursor() -> None:
    raw = b"one\r\ntwo\t\x1b[2J\xff\n50%\r100%\x00\x9b"
    assert log(raw) == "one\ntwo\t␛[2J\ufffd\n50%␍100%␀\ufffd"


@given(st.binary())
def test_any_log_can_be_written_and_is_visible(raw: bytes) -> None:
    log(raw).encode("utf-8")
    assert visible(log(raw)) == log(raw)
    assert "\n" not in one_line(log(raw))


@given(st.binary(), st.binary())
def test_a_readable_name_is_text_and_tells_bytes_apart(one: bytes, other: bytes) -> None:
    names = [raw.decode("utf-8", "surrogateescape") for raw in (one, other)]
    shown = [readable(name) for name in names]
    for text in shown:
        text.encode("utf-8")
    if "\\" not in names[0] + names[1]:
        assert (shown[0] == shown[1]) == (one == other)
    assert readable("\ud800") == "\\ud800"
