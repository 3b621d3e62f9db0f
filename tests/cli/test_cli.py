"""The command as a person meets it: exit codes, one sentence for an error, both languages."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import Grader

REFERENCE_FILES = ("model.onnx", "experiments.csv")


@pytest.fixture(scope="module")
def homework(grader: Grader, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new project with the reference's files in it."""
    folder = tmp_path_factory.mktemp("students") / "hw"
    created = grader("new", "distillation", folder)
    assert created.returncode == 0, created.stderr
    reference = Path(__file__).parents[2] / "reference_solutions" / "distillation"
    for name in REFERENCE_FILES:
        shutil.copy(reference / name, folder)
    return folder


def test_help_imports_no_heavy_library() -> None:
    code = (
        "import sys, grader.cli; grader.cli.run(['--help']);"
        "print({'torch', 'numpy', 'onnx', 'onnxruntime', 'scipy', 'matplotlib', 'rich'}"
        " & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.rstrip().endswith("set()")


def test_grading_never_imports_torch(grader: Grader, homework: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from grader.grading.check import prepare;"
        "print(prepare(Path('.')).check().status, 'torch' in sys.modules)"
    )
    assert grader.python("-c", code, cwd=homework).stdout.strip() == "graded False"


def test_started_in_a_students_folder_it_imports_nothing_of_it(
    grader: Grader, homework: Path, tmp_path: Path
) -> None:
    """A file such as numpy.py beside the submission is a student's module and not the library."""
    folder = tmp_path / "hw"
    shutil.copytree(homework, folder)
    names = ("click", "numpy", "json", "random", "email", "typing", "onnx", "copy")
    for name in names:
        (folder / f"{name}.py").write_text("print('SHADOW'); raise SystemExit(9)\n")
    (folder / "msgspec").mkdir()
    (folder / "msgspec" / "__init__.py").write_text("print('SHADOW'); raise SystemExit(9)\n")
    for arguments in (("lessons",), ("check", "--json")):
        done = grader(*arguments, cwd=folder)
        assert done.returncode == 0, done.stderr
        assert "SHADOW" not in done.stdout + done.stderr


def test_lessons_are_listed(grader: Grader) -> None:
    assert "distillation" in grader("lessons").stdout
    lessons = {row["name"]: row for row in json.loads(grader("lessons", "--json").stdout)}
    assert lessons["distillation"]["max_score"] == 7.0


def test_untouched_starter_is_told_what_to_do(grader: Grader, tmp_path: Path) -> None:
    assert grader("new", "distillation", tmp_path / "hw").returncode == 0
    done = grader("check", cwd=tmp_path / "hw")
    assert done.returncode == 1, done.stderr
    assert "Expected model.onnx" in done.stdout
    assert "python train.py" in done.stdout
    russian = grader("check", "--lang", "ru", cwd=tmp_path / "hw")
    assert "Ожидался файл model.onnx" in russian.stdout


def test_reference_files_get_full_marks(
    grader: Grader, small_course: Path, homework: Path, tmp_path: Path
) -> None:
    course = Path(shutil.copytree(small_course, tmp_path / "course"))
    lesson = course / "assignments" / "distillation" / "lesson.toml"
    text = lesson.read_text(encoding="utf-8")
    lesson.write_text(text.replace("\n\n", '\ntorch_module = "model:profiled"\n\n', 1), "utf-8")
    done = grader("check", cwd=homework, GRADER_COURSE=str(course))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "7.000 / 7" in done.stdout
    assert "compression" in done.stdout
    assert "thop" in done.stdout


def test_check_speaks_russian(grader: Grader, homework: Path) -> None:
    done = grader("check", cwd=homework, LANG="ru_RU.UTF-8")
    assert "Оценка балла" in done.stdout
    assert "Порог пройден" in done.stdout


def test_check_writes_a_page(grader: Grader, homework: Path, tmp_path: Path) -> None:
    page = tmp_path / "me.html"
    assert grader("check", "--html", page, cwd=homework).returncode == 0
    assert page.read_text("utf-8").lstrip().lower().startswith("<!doctype html>")


def test_grade_json_has_the_schema_and_finite_intervals(grader: Grader, homework: Path) -> None:
    done = grader("grade", "distillation", homework, "--json")
    assert done.returncode == 0, done.stderr
    grade = json.loads(done.stdout)
    assert grade["schema"] == 1
    assert grade["status"] == "graded"
    assert grade["score"] == grade["max_score"] == 7.0
    assert grade["gate"]["passed"]
    low, high = grade["gate"]["interval"]
    assert 0 <= low <= grade["gate"]["value"] <= high
    for name in ("bytes", "macs", "params", "compression", "speedup", "au_fa_fr"):
        measured = grade["measurements"][name]
        assert measured["how"]["en"]
        assert measured["how"]["ru"]
    assert set(grade["provenance"]) == {"grader", "lesson", "data", "isolation", "versions"}
    assert "tests-secret" not in json.dumps(grade["provenance"])  # the secret seed


def test_same_submission_same_score(grader: Grader, homework: Path) -> None:
    def numbers() -> dict[str, object]:
        grade = json.loads(grader("grade", "distillation", homework, "--json").stdout)
        kept = {k: v for k, v in grade["measurements"].items() if not k.startswith("latency")}
        return {"score": grade["score"], "gate": grade["gate"], "measurements": kept}

    assert numbers() == numbers()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["check", "/"], "not a project"),
        (["new", "destillation", "x"], "Did you mean distillation"),
        (["grade", "distillation", "missing"], "does not exist"),
        (["grade", "distillation", __file__], "neither a folder nor an archive"),
        (["check", "--html", "/"], "is a folder"),
        (["batch", "distillation", "missing", "--out", "out"], "not a folder"),
        (["report", "missing"], "holds no grades"),
        (["grade", "distillation", "/", "--data", "mnist"], "mnist"),
        (["check", "--lang", "de"], "de"),
        (["frobnicate"], "frobnicate"),
    ],
)
def test_wrong_usage_is_exit_code_2_and_one_sentence(
    grader: Grader, tmp_path: Path, arguments: list[str], words: str
) -> None:
    done = grader(*arguments, cwd=tmp_path)
    assert done.returncode == 2, done.stdout + done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("where", ["argument", "environment"])
