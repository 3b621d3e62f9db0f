"""The course's terms in both languages: `assignments/glossary.toml`."""

from __future__ import annotations

import msgspec

from grader import course
from grader.errors import SpecError
from grader.text import Lang, Text


class Term(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One term; `about` says what it is, `lessons` where it is explained."""

    en: str
    ru: str
    about: Text
    lessons: tuple[str, ...] = ()

    def word(self, lang: Lang) -> str:
        return self.ru if lang == "ru" else self.en


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    terms: tuple[Term, ...] = ()


def terms(lang: Lang) -> list[Term]:
    """All terms in the alphabetical order of one language; none where the file is missing.

    Raises SpecError when the file is wrong.
    """
    path = course.assignments() / "glossary.toml"
    if not path.is_file():
        return []
    try:
        found = msgspec.toml.decode(path.read_bytes(), type=_File).terms
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise SpecError(f"{path}: {error}.") from error
    return sorted(found, key=lambda term: term.word(lang).lower().replace("ё", "е"))
