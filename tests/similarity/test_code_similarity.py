from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from grader.lesson import loading
from grader.similarity import code
from grader.similarity.evidence import readable_text
from grader.similarity.pairs import USUAL_CODE
from tests.similarity import works

NAMES = ("first", "second", "third", "fourth")


@pytest.fixture(scope="module")
def template() -> Path:
    return loading.load("distillation").template


@pytest.fixture(scope="module")
def common(template: Path) -> code.Hashes:
    return code.common_to_all([template])


def texts(folder: Path) -> dict[str, str]:
    return {path.name: readable_text(path.read_bytes(), path.name) for path in folder.glob("*.py")}


def alike(template: Path, folder: Path, common: code.Hashes, *sources: str) -> np.ndarray:
    found = []
    for number, source in enumerate(sources):
        place = works.solved(template, folder / str(number), source)
        found.append(code.own_prints(texts(place), common))
    return code.similarity(found)


@pytest.mark.parametrize("disguise", works.DISGUISES)
def test_a_disguised_copy_is_more_alike_than_independent_work(
    disguise: str, template: Path, common: code.Hashes, tmp_path: Path
) -> None:
    own = [works.solution(name) for name in NAMES]
    others = [works.DISGUISES[disguise](source) for source in own]
    found = alike(template, tmp_path, common, *own, *others)
    for one, other in itertools.combinations(range(len(own)), 2):
        assert found[one, other] < USUAL_CODE / 4
        assert found[one, len(own) + other] < USUAL_CODE / 4
    for one in range(len(own)):
        assert found[one, len(own) + one] > 2 * USUAL_CODE


def test_the_template_alone_has_nothing_of_its_own(template: Path, common: code.Hashes) -> None:
    assert len(code.own_prints(texts(template), common)) == 0


def test_what_a_handout_shows_counts_as_given(
    template: Path, common: code.Hashes, tmp_path: Path
) -> None:
    shown = works.solution("second")
    handout = tmp_path / "handout.en.md"
    handout.write_text(f"Like this:\n\n```python\n{shown}```\n\nDone.\n", encoding="utf-8")
    with_handout = code.common_to_all([template], [handout])
    assert len(code.own_prints({"distill.py": shown}, common)) > 40
    assert len(code.own_prints({"distill.py": shown}, with_handout)) == 0


def test_code_that_many_of_the_class_share_has_little_weight() -> None:
    """The same idiom in everybody's work; two have something else in common too."""
    idiom = code.fingerprints(works.solution("first"), "a.py").hashes
    more = code.fingerprints(works.solution("second"), "b.py").hashes
    found = code.similarity([np.union1d(idiom, more if n < 2 else idiom) for n in range(40)])
    assert found[5, 6] < 0.05
    assert found[0, 1] > 0.7


def test_a_notebook_and_a_file_of_the_same_code_are_alike(common: code.Hashes) -> None:
    source = works.solution("third")
    half = source.index("def attention_loss")
    cells = [
        {"cell_type": "markdown", "source": "# My work"},
        {"cell_type": "code", "source": source[:half].splitlines(keepends=True), "outputs": []},
        {"cell_type": "code", "source": source[half:], "outputs": [{"text": "0.1"}]},
    ]
    raw = json.dumps({"cells": cells, "nbformat": 4}).encode()
    notebook = readable_text(raw, "submission.ipynb")
    assert "0.1" not in notebook
    prints = [code.own_prints({"a.py": source}, common),
              code.own_prints({"submission.ipynb": notebook}, common)]  # fmt: skip
    assert code.similarity(prints)[0, 1] > 0.7
    assert readable_text(b"not json", "x.ipynb") == ""


@pytest.mark.parametrize(
    ("path", "text", "other"),
    [
        (
            "network.c",
            "int16_t dot(const int8_t *w, const int16_t *x, uint8_t n) {\n"
            "  int16_t sum = 0;\n  while (n--) { sum += *w++ * *x++; if (sum > 9) sum >>= 1; }\n"
            "  for (uint8_t i = 0; i < 4; i++) { sum ^= x[i] << (i & 3); }\n  return sum;\n}\n",
            "int16_t product(const int8_t *a,const int16_t *b,uint8_t count){ /* mine */\n"
            "int16_t t=0;while(count--){t+=*a++**b++;if(t>9)t>>=1;}\n"
            "for(uint8_t j=0;j<4;j++){t^=b[j]<<(j&3);}return t;}\n",
        ),
        (
            "report.md",
            "The baseline waits for memory: each step reads all weights of the second recurrent "
            "layer again, so I stored them in eight bits and measured how the latency fell.",
            "the baseline waits for memory; each step reads **all** weights of the second "
            "recurrent layer again, so I stored them in eight bits,\nand measured how the latency "
            "fell!",
        ),
    ],
)
def test_firmware_and_prose_are_compared_too(path: str, text: str, other: str) -> None:
    none = np.array([], np.uint64)
    prints = [code.own_prints({path: one}, none) for one in (text, other)]
    shared = np.intersect1d(*prints)
    assert len(shared) > 0.8 * min(map(len, prints))


def test_exported_numbers_are_not_taken_for_code() -> None:
    table = (
        "const int8_t weights[] = {\n" + ",\n".join(str(n % 251 - 120) for n in range(900)) + "};"
    )
    assert len(code.fingerprints(table, "weights.h").hashes) == 0


def test_passages_name_the_lines_that_are_shared(template: Path, common: code.Hashes) -> None:
    source = works.solution("fourth")
    head = "\n".join(f"value_{n} = {n} * {n}" for n in range(7)) + "\n\n"
    found = code.passages({"a.py": source}, {"b.py": head + works.renamed(source)}, common)
    assert found
    longest = found[0]
    assert (longest.file_a, longest.file_b) == ("a.py", "b.py")
    moved = longest.lines_b[0] - longest.lines_a[0]
    assert moved == 8
    assert longest.lines_a[1] - longest.lines_a[0] >= 10
    assert 1 <= longest.lines_a[0] <= longest.lines_a[1] <= source.count("\n") + 1
    covered = {line for one in found for line in range(one.lines_a[0], one.lines_a[1] + 1)}
    assert len(covered) > 0.8 * source.count("\n")


def test_places_of_fingerprints_match_the_text() -> None:
    source = works.solution("third")  # it has a class, whose place copydetect notes differently
    prints = code.fingerprints(source, "a.py", window=1)
    assert (np.diff(prints.starts) >= 0).all()
    assert (prints.ends > prints.starts).all()
    last = source[prints.starts[-1] : prints.ends[-1]]
    assert last.endswith("slope * t")  # a name ends at its first character
    at_forward = source.index("position.floor()")
    assert np.abs(prints.starts - at_forward).min() < 12


def test_fingerprints_do_not_depend_on_the_process() -> None:
    program = (
        "from grader.similarity.code import fingerprints;"
        "text = 'def f(x):\\n    return [g(y) + 1 for y in x if y != 3]\\n' * 5;"
        "print(fingerprints(text, 'a.py').hashes.sum())"
    )
    said = {
        subprocess.run(
            [sys.executable, "-c", program],
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(said) == 1


@pytest.mark.parametrize(
    "text", ["", "x", "(" * 500, "'''", "\x00\x01" * 60, "é" * 99, "\U0001f600" * 64]
)
def test_any_text_can_be_compared(text: str) -> None:
    for path in ("a.py", "b.c", "c.md", "d.ipynb", "e.S", "f.ino"):
        prints = code.fingerprints(text, path)
        assert len(prints.hashes) == len(prints.starts) == len(prints.ends)
        code.passages({path: text}, {path: text}, np.array([], np.uint64))
