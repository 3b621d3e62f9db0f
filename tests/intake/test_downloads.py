"""Downloads of a class: the layouts that Moodle, Canvas and GitHub Classroom document."""

from __future__ import annotations

import subprocess
import zipfile
from pathlib import Path

import pytest

from grader.batch import grade_path
from grader.intake import open_submission
from grader.intake.downloads import LAYOUTS, Download, Label, Layout, open_download
from grader.lesson.spec import Intake
from grader.text.errors import Rejected, UsageError

RULES = Intake(artefact="model.onnx", max_file_bytes=10_000, max_total_bytes=20_000)


def stem(name: str) -> str:
    return grade_path(Path(), name).stem


def opened(place: Path, tmp_path: Path, layout=None) -> Download:
    store = tmp_path / "store"
    store.mkdir(exist_ok=True)
    return open_download(place, store, RULES, stem, layout)


def packed(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, contents in members.items():
            file.writestr(name, contents)
    return path


def spread(folder: Path, members: dict[str, bytes]) -> Path:
    for name, contents in members.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(contents)
    return folder


def contents(download: Download) -> dict[str, bytes | str]:
    """What is graded of each submission: its model, or why there is none."""
    found: dict[str, bytes | str] = {}
    for one in download.versions:
        if one.superseded:
            continue
        try:
            with open_submission(one.path, RULES, one.name) as submission:
                found[one.name] = submission.read("model.onnx")
        except Rejected as error:
            found[one.name] = error.text.to("en")
    return found


MOODLE = {
    # Moodle before 4.1 ends folders with an underscore, and since without.
    "Анна Соколова_10001_assignsubmission_file_/model.onnx": b"anna",
    "Анна Соколова_10001_assignsubmission_file_/notes/readme.md": b"text",
    "Анна Соколова_10001_assignsubmission_onlinetext_/onlinetext.html": b"<p>done</p>",
    "Boris 😀 Ivanov_10002_assignsubmission_file/model.onnx": b"boris",
    "Вера Только-Текст_10003_assignsubmission_onlinetext_/onlinetext.html": b"<p>later</p>",
    f"{'Ы' * 200}_10004_assignsubmission_file_/model.onnx": b"long",
    "grades.csv": b"Identifier,Full name\n",
}
ANSWERS = {
    "Анна Соколова (10001)": b"anna",
    "Boris 😀 Ivanov (10002)": b"boris",
    f"{'Ы' * 200} (10004)": b"long",
}


def test_moodle_folders_in_the_archive(tmp_path: Path) -> None:
    download = opened(packed(tmp_path / "CS-HW1-77.zip", MOODLE), tmp_path)
    found = contents(download)
    text_only = found.pop("Вера Только-Текст (10003)")
    assert "onlinetext.html" in str(text_only)
    assert download.layout == "moodle"
    assert found == ANSWERS
    assert download.loose == ["grades.csv"]
    assert {one.number for one in download.versions} == {"10001", "10002", "10003", "10004"}


def test_moodle_unpacked_gives_the_same(tmp_path: Path) -> None:
    # 200 Cyrillic letters fit into an archive, but into no folder of most file systems.
    short = {name: raw for name, raw in MOODLE.items() if not name.startswith("Ы")}
    download = opened(spread(tmp_path / "download", short), tmp_path)
    found = contents(download)
    found.pop("Вера Только-Текст (10003)")
    assert found == {name: ANSWERS[name] for name in found}
    assert len(found) == 2
    assert download.loose == ["grades.csv"]


def test_moodle_flat_files_are_put_together(tmp_path: Path) -> None:
    inner = packed(tmp_path / "inner.zip", {"hw/model.onnx": b"zipped"}).read_bytes()
    members = {
        "Ann B_7_assignsubmission_file_model.onnx": b"loose",
        "Ann B_7_assignsubmission_file_experiments.csv": b"a,b",
        "Carl D_8_assignsubmission_file_my_home_work.zip": inner,
    }
    for place in (packed(tmp_path / "d.zip", members), spread(tmp_path / "d", members)):
        assert contents(opened(place, tmp_path)) == {"Ann B (7)": b"loose", "Carl D (8)": b"zipped"}


def test_canvas_the_latest_upload_counts(tmp_path: Path) -> None:
    def work(text: bytes) -> bytes:
        return packed(tmp_path / "w.zip", {"model.onnx": text}).read_bytes()

    members = {
        "sokolovaanna_4321_90001_model.onnx": b"first",
        "sokolovaanna_4321_90002_experiments.csv": b"a",
        "sokolovaanna_LATE_4321_90050_model-1.onnx": b"second",
        "ivanovboris_4322_90010_hw.zip": work(b"old"),
        "ivanovboris_4322_90020_hw_final.zip": work(b"new"),
        "petrovoleg_4323_text.html": b"<html>",
        "anon_LATE_aB3dE_90077_model.onnx": b"who",
    }
    for place in (packed(tmp_path / "c.zip", members), spread(tmp_path / "c", members)):
        download = opened(place, tmp_path)
        assert download.layout == "canvas"
        found = contents(download)
        assert "text.html" in str(found.pop("petrovoleg (4323)"))
        assert found == {
            "sokolovaanna (4321)": b"second",
            "ivanovboris (4322)": b"new",
            "anon (aB3dE)": b"who",
        }
        late = {one.name for one in download.versions if one.late and not one.superseded}
        assert late == {"sokolovaanna (4321)", "anon (aB3dE)"}
        replaced = {one.files[0] for one in download.versions if one.superseded}
        assert replaced == {
            "sokolovaanna_4321_90001_model.onnx",
            "ivanovboris_4322_90010_hw.zip",
        }


def test_clones_of_github_classroom(tmp_path: Path) -> None:
    folder = tmp_path / "kws-submissions"
    for login in ("octocat", "anna-s"):
        clone = spread(folder / f"kws-{login}", {"model.onnx": login.encode()})
        subprocess.run(["git", "init", "-q", str(clone)], check=True)
    download = opened(folder, tmp_path)
    assert download.layout == "github"
    assert {one.name: one.who for one in download.versions} == {
        "kws-octocat": "octocat",
        "kws-anna-s": "anna-s",
    }
    assert contents(download) == {"kws-octocat": b"octocat", "kws-anna-s": b"anna-s"}


def test_a_plain_archive_with_or_without_a_folder_around(tmp_path: Path) -> None:
    work = packed(tmp_path / "w.zip", {"model.onnx": b"c"}).read_bytes()
    members = {"a/model.onnx": b"a", "b b/hw/model.onnx": b"b", "c.zip": work, "README": b"x"}
    wrapped = {f"class/{name}": raw for name, raw in members.items()}
    junk = {"__MACOSX/class/._a": b"?", "class/.DS_Store": b"?"}
    for number, each in enumerate((members, wrapped | junk)):
        download = opened(packed(tmp_path / f"{number}.zip", each), tmp_path)
        assert download.layout == "plain"
        assert contents(download) == {"a": b"a", "b b": b"b", "c": b"c"}
        assert download.loose == ["README"]


def test_a_layout_is_one_entry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def by_mail(name: str) -> Label | None:
        who, at, file = name.partition("@mail ")
        return Label(who, str(len(who)), file) if at else None

    monkeypatch.setitem(LAYOUTS, "mail", Layout(by_mail))
    members = {"ann@mail model.onnx": b"ann", "boris@mail model.onnx": b"boris", "list.csv": b"x"}
    wrapped = {f"inbox/{name}": raw for name, raw in members.items()}
    for place in (
        packed(tmp_path / "m.zip", members),
        packed(tmp_path / "w.zip", wrapped),
        spread(tmp_path / "m", members),
    ):
        download = opened(place, tmp_path)
        assert download.layout == "mail"
        assert download.loose == ["list.csv"]
        assert contents(download) == {"ann (3)": b"ann", "boris (5)": b"boris"}


@pytest.mark.parametrize(
    ("bad", "sentence"),
    [
        ([("Eve_2_assignsubmission_file_/../../model.onnx", b"x")], "outside"),
        ([("Eve_2_assignsubmission_file_/model.onnx", b"0" * 10_001)], "10,001 bytes"),
        (
            [
                ("Eve_2_assignsubmission_file_/model.onnx", b"1"),
                ("Eve_2_assignsubmission_file_/MODEL.onnx", b"2"),
            ],
            "twice",
        ),
    ],
)
def test_bad_members_of_one_student_do_not_affect_the_others(
    bad: list[tuple[str, bytes]], sentence: str, tmp_path: Path
) -> None:
    members = [("Ann_1_assignsubmission_file_/model.onnx", b"fine"), *bad]
    place = tmp_path / "class.zip"
    with zipfile.ZipFile(place, "w") as file:
        for name, raw in members:
            file.writestr(name, raw)
    found = contents(opened(place, tmp_path))
    assert found["Ann (1)"] == b"fine"
    assert sentence in str(found["Eve (2)"])
    assert not (tmp_path / "model.onnx").exists()


def test_link_in_the_archive_affects_its_student_alone(tmp_path: Path) -> None:
    place = tmp_path / "class.zip"
    info = zipfile.ZipInfo("Eve_2_assignsubmission_file_/model.onnx")
    info.external_attr = 0o120777 << 16
    with zipfile.ZipFile(place, "w") as file:
        file.writestr(info, "/etc/passwd")
        file.writestr("Ann_1_assignsubmission_file_/model.onnx", b"fine")
    found = contents(opened(place, tmp_path))
    assert found["Ann (1)"] == b"fine"
    assert "link" in str(found["Eve (2)"])


def test_a_link_among_unpacked_files_is_never_followed(tmp_path: Path) -> None:
    folder = spread(tmp_path / "d", {"a_1_22_model.onnx": b"a", "b_2_24_model.onnx": b"b"})
    (folder / "eve_3_25_model.onnx").symlink_to(folder / "a_1_22_model.onnx")
    found = contents(opened(folder, tmp_path))
    assert found["a (1)"] == b"a"
    assert "link" in str(found["eve (3)"])


def test_file_that_is_not_a_download_is_wrong_usage(tmp_path: Path) -> None:
    for name, raw in (("text.zip", b"no archive"), ("notes.txt", b"hello")):
        (tmp_path / name).write_bytes(raw)
        with pytest.raises(UsageError):
            opened(tmp_path / name, tmp_path)


def test_unpacking_is_the_same_each_time(tmp_path: Path) -> None:
    place = packed(tmp_path / "CS-HW1-77.zip", MOODLE)
    assert contents(opened(place, tmp_path)) == contents(opened(place, tmp_path))
