"""Downloads over a real local server: whole, cut, resumed, without Range, wrong, absent."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from grader.data.download import Retries, fetch
from grader.text.errors import DataError

CONTENT = np.random.default_rng(0).bytes(3_000_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
HURRIED = Retries(attempts=3, pause_seconds=0.01, timeout_seconds=5.0)


@dataclass
class Behaviour:
    """What the server does, and what it was asked."""

    ranges: bool = True
    cut_after: int | None = None
    """Bytes of each answer before the connection breaks."""
    status: int | None = None
    asked: list[str | None] = field(default_factory=list)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, Behaviour]]:
    behaviour = Behaviour()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = self.headers.get("Range")
            behaviour.asked.append(asked)
            if behaviour.status:
                self.send_error(behaviour.status)
                return
            start = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
            if not behaviour.ranges:
                start = 0
            if start >= len(CONTENT):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(CONTENT)}")
                self.end_headers()
                return
            self.send_response(206 if asked and behaviour.ranges else 200)
            if asked and behaviour.ranges:
                last = len(CONTENT) - 1
                self.send_header("Content-Range", f"bytes {start}-{last}/{len(CONTENT)}")
            self.send_header("Content-Length", str(len(CONTENT) - start))
            self.end_headers()
            stop = None if behaviour.cut_after is None else start + behaviour.cut_after
            self.wfile.write(CONTENT[start:stop])

        def log_message(self, *_: object) -> None:
            pass

    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever, args=(0.02,))
        thread.start()
        yield f"http://127.0.0.1:{http.server_address[1]}/speech.tar.gz", behaviour
        http.shutdown()
        thread.join()


def test_a_whole_file_arrives_with_progress(server: tuple[str, Behaviour], tmp_path: Path) -> None:
    address, _ = server
    seen: list[tuple[int, int]] = []
    fetch(
        address,
        tmp_path / "file",
        SHA256,
        progress=lambda done, total, _: seen.append((done, total)),
    )
    assert (tmp_path / "file").read_bytes() == CONTENT
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert not (tmp_path / "file.part").exists()


def test_a_broken_connection_is_continued_where_it_broke(
    server: tuple[str, Behaviour], tmp_path: Path
) -> None:
    address, behaviour = server
    behaviour.cut_after = 1_000_000
    fetch(address, tmp_path / "file", SHA256, retries=HURRIED)
    assert (tmp_path / "file").read_bytes() == CONTENT
    assert behaviour.asked == [None, "bytes=1000000-", "bytes=2000000-"]


def test_an_interrupted_download_is_continued_by_the_next_run(
    server: tuple[str, Behaviour], tmp_path: Path
) -> None:
    address, behaviour = server
    (tmp_path / "file.part").write_bytes(CONTENT[:1_234_567])
    fetch(address, tmp_path / "file", SHA256, retries=HURRIED)
    assert (tmp_path / "file").read_bytes() == CONTENT
    assert behaviour.asked == ["bytes=1234567-"]


def test_a_complete_part_is_not_fetched_again(
    server: tuple[str, Behaviour], tmp_path: Path
) -> None:
    address, behaviour = server
    (tmp_path / "file.part").write_bytes(CONTENT)
    fetch(address, tmp_path / "file", SHA256, retries=HURRIED)
    assert (tmp_path / "file").read_bytes() == CONTENT
    assert len(behaviour.asked) == 1


def test_a_server_without_ranges_sends_it_all_again(
    server: tuple[str, Behaviour], tmp_path: Path
) -> None:
    address, behaviour = server
    behaviour.ranges = False
    (tmp_path / "file.part").write_bytes(CONTENT[:1_234_567])
    fetch(address, tmp_path / "file", SHA256, retries=HURRIED)
    assert (tmp_path / "file").read_bytes() == CONTENT


@pytest.mark.parametrize("left", [b"x" * 1_000, b"x" * 3_000_000, b"x" * 3_000_001])
def test_a_part_of_something_else_is_given_up(
    server: tuple[str, Behaviour], tmp_path: Path, left: bytes
) -> None:
    address, _ = server
    (tmp_path / "file.part").write_bytes(left)
    fetch(address, tmp_path / "file", SHA256, retries=HURRIED)
    assert (tmp_path / "file").read_bytes() == CONTENT


def test_wrong_content_is_refused_and_not_kept(
    server: tuple[str, Behaviour], tmp_path: Path
) -> None:
    address, _ = server
    with pytest.raises(DataError, match="sha256") as caught:
        fetch(address, tmp_path / "file", "0" * 64, retries=HURRIED)
    assert address in caught.value.to("ru")
    assert list(tmp_path.iterdir()) == []


def test_a_connection_that_always_breaks_ends_and_keeps_what_came(
    server: tuple[str, Behaviour], tmp_path: Path
) -> None:
    address, behaviour = server
    behaviour.cut_after = 0
    (tmp_path / "file.part").write_bytes(CONTENT[:500])
    with pytest.raises(DataError, match="broke off"):
        fetch(address, tmp_path / "file", SHA256, retries=HURRIED)
    assert len(behaviour.asked) == HURRIED.attempts
    assert (tmp_path / "file.part").read_bytes() == CONTENT[:500]


def test_a_missing_file_is_told_at_once_and_a_busy_server_tried_again(
    server: tuple[str, Behaviour], tmp_path: Path
) -> None:
    address, behaviour = server
    behaviour.status = 404
    with pytest.raises(DataError, match="HTTP 404"):
        fetch(address, tmp_path / "file", SHA256, retries=HURRIED)
    assert len(behaviour.asked) == 1
    behaviour.status = 503
    with pytest.raises(DataError, match="HTTP 503"):
        fetch(address, tmp_path / "file", SHA256, retries=HURRIED)
    assert len(behaviour.asked) == 1 + HURRIED.attempts


def test_no_server_at_all_is_one_sentence_with_the_way_out(tmp_path: Path) -> None:
    address = "http://127.0.0.1:9/speech.tar.gz"
    with pytest.raises(DataError, match="--from") as caught:
        fetch(address, tmp_path / "file", SHA256, retries=HURRIED)
    assert address in str(caught.value)
