"""Intake: what a student may hand in, and what is refused by name before it is written."""

from __future__ import annotations

import contextlib
import io
import os
import sys
import tarfile
import unicodedata
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from grader.archives import unpack
from grader.batch import grade_path
from grader.errors import Rejected, UsageError
from grader.intake import (
    candidates,
    fingerprint,
    open_submission,
    submission_name,
)
from grader.lesson import Intake

RULES = Intake(artefact="model.onnx", max_files=20, max_file_bytes=10_000, max_total_bytes=30_000)


def make(folder: Path, **files: bytes) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        path = folder / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def make_tar(path: Path, *members: tuple[tarfile.TarInfo, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as file:
        for info, content in members:
            info.size = len(content) if info.isreg() else 0
            file.addfile(info, io.BytesIO(content))
    return path


def make_zip(path: Path, **files: bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in files.items():
            file.writestr(name, content)
    return path


def refusal(path: Path) -> str:
    with pytest.raises(Rejected) as caught, open_submission(path, RULES):
        pass
    assert caught.value.text.ru
    return caught.value.text.en


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


def test_empty_folder_is_named_empty(tmp_path: Path) -> None:
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


@pytest.mark.parametrize("name", ["../evil", "a/../../evil", "/etc/evil", "C:/evil", "..\\evil"])
def test_zip_member_outside_the_folder_is_refused_and_nothing_written(
    tmp_path: Path, name: str
) -> None:
    archive = make_zip(tmp_path / "s.zip", **{"model.onnx": b"m", name: b"x"})
    target = tmp_path / "inside" / "target"
    target.mkdir(parents=True)
    with pytest.raises(Rejected, match="outside"):
        unpack(archive, target, RULES)
    assert list(target.iterdir()) == []
    assert not list(tmp_path.glob("**/evil"))


@pytest.mark.parametrize(
    ("kind", "word"),
    [
        (tarfile.SYMTYPE, "link"),
        (tarfile.LNKTYPE, "link"),
        (tarfile.CHRTYPE, "device"),
        (tarfile.FIFOTYPE, "device"),
    ],
)
def test_links_and_devices_in_a_tar_are_refused(tmp_path: Path, kind: bytes, word: str) -> None:
    info = tarfile.TarInfo("odd")
    info.type, info.linkname = kind, "/etc/passwd"
    sentence = refusal(make_tar(tmp_path / "s.tar.gz", (info, b"")))
    assert sentence.startswith("odd")
    assert word in sentence


def test_member_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    archive = make_tar(
        tmp_path / "s.tar.gz",
        (tarfile.TarInfo("model.onnx"), b"1"),
        (tarfile.TarInfo("Model.onnx"), b"2"),
    )
    assert "twice" in refusal(archive)


def test_zip_bomb_is_refused_by_its_declared_size(tmp_path: Path) -> None:
    archive = make_zip(tmp_path / "s.zip", **{"model.onnx": b"0" * 5_000_000})
    assert archive.stat().st_size < 10_000
    assert "5,000,000 bytes" in refusal(archive)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 not really", os.urandom(500)])
@pytest.mark.parametrize("suffix", [".zip", ".tar.gz", ".tar.xz", ".tar"])
def test_damaged_archive_is_one_sentence(tmp_path: Path, suffix: str, content: bytes) -> None:
    path = tmp_path / f"s{suffix}"
    path.write_bytes(content)
    sentence = refusal(path)
    assert "damaged" in sentence or "empty folder" in sentence


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(cut=0, flips=[(211, 1)])  # a central directory before the start of the file
@given(cut=st.integers(0, 400), flips=st.lists(st.tuples(st.integers(0, 399), st.integers(1, 255))))
def test_any_damage_to_a_zip_gives_a_submission_or_a_sentence(
    tmp_path: Path, cut: int, flips: list[tuple[int, int]]
) -> None:
    whole = bytearray(
        make_zip(tmp_path / "w.zip", **{"model.onnx": b"m" * 40, "a/b.txt": b"t"}).read_bytes()
    )
    for position, mask in flips:
        whole[position % len(whole)] ^= mask
    path = tmp_path / "s.zip"
    path.write_bytes(bytes(whole[: max(1, len(whole) - cut)]))
    with contextlib.suppress(Rejected), open_submission(path, RULES) as submission:
        assert submission.has("model.onnx")


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
def test_names_that_other_disks_take_for_one_are_told_apart(tmp_path: Path) -> None:
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


def test_file_where_another_member_needs_a_folder_is_refused(tmp_path: Path) -> None:
    archive = make_zip(tmp_path / "s.zip", **{"model.onnx": b"m", "model.onnx/x": b""})
    assert "damaged" in refusal(archive)


def test_name_without_end_makes_a_short_sentence(tmp_path: Path) -> None:
    for name in ("n" * 5_000_000, "../" + "n" * 5_000_000, "/" * 5_000_000):
        archive = make_tar(tmp_path / "s.tar.gz", (tarfile.TarInfo(name), b""))
        assert len(refusal(archive)) < 300


def test_missing_path_is_wrong_usage(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not exist"), open_submission(tmp_path / "x", RULES):
        pass


def test_fingerprint_follows_contents_and_not_names_of_the_parent(tmp_path: Path) -> None:
    one = make(tmp_path / "one", model_dot_onnx=b"m")
    two = make(tmp_path / "two", model_dot_onnx=b"m")
    assert fingerprint(one, RULES) == fingerprint(two, RULES)
    (two / "model.onnx").write_bytes(b"n")
    assert fingerprint(one, RULES) != fingerprint(two, RULES)
    (one / "model.onnx").rename(one / "other.onnx")
    assert fingerprint(one, RULES) != fingerprint(make(tmp_path / "3", model_dot_onnx=b"m"), RULES)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_named_and_never_waited_for(tmp_path: Path) -> None:
    folder = make(tmp_path / "s", model_dot_onnx=b"m")
    os.mkfifo(folder / "report.md")
    assert "report.md is a device, pipe or socket" in refusal(folder)
    os.mkfifo(tmp_path / "late.zip")
    assert fingerprint(tmp_path / "late.zip", RULES)
    with pytest.raises(UsageError), open_submission(tmp_path / "late.zip", RULES):
        pass


def test_folders_without_end_are_refused(tmp_path: Path) -> None:
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
def test_name_that_is_no_utf8_is_refused_readably(tmp_path: Path) -> None:
    folder = make(tmp_path / "s", model_dot_onnx=b"m")
    (folder / os.fsdecode(b"r\xffport")).write_bytes(b"")
    sentence = refusal(folder)
    assert r"r\xffport is not UTF-8" in sentence
    sentence.encode("utf-8")
    assert submission_name(tmp_path / os.fsdecode(b"\xffeva")) == r"\xffeva"