def test_commands_warn_of_a_short_seed(grader: Grader, where: str, tmp_path: Path) -> None:
    arguments = ("--seed", "abc") if where == "argument" else ()
    extra = {} if where == "argument" else {"GRADER_HIDDEN_SEED": "abc"}
    done = grader("grade", "profiling", tmp_path / "none", *arguments, **extra)
    assert done.returncode == 2
    assert "the seed of the hidden data is short: 3 characters" in done.stderr


def test_new_refuses_a_folder_with_files(grader: Grader, homework: Path) -> None:
    done = grader("new", "distillation", homework)
    assert done.returncode == 2
    assert "not empty" in done.stderr


def test_fault_of_ours_is_exit_code_3_without_a_traceback(
    grader: Grader, small_course: Path, tmp_path: Path, homework: Path
) -> None:
    broken = tmp_path / "course"
    shutil.copytree(small_course, broken)
    autograder = broken / "assignments" / "distillation" / "autograder.py"
    with autograder.open("a", encoding="utf-8") as file:
        file.write("\ndef examine(exam, submission):\n    return 1 / 0\n")
    done = grader("check", cwd=homework, GRADER_COURSE=str(broken))
    assert done.returncode == 3
    assert "The grader itself failed" in done.stderr
    assert "costs no points" in done.stderr
    assert "Traceback" not in done.stderr


def test_check_works_where_fcntl_and_resource_do_not_exist(
    grader: Grader, homework: Path, tmp_path: Path
) -> None:
    """As on Windows: the modules cannot be imported, neither here nor in child processes."""
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\nfor name in ('fcntl', 'resource', 'termios', 'pwd', 'grp'):\n"
        "    sys.modules[name] = None\n"
    )
    done = grader("check", "--json", cwd=homework, PYTHONPATH=str(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    grade = json.loads(done.stdout)
    assert grade["score"] == 7.0
    assert grade["provenance"]["isolation"] == "D"


def test_public_tests_of_the_template_pass_for_the_reference(
    grader: Grader, homework: Path
) -> None:
    done = grader.python("-m", "pytest", "-v", "-p", "no:cacheprovider", cwd=homework)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "test_public_check[answers_repeat] PASSED" in done.stdout


def test_output_into_a_narrow_encoding_is_no_fault(grader: Grader, homework: Path) -> None:
    done = grader("check", "--lang", "ru", cwd=homework, PYTHONIOENCODING="ascii")
    assert done.returncode == 0, done.stderr
    assert "7,000 / 7" in done.stdout


@pytest.mark.parametrize("lang", ["en", "ru"])
def test_errors_speak_the_chosen_language(grader: Grader, homework: Path, lang: str) -> None:
    done = grader("new", "distillation", homework, "--lang", lang)
    assert ("не пуста" if lang == "ru" else "not empty") in done.stderr


def test_missing_runtime_is_nobodys_model(grader: Grader, homework: Path, tmp_path: Path) -> None:
    (tmp_path / "onnxruntime.py").write_text("raise ImportError('broken here')\n")
    done = grader("check", cwd=homework, PYTHONPATH=str(tmp_path))
    assert done.returncode == 3
    assert "broken here" in done.stderr
    assert "grader doctor" in done.stderr
    assert "Traceback" not in done.stderr
