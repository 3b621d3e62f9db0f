"""experiments.csv: formats of spreadsheets are read, and unreadable cells are reported."""

from __future__ import annotations

import codecs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader.measure.quality.experiments import MAX_BYTES, MAX_NAME, read

NUMBERS = ("au_fa_fr", "macs", "bytes")
PLAIN = "name,au_fa_fr,macs,bytes\nмаленькая,5e-5,12000,3000\nlarge,4e-5,90000,20000\n"
EXCEL = "Name;AU_FA_FR;MACs;Bytes\nмаленькая;0,00005;12 000;3\u00a0000\nlarge;4E-5;90000;20000\n"


@pytest.mark.parametrize("text", [PLAIN, EXCEL, "sep=;\n" + EXCEL, EXCEL.replace(";", "\t")])
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize(
    "encoding",
    ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1251"],
)
def test_what_spreadsheets_write_is_read(text: str, line_end: str, encoding: str) -> None:
    table = read(text.replace("\n", line_end).encode(encoding), NUMBERS)
    assert table.problems == []
    assert [experiment.name for experiment in table.experiments] == ["маленькая", "large"]
    assert table.experiments[0].values == {"au_fa_fr": 5e-5, "macs": 12000, "bytes": 3000}


def test_big_endian_with_its_mark_is_read() -> None:
    raw = codecs.BOM_UTF16_BE + PLAIN.encode("utf-16-be")
    assert len(read(raw, NUMBERS).experiments) == 2


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"", "column name is missing"),
        (b"PK\x03\x04" + bytes(500), "not a text"),
        (b"name,au_fa_fr\x00,macs,bytes\n", "not a text"),
        (codecs.BOM_UTF16_LE + b"\x00\xd8a", "not a text"),
        (b"name,macs,bytes\n", "column au_fa_fr is missing"),
        (b"name,au_fa_fr,macs,bytes\na,1,12k,3\n", 'line 2: macs is "12k", not a number'),
        (b"name,au_fa_fr,macs,bytes\na,nan,1,3\n", 'au_fa_fr is "nan"'),
        (b"name,au_fa_fr,macs,bytes\na,1\n", 'macs is "", not a number'),
        (b"a," * 60 + b"b\n", "61 columns, at most 50"),
        (b"x" * (MAX_BYTES + 1), "at most 1,048,576 are read"),
        (b'name,au_fa_fr,macs,bytes\n"' + b"x" * 200_000, "it is not CSV"),
    ],
)
def test_what_cannot_be_read_is_said(raw: bytes, words: str) -> None:
    table = read(raw, NUMBERS)
    assert table.experiments == []
    assert words in table.problems[0].to("en")
    assert table.problems[0].to("ru")


@pytest.mark.parametrize("cell", ["x" * 100_000, "\x1b[31m" * 500, "\u202e" * 500])
def test_cells_and_names_are_short_and_visible(cell: str) -> None:
    rows = f"name,au_fa_fr,macs,bytes\na,{cell},1,1\n{cell},1,1,1\n"
    table = read(rows.encode(), NUMBERS)
    assert len(table.problems[0].to("en")) < 120
    assert len(table.experiments[0].name) <= MAX_NAME
    for text in (table.problems[0].to("en"), table.problems[0].to("ru"), table.experiments[0].name):
        assert not {"\x1b", "\u202e"} & set(text)


@given(st.binary(max_size=300))
def test_any_bytes_give_a_table_of_short_problems(raw: bytes) -> None:
    table = read(raw, NUMBERS)
    assert all(len(problem.to("en")) < 200 for problem in table.problems)


@given(st.text(max_size=200), st.sampled_from(["utf-8", "utf-16", "utf-16-le", "cp1251"]))
def test_any_text_below_the_header_gives_a_table(text: str, encoding: str) -> None:
    raw = ("name,au_fa_fr,macs,bytes\n" + text).encode(encoding, "replace")
    table = read(raw, NUMBERS)
    assert all(set(experiment.values) == set(NUMBERS) for experiment in table.experiments)
