"""The built wheel works without the checkout."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import sysconfig
import venv
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def installed(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Scripts folder of a clean environment with the wheel in it.

    Its dependencies are borrowed from ours: fetching them again would take minutes, and
    `test_every_imported_package_is_declared` checks that none is missing from its list.
    """
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--outdir", str(folder), str(repository)],
        check=True,
        capture_output=True,
    )
    (wheel,) = folder.glob("*.whl")
    venv.create(folder / "env", with_pip=True)
    scripts = folder / "env" / ("Scripts" if os.name == "nt" else "bin")
    pip = [scripts / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "--no-deps", wheel], check=True)
    code = "import sysconfig; print(sysconfig.get_path('purelib'))"
    site = subprocess.run(
        [scripts / "python", "-c", code], check=True, capture_output=True, text=True
    ).stdout.strip()
    # A bare path, so that our own editable install is not followed.
    (Path(site) / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return scripts


def installed_with(package: str, known: frozenset[str] = frozenset()) -> frozenset[str]:
    """The package and what pip installs with it, extras included."""
    if package in known:
        return known
    known |= {package}
    try:
        lines = requires(package) or []
    except PackageNotFoundError:
        return known
    for line in lines:
        if package == "small-fast-nets" or "extra ==" not in line:
            name = re.split(r"[^\w.-]", line)[0].lower().replace("_", "-")
            known = installed_with(name, known)
    return known


def test_every_imported_package_is_declared(repository: Path) -> None:
    """Each package that the engine, a lesson, a starter or a reference imports is installed with
    this one or with an extra of it."""
    declared = installed_with("small-fast-nets")
    providers = packages_distributions()
    trees = ("grader", "assignments", "reference_solutions", "student_template")
    paths = [path for tree in trees for path in (repository / tree).rglob("*.py")]
    # grader listen says how to install sounddevice, which needs a library of the system.
    local = {path.stem for path in paths} | {"grader", "_typeshed", "sounddevice"}
    missing = set()
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = (
                [alias.name for alias in node.names]
                if isinstance(node, ast.Import)
                else [node.module or ""]
                if isinstance(node, ast.ImportFrom) and node.level == 0
                else []
            )
            for name in {one.partition(".")[0] for one in names} - local - sys.stdlib_module_names:
                owners = {one.lower().replace("_", "-") for one in providers.get(name, [name])}
                if not owners & declared:
                    missing.add(f"{name} in {path.relative_to(repository)}")
    assert not missing


def run(installed: Path, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("GRADER_", "PYTHON"))}
    return subprocess.run(
        [installed / "grader", *arguments],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def test_wheel_starts_a_lesson_without_the_checkout(installed: Path, tmp_path: Path) -> None:
    where = subprocess.run(
        [installed / "python", "-c", "import grader; print(grader.__file__)"],
        cwd=tmp_path,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert str(installed.parent) in where
    done = run(installed, "new", "distillation", "hw", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "hw" / "train.py").is_file()
    assert (tmp_path / "hw" / "grader.toml").is_file()
    listed = run(installed, "lessons", cwd=tmp_path)
    assert "distillation" in listed.stdout


def test_wheel_starts_a_course_and_releases_it(installed: Path, tmp_path: Path) -> None:
    assert run(installed, "new-course", "mine", cwd=tmp_path).returncode == 0
    assert (tmp_path / "mine" / "reference_solutions" / "rank_one" / "model.onnx").is_file()
    done = run(installed, "release", "out", "--no-handouts", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "constraints.txt").is_file()
    assert len(list((tmp_path / "out" / "starters").iterdir())) == 5


def test_wheel_says_that_it_is_typed(installed: Path, tmp_path: Path) -> None:
    code = "from importlib.resources import files; print((files('grader') / 'py.typed').is_file())"
    found = subprocess.run(
        [installed / "python", "-c", code], cwd=tmp_path, check=True, capture_output=True, text=True
    )
    assert found.stdout.strip() == "True"


def test_wheel_holds_the_course(installed: Path, tmp_path: Path) -> None:
    code = (
        "from grader.lesson import course; from pathlib import Path;"
        "print(*(t().resolve() for t in"
        " (course.assignments, course.reference_solutions, course.student_template)), sep='\\n')"
    )
    trees = subprocess.run(
        [installed / "python", "-c", code],
        cwd=tmp_path,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split()
    for tree in map(Path, trees):
        assert installed.parent in tree.parents
    assert (Path(trees[1]) / "distillation" / "model.onnx").is_file()
