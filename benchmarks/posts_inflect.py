"""Write posts_words.tsv: the forms of the words of `posts-synthetic`, from pymorphy3's dictionary.

    python benchmarks/posts_inflect.py

Run it after a change of posts_lexicon.toml; it needs pymorphy3 (`pip install -e .[text]`), while
drawing posts reads the table. A line holds kind, word, gender (м ж с, or - for a plural), + for an
animate word, and the forms as a stem and its endings: of a noun, a name or a town six cases, of an
adjective five cases in four genders, the feminine accusative and the comparative. A title has one
form.
"""

from __future__ import annotations

import os
import re
import tomllib
import zlib
from collections.abc import Iterable, Iterator
from typing import Any

from grader.data.text.posts_vocabulary import LEXICON, WORDS

CASES = ("nomn", "gent", "datv", "accs", "ablt", "loct")
MARKS = {"name": "Name", "surname": "Surn", "town": "Geox"}
"""What pymorphy3 calls the kinds of names."""
UNWANTED = ("Erro", "Arch", "Dist", "Infr", "Slng", "V-", "Orgn", "Trad", "Patr", "Init")
"""Misprints, archaisms, dialect, slang, variants, trademarks and the like."""
GENDERS = {"masc": "м", "femn": "ж", "neut": "с"}
NAMES = 500
SURNAMES = 2_500
TOWNS = 700
TITLES = 7_000
AGREEING = ["этот", "такой", "какой", "новый", "старый", "обычный", "весь", "сам"]
_HEIGHTENED = re.compile(
    "(ейший|[ео]нький|ющий|оватый|тянутый|супский|тошный|никудышный|поганый|кошмарный|живописный|"
    "солнечный|незабываемый|хамский|оперативный|бездарный|убогий|отличный|чудесный|великолепный|"
    "превосходный|восхитительный|замечательный|потрясающий|тухлый)$"
)
"""No comparative of these is said."""
_UNFIT = re.compile(
    r"жид|хохл|хохол|негр|чурк|хач|педер|педик|гомос|пидор|хер|хуй|хуе|пизд|бля|еба|ёб|муд[ао]|сра[тл]|"
    r"говн|жоп|шлюх|прости|секс|порн|фаш|нацис|расис|гитлер|террор|убий|самоуб|суицид|насил|"
    r"нарко|героин|кокаин|вагин|пенис|член|сперм|онани|мастурб|оргаз|фекал|трах|кал$|моч|"
    r"еврей|цыган|татар|чечен|русск|украин|хохм|ислам|христ|мусульм|свастик|проститу|педофил|инцест|"
    r"алкаш|алког|нарик|пьян|труп|гроб|морг$|повеш|сволоч|подон|ублюд|урод|дебил|идиот|кретин|лярв|самец|сук[аи]|наци"
)


def main() -> None:
    lines = list(dict.fromkeys(_lines()))  # frequent words first
    WORDS.write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")
    print(f"{len(lines):,} words in {WORDS.name}")


def _lines() -> Iterator[str]:
    import pymorphy3

    morph = pymorphy3.MorphAnalyzer()
    lexicon = tomllib.loads(LEXICON.read_text(encoding="utf-8"))
    for kind, word in _listed(lexicon):
        if kind == "adjective":
            yield _adjective(morph, word)
        else:
            yield _noun(morph, kind, word, "Name" if kind == "name" else "")
    for word in AGREEING:
        yield _adjective(morph, word)
    taken = {word for _, word in _listed(lexicon)}
    yield from _rare(morph, taken)


def _listed(lexicon: dict[str, Any]) -> Iterator[tuple[str, str]]:
    general, people = lexicon["general"], lexicon["people"]
    for domain in (general, *lexicon["domain"].values()):
        for word in (domain["good"] + " " + domain["bad"]).split():
            yield "adjective", word.lstrip("!")
    for domain in lexicon["domain"].values():
        for word in domain["things"].split():
            yield "thing", word
        for word in domain["aspects"].split():
            yield "aspect", word
    for word in people["holders"].split():
        yield "holder", word
    for word in people["subjects"].split("|"):
        yield "subject", word
    for word in people["names"].split():
        yield "name", word
    for word in people["towns"].split():
        yield "town", word


