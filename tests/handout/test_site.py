"""The command: files of a lesson, the course as a site, and a threshold that is changed once."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from urllib.parse import unquote, urlsplit

import msgspec
import pytest

from grader.handout import document as source
from grader.handout import pdf, starter
from grader.handout import site as glossary
from grader.handout.build import FORMATS, Order, build
from grader.handout.chapter import chapter
from grader.handout.document import Links, document
from grader.handout.site import site
from grader.handout.slides import slides
from grader.lesson import loading
from grader.report import student_page
from grader.text import languages
from grader.text.errors import SpecError
from tests.conftest import Grader
from tests.handout.conftest import LECTURES, Course
from tests.handout.markup import read
from tests.report import factory

needs_chromium = pytest.mark.skipif(
    pdf.engine() is None, reason="no Chromium here: nothing can be printed"
)


def test_a_threshold_is_changed_in_one_place(course: Course) -> None:
    course.change("assignments/distillation/lesson.toml", "factor = 1.1", "factor = 1.37")
    course.change("assignments/distillation/lesson.toml", "speedup / 10", "speedup / 20")
    (course.root / "student_template/distillation/README.md").write_text(
        "# Homework\n\nAt most {{ gate.factor }} times; {{ terms.speedup.formula }}.\n",
        encoding="utf-8",
    )
    formula = "3.5 * min(speedup / 20, 1)"
    for lang in languages():
        found = document(source.read(course.lesson, lang))
        for page in (chapter(found, Links()), slides(found, Links())):
            assert "au_fa_fr &lt;= 1.37 * au_fa_fr(baseline)" in page
            assert formula in page
            assert "speedup / 10" not in page
    with zipfile.ZipFile(io.BytesIO(starter.archive(course.lesson))) as packed:
        readme = packed.read("distillation/README.md").decode("utf-8")
    assert readme == f"# Homework\n\nAt most 1.37 times; {formula}.\n"
    spec = course.lesson.spec
    graded = factory.graded("anna")
    values = {name: graded.measurements[name].value for name in ("compression", "speedup")}
    terms = spec.score(values, gate_passed=True)  # as grading.py writes them into a grade
    assert formula in student_page(msgspec.structs.replace(graded, terms=terms), spec, "en")


THRESHOLDS = {
    "distillation": ("factor = 1.1", "factor = 1.3719", ("1.3719",), ("1.3719", "1,4")),
    "streaming_kws": ("factor = 1.05", "factor = 1.3719", ("1.3719",), ("1.3719", "1,37")),
    "pruning_arduino": ("threshold = 0.62", "threshold = 0.3719", ("0.3719",), ("37%",)),
    "quantization": (
        "accuracy_drop = 0.01", "accuracy_drop = 0.03719", ("3.719", "3,719"), ("3.719", "3,719"),
    ),
    "profiling": (
        "count, relative.\ntolerance = 0.01\n", "count, relative.\ntolerance = 2.3719\n",
        ("237%",), ("237%",),
    ),
}  # fmt: skip
"""A line of each lesson.toml, another one, and how pages and starters then write the number."""


@pytest.mark.parametrize("name", sorted(THRESHOLDS))
def test_a_threshold_of_any_lesson_is_changed_in_one_place(
    name: str, tmp_path: Path, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for tree in ("assignments", "student_template"):
        shutil.copytree(repository / tree, tmp_path / tree)  # lectures link to each other
    (tmp_path / "reference_solutions").mkdir()
    monkeypatch.setenv("GRADER_COURSE", str(tmp_path))
    old, new, on_pages, in_starter = THRESHOLDS[name]
    toml = tmp_path / "assignments" / name / "lesson.toml"
    assert toml.read_text(encoding="utf-8").count(old) == 1
    before, _ = shown(tmp_path / "assignments" / name)
    toml.write_text(toml.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
    after, packed = shown(tmp_path / "assignments" / name)
    for page, was in zip(after, before, strict=True):
        assert any(one in page for one in on_pages)
        assert not any(one in was for one in on_pages)
    for words in packed:
        assert any(one in words for one in in_starter)


def shown(folder: Path) -> tuple[list[str], list[str]]:
    """Chapters and slides of a lesson in both languages, and the words of its starter."""
    found = loading.load_folder(folder)
    documents = [document(source.read(found, lang)) for lang in languages()]
    pages = [make(one, Links()) for one in documents for make in (chapter, slides)]
    files = {str(path): content for path, content in starter.files(found)}
    return pages, [files[one].decode("utf-8") for one in ("README.md", "README.ru.md")]


def test_a_starter_is_the_template_with_values_filled_in(course: Course) -> None:
    packed = starter.archive(course.lesson)
    assert packed == starter.archive(course.lesson)
    folder = course.lesson.template
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "x.pyc").write_bytes(b"x")
    assert packed == starter.archive(course.lesson)
    with zipfile.ZipFile(io.BytesIO(packed)) as found:
        for name in found.namelist():
            inside = name.removeprefix("distillation/")
            if inside == "grader.toml":  # which lesson it is: `grader new` writes the same
                assert found.read(name) == b'lesson = "distillation"\n'
                continue
            shipped, written = found.read(name), (folder / inside).read_bytes()
            if inside.endswith(".md") and b"{{" in written:
                assert b"{{" not in shipped
                assert shipped.splitlines()[0] == written.splitlines()[0]
            else:
                assert shipped == written


def test_terms_are_in_alphabetical_order_and_their_lessons_exist() -> None:
    for lang in languages():
        words = [term.term.to(lang).lower().replace("ё", "е") for term in glossary.terms(lang)]
        assert words == sorted(words)
        assert len(set(words)) == len(words)
    for term in glossary.terms("en"):
        assert set(term.lessons) <= set(loading.names()), term.term.to("en")


def test_lessons_stand_in_the_order_of_the_course() -> None:
    assert [one.name for one in loading.every()] == [
        "profiling",
        "distillation",
        "streaming_kws",
        "quantization",
        "pruning_arduino",
    ]


def test_a_lesson_without_a_place_is_the_last(course: Course) -> None:
    shutil.copytree(course.folder, course.folder.with_name("another"))
    course.change(
        "assignments/another/lesson.toml",
        'name = "distillation"\norder = 2\n',
        'name = "another"\n',
    )
    assert [one.name for one in loading.every()] == ["distillation", "another"]


def test_a_damaged_glossary_is_named(course: Course) -> None:
    (course.root / "assignments" / "glossary.toml").write_text("[[term]]\n", encoding="utf-8")
    with pytest.raises(SpecError, match=r"glossary\.toml: .*term"):
        glossary.terms("en")


@needs_chromium
def test_every_format_of_a_lesson_is_built(course: Course, tmp_path: Path) -> None:
    out = tmp_path / "out"
    written = build(Order(course.lesson, "ru", tuple(FORMATS), execute=False), out)
    assert [path.name for path in written[:4]] == [
        "distillation.ru.html",
        "distillation.ru.slides.html",
        "distillation.ru.pdf",
        "distillation.ru.ipynb",
    ]
    printed = written[2].read_bytes()
    assert printed.startswith(b"%PDF-")
    assert b"/Outlines" in printed
    assert b"/StructTreeRoot" in printed
    assert printed.count(b"/FontFile2") >= 3


@needs_chromium
@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="no pdftotext here")
def test_a_printed_chapter_can_be_read_in_russian(course: Course, tmp_path: Path) -> None:
    (path,) = build(Order(course.lesson, "ru", ["pdf"]), tmp_path)[:1]
    text = subprocess.run(
        ["pdftotext", "-layout", str(path), "-"], capture_output=True, text=True, check=True
    ).stdout
    assert "Дистилляция" in text
    assert "Жёсткие и мягкие метки" in text
    assert "Большие" not in text.split("\f")[0]
    assert len(text.split("\f")) > 10
    assert text.split("\f")[1].split()[-1] == "2"  # the page's number


def test_the_whole_course_holds_together(tmp_path: Path) -> None:
    front = site(tmp_path, formats=["slides", "ipynb"], execute=False)
    assert front == tmp_path / "index.html"
    names = {path.name for path in tmp_path.iterdir()}
    for name in loading.names():
        assert f"starter.{name}.zip" in names
    for name, lang in LECTURES:
        assert {
            f"{name}.{lang}.html",
            f"{name}.{lang}.slides.html",
            f"{name}.{lang}.ipynb",
        } <= names
    ids = {path.name: read(path) for path in tmp_path.glob("*.html")}
    for page, found in ids.items():
        for link in found.links:
            parts = urlsplit(link)
            if not parts.scheme:
                target = unquote(parts.path) or page
                assert target in names, f"{page}: {link}"
                if parts.fragment:
                    assert unquote(parts.fragment) in ids[target].ids, f"{page}: {link}"
    reached, new = {"index.html"}, {"index.html"}
    while new:
        linked = {unquote(urlsplit(link).path) for one in new for link in ids[one].links}
        new = (linked & ids.keys()) - reached
        reached |= linked & names
    assert names - reached == set(), "nothing leads there"


def test_a_course_in_one_language_links_to_no_other(course: Course, tmp_path: Path) -> None:
    for path in (course.root / "assignments").rglob("*.ru.md"):
        path.unlink()
    site(tmp_path / "site", formats=["html"], execute=False)
    pages = {path.name: path.read_text(encoding="utf-8") for path in tmp_path.glob("site/*.html")}
    assert set(pages) == {
        "index.html",
        "index.en.html",
        "glossary.en.html",
        "distillation.en.html",
    }
    assert not any("Русский" in page or ".ru." in page for page in pages.values())


# The command line.


def test_the_command_writes_what_was_asked_for(grader: Grader, tmp_path: Path) -> None:
    done = grader(
        "handout", "streaming_kws", "--lang", "ru", "--format", "slides", "--format", "html",
        "--out", tmp_path / "o", "--json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    paths = json.loads(done.stdout)
    assert [Path(path).name for path in paths[:2]] == [
        "streaming_kws.ru.html",
        "streaming_kws.ru.slides.html",
    ]
    assert all(Path(path).is_file() for path in paths)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "Name a lesson, or say --all"),
        (["distillation", "--all"], "Name a lesson, or say --all"),
        (["distilation"], "Did you mean distillation?"),
        (["distillation", "--format", "docx"], "docx"),
    ],
)
def test_wrong_usage_is_said_in_a_sentence(
    arguments: list[str], said: str, grader: Grader, tmp_path: Path
) -> None:
    done = grader("handout", *arguments, "--out", tmp_path / "o", "--lang", "en")
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_without_a_program_that_prints_pdf_says_how_to_get_one(
    grader: Grader, tmp_path: Path
) -> None:
    done = grader(
        "handout", "distillation", "--format", "pdf", "--out", tmp_path, "--lang", "en",
        GRADER_CHROMIUM=str(tmp_path / "nothing"),
    )  # fmt: skip
    assert done.returncode == 2
    assert "PDF needs Chromium" in done.stderr
    assert "apt install chromium" in done.stderr


def test_a_folder_that_cannot_be_written_is_named(grader: Grader, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    done = grader("handout", "distillation", "--out", tmp_path / "file" / "o", "--lang", "en")
    assert done.returncode == 2
    assert "choose another --out" in done.stderr


def test_help_needs_no_heavy_library(grader: Grader) -> None:
    code = (
        "import sys; from grader.cli import run; run(['handout', '--help']);"
        "print([n for n in ('torch', 'numpy', 'matplotlib', 'nbclient') if n in sys.modules])"
    )
    assert grader.python("-c", code).stdout.rstrip().endswith("[]")


@pytest.mark.slow
@pytest.mark.parametrize("name", loading.names())
def test_every_notebook_of_the_course_runs(name: str, tmp_path: Path) -> None:
    """In English; tests of each lesson see that the code is the same in both languages."""
    done = subprocess.run(
        [sys.executable, "-m", "grader", "handout", name, "--lang", "en", "--format", "ipynb",
         "--out", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / f"{name}.en.ipynb").read_text(encoding="utf-8"))
    code = [cell for cell in found["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
