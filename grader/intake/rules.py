"""Rules that hold for every submitted file, in a folder or in an archive, and their sentences."""

from __future__ import annotations

from pathlib import PurePath

from grader.lesson.spec import Intake
from grader.text import Text, ru_number
from grader.text.errors import Rejected
from grader.text.untrusted import quoted, readable

MAX_DEPTH = 32
"""Folders within folders."""
CHECK_FOLDER = ".grader"
CHECK_FILES = ("grade.json", "grade.svg", "grade.md", "report.html")
"""What `grader check` leaves in a project, the last as the name that the handouts give to
`--html`; of the folder see grader/project/."""
IGNORED_PARTS = frozenset(
    {"__MACOSX", "__pycache__", ".git", ".venv", "venv", ".ipynb_checkpoints", ".pytest_cache"}
    | {CHECK_FOLDER}
)
IGNORED_FILES = frozenset({".DS_Store", "Thumbs.db", "desktop.ini", *CHECK_FILES})
_MEMBERS_PER_FILE = 4
"""Folders, and what is left out, come on top of the files."""


def ignored(path: PurePath) -> bool:
    """True for what tools leave behind: it is no part of a submission and is never read."""
    return path.name in IGNORED_FILES or not IGNORED_PARTS.isdisjoint(path.parts)


def max_members(rules: Intake) -> int:
    """Entries of an archive or folder that are looked at, whatever they are."""
    return _MEMBERS_PER_FILE * rules.max_files


def check_sizes(name: str, size: int, count: int, total: int, rules: Intake) -> None:
    """Raises Rejected when the file `name` of `size` bytes, the `count`th, which brings the sum
    to `total` bytes, exceeds one of the lesson's limits."""
    if size > rules.max_file_bytes:
        raise Rejected(
            Text(
                en=f"{quoted(name)} has {size:,} bytes, at most {rules.max_file_bytes:,} are "
                "allowed; leave data and checkpoints out.",
                ru=f"Файл {quoted(name)} занимает {ru_number(size)} байт, допустимо не более "
                f"{ru_number(rules.max_file_bytes)}; не включайте данные и чекпойнты.",
            )
        )
    if total > rules.max_total_bytes:
        raise Rejected(
            Text(
                en=f"The files add up to more than {rules.max_total_bytes:,} bytes (at "
                f"{quoted(name)}); leave data and checkpoints out.",
                ru=f"Файлы вместе занимают больше {ru_number(rules.max_total_bytes)} байт "
                f"(на {quoted(name)}); не включайте данные и чекпойнты.",
            )
        )
    if count > rules.max_files:
        raise Rejected(too_many(rules.max_files))


def too_many(limit: int) -> Text:
    """Of a submission with more than `limit` files or entries."""
    return Text(
        en=f"There are more than {limit:,} files; submit only the project's own.",
        ru=f"В работе больше {ru_number(limit)} файлов; сдавайте только свои.",
    )


def link(name: str) -> Text:
    """Of a symbolic link, which might lead to anything."""
    return Text(
        en=f"{quoted(name)} is a link; replace it with the file itself.",
        ru=f"{quoted(name)} — это ссылка; замените её самим файлом.",
    )


def unreadable_file(name: str) -> Text:
    return Text(
        en=f"{quoted(name)} may not be read: its rights forbid it; hand it in again, readable for "
        "everyone (on Linux: chmod a+r).",
        ru=f"Файл {quoted(name)} нельзя прочитать: не хватает прав; сдайте его заново, открыв на "
        "чтение всем (в Linux: chmod a+r).",
    )


def not_a_file(name: str) -> Text:
    """Of what cannot be read like a file."""
    return Text(
        en=f"{quoted(name)} is a device, pipe or socket, not a file; remove it.",
        ru=f"{quoted(name)} — устройство, канал или сокет, а не файл; удалите его.",
    )


def changed(name: str) -> Text:
    """Of a file that is not what it was when it was listed."""
    return Text(
        en=f"{quoted(name)} changed while it was being read; grade the submission again when "
        "nothing writes to it.",
        ru=f"Файл {quoted(name)} изменился во время чтения; проверьте работу ещё раз, когда в неё "
        "ничего не пишут.",
    )


def unreadable(name: str) -> Text:
    """Of a name that JSON and pages could not hold."""
    shown = quoted(readable(name))
    return Text(
        en=f"The name {shown} is not UTF-8; rename the file.",
        ru=f"Имя {shown} записано не в UTF-8; переименуйте файл.",
    )


def too_deep(name: str) -> Text:
    """Of a file below too many folders."""
    return Text(
        en=f"{quoted(name)} lies more than {MAX_DEPTH} folders deep; submit only the project.",
        ru=f"{quoted(name)} лежит глубже {MAX_DEPTH} папок; сдавайте только файлы проекта.",
    )
