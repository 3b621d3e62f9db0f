"""Every sentence has a translation, and one more language is one file per catalog."""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from string import Formatter

import pytest

from grader.cli import translations
from grader.cli.translations import KEYWORDS, Source
from grader.text import Text, in_context, join, plural, verbatim

SOURCES = translations.sources()
PSEUDO = "eo"
"""A language that the course does not have; its sentences are the English ones in brackets."""


@pytest.mark.parametrize("source", SOURCES, ids=lambda one: one.name)
def test_russian_is_complete_and_compiled(source: Source) -> None:
    assert translations.problems(source, "ru") == []


def test_problems_are_named(tmp_path: Path) -> None:
    lesson = tmp_path / "spot"
    lesson.mkdir()
    code = 'from grader.text import Text\nA = Text("one {n}", n=1)\nB = Text("two")\n'
    (lesson / "checks.py").write_text(code, encoding="utf-8")
    shutil.copy(SOURCES[1].folder / "lesson.toml", lesson)
    source = Source("spot", lesson)
    catalog = translations.update(source, "ru")
    catalog.get("one {n}").string = "раз {m}"
    catalog.add("gone", "ушло")
    translations.write(source.catalog("ru"), catalog)
    source.catalog("ru").with_suffix(".mo").write_bytes(b"old")
    found = "\n".join(translations.problems(source, "ru"))
    assert "missing: 'two'" in found
    assert "stale: 'gone'" in found
    assert "'one {n}': unknown placeholders m" in found
    assert "spot.mo is not what spot.po compiles to" in found
    translations.write(source.catalog("ru"), translations.update(source, "ru"))
    again = "\n".join(translations.problems(source, "ru"))
    assert "gone" not in again
    assert ".mo" not in again


def calls(tree: ast.AST) -> Iterator[ast.Call]:
    """The calls whose first argument is a sentence."""
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id in {*KEYWORDS, "in_context"}
            and node.args
        ):
            yield node


def test_every_sentence_is_a_literal_with_the_values_it_needs(repository: Path) -> None:
    """Babel collects literals only; a placeholder without a value would fail when it is shown."""
    wrong = []
    for path in [*repository.glob("grader/**/*.py"), *repository.glob("assignments/*/**/*.py")]:
        if "samples" in path.parts or path == repository / "grader" / "text" / "__init__.py":
            continue
        for call in calls(ast.parse(path.read_text(encoding="utf-8"))):
            message, where = call.args[0], f"{path.relative_to(repository)}:{call.lineno}"
            if isinstance(message, ast.JoinedStr | ast.BinOp):
                wrong.append(f"{where}: not a literal")
            given = {one.arg for one in call.keywords} | ({"n"} if len(call.args) > 2 else set())
            if isinstance(message, ast.Constant) and given and None not in given:
                parts = Formatter().parse(message.value)
                named = {name.partition(".")[0] for _, name, _, _ in parts if name}
                if named != given:
                    wrong.append(f"{where}: {sorted(named ^ given)}")
    assert wrong == []


def pseudo(source: Source) -> None:
    """Begin the catalog of PSEUDO, with the English sentences in brackets."""
    catalog = translations.update(source, PSEUDO)
    for message in catalog:
        if message.id:
            forms = (message.id,) if isinstance(message.id, str) else message.id
            made = tuple(f"⟦{form}⟧" for form in forms)
            message.string = made[0] if isinstance(message.id, str) else made
    translations.write(source.catalog(PSEUDO), catalog)


def test_one_more_language_is_one_file_per_catalog(repository: Path, tmp_path: Path) -> None:
    """Help, the terminal, a grade and a page speak it, without a change of code."""
    ignored = shutil.ignore_patterns("__pycache__", "_course")
    shutil.copytree(repository / "grader", tmp_path / "grader", ignore=ignored)
    for tree in ("assignments", "student_template", "reference_solutions"):
        shutil.copytree(repository / tree / "profiling", tmp_path / tree / "profiling")
    for name, folder in (("grader", "grader"), ("profiling", "assignments/profiling")):
        pseudo(Source(name, tmp_path / folder))
    environment = os.environ | {"PYTHONPATH": str(tmp_path), "GRADER_LANG": PSEUDO}

    def run(*arguments: str, cwd: Path = tmp_path) -> str:
        command = [sys.executable, "-m", "grader", *arguments]
        done = subprocess.run(
            command, cwd=cwd, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode in (0, 1), done.stderr
        return done.stdout

    assert "⟦Options⟧" in run("--help")
    assert "⟦" in run("new", "profiling", "hw")
    page = tmp_path / "page.html"
    grade = json.loads(run("check", "--json", "--html", str(page), cwd=tmp_path / "hw"))
    check = grade["checks"][0]
    assert set(check["title"]) == {"en", "ru", PSEUDO}
    assert check["title"][PSEUDO].startswith("⟦")
    assert (
        check["title"][PSEUDO].translate({ord("⟦"): None, ord("⟧"): None}) == check["title"]["en"]
    )
    assert f'lang="{PSEUDO}"' in page.read_text(encoding="utf-8")
    assert check["title"][PSEUDO] in page.read_text(encoding="utf-8")


def test_values_are_written_in_the_language_of_the_sentence() -> None:
    text = Text("{size:,} B, {share:.1%}, line {line}, {inner}", size=12_345, share=0.125,
                line=1_000, inner=Text("baseline"))  # fmt: skip
    assert str(text) == "12,345 B, 12.5%, line 1000, baseline"
    assert text.to("ru") == "12\u00a0345 B, 12,5%, line 1000, базовая модель"


def test_a_sentence_without_values_keeps_its_braces() -> None:
    assert str(Text("write {x}")) == "write {x}"
    assert str(Text("write {{x}} and {y}", y=1)) == "write {x} and 1"


def test_a_plural_takes_the_form_of_its_language() -> None:
    assert [str(plural("{n} clip", "{n} clips", n)) for n in (1, 2)] == ["1 clip", "2 clips"]


def test_joined_texts_are_translated_one_by_one() -> None:
    both = join(", ", [Text("baseline"), verbatim("model.onnx"), in_context("unit", "B")])
    assert both.to("ru") == "базовая модель, model.onnx, Б"
    assert str(both) == "baseline, model.onnx, B"


def test_the_help_needs_no_babel() -> None:
    code = "import sys; from grader.cli import run; run(['--help', '--lang', 'ru']); "
    code += "sys.exit('babel' in sys.modules or 'numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 0
