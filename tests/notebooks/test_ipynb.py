"""Notebook files: what is read of them, and that nothing in an executed copy can do harm."""

from __future__ import annotations

import base64
import contextlib
import json
import shutil
from pathlib import Path

import nbformat
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader.intake import candidates, fingerprint, open_submission
from grader.lesson.spec import Intake
from grader.text import notebooks
from grader.text.errors import Rejected
from grader.text.notebooks import Output
from tests.notebooks.writing import code, notebook

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(20)).decode()
RULES = Intake(artefact="model.onnx")


def test_cells_are_counted_as_jupyter_counts_them() -> None:
    text = {"cell_type": "markdown", "metadata": {}, "source": "# Title"}
    found = notebooks.read(
        notebook(text, "a = 1", "  \n", code("train()", "skip-execution"), "b = 2")
    )
    assert [cell.runs for cell in found.cells] == [False, True, False, False, True]
    assert found.number(4) == 2


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b"", "no notebook that can be read"),
        (b"\xff\xfe", "no notebook that can be read"),
        (b"[" * 100_000, "no notebook that can be read"),
        (b'{"nbformat": 4, "cells": 7}', "no notebook that can be read"),
        (b'{"nbformat": 3, "worksheets": []}', "format 3"),
        (notebook(metadata={"kernelspec": {"language": "R"}}), "expected Python"),
        (notebook(*["1"] * 2001), "2,000 cells"),
        (notebook("#" * (4 * 2**20 + 1)), "characters of source"),
        (notebook(code("1", cell_type="\x1b[2J")), "no notebook that can be read"),
    ],
    ids=["empty", "binary", "deep", "no-cells", "old", "other-language", "many", "long", "kind"],
)
def test_what_is_no_python_notebook_is_refused(raw: bytes, says: str) -> None:
    with pytest.raises(Rejected, match=says) as refused:
        notebooks.read(raw)
    assert refused.value.text.to("ru")
    assert "\x1b" not in str(refused.value)


def test_an_executed_copy_is_text_and_bitmaps() -> None:
    found = notebooks.read(notebook("x\u202e = 1", "y"))
    hostile = {
        "text/html": "<script>alert(1)</script>",
        "image/svg+xml": "<svg onload='alert(1)'/>",
        "application/javascript": "alert(1)",
        "text/plain": "\x1b[31mred\x1b[0m \x1b]0;title\x07",
        "image/png": PNG,
        "image/jpeg": PNG,
    }
    copy = notebooks.executed(
        found,
        {
            0: [
                Output("display_data", data=hostile),
                Output("stream", name="<b>", text="a\x00b"),
                Output("error", ename="E\x07", evalue="\x1b[2J", traceback=["\x1b[31mline\x1b[0m"]),
                Output("<script>"),
            ]
        },
    )
    nbformat.validate(nbformat.reads(copy.decode(), as_version=4))
    cells = json.loads(copy)["cells"]
    assert b"alert" not in copy
    assert b"script" not in copy
    assert cells[0]["source"] == "x⟨U+202E⟩ = 1"
    shown = cells[0]["outputs"]
    assert shown[0]["data"] == {"text/plain": "red ␛]0;title␇", "image/png": PNG}
    assert shown[1] == {"output_type": "stream", "name": "stdout", "text": "a␀b"}
    assert shown[2]["traceback"] == ["line"]
    assert cells[1]["outputs"] == []
    assert cells[1]["execution_count"] is None


def test_an_executed_copy_is_bounded() -> None:
    found = notebooks.read(notebook(*["1"] * 300))
    long = [Output("stream", text="x" * 10**6)] * 500
    copy = notebooks.executed(found, dict.fromkeys(range(300), long))
    assert len(copy) < 2 * notebooks.MAX_COPY
    nbformat.validate(nbformat.reads(copy.decode(), as_version=4))


