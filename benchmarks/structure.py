"""Print how large the engine and the starters are, and how the engine's parts import each other.

    python benchmarks/structure.py          # a table
    python benchmarks/structure.py --json

A module is one Python file of `grader/`, a part is a top-level package or module of it. A level is
a step of the longest chain of imports between parts: a part that imports no other is on level 1.
A circle is a group of modules that import each other in a loop. Private helpers are functions of a
module whose name begins with an underscore.

Lines of starters are those of .py, .c and .h files that are neither blank nor comments. Copied are
those that are also in the reference solution of the lesson, in files that `make starters` does not
generate.
"""

from __future__ import annotations

import argparse
import ast
import json
import re
import statistics
from collections import Counter
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

import grimp

from grader.lesson import loading
from grader.release import starters

ROOT = Path(__file__).resolve().parents[1]
ENGINE = ROOT / "grader"
CODE = (".py", ".c", ".h")
RUSSIAN = re.compile("[\u0400-\u04ff]")
RUSSIAN_IN_CODE = {
    "assignments/profiling/analysis_report.py": "beginnings of words in students' headings",
    "assignments/profiling/samples/make.py": "the name of a student's file",
    "assignments/quantization/exam.py": "a Russian post that is sent to models",
    "assignments/quantization/figures/posts.py": "words that are looked for in Russian posts",
    "benchmarks/posts_inflect.py": "Russian words and their forms",
    "grader/data/text": "grammar, words and spelling of generated Russian posts",
    "grader/gradebook/moodle.py": "column names of Moodle's export",
    "grader/handout/site.py": "where a letter stands in the alphabet of the glossary",
    "grader/handout/slides.py": "ends of sentences and abbreviations",
    "grader/report/charts/drawing.py": "widths of letters",
    "grader/semester/roster.py": "column names of rosters",
    "grader/semester/tables.py": "names of months and dates that are read",
    "grader/text/numbers.py": "an example of a date",
    "reference_solutions/quantization/ngrams.py": "an example of a post",
}
"""Files and folders where Cyrillic letters are no translation, and what they are."""
LONG = 20
"""Characters of a line that is counted as copied; shorter ones are alike by chance."""


@dataclass(frozen=True)
class Structure:
    """Figures of one checkout; `tests/test_structure.py` holds limits for them."""

    modules: int
    lines: int
    """Lines of all Python files, blank lines and comments included."""
    median_lines: int
    parts: int
    part_imports: int
    """Pairs of parts of which the first imports the second."""
    levels: int
    circles: list[list[str]]
    """Modules that import each other in a loop, one list a circle."""
    private_helpers: int
    private_helpers_with_one_caller: int
    starter_lines: int
    """Lines of code of all starters together."""
    copied_starter_lines: int
    """Lines that a starter has in common with its reference without being generated from it."""
    bilingual_lines: int
    """Lines of Python with Cyrillic letters outside of RUSSIAN_IN_CODE."""


def measure() -> Structure:
    files = sorted(ENGINE.rglob("*.py"))
    lines = [len(path.read_text(encoding="utf-8").splitlines()) for path in files]
    modules = _module_imports()
    parts: dict[str, set[str]] = {}
    for module, imported in modules.items():
        part = _part(module)
        parts.setdefault(part, set()).update(_part(other) for other in imported)
        parts[part].discard(part)
    helpers, lonely = _private_helpers(files)
    return Structure(
        modules=len(files),
        lines=sum(lines),
        median_lines=round(statistics.median(lines)),
        parts=len(parts),
        part_imports=sum(len(imported) for imported in parts.values()),
        levels=_levels(parts),
        circles=_circles(modules),
        private_helpers=helpers,
        private_helpers_with_one_caller=lonely,
        starter_lines=sum(len(lines) for one in loading.every() for _, lines in _starter(one)),
        copied_starter_lines=sum(_copied(lesson) for lesson in loading.every()),
        bilingual_lines=sum(len(lines) for lines in russian_lines().values()),
    )


