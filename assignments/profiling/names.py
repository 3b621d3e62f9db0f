"""Text files of a submission under wrong names or in other encodings."""

from __future__ import annotations

import difflib

from grader.intake import Submission
from grader.text import Text
from grader.text.errors import Rejected
from grader.text.untrusted import quoted

MOST_BYTES = 256 * 2**10
"""Most characters of a text, to bound the time of parsers."""
_MARKS = ((b"\xff\xfe", "UTF-16"), (b"\xfe\xff", "UTF-16"))


def instead_of(wanted: str, submission: Submission) -> Text:
    """A sentence for a missing file."""
    return renamed(wanted, submission) or Text(
        "Expected {wanted}, found no such file; `grader new profiling DIR` makes one to fill in.",
        wanted=wanted,
    )


def renamed(wanted: str, submission: Submission) -> Text | None:
    """A sentence with the name of the file that was probably meant; None when there is none."""
    suffix = wanted.rpartition(".")[2]
    names = [file.path.as_posix() for file in submission.files if len(file.path.parts) == 1]
    others = [name for name in names if not name.isascii() and name.endswith(f".{suffix}")]
    if others:
        found = quoted(others[0])
        return Text(
            "Expected {wanted}, found {found}, whose letters are not all Latin; rename it to "
            "{wanted}.",
            wanted=wanted,
            found=found,
        )
    near = difflib.get_close_matches(wanted, [name.lower() for name in names], n=1, cutoff=0.75)
    if not near:
        return None
    found = quoted(next(name for name in names if name.lower() == near[0]))
    return Text("Expected {wanted}, found {found}; rename it.", wanted=wanted, found=found)


def text_of(submission: Submission, path: str) -> str:
    """A submitted file as text. Raises Rejected when it is too long or not UTF-8, with the likely
    encoding."""
    raw = submission.read(path)
    if len(raw) > MOST_BYTES:
        raise Rejected(
            Text(
                "{path} has {raw_count:,} bytes, at most {most_bytes:,} are read; keep it to "
                "what people read.",
                path=path,
                raw_count=len(raw),
                most_bytes=MOST_BYTES,
            )
        )
    likely: Text | str = next((name for mark, name in _MARKS if raw.startswith(mark)), "")
    try:
        text = "" if likely else raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        likely = "Windows-1251" if raw[error.start] >= 0xC0 else Text("another encoding")
    if not likely:
        return text
    raise Rejected(
        "{path} is not UTF-8 text (it looks like {likely}); save it as UTF-8.",
        path=path,
        likely=likely,
    )