@given(st.binary(max_size=200))
def test_any_bytes_are_a_notebook_or_refused(raw: bytes) -> None:
    with contextlib.suppress(Rejected):
        notebooks.read(raw)


@given(
    st.lists(
        st.builds(
            Output,
            output_type=st.sampled_from(["stream", "error", "display_data", "execute_result"]),
            name=st.text(),
            text=st.text(),
            data=st.dictionaries(st.text(), st.text() | st.integers() | st.none()),
            ename=st.text(),
            evalue=st.text(),
            traceback=st.lists(st.text()),
        ),
        max_size=4,
    )
)
def test_any_outputs_make_a_valid_notebook(shown: list[Output]) -> None:
    copy = notebooks.executed(notebooks.read(notebook("1")), {0: shown})
    nbformat.validate(nbformat.reads(copy.decode("utf-8"), as_version=4))


# Where a notebook may lie ------------------------------------------------------------------------


def test_a_notebook_may_be_handed_in_by_itself(tmp_path: Path) -> None:
    path = tmp_path / "Иванов 🙂.ipynb"
    path.write_bytes(notebook("1"))
    (candidate,), _ = candidates(tmp_path)
    assert candidate.name == "Иванов 🙂"
    with open_submission(path, RULES) as submission:
        assert submission.read(notebooks.FILE) == path.read_bytes()
        assert submission.fingerprint == fingerprint(path, RULES)


def test_a_notebook_says_which_folder_is_the_submission(tmp_path: Path) -> None:
    folder = tmp_path / "ivanov" / "hw" / "inner"
    (folder / "old").mkdir(parents=True)
    (folder / notebooks.FILE).write_bytes(notebook("1"))
    (folder / "old" / "model.onnx").write_bytes(b"1")
    with open_submission(tmp_path / "ivanov", RULES) as submission:
        assert submission.has(notebooks.FILE)
        assert submission.has("old/model.onnx")


def test_a_notebook_below_the_artefact_is_one_of_its_files(tmp_path: Path) -> None:
    (tmp_path / "hw" / "drafts").mkdir(parents=True)
    (tmp_path / "hw" / "model.onnx").write_bytes(b"1")
    (tmp_path / "hw" / "drafts" / notebooks.FILE).write_bytes(notebook("1"))
    with open_submission(tmp_path, RULES) as submission:
        assert submission.has("model.onnx")
        assert not submission.has(notebooks.FILE)


def test_another_name_in_a_folder_is_explained(tmp_path: Path) -> None:
    (tmp_path / "hw3.ipynb").write_bytes(notebook("1"))
    (tmp_path / "notes.txt").write_text("two files", encoding="utf-8")
    with (
        pytest.raises(Rejected, match=r"found the notebook hw3\.ipynb; call"),
        open_submission(tmp_path, RULES),
    ):
        pass


def test_alone_a_notebook_may_have_any_name(tmp_path: Path) -> None:
    folder = tmp_path / "ivanov" / "inner"
    folder.mkdir(parents=True)
    (folder / "HW 3.ipynb").write_bytes(notebook("1"))
    shutil.make_archive(str(tmp_path / "petrov"), "zip", tmp_path / "ivanov")
    for path in (tmp_path / "ivanov", tmp_path / "petrov.zip"):
        with open_submission(path, RULES) as submission:
            assert submission.read(notebooks.FILE) == notebook("1")
            assert submission.fingerprint == fingerprint(path, RULES)


def test_two_notebooks_are_one_too_many(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / notebooks.FILE).write_bytes(notebook("1"))
    with (
        pytest.raises(Rejected, match=r"Expected one submission\.ipynb, found 2"),
        open_submission(tmp_path, RULES),
    ):
        pass


def test_a_large_notebook_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "ivanov.ipynb"
    path.write_bytes(notebook("#" * 2000))
    rules = Intake(artefact="model.onnx", max_file_bytes=1000)
    with pytest.raises(Rejected, match="at most 1,000"), open_submission(path, rules):
        pass
