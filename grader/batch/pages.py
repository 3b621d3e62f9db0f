"""The pages of a batch, drawn in a process that ends with ours, together with its helpers.

    python -P -m grader.batch.pages OUT LANG JOBS

Drawing uses a pool of processes, and those of a killed owner would wait for ever; this one
process between sees us go and takes them along. Ctrl-C reaches none of them.
"""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import IO, get_args

import msgspec

from grader.batch.processes import end_with_stdin, start
from grader.batch.results import read_grade
from grader.lesson import loading
from grader.text import Lang, Text
from grader.text.errors import Fault, UsageError


class _Said(msgspec.Struct, omit_defaults=True):
    """One line of what the process says."""

    done: int = 0
    total: int = 0
    page: str = ""
    errno: int = 0
    reason: str = ""
    where: str = ""


def write_pages(
    out: Path, lang: Lang, jobs: int, progress: Callable[[int, int], None] | None = None
) -> Path:
    """Draw the pages of all grades in `out`; path of the class page.

    Raises UsageError when there is no grade, OSError when the disk is full, Fault when the
    process ends otherwise.
    """
    _require_grades(out)
    process = start(["grader.batch.pages", str(out.absolute()), lang, str(jobs)])
    assert process.stdin is not None
    assert process.stdout is not None
    log = bytearray()
    drain = threading.Thread(target=_keep, args=(process.stderr, log), daemon=True)
    drain.start()
    page = ""
    try:
        for line in process.stdout:
            said = msgspec.json.decode(line, type=_Said)
            if said.errno:
                raise OSError(said.errno, said.reason, said.where)
            if progress is not None and said.total:
                progress(said.done, said.total)
            page = said.page or page
    finally:
        with contextlib.suppress(OSError):
            process.stdin.close()
        process.wait()
        drain.join()
        process.stdout.close()
    if not page:
        raise Fault(_not_drawn(log.decode("utf-8", "replace")))
    return out / Path(page).name


def grade_files(out: Path) -> list[Path]:
    """All grades in `out`, readable or not."""
    return sorted(path for path in (out / "grades").glob("*.json") if path.name[0] != ".")


def main() -> None:
    from grader import report

    out, lang, jobs = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    threading.Thread(target=end_with_stdin, daemon=True).start()
    grades = (read_grade(path) for path in grade_files(out))
    first = next(grade for grade in grades if grade is not None)
    try:
        page = report.write(
            out,
            loading.load(first.lesson).spec,
            next(known for known in get_args(Lang) if known == lang),
            jobs=jobs,
            progress=lambda done, total: _say(_Said(done=done, total=total)),
        )
    except OSError as error:
        reason, where = error.strerror or str(error), str(error.filename or "")
        _say(_Said(errno=error.errno or -1, reason=reason, where=where))
        raise SystemExit(1) from None
    _say(_Said(page=str(page)))


def _say(said: _Said) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(said) + b"\n")
    sys.stdout.buffer.flush()


def _keep(stream: IO[bytes], log: bytearray) -> None:
    for line in stream:
        log[:] = (log + line)[-4096:]
    stream.close()


def _require_grades(out: Path) -> None:
    if any(read_grade(path) is not None for path in grade_files(out)):
        return
    raise UsageError(
        Text(
            en=f"{out} holds no grades; expected {out / 'grades'} with JSON files.",
            ru=f"В {out} нет оценок; ожидалась папка {out / 'grades'} с файлами JSON.",
        )
    )


def _not_drawn(log: str) -> Text:
    last = (log.strip().splitlines() or ["no reason given"])[-1][:300]
    return Text(
        en=f"The pages could not be drawn ({last}); the grades are kept. Try `grader report`.",
        ru=f"Не удалось нарисовать страницы ({last}); оценки сохранены. Попробуйте "
        "`grader report`.",
    )


if __name__ == "__main__":
    main()
