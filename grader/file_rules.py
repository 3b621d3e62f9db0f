"""Rules that hold for every submitted file, in a folder or in an archive, and their sentences."""

from __future__ import annotations

from grader.errors import Rejected
from grader.lesson import Intake
from grader.text import Text, ru_number

MAX_DEPTH = 32
"""Folders within folders."""


def readable(name: str) -> str:
    """The name with bytes that are no UTF-8 written out, fit for JSON, pages and terminals."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def check_sizes(name: str, size: int, count: int, total: int, rules: Intake) -> None:
    if size > rules.max_file_bytes:
        raise Rejected(
            Text(
                en=f"{name} has {size:,} bytes, at most {rules.max_file_bytes:,} are allowed; "
                "leave data and checkpoints out.",
                ru=f"Файл {name} занимает {ru_number(size)} байт, допустимо не более "
                f"{ru_number(rules.max_file_bytes)}; не включайте данные и чекпойнты.",
            )
        )
    if total > rules.max_total_bytes:
        raise Rejected(
            Text(
                en=f"The files add up to more than {rules.max_total_bytes:,} bytes (at {name}); "
                "leave data and checkpoints out.",
                ru=f"Файлы вместе занимают больше {ru_number(rules.max_total_bytes)} байт "
                f"(на {name}); не включайте данные и чекпойнты.",
            )
        )
    if count > rules.max_files:
        raise Rejected(
            Text(
                en=f"There are more than {rules.max_files:,} files; submit only the project's own.",
                ru=f"В работе больше {ru_number(rules.max_files)} файлов; сдавайте только свои.",
            )
        )


def link(name: str) -> Text:
    return Text(
        en=f"{name} is a link; replace it with the file itself.",
        ru=f"{name} — это ссылка; замените её самим файлом.",
    )


def not_a_file(name: str) -> Text:
    return Text(
        en=f"{name} is a device, pipe or socket, not a file; remove it.",
        ru=f"{name} — устройство, канал или сокет, а не файл; удалите его.",
    )


def unreadable(name: str) -> Text:
    shown = readable(name)
    return Text(
        en=f"The name {shown} is not UTF-8; rename the file.",
        ru=f"Имя {shown} записано не в UTF-8; переименуйте файл.",
    )


def too_deep(name: str) -> Text:
    return Text(
        en=f"{name[:60]}... lies more than {MAX_DEPTH} folders deep; submit only the project.",
        ru=f"{name[:60]}... лежит глубже {MAX_DEPTH} папок; сдавайте только файлы проекта.",
    )
