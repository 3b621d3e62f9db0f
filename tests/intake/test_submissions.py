"""Intake: what a student may hand in, and what is refused by name before it is written."""

from __future__ import annotations

import os
import sys
import tarfile
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grader.batch import grade_path
from grader.intake import candidates, fingerprint, listing, open_submission, submission_name
from grader.text.errors import Rejected, UsageError
from tests.intake.packing import RULES, make, make_tar, make_zip, refusal


def test_folder_is_read_in_place(tmp_path: Path) -> None:
    folder = make(tmp_path / "ada", model_dot_onnx=b"model", notes__a_dot_txt=b"hi")
    with open_submission(folder, RULES) as submission:
        assert submission.name == "ada"
        assert submission.read("model.onnx") == b"model"
        assert submission.has("notes/a.txt")
        assert submission.root == folder


@pytest.mark.parametrize("wrapping", ["", "hw/", "ivanov/hw3/"])
def test_archive_is_unpacked_and_artefact_found_in_folders_an_lms_adds(
    tmp_path: Path, wrapping: str
) -> None:
    archive = make_zip(
        tmp_path / "ivanov.zip",
        **{
            f"{wrapping}model.onnx": b"m",
            f"{wrapping}report.md": b"r",
            "__MACOSX/._model.onnx": b"",
        },
    )
    with open_submission(archive, RULES) as submission:
        assert submission.name == "ivanov"
        assert submission.read("model.onnx") == b"m"
        assert submission.has("report.md")
        unpacked = submission.root
    assert not unpacked.exists()


def test_tar_gz_works_like_zip(tmp_path: Path) -> None:
    archive = make_tar(tmp_path / "eva.tar.gz", (tarfile.TarInfo("hw/model.onnx"), b"m"))
    with open_submission(archive, RULES) as submission:
        assert (submission.name, submission.read("model.onnx")) == ("eva", b"m")


def test_checkpoint_is_refused_with_the_way_to_export(tmp_path: Path) -> None:
    sentence = refusal(make(tmp_path / "s", student_dot_pt=b"\x80\x04"))
    assert "student.pt" in sentence
    assert "export.py" in sentence


def test_empty_folder_is_called_empty(tmp_path: Path) -> None:
    assert "empty folder" in refusal(make(tmp_path / "s"))


def test_two_artefacts_are_named(tmp_path: Path) -> None:
    sentence = refusal(make(tmp_path / "s", a__model_dot_onnx=b"", b__model_dot_onnx=b""))
    assert "found 2 (in a, b)" in sentence


def test_too_large_file_and_too_many_files_are_refused(tmp_path: Path) -> None:
    assert "10,001 bytes" in refusal(make(tmp_path / "large", model_dot_onnx=b"0" * 10_001))
    many = {f"f{number}": b"" for number in range(21)}
    assert "more than 20 files" in refusal(make(tmp_path / "many", **many))


@pytest.mark.skipif(not hasattr(os, "symlink") or os.name == "nt", reason="needs POSIX links")
def test_link_in_a_folder_is_refused(tmp_path: Path) -> None:
    folder = make(tmp_path / "s", model_dot_onnx=b"m")
    (folder / "labels").symlink_to("/etc/passwd")
    assert "labels is a link" in refusal(folder)


def test_candidates_are_folders_and_archives(tmp_path: Path) -> None:
    make(tmp_path / "a")
    make_zip(tmp_path / "b.zip")
    make_zip(tmp_path / "a.zip")
    make(tmp_path / ".git")
    (tmp_path / "readme.txt").write_text("hi")
    found, loose = candidates(tmp_path)
    assert [candidate.name for candidate in found] == ["a", "a.zip", "b"]
    assert [path.name for path in loose] == ["readme.txt"]


def test_no_two_candidates_share_a_name(tmp_path: Path) -> None:
    make(tmp_path / "a")
    make(tmp_path / "B")
    for name in ("a.zip", "a.zip.zip", "b.zip", "c.tar.gz"):
        make_zip(tmp_path / name)
    names = [candidate.name for candidate in candidates(tmp_path)[0]]
    assert len({name.casefold() for name in names}) == len(names) == 6


@pytest.mark.skipif(sys.platform != "linux", reason="other systems hold only one of each")
def test_names_that_other_disks_do_not_distinguish_get_numbers(tmp_path: Path) -> None:
    for name in ("Ivan", "ivan", "\u00e9", "e\u0301", os.fsdecode(b"\xff"), "\\xff"):
        make(tmp_path / name)
    names = [candidate.name for candidate in candidates(tmp_path)[0]]
    assert len({unicodedata.normalize("NFC", name).casefold() for name in names}) == 6
    assert {"Ivan", "ivan (2)"} <= set(names)


@settings(max_examples=300)
@given(st.lists(st.text(min_size=1, max_size=120), unique=True, min_size=2, max_size=2))
def test_no_two_names_share_a_path(names: list[str]) -> None:
    names = [name.encode("utf-8", "replace").decode() for name in names]
    if names[0] != names[1]:
        paths = [grade_path(Path("out"), name) for name in names]
        assert paths[0] != paths[1]
        assert all(path.parent == Path("out/grades") for path in paths)
        assert all(len(path.name.encode()) < 250 for path in paths)


