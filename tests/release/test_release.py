"""`grader release`: a student can start with it, and nothing private is in it."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Grader
from tests.release import environment

SEED = "f3a9c1-the-instructors-own-seed"
CANARY = "canary-4b1d77e2"
LONG_LINE = 45
"""Characters of a line of code that nobody writes twice by chance."""


@pytest.fixture(scope="module")
def course(small_course: Path, repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The course with marked files wherever something private lies about."""
    folder = tmp_path_factory.mktemp("private") / "course"
    shutil.copytree(small_course, folder)
    shutil.copytree(repository / "docs", folder / "docs")
    lesson = folder / "assignments" / "distillation"
    for place in (
        "samples/good.py",
        "answers/hidden.json",
        "__pycache__/autograder.cpython-311.pyc",
        ".git/config",
        "autograder.py~",
        ".autograder.py.swp",
        ".env",
    ):
        _mark(lesson / place)
    _mark(folder / "reference_solutions" / "distillation" / "notes.md")
    _mark(folder / "student_template" / "distillation" / ".ipynb_checkpoints" / "solved.ipynb")
    (folder / "hidden_seed").write_text(SEED, encoding="utf-8")
    spec = lesson / "lesson.toml"
    text = spec.read_text(encoding="utf-8")
    spec.write_text(f'{text}\n[release]\nwithhold = ["answers"]\n', encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def settings(course: Path) -> dict[str, str]:
    return {"GRADER_COURSE": str(course), "GRADER_HIDDEN_SEED": SEED}


@pytest.fixture(scope="module")
def released(
    grader: Grader, settings: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    folder = tmp_path_factory.mktemp("out") / "released"
    done = grader("release", folder, "--json", **settings)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["lessons"] == sorted(json.loads(done.stdout)["lessons"])
    return folder


def test_a_release_has_what_a_student_needs(released: Path) -> None:
    names = {path.relative_to(released).as_posix() for path in released.rglob("*")}
    assert {"README.md", "README.ru.md", "constraints.txt", "release.json"} <= names
    assert {"starters/distillation.zip", "handouts/index.html"} <= names
    listed = json.loads((released / "release.json").read_text("utf-8"))["files"]
    for name, known in listed.items():
        raw = (released / name).read_bytes()
        assert known == {"bytes": len(raw), "sha256": hashlib.sha256(raw).hexdigest()}
    files = {name for name in names if (released / name).is_file()}
    assert set(listed) == files - {"release.json"}


def test_no_secret_and_no_canary_is_in_any_file(released: Path) -> None:
    found = [
        name
        for name, raw in every_file(released)
        if SEED.encode() in raw or CANARY.encode() in raw or CANARY in name
    ]
    assert found == []


def test_no_reference_sample_or_withheld_file_is_inside(released: Path, course: Path) -> None:
    inside = {hashlib.sha256(raw).hexdigest() for _, raw in every_file(released)}
    private = [path for path in private_files(course) if path.stat().st_size > 0]
    public = {hashlib.sha256(path.read_bytes()).hexdigest() for path in public_files(course)}
    assert len(private) > 100
    leaked = [
        path
        for path in private
        if (digest := hashlib.sha256(path.read_bytes()).hexdigest()) in inside
        and digest not in public
    ]
    assert leaked == []


def test_no_line_of_a_reference_is_inside(released: Path, course: Path, repository: Path) -> None:
    """Not as a file, not quoted, not in a page: but for lines that templates or lectures have."""
    known = {line for path in public_files(course) for line in long_lines(path)}
    known |= {line for path in (repository / "grader").rglob("*.py") for line in long_lines(path)}
    solved = {line for path in private_files(course) for line in long_lines(path)} - known
    assert len(solved) > 1000
    text = "\n".join(
        raw.decode("utf-8", errors="replace") for _, raw in every_file(released) if raw[:2] != b"PK"
    )
    inside = set(map(str.strip, text.splitlines()))
    assert sorted(solved & inside) == []


def test_the_search_of_these_tests_finds_what_is_put_in(
    released: Path, course: Path, tmp_path: Path
) -> None:
    spoilt = tmp_path / "spoilt"
    shutil.copytree(released, spoilt)
    (wheel,) = spoilt.glob("*.whl")
    with zipfile.ZipFile(wheel, "a") as archive:
        archive.write(course / "reference_solutions" / "distillation" / "notes.md", "grader/x.md")
        archive.write(course / "hidden_seed", "grader/y")
    with pytest.raises(AssertionError):
        test_no_secret_and_no_canary_is_in_any_file(spoilt)
    with pytest.raises(AssertionError):
        test_no_reference_sample_or_withheld_file_is_inside(spoilt, course)


@pytest.mark.parametrize("leak", ["seed", "reference"])
def test_a_leak_stops_the_release_and_leaves_nothing(
    grader: Grader, course: Path, settings: dict[str, str], tmp_path: Path, leak: str
) -> None:
    """An instructor's slip: a solution, or the seed, copied into the template."""
    own = tmp_path / "course"
    shutil.copytree(course, own)
    template = own / "student_template" / "distillation"
    if leak == "seed":
        (template / "grade.sh").write_text(f"export GRADER_HIDDEN_SEED={SEED}\n", encoding="utf-8")
    else:
        solved = own / "reference_solutions" / "distillation" / "seeds" / "1.onnx"
        (template / "model.zip").write_bytes(_zipped("old/model.onnx", solved.read_bytes()))
    out = tmp_path / "out" / "released"
    mine = settings | {"GRADER_COURSE": str(own)}
    done = grader("release", out, "--no-handouts", **mine)
    assert done.returncode == 3, done.stdout + done.stderr
    assert "Nothing was released" in done.stderr
    assert ("seed of the hidden data" if leak == "seed" else "seeds/1.onnx") in done.stderr
    assert SEED not in done.stdout + done.stderr
    assert list((tmp_path / "out").iterdir()) == []


def test_a_slip_in_the_withheld_names_is_an_error(
    grader: Grader, course: Path, settings: dict[str, str], tmp_path: Path
) -> None:
    own = tmp_path / "course"
    shutil.copytree(course, own)
    spec = own / "assignments" / "distillation" / "lesson.toml"
    spec.write_text(spec.read_text("utf-8").replace('"answers"', '"answer"'), encoding="utf-8")
    mine = settings | {"GRADER_COURSE": str(own)}
    done = grader("release", tmp_path / "out", "--no-handouts", **mine)
    assert done.returncode == 2
    assert "'answer'" in done.stderr
    assert not (tmp_path / "out").exists()


def test_lessons_can_be_released_one_by_one(
    grader: Grader, settings: dict[str, str], tmp_path: Path
) -> None:
    out = tmp_path / "released"
    first = grader("release", out, "--lesson", "quantization", "--no-handouts", **settings)
    assert first.returncode == 0, first.stderr
    names = [name for name, _ in every_file(out)]
    assert any("assignments/quantization" in name for name in names)
    assert not any("profiling" in name for name in names if "/docs/" not in name)
    later = grader("release", out, "--lesson", "profiling", "--no-handouts", **settings)
    assert later.returncode == 0, later.stderr  # an earlier release is replaced
    assert not (out / "starters" / "quantization.zip").exists()


def test_the_same_course_gives_the_same_package(
    grader: Grader, settings: dict[str, str], tmp_path: Path
) -> None:
    sums = []
    for name in ("one", "two"):
        done = grader(
            "release", tmp_path / name, "--lesson", "profiling", "--no-handouts", **settings
        )
        assert done.returncode == 0, done.stderr
        sums.append((tmp_path / name / "release.json").read_bytes())
    assert sums[0] == sums[1]


def test_a_folder_with_something_else_in_it_is_left_alone(
    grader: Grader, settings: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "thesis.tex").touch()
    done = grader("release", tmp_path, **settings)
    assert done.returncode == 2
    assert "no earlier release" in done.stderr
    assert (tmp_path / "thesis.tex").exists()


@pytest.mark.slow
def test_a_student_installs_it_and_works(
    released: Path, repository: Path, cache: Path, tmp_path: Path
) -> None:
    scripts = environment.make(tmp_path / "env")
    (wheel,) = released.glob("*.whl")
    pip = [scripts / "python", "-m", "pip", "install", "--no-deps", "--no-index", wheel]
    installed = environment.run(*pip, cwd=tmp_path)
    assert installed.returncode == 0, installed.stderr
    mine = {"GRADER_CACHE": str(cache), "HOME": str(tmp_path)}

    def grader(*arguments: str, cwd: Path = tmp_path) -> environment.Done:
        return environment.run(scripts / "grader", *arguments, cwd=cwd, **mine)

    code = "import grader; print(grader.__file__)"
    where = environment.run(scripts / "python", "-c", code, cwd=tmp_path).stdout
    assert str(tmp_path / "env") in where
    assert grader("new", "distillation", "hw").returncode == 0
    untouched = grader("check", cwd=tmp_path / "hw")
    assert untouched.returncode == 1, untouched.stderr
    assert "Expected model.onnx" in untouched.stdout
    solved = repository / "reference_solutions" / "distillation"
    for name in ("model.onnx", "experiments.csv"):
        shutil.copy(solved / name, tmp_path / "hw")
    checked = grader("check", cwd=tmp_path / "hw")
    assert checked.returncode == 0, checked.stdout + checked.stderr

    starter = tmp_path / "starter"
    shutil.unpack_archive(released / "starters" / "distillation.zip", starter)
    assert "Expected model.onnx" in grader("check", cwd=starter / "distillation").stdout

    for command in (["reference", "distillation"], ["demo"]):
        refused = grader(*command)
        assert refused.returncode == 2, refused.stdout
        assert "students' package" in refused.stderr


@pytest.mark.slow
def test_public_data_travel_with_the_release(
    grader: Grader, settings: dict[str, str], cache: Path, tmp_path: Path
) -> None:
    out = tmp_path / "released"
    options = ("--lesson", "quantization", "--no-handouts", "--with-data")
    done = grader("release", out, *options, **settings)
    assert done.returncode == 0, done.stderr
    entries = {path.name for path in (out / "data").iterdir()}
    assert any("train" in name for name in entries)
    assert not any("hidden" in name for name in entries)
    fresh = {"GRADER_CACHE": str(tmp_path / "cache")}
    added = grader("data", "add", out / "data", **fresh)
    assert added.returncode == 0, added.stderr
    assert set(added.stdout.split("\n")[:-2]) == entries
    again = grader("data", "add", out / "data", **fresh)
    assert "Added: 0" in again.stdout
    refused = grader("data", "add", tmp_path, **fresh)
    assert refused.returncode == 2


def every_file(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Every file and every member of every archive, at any depth."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield from _members(path.relative_to(folder).as_posix(), path.read_bytes())


def _members(name: str, raw: bytes) -> Iterator[tuple[str, bytes]]:
    yield name, raw
    if raw[:2] == b"PK":
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            for inside in archive.namelist():
                yield from _members(f"{name}!{inside}", archive.read(inside))


def private_files(course: Path) -> list[Path]:
    folders = [course / "reference_solutions", *course.glob("assignments/*/samples")]
    folders.append(course / "assignments" / "distillation" / "answers")
    alone = course / "assignments" / "profiling" / "make_slow.py"
    return [alone, *(path for one in folders for path in one.rglob("*") if path.is_file())]


def public_files(course: Path) -> list[Path]:
    private = set(private_files(course))
    trees = [course / name for name in ("assignments", "student_template", "docs")]
    found = [path for tree in trees for path in tree.rglob("*") if path.is_file()]
    return [path for path in found if path not in private and not _about(path)]


def long_lines(path: Path) -> set[str]:
    if path.suffix not in (".py", ".c", ".S", ".md", ".toml"):
        return set()
    lines = path.read_text(encoding="utf-8").splitlines()
    return {line.strip() for line in lines if len(line.strip()) >= LONG_LINE}


def _about(path: Path) -> bool:
    return CANARY in path.read_bytes().decode("latin-1")


def _mark(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"# {CANARY}: the answer to everything is 42, for nobody to see\n", "utf-8")


def _zipped(name: str, raw: bytes) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr(name, raw)
    return made.getvalue()
