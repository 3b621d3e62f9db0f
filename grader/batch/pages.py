"""The pages of a batch, written by a child process that ends, with its helpers, when we end.

    python -P -m grader.batch.pages OUT LANG JOBS

Writing pages uses a pool of processes, which would wait for ever if their owner were killed. The
child process notices that its parent is gone, and ends them. Ctrl-C reaches none of them.
"""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import msgspec

from grader.batch.processes import end_with_stdin, read_log, start
from grader.batch.results import first_grade
from grader.lesson import loading
from grader.text import Lang
from grader.text.errors import Fault


class _Message(msgspec.Struct, omit_defaults=True):
    """One line that the child process prints: progress, the class page, or an OSError."""

    done: int = 0
    total: int = 0
    page: str = ""
    errno: int = 0
    reason: str = ""
    where: str = ""

    def print(self) -> None:
        sys.stdout.buffer.write(msgspec.json.encode(self) + b"\n")
        sys.stdout.buffer.flush()


def write_pages(
    out: Path, lang: Lang, jobs: int, progress: Callable[[int, int], None] | None = None
) -> Path:
    """Write the pages of all grades in `out`; returns the path of the class page.

    Raises UsageError when there is no grade, OSError when the disk is full, Fault when the
    process ends otherwise.
    """
    first_grade(out)
    process = start(["grader.batch.pages", str(out.absolute()), lang, str(jobs)])
    assert process.stdin is not None
    assert process.stdout is not None
    log = bytearray()
    log_reader = threading.Thread(target=read_log, args=(process.stderr, log, 4096), daemon=True)
    log_reader.start()
    page = ""
    try:
        for line in process.stdout:
            message = msgspec.json.decode(line, type=_Message)
            if message.errno:
                raise OSError(message.errno, message.reason, message.where)
            if progress is not None and message.total:
                progress(message.done, message.total)
            page = message.page or page
    finally:
        with contextlib.suppress(OSError):
            process.stdin.close()
        process.wait()
        log_reader.join()
        process.stdout.close()
    if not page:
        lines = log.decode("utf-8", "replace").strip().splitlines()
        last = (lines or ["no reason given"])[-1][:300]
        raise Fault(
            "The pages could not be drawn ({last}); the grades are kept. Try `grader report`.",
            last=last,
        )
    return out / Path(page).name


def main() -> None:
    from grader import report

    out, lang, jobs = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    threading.Thread(target=end_with_stdin, daemon=True).start()
    try:
        page = report.write(
            out,
            loading.load(first_grade(out).lesson).spec,
            lang,
            jobs=jobs,
            progress=lambda done, total: _Message(done=done, total=total).print(),
        )
    except OSError as error:
        reason, where = error.strerror or str(error), str(error.filename or "")
        _Message(errno=error.errno or -1, reason=reason, where=where).print()
        raise SystemExit(1) from None
    _Message(page=str(page)).print()


if __name__ == "__main__":
    main()