def test_missing_path_is_wrong_usage(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not exist"), open_submission(tmp_path / "x", RULES):
        pass


def test_missing_submission_has_a_fingerprint_of_its_own(tmp_path: Path) -> None:
    folder = make(tmp_path / "s", model_dot_onnx=b"m")
    assert fingerprint(tmp_path / "gone", RULES) == fingerprint(tmp_path / "gone too", RULES)
    assert fingerprint(tmp_path / "gone", RULES) != fingerprint(folder, RULES)


def test_fingerprint_follows_contents_and_not_names_of_the_parent(tmp_path: Path) -> None:
    one = make(tmp_path / "one", model_dot_onnx=b"m")
    two = make(tmp_path / "two", model_dot_onnx=b"m")
    assert fingerprint(one, RULES) == fingerprint(two, RULES)
    (two / "model.onnx").write_bytes(b"n")
    assert fingerprint(one, RULES) != fingerprint(two, RULES)
    (one / "model.onnx").rename(one / "other.onnx")
    assert fingerprint(one, RULES) != fingerprint(make(tmp_path / "3", model_dot_onnx=b"m"), RULES)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_pipe_is_refused_without_waiting(tmp_path: Path) -> None:
    folder = make(tmp_path / "s", model_dot_onnx=b"m")
    os.mkfifo(folder / "report.md")
    assert "report.md is a device, pipe or socket" in refusal(folder)
    os.mkfifo(tmp_path / "late.zip")
    assert fingerprint(tmp_path / "late.zip", RULES)
    assert "late.zip is a device, pipe or socket" in refusal(tmp_path / "late.zip")
    assert "late" in [candidate.name for candidate in candidates(tmp_path)[0]]


def test_too_deep_folders_are_refused(tmp_path: Path) -> None:
    deep = tmp_path / "s"
    deep.mkdir()
    make(deep, model_dot_onnx=b"m")
    place = deep
    for _ in range(60):
        place = place / "d"
        place.mkdir()
    (place / "x").write_bytes(b"")
    assert "folders deep" in refusal(deep)
    archive = make_zip(tmp_path / "z.zip", **{"d/" * 60 + "x": b"", "model.onnx": b"m"})
    assert "folders deep" in refusal(archive)


@pytest.mark.skipif(sys.platform != "linux", reason="names are bytes on Linux only")
def test_name_that_is_not_utf8_is_refused_readably(tmp_path: Path) -> None:
    folder = make(tmp_path / "s", model_dot_onnx=b"m")
    (folder / os.fsdecode(b"r\xffport")).write_bytes(b"")
    sentence = refusal(folder)
    assert r"r\xffport is not UTF-8" in sentence
    sentence.encode("utf-8")
    assert submission_name(tmp_path / os.fsdecode(b"\xffeva")) == r"\xffeva"


def names(folder: Path) -> list[str]:
    return [candidate.name for candidate in candidates(folder)[0]]


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX links")
@pytest.mark.parametrize("target", ["reference", "reference/model.onnx", "zipped.zip", "nowhere"])
def test_link_among_submissions_is_named_and_never_followed(tmp_path: Path, target: str) -> None:
    make(tmp_path / "reference", model_dot_onnx=b"m")
    make_zip(tmp_path / "zipped.zip", **{"model.onnx": b"m"})
    shared = tmp_path / "class"
    shared.mkdir()
    (shared / "eva").symlink_to(tmp_path / target)
    assert names(shared) == ["eva"]
    assert "eva among the submissions is a link" in refusal(shared / "eva")
    before = fingerprint(shared / "eva", RULES)
    assert before != fingerprint(tmp_path / "reference", RULES)
    (shared / "eva").unlink()
    (shared / "eva").symlink_to(tmp_path / "elsewhere")
    assert fingerprint(shared / "eva", RULES) != before


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX links")
def test_hard_link_is_accepted(tmp_path: Path) -> None:
    """Backups and tools that find duplicates make them."""
    folder = make(tmp_path / "one", model_dot_onnx=b"m")
    (tmp_path / "two").mkdir()
    (tmp_path / "two" / "model.onnx").hardlink_to(folder / "model.onnx")
    with open_submission(tmp_path / "two", RULES) as submission:
        assert submission.read("model.onnx") == (folder / "model.onnx").read_bytes()


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything"
)
def test_file_without_read_permission_is_refused(tmp_path: Path) -> None:
    folder = make(tmp_path / "closed", model_dot_onnx=b"m")
    (folder / "model.onnx").chmod(0)
    with pytest.raises(Rejected, match="may not be read"), open_submission(folder, RULES):
        pass


