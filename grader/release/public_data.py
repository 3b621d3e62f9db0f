"""Prepare the public data of every lesson in GRADER_CACHE, as a student's first check would.

Run by `grader release --with-data` in a process without the instructor's secrets.
"""

from __future__ import annotations

from grader import data, grading
from grader.data import catalogue
from grader.lesson import loading


def main() -> None:
    ready_made = {info.name for info in catalogue() if not info.needs_download}
    for name in loading.names():
        lesson = loading.load(name)
        first = lesson.spec.data.names[0]
        if first in ready_made:
            data.get(first)
        grading.prepare(lesson, "public")


if __name__ == "__main__":
    main()
