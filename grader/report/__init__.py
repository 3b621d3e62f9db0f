"""Reports: self-contained HTML pages in English and Russian, made from grades only.

A page loads nothing from outside and has the same bytes for the same grades. All text from
submissions is escaped. A student's page names no other student.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from grader.lesson.grades import Grade
from grader.lesson.spec import LessonSpec
from grader.report import classroom, student
from grader.report.charts import tradeoffs
from grader.report.files import write
from grader.report.labels import Labels
from grader.report.leaderboard import Entry
from grader.text import Lang

__all__ = ["class_page", "student_page", "write"]


def student_page(
    grade: Grade,
    spec: LessonSpec,
    lang: Lang,
    class_grades: Sequence[Grade] = (),
    class_href: str | None = None,
) -> str:
    """One student's report. `class_grades` become anonymous dots; `class_href` is URL-quoted."""
    labels = Labels(lang)
    backdrops = tradeoffs.backdrops(spec, [*class_grades, grade], labels)
    return student.page(grade, spec, labels, backdrops, class_href)


def class_page(
    grades: Sequence[Grade],
    spec: LessonSpec,
    lang: Lang,
    hrefs: Mapping[str, str] | None = None,
) -> str:
    """The class page, with names. `hrefs` maps a submission's name to its report, URL-quoted."""
    links = hrefs or {}
    entries = [Entry(grade, links.get(grade.submission.name)) for grade in grades]
    return classroom.page(entries, spec, Labels(lang))
