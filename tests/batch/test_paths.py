"""Where grades lie: every name has a place of its own, inside the folder, on every disk."""

from __future__ import annotations

import unicodedata
from pathlib import Path

from hypothesis import example, given
from hypothesis import strategies as st

from grader.batch import grade_path

OUT = Path("out")
NAMES = st.text(min_size=1, max_size=300) | st.text("ab%.: /-CONx", min_size=1, max_size=30)


def alike(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


@given(NAMES, NAMES)
@example("a:b", "a%3Ab")
@example("CON", "%CON")
@example("nul.zip", "%nul.zip")
@example("x" * 300, "x" * 301)
@example(" ", " %")
@example(".a", "%.a")
def test_names_that_differ_beyond_case_never_share_a_path(first: str, second: str) -> None:
    if alike(first) != alike(second):
        paths = [alike(str(grade_path(OUT, name))) for name in (first, second)]
        assert paths[0] != paths[1]


@given(NAMES)
@example("..")
@example("../../etc/passwd")
@example("\ud800")
def test_path_is_a_plain_file_in_the_folder_of_grades(name: str) -> None:
    path = grade_path(OUT, name)
    assert path.parent == OUT / "grades"
    assert path.suffix == ".json"
    assert not path.name.startswith(".")
    assert not set(path.name) & set('\\:*?"<>|\0\n')
    assert path.stem == path.stem.rstrip(" .")
    assert len(path.name.encode("utf-8")) <= 200
    assert path.stem.partition(".")[0].upper() not in {"CON", "NUL", "COM1", "LPT9"}


def test_usual_names_stay_as_they_are() -> None:
    for name in ("ada", "Анна Каренина", "名前", "a.b", "hw3_final (2)"):
        assert grade_path(OUT, name).name == f"{name}.json"
