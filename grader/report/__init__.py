"""Reports: self-contained HTML pages, drawn from grades only, in English and in Russian.

A page loads nothing from outside, is the same bytes for the same grades, escapes whatever a
submission wrote, and shows a student no other student's name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from grader.lesson.grades import Grade
from grader.lesson.spec import LessonSpec
from grader.report import classroom, student
from grader.report.charts import tradeoffs
from grader.report.files import write
from grader.report.words import Entry, Words
from grader.text import Lang

__all__ = ["class_page", "student_page", "write"]


def student_page(
    grade: Grade,
    spec: LessonSpec,
    lang: Lang,
    class_grades: Sequence[Grade] = (),
    class_href: str | None = None,
) -> str:
    """One student's report. `class_grades` become nameless dots; `class_href` is URL-quoted."""
    words = Words(lang)
    backdrops = tradeoffs.backdrops(spec, [*class_grades, grade], words)
    return student.page(grade, spec, words, backdrops, class_href)


def class_page(
    grades: Sequence[Grade],
    spec: LessonSpec,
    lang: Lang,
    hrefs: Mapping[str, str] | None = None,
) -> str:
    """The class, with names. `hrefs` leads from a submission's name to its report, URL-quoted."""
    links = hrefs or {}
    entries = [Entry(grade, links.get(grade.submission.name)) for grade in grades]
    return classroom.page(entries, spec, Words(lang))
