"""What both compilers share: flags, limits, and their complaints as sentences."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from grader.lesson import course
from grader.text import Text
from grader.text.errors import Rejected, UsageError

FLAGS = (
    "-mmcu=atmega328p",
    "-DF_CPU=16000000UL",
    "-Os",
    "-g0",
    "-Wall",
    "-Wextra",
    "-fmax-errors=20",
    "-ffunction-sections",
    "-fdata-sections",
    "-fno-ident",
)
"""For every source; a file chooses another level with `#pragma GCC optimize`."""
DIALECTS = {
    ".c": ("-std=gnu11",),
    ".cpp": ("-std=gnu++11", "-fno-exceptions", "-fno-rtti", "-fno-threadsafe-statics"),
    ".S": ("-x", "assembler-with-cpp"),
}
"""By the suffix of a source; C++ as in the Arduino IDE."""
LINK_FLAGS = ("--gc-sections", "--relax")
WALL_SECONDS = 90.0
"""For all files of a project together."""
MAX_LOG = 20_000


class NotIsolated(Exception):
    """This compiler cannot be confined here, and the project is another person's."""


class CompileError(Rejected):
    """The project does not compile or link; `log` is what the compiler said, bounded."""

    def __init__(self, text: Text, log: str) -> None:
        super().__init__(text)
        self.log = log


@dataclass(frozen=True)
class Compiled:
    elf: bytes
    log: str
    compiler: str


def compile_error(log: str, source: str) -> CompileError:
    """The first error that the compiler reports, with its file and line."""
    found = re.search(r"^(\S+:\d+)(?::\d+)?: (?:fatal )?[Ee]rror: (.+)$", log, re.MULTILINE)
    where, what = found.groups() if found else (source, _last_line(log))
    if where.startswith("/"):  # assembly inside a C file, by the line of what was made of it
        where = source
    return CompileError(
        Text(
            en=f"{where} does not compile: {what[:300]}.",
            ru=f"{where} не компилируется: {what[:300]}.",
        ),
        log,
    )


def link_error(log: str) -> CompileError:
    """The first complaint of the linker."""
    if found := re.search(r"undefined reference to [`'\"](.+?)['\"]", log):
        name = found.group(1)
        return CompileError(
            Text(
                en=f"The project does not link: '{name}' is used, but no file defines it.",
                ru=f"Проект не собирается: «{name}» используется, но нигде не определена.",
            ),
            log,
        )
    if found := re.search(r"(?:will not fit in|is not within) region [`'](\w+)'", log):
        return CompileError(_too_large(found.group(1), log), log)
    what = re.sub(r"^\S*ld\S*: ", "", _last_line(log))
    return CompileError(
        Text(
            en=f"The project does not link: {what[:300]}.",
            ru=f"Проект не собирается: {what[:300]}.",
        ),
        log,
    )


def _too_large(region: str, log: str) -> Text:
    over = re.search(r"overflowed by (\d+) bytes", log)
    en = f"{int(over.group(1)):,} bytes " if over else ""
    ru = f"на {over.group(1)} байт " if over else ""
    if region in ("sram", "data"):
        return Text(
            en=f"The variables are {en}too large for the 2,048 bytes of SRAM; put tables into "
            "flash with PROGMEM.",
            ru=f"Переменные {ru}больше 2048 байт SRAM; разместите таблицы во флеш-памяти с "
            "помощью PROGMEM.",
        )
    return Text(
        en=f"The program is {en}too large for the 32,768 bytes of flash; prune more or use fewer "
        "bits.",
        ru=f"Программа {ru}больше 32 768 байт флеш-памяти; прореживайте сильнее или берите меньше "
        "бит.",
    )


def too_slow() -> CompileError:
    return CompileError(
        Text(
            en="The compiler exceeded its limits of time, memory or output; look for huge macros, "
            "arrays or recursive includes.",
            ru="Компилятор превысил пределы времени, памяти или вывода; проверьте огромные "
            "макросы, массивы и рекурсивные включения.",
        ),
        "",
    )


def _last_line(log: str) -> str:
    lines = [line for line in log.strip().splitlines() if line.strip()]
    return lines[-1].strip().rstrip(".") if lines else "the compiler said nothing"


# Where compiled tools are kept between runs.


def folder() -> Path:
    """The cache folder of this package; made when it is missing."""
    place = course.cache_root() / "avr"
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            Text(
                en=f"The cache folder {place} cannot be made: {error.strerror}; set GRADER_CACHE.",
                ru=f"Не удаётся создать папку кэша {place}: {error.strerror}; задайте "
                "GRADER_CACHE.",
            )
        ) from error
    return place