def _rare(morph: Any, taken: set[str]) -> Iterator[str]:
    """Words of the dictionary, chosen by a checksum: the same for everybody."""
    found: dict[str, set[str]] = {"name": set(), "surname": set(), "town": set(), "title": set()}
    for word, tag, normal, *_ in morph.dictionary.iter_known_words():
        if word != normal or _UNFIT.search(word) or not re.fullmatch("[а-яё]{3,12}", word):
            continue
        if kind := _kind(word, str(tag)):
            found[kind].add(word)
    for kind, count in (("name", NAMES), ("surname", SURNAMES), ("town", TOWNS), ("title", TITLES)):
        chosen = sorted(found[kind], key=lambda word: (zlib.crc32(word.encode()), word))[:count]
        for word in chosen:
            if word in taken or word.capitalize() in taken:
                continue
            if kind == "title":
                yield f"title\t{word}\t-\t\t{word}\t"
            else:
                yield _noun(morph, kind, word.capitalize(), MARKS[kind])


def _kind(word: str, tag: str) -> str:
    if not tag.startswith("NOUN") or "nomn" not in tag or "Fixd" in tag or "Abbr" in tag:
        return ""
    if any(mark in tag for mark in UNWANTED):
        return ""
    singular = "sing" in tag and "GNdr" not in tag and "ms-f" not in tag
    if "Surn" in tag:
        fits = "masc" in tag and re.search("(ов|ев|ин|ский)$", word)
        return "surname" if singular and fits else ""
    if "Name" in tag:
        return "name" if singular and len(word) <= 9 else ""
    if "Geox" in tag:
        fits = re.search("(ск|град|ово|ево|ино|бург)$", word)
        return "town" if singular and fits and len(word) <= 11 else ""
    dull = re.search("(ние|ость|изм|ция|ение|вание|тие)$", word)
    return "title" if singular and 4 <= len(word) <= 11 and not dull else ""


def _noun(morph: Any, kind: str, word: str, mark: str) -> str:
    parses = [
        parse
        for parse in morph.parse(word)
        if "NOUN" in parse.tag and "nomn" in parse.tag and mark in str(parse.tag)
    ]
    singular = [p for p in parses if "sing" in p.tag] or parses
    if not singular:
        raise ValueError(f"{kind} {word!r} is no noun in the nominative")
    parse = singular[0]
    number = "sing" if "sing" in parse.tag else "plur"
    forms = []
    for case in CASES:
        form = parse.inflect({number, case})
        if form is None:
            raise ValueError(f"{kind} {word!r} has no {case}")
        forms.append(form.word)
    forms[0] = word.lower()
    if word[0].isupper():
        forms = [form.capitalize() for form in forms]
    gender = GENDERS[parse.tag.gender] if number == "sing" else "-"
    alive = "+" if parse.tag.animacy == "anim" or kind in ("name", "surname") else ""
    return _line(kind, word, gender, alive, forms)


def _adjective(morph: Any, word: str) -> str:
    parse = next(
        p for p in morph.parse(word) if p.tag.POS in ("ADJF", "PRTF") and {"masc", "nomn"} in p.tag
    )
    forms = []
    for case in ("nomn", "gent", "datv", "ablt", "loct"):
        for gender in ("masc", "femn", "neut"):
            forms.append(parse.inflect({case, gender, "sing"}).word)
        forms.append(parse.inflect({case, "plur"}).word)
    forms.append(parse.inflect({"accs", "femn", "sing"}).word)
    plain = not _HEIGHTENED.search(word)
    comparative = parse.inflect({"COMP"}) if plain else None
    forms.append(comparative.word if comparative else "")
    return _line("adjective", word, "-", "", forms)


def _line(kind: str, word: str, gender: str, alive: str, forms: Iterable[str]) -> str:
    forms = list(forms)
    stem = os.path.commonprefix([form for form in forms if form])  # noqa: RUF071
    endings = " ".join(form[len(stem) :] or "0" if form else "-" for form in forms)
    return f"{kind}\t{word}\t{gender}\t{alive}\t{stem}\t{endings}"


if __name__ == "__main__":
    main()