def test_a_pipe_or_socket_in_place_of_the_artefact_is_refused(tmp_path: Path) -> None:
    folder = make(tmp_path / "s")
    os.mkfifo(folder / "model.onnx")
    assert "model.onnx is a device, pipe or socket" in refusal(folder)


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX links")
@pytest.mark.parametrize("by_folder", [True, False])  # False: what systems without openat do
def test_file_that_is_replaced_after_listing_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by_folder: bool
) -> None:
    monkeypatch.setattr(listing, "_HAS_DIR_FD", by_folder)
    folder = make(tmp_path / "s", model_dot_onnx=b"m", src__a_dot_py=b"a", b_dot_csv=b"b")
    secret = make(tmp_path / "secret", labels=b"1", a_dot_py=b"a")
    with open_submission(folder, RULES) as submission:
        (folder / "model.onnx").write_bytes(b"n")
        with pytest.raises(Rejected, match=r"model\.onnx changed"):
            submission.read("model.onnx")
        (folder / "model.onnx").write_bytes(b"m" * 20_000_000)
        with pytest.raises(Rejected, match=r"model\.onnx changed"):
            submission.read("model.onnx")
        (folder / "b.csv").unlink()
        (folder / "b.csv").symlink_to(secret / "labels")
        with pytest.raises(Rejected, match=r"b\.csv is a link"):
            submission.read("b.csv")
        (folder / "src").rename(tmp_path / "gone")
        (folder / "src").symlink_to(secret)
        with pytest.raises(Rejected, match=r"src/a\.py"):
            submission.read("src/a.py")


def test_reading_a_file_that_was_not_handed_in_is_rejected(tmp_path: Path) -> None:
    with open_submission(make(tmp_path / "s", model_dot_onnx=b"m"), RULES) as submission:
        assert not submission.has("experiments.csv")
        for path in ("experiments.csv", "../s/model.onnx", "/etc/passwd"):
            with pytest.raises(Rejected, match="Expected"):
                submission.read(path)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("ivanov.rar", "pack the folder as a .zip"),
        ("ivanov.7z", "pack the folder as a .zip"),
        ("ivanov.onnx", "found the single file ivanov.onnx"),
        ("ivanov_HW.PT", "found the single file ivanov_HW.PT"),
    ],
)
def test_work_in_a_wrong_form_is_named_and_refused(tmp_path: Path, name: str, words: str) -> None:
    make(tmp_path / "eva", model_dot_onnx=b"m")
    (tmp_path / name).write_bytes(b"Rar!")
    assert names(tmp_path) == sorted(["eva", name])
    assert words in refusal(tmp_path / name)
    assert fingerprint(tmp_path / name, RULES)


def test_files_of_the_download_itself_are_left_out(tmp_path: Path) -> None:
    for name in ("README", "README.md", "grades.csv", "index.html", ".DS_Store", "list.xlsx"):
        (tmp_path / name).write_bytes(b"x")
    found, left_out = candidates(tmp_path)
    assert found == []
    assert len(left_out) == 5


@pytest.mark.parametrize("name", ["hw.zip", "inner/hw.ZIP"])
def test_the_one_archive_in_a_folder_is_opened(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "Ivanov_123_assignsubmission_file"
    (folder / "inner").mkdir(parents=True)
    make_zip(folder / name, **{"hw/model.onnx": b"m"})
    with open_submission(folder, RULES) as submission:
        assert submission.read("model.onnx") == b"m"
        assert submission.name == folder.name
        assert submission.fingerprint == fingerprint(folder, RULES)
    (folder / "notes.txt").write_bytes(b"")
    sentence = refusal(folder)
    assert "found the archive" in sentence
    assert "that archive alone" in sentence


def test_archives_in_archives_are_opened_once(tmp_path: Path) -> None:
    inner = make_zip(tmp_path / "inner.zip", **{"model.onnx": b"m"})
    middle = make_zip(tmp_path / "middle.zip", **{"inner.zip": inner.read_bytes()})
    with open_submission(middle, RULES) as submission:
        assert submission.read("model.onnx") == b"m"
    outer = make_zip(tmp_path / "outer.zip", **{"middle.zip": middle.read_bytes()})
    assert "found the archive inner.zip inside" in refusal(outer)


@pytest.mark.parametrize("packed", [False, True])
def test_the_submission_has_the_fingerprint_that_a_rerun_compares(
    tmp_path: Path, packed: bool
) -> None:
    path = make(tmp_path / "s", hw__model_dot_onnx=b"m", hw__a_dot_txt=b"t")
    if packed:
        path = make_zip(tmp_path / "s.zip", **{"hw/model.onnx": b"m"})
    with open_submission(path, RULES) as submission:
        assert submission.fingerprint == fingerprint(path, RULES)


def test_folder_with_too_many_entries_is_refused(tmp_path: Path) -> None:
    folder = make(tmp_path / "s", model_dot_onnx=b"m")
    for number in range(200):
        (folder / f"d{number}").mkdir()
    assert "more than 80 files" in refusal(folder)
    assert fingerprint(folder, RULES) == fingerprint(folder, RULES)
