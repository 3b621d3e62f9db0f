"""Seminar notebooks: cells in order, run once, and a failing one named."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import nbformat
import pytest

from grader.handout import document as source
from grader.handout.build import Order, build
from grader.handout.document import document
from grader.handout.notebook import notebook
from grader.lesson import loading
from grader.text import languages
from grader.text.errors import SpecError
from tests.handout.conftest import Course
from tests.handout.test_pages import DRAWS

TEXT = """\
# A seminar

Words with [a link](../../student_template/distillation/README.md) and $x^2$.

## 1. Start

### First

```python
import random

number = {{ max_score }}
print("number", number)
```

{.slide}
Between.

::: notes
Not here.
:::

```text
no code
```

```python
number + 1
```
"""


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GRADER_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def cells(raw: bytes) -> list[nbformat.NotebookNode]:
    found = nbformat.reads(raw.decode("utf-8"), as_version=4)
    nbformat.validate(found)
    return list(found.cells)


def test_code_becomes_cells_and_the_rest_is_text(course: Course) -> None:
    found = cells(notebook(course.handout(TEXT), execute=False))
    assert [cell.cell_type for cell in found] == [
        "markdown", "markdown", "markdown", "code", "markdown", "code",
    ]  # fmt: skip
    assert found[0].source == "# A seminar\n\nWords with a link and $x^2$."
    assert found[4].source == "Between.\n\n```text\nno code\n```"
    assert all(cell.outputs == [] for cell in found if cell.cell_type == "code")


def test_cells_are_run_and_their_outputs_kept(course: Course, own_cache: Path) -> None:
    document = course.handout(TEXT)
    raw = notebook(document)
    first, second = (cell for cell in cells(raw) if cell.cell_type == "code")
    assert first.outputs[0].text == "number 7\n"
    assert second.outputs[0].data["text/plain"] == "8"
    assert [first.execution_count, second.execution_count] == [1, 2]

    # A second time nothing runs: what was kept is what comes.
    (kept,) = (own_cache / "handout" / "notebooks").glob("*.ipynb")
    changed = kept.read_text(encoding="utf-8").replace("number 7", "number kept")
    kept.write_text(changed, encoding="utf-8")
    assert b"number kept" in notebook(document)
    assert b"number kept" in notebook(course.handout(TEXT.replace("Between", "Zwischen")))
    assert b"number kept" not in notebook(course.handout(TEXT.replace("number + 1", "number + 2")))


@pytest.mark.parametrize(
    ("code", "reason"),
    [("number / 0", "ZeroDivisionError: division by zero"), ("import os; os._exit(1)", "Dead")],
)
def test_a_failing_cell_is_named_with_its_line_and_its_code(
    code: str, reason: str, course: Course, own_cache: Path
) -> None:
    with pytest.raises(SpecError) as caught:
        notebook(course.handout(TEXT.replace("number + 1", code)))
    said = str(caught.value)
    assert "handout.en.md:27: code cell 2/2 failed: " in said
    assert reason in said
    assert f"    {code}" in said
    assert not list((own_cache / "handout" / "notebooks").glob("*"))


def test_a_seminar_of_its_own_is_the_notebook(course: Course, tmp_path: Path) -> None:
    (course.folder / "seminar.en.md").write_text(TEXT, encoding="utf-8")
    (path,) = build(Order(course.lesson, "en", ["ipynb"], execute=False), tmp_path / "out")
    assert json.loads(path.read_bytes())["metadata"]["title"] == "A seminar"


def test_pictures_travel_inside_the_notebook(course: Course) -> None:
    (course.folder / "handout_figures.py").write_text(DRAWS, encoding="utf-8")
    text = '# T\n\n![Bars.](figure:bars "Caption")\n'
    (cell,) = cells(notebook(course.handout(text), execute=False))
    assert cell.source == "# T\n\n![Bars.](attachment:bars.png)\n\n*Caption*"
    picture = base64.b64decode(cell.attachments["bars.png"]["image/png"])
    assert picture.startswith(b"\x89PNG")


def test_footnotes_stand_at_the_end_and_their_numbers_in_the_text(course: Course) -> None:
    text = (
        "# T\n\nOne[^b], two^[short *note*] and one[^b] again; `[^b]` is code.\n\n## S\n\n### P\n\n"
    )
    text += "Last.[^a]\n\n[^a]: With [a link](lesson.toml).\n\n[^b]: In\n    two lines.\n"
    found = [cell.source for cell in cells(notebook(course.handout(text), execute=False))]
    one, two, three = (f"<sup>{number}</sup>" for number in (1, 2, 3))
    assert found[0].endswith(f"One{one}, two{two} and one{one} again; `[^b]` is code.")
    assert found[2].endswith(f"Last.{three}")
    assert found[-1] == (
        f"---\n\n{one} In\ntwo lines.\n\n{two} short *note*\n\n{three} With a link."
    )


@pytest.mark.parametrize("name", loading.names())
def test_every_lesson_has_a_seminar_with_the_same_code_in_both_languages(name: str) -> None:
    found = loading.load(name)
    pages = {lang: cells(notebook(document(source.read(found, lang, "seminar")), execute=False))
             for lang in languages()}  # fmt: skip
    code = {
        lang: [one.source for one in pages[lang] if one.cell_type == "code"] for lang in languages()
    }
    assert code["en"] == code["ru"]
    assert len(code["en"]) >= 8
    for lang, exercise in (("en", "xercise"), ("ru", "пражнени")):
        words = [one.source for one in pages[lang] if one.cell_type == "markdown"]
        assert sum(exercise in one for one in words) >= 3
