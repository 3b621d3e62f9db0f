from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader.report.untrusted import name, shorten, visible


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