def _module_imports() -> dict[str, set[str]]:
    """Which modules of the engine each imports, imports inside functions included.

    The package itself only holds the version, and `__main__` only starts the command line.
    """
    graph = grimp.build_graph("grader", cache_dir=None)
    left_out = {"grader", "grader.__main__"}
    return {
        module: graph.find_modules_directly_imported_by(module) - left_out
        for module in graph.modules - left_out
    }


def _part(module: str) -> str:
    return module.split(".")[1]


def _levels(parts: dict[str, set[str]]) -> int:
    """Length of the longest chain of imports between parts; 0 where parts form a circle."""
    on_the_way: set[str] = set()

    @cache
    def level(part: str) -> int:
        if part in on_the_way:
            raise RecursionError
        on_the_way.add(part)
        found = 1 + max((level(other) for other in parts.get(part, ())), default=0)
        on_the_way.discard(part)
        return found

    try:
        return max(level(part) for part in parts)
    except RecursionError:
        return 0


def _circles(imports: dict[str, set[str]]) -> list[list[str]]:
    """Strongly connected groups of more than one module (Tarjan 1972)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(module: str) -> None:
        index[module] = low[module] = len(index)
        stack.append(module)
        for other in sorted(imports.get(module, ())):
            if other not in index:
                visit(other)
                low[module] = min(low[module], low[other])
            elif other in stack:
                low[module] = min(low[module], index[other])
        if low[module] == index[module]:
            group = stack[stack.index(module) :]
            del stack[stack.index(module) :]
            if len(group) > 1:
                found.append(sorted(group))

    for module in sorted(imports):
        if module not in index:
            visit(module)
    return found


def _private_helpers(files: list[Path]) -> tuple[int, int]:
    """How many there are, and how many of them are named once in their module."""
    count = lonely = 0
    for path in files:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        named = Counter(node.id for node in ast.walk(tree) if isinstance(node, ast.Name))
        for node in tree.body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("_"):
                count += 1
                lonely += named[node.name] == 1
    return count, lonely


def russian_lines() -> dict[str, list[int]]:
    """Lines with Cyrillic letters, counted from 1, by Python file outside of RUSSIAN_IN_CODE."""
    trees = ("grader", "assignments", "reference_solutions", "student_template", "benchmarks")
    found = {}
    for path in (path for tree in trees for path in sorted((ROOT / tree).rglob("*.py"))):
        name = path.relative_to(ROOT).as_posix()
        if any(name == one or name.startswith(f"{one}/") for one in RUSSIAN_IN_CODE):
            continue
        lines = path.read_text(encoding="utf-8").splitlines()
        if hits := [number for number, line in enumerate(lines, 1) if RUSSIAN.search(line)]:
            found[name] = hits
    return found


def _starter(lesson: loading.Lesson) -> list[tuple[Path, list[str]]]:
    """The files of a lesson's starter with code, and their lines."""
    return [(path, _code(path)) for path in lesson.template.rglob("*") if path.suffix in CODE]


def _code(path: Path) -> list[str]:
    """Lines that are neither blank nor comments, without the space around them."""
    text = path.read_text(encoding="utf-8")
    comment = "#" if path.suffix == ".py" else "//"
    if path.suffix != ".py":
        text = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
    lines = (line.strip() for line in text.splitlines())
    return [line for line in lines if line and not line.startswith(comment)]


def _copied(lesson: loading.Lesson) -> int:
    listed = lesson.spec.starter.generated
    made = {lesson.template / inside for inside, _ in starters.generated(lesson)} if listed else ()
    reference = [path for path in lesson.reference.rglob("*") if path.suffix in CODE]
    known = {line for path in reference for line in _code(path)}
    by_hand = [lines for path, lines in _starter(lesson) if path not in made]
    return sum(
        len(line) >= LONG and not line.startswith(("import ", "from ")) and line in known
        for lines in by_hand
        for line in lines
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true")
    found = measure()
    if parser.parse_args().json:
        print(json.dumps(asdict(found), indent=2))
        return
    for name, value in asdict(found).items():
        print(f"{name.replace('_', ' '):32} {len(value) if name == 'circles' else value:>8,}")
    for circle in found.circles:
        print("circle:", ", ".join(circle))


if __name__ == "__main__":
    main()
