"""Chapters and slides: what stands where, and every mistake of an author with its line."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from grader.handout import document as source
from grader.handout import render
from grader.handout.chapter import chapter
from grader.handout.document import Document, Links
from grader.handout.pages import catalogue, colors
from grader.handout.render import Renderer
from grader.handout.slides import Card, deck, slides
from grader.text import Lang
from grader.text.errors import SpecError, UsageError
from tests.handout.conftest import LECTURES, Course
from tests.handout.markup import read

ALL = Path(__file__).resolve().parents[2]
DRAWS = "def bars(drawing):\n    drawing.axes('x', 'y').bar([1, 2], [3, 4], color=drawing.accent)\n"


def cards(document: Document) -> list[Card]:
    return deck(document, Renderer(document, Links()), goals="Goals")


def shown(card: Card) -> str:
    return re.sub(r"<[^>]+>|\s+", " ", "".join(card.body))


# Every lecture of the course.


@pytest.mark.parametrize(("name", "lang"), LECTURES)
@pytest.mark.parametrize("kind", ["html", "slides"])
def test_anchors_are_unique_and_links_lead_somewhere(
    name: str, lang: Lang, kind: str, pages: dict[tuple[str, Lang, str], Path]
) -> None:
    found = read(pages[name, lang, kind])
    assert len(set(found.ids)) == len(found.ids)
    assert found.unlabelled == []
    for link in found.links:
        parts = urlsplit(link)
        if parts.scheme:
            assert parts.scheme in ("http", "https", "mailto"), link
            assert "." in parts.netloc, link
        elif not parts.path:
            assert unquote(parts.fragment) in found.ids, link


@pytest.mark.parametrize(("name", "lang"), LECTURES)
@pytest.mark.parametrize("kind", ["html", "slides"])
def test_headings_are_in_order(
    name: str, lang: Lang, kind: str, pages: dict[tuple[str, Lang, str], Path]
) -> None:
    levels = read(pages[name, lang, kind]).headings
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))


@pytest.mark.parametrize(("name", "lang"), LECTURES)
@pytest.mark.parametrize("kind", ["html", "slides"])
def test_a_page_asks_for_nothing_outside_itself(
    name: str, lang: Lang, kind: str, pages: dict[tuple[str, Lang, str], Path]
) -> None:
    text = pages[name, lang, kind].read_text(encoding="utf-8")
    assert "default-src 'none'" in text
    assert not re.search(
        r"""<link\b|<script[^>]*\bsrc=|\bsrc=["'](?!data:)|@import|url\(["']?(?!#)""", text
    )
    assert "://" not in re.sub(r'href="[^"]*"|xmlns(:\w+)?="[^"]*"', "", text.split("<style>")[1])


@pytest.mark.parametrize("name", sorted({name for name, _ in LECTURES}))
def test_both_languages_have_the_same_anchors(
    name: str, lecture: Callable[[str, Lang], Document]
) -> None:
    ours = {lang for one, lang in LECTURES if one == name}
    anchors = [lecture(name, lang).anchors() for lang in ours]
    assert all(one == anchors[0] for one in anchors)


@pytest.mark.parametrize(("name", "lang"), LECTURES)
def test_every_slide_shows_something_and_says_something(
    name: str, lang: Lang, lecture: Callable[[str, Lang], Document]
) -> None:
    for card in cards(lecture(name, lang)):
        if card.kind == "slide":
            assert card.body, f"{card.anchor} {card.title} is empty"
    assert sum(bool(card.notes) for card in cards(lecture(name, lang))) > 10


# What an author writes.


PAGE = """\
# Title

After it you can

- count.

## 1. Section

### Slide

A first sentence that is long enough to be a point. And more that is only said.

The terms are:

$$
a = b
$$

::: notes
Ask the room.
:::

::: chapter
Only to read.
:::

{.slide}
Shown whole. On the slide too.

| a | b |
|---|---|
| 1 | 2 |

{.chapter}
| hidden | table |
|---|---|
| 1 | 2 |

### Points

::: slide
- One point.
:::

A paragraph that only the lecturer says on this slide.

<!-- next slide -->

- another list

<details>
<summary>Why is it so?</summary>

Because of $T^2$.

</details>
"""


def test_a_slide_shows_what_cannot_be_said(course: Course) -> None:
    made = cards(course.handout(PAGE))
    assert [card.kind for card in made] == ["title", "slide", "section", "slide", "slide", "slide"]
    first, points, after = made[3:]
    assert "A first sentence that is long enough to be a point." in shown(first)
    assert "And more" not in shown(first)
    assert "The terms are:" in shown(first)
    assert "<math" in "".join(first.body)
    assert "Shown whole. On the slide too." in shown(first)
    assert "hidden" not in shown(first)
    assert "Ask the room." not in shown(first)
    assert shown(points).split() == ["One", "point."]
    assert "another list" in shown(after)
    assert "Why is it so?" in shown(after)
    assert (points.anchor, points.part, after.anchor, after.part, after.parts) == (
        "s1-2", 1, "s1-2-2", 2, 2,
    )  # fmt: skip
    assert 'class="slide"' not in "".join("".join(card.body) for card in made)
    said = "".join(first.notes)
    assert "And more that is only said." in said
    assert "Ask the room." in said
    assert "Only to read." in said
    assert "A paragraph that only" in "".join(points.notes)
    assert "Because of" in "".join(after.notes)


def test_a_chapter_has_the_text_and_neither_notes_nor_slides(course: Course) -> None:
    page = chapter(course.handout(PAGE), Links())
    assert "And more that is only said." in page
    assert "Only to read." in page
    assert "hidden" in page
    assert "Ask the room." not in page
    assert "One point." not in page
    assert "next slide" not in page
    assert '<h3 id="s1-2">' in page
    assert '<a href="#s1-2">' in page


def test_long_code_and_lists_are_continued_on_the_next_slide(course: Course) -> None:
    functions = "\n\n".join(f"def f{n}():\n    a = {n}\n    return a" for n in range(7))
    items = "\n".join(f"{n}. item {n} {'word ' * 20}" for n in range(1, 12))
    text = f"# T\n\n## S\n\n### Code\n\n```python\n{functions}\n```\n\n### List\n\n{items}\n"
    made = [card for card in cards(course.handout(text)) if card.kind == "slide"]
    assert [card.part for card in made] == [1, 2, 1, 2]
    assert sum("def" in one for card in made for one in shown(card).split()) == 7
    assert 'start="' in "".join(made[3].body)
    assert [n for n in range(1, 12) if f"item {n} " in shown(made[2]) + shown(made[3])] == list(
        range(1, 12)
    )


def test_a_tall_table_is_continued_with_its_heading(course: Course) -> None:
    rows = "\n".join(f"| row{n} | {n} |" for n in range(20))
    table = f"| what | number |\n|---|---:|\n{rows}\n"
    measured = f"<!-- begin: x -->\n{table}\nMeasured: here.\n<!-- end: x -->\n"
    text = f"# T\n\n## S\n\n### Plain\n\n{table}\n### Measured\n\n{measured}"
    made = [card for card in cards(course.handout(text)) if card.kind == "slide"]
    assert [card.part for card in made] == [1, 2, 1, 2]
    for part in (made[:2], made[2:]):
        found = [re.findall(r"row\d+", shown(card)) for card in part]
        assert [len(one) for one in found] == [10, 10]
        assert [*found[0], *found[1]] == [f"row{n}" for n in range(20)]
        assert all("what" in shown(card) for card in part)
    assert ["Measured: here." in shown(card) for card in made] == [False, False, False, True]


def test_a_lead_in_stands_on_the_slide_of_what_it_leads_up_to(course: Course) -> None:
    code = "\n\n".join(f"def f{n}():\n    return {n}" for n in range(5))
    block = f"```python\n{code}\n```"
    text = f"# T\n\n## S\n\n### Code\n\n{block}\n\nWords. And the other:\n\n{block}\n"
    first, second = (card for card in cards(course.handout(text)) if card.kind == "slide")
    assert "And the other:" not in shown(first)
    assert "And the other:" in shown(second)


def test_a_drawn_picture_is_in_the_page_in_its_own_colors(course: Course) -> None:
    (course.folder / "handout_figures.py").write_text(DRAWS, encoding="utf-8")
    found = course.handout('# T\n\n## S\n\n### P\n\n![Two bars.](figure:bars "A *caption*")\n')
    for page in (chapter(found, Links()), slides(found, Links())):
        assert 'role="img" aria-label="Two bars."' in page
        assert f"var(--accent, {colors()['accent']})" in page
        assert "A <em>caption</em>" in page
        assert "<svg" in page


def test_a_picture_file_is_carried_in_the_page(course: Course) -> None:
    (course.folder / "figures").mkdir(exist_ok=True)
    (course.folder / "figures" / "a.svg").write_text(
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 2 2"><style>rect{fill:red}</style>'
        '<script>alert(1)</script><rect id="r" fill="#fff"/></svg>',
        encoding="utf-8",
    )
    page = chapter(course.handout("# T\n\n![A square.](figures/a.svg)\n"), Links())
    assert 'fill="var(--card, #ffffff)"' in page
    assert "alert(1)" not in page
    assert 'id="r"' not in page
    assert re.search(r"@scope \(#p[0-9a-f]{8}-picture\) { rect{fill:red} }", page)


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("text\n", 1, "begin with `# Title`"),
        ("# T\n\n### Slide\n", 3, "after `# Title` come `##` sections"),
        ("# T\n\n## S\n\n#### Deep\n", 5, "nothing deeper"),
        ("# T\n\n## S\n\n{#s2}\n### A\n\n## B\n", 8, "s2 is that of line 6 already"),
        ("# T\n\n::: note\nx\n:::\n", 3, "`::: note` opens or closes nothing"),
        ("# T\n\na $\\foo$\nb\n", 3, "\\foo is unknown"),
        ("# T\n\na\nb $x_{$ c\n", 4, "a { is not closed"),
        ("# T\n\n$$\n\\begin{aligned} a \\end{cases}\n$$\n", 3, "\\end{cases} closes nothing"),
        ("# T\n\n$$\na & b\n$$\n", 3, "& is unknown"),
        ("# T\n\n```brainfog\nx\n```\n", 3, "no colours for the language `brainfog`"),
        ("# T\n\ntext\n![](figures/x.svg)\n", 4, "has no text"),
        ("# T\n\n![Words.](figures/none.svg)\n", 3, "there is no picture figures/none.svg"),
        ("# T\n\n![Words.](figures/bad.svg)\n", 3, "figures/bad.svg is damaged"),
        ("# T\n\n<!-- begin: x -->\n| a |\n|---|\n", 3, "is not closed"),
        ("# T\n\n<!-- begin: x -->\nwords\n\n<!-- end: x -->\n", 3, "x holds no table"),
        ("# T\n\n<details>\n\ntext\n\n</details>\n", 3, "needs its `<summary>`"),
        ("# T\n\n[there](#s9)\n", 3, "the link #s9 leads nowhere"),
        ("# T\n\nsee\n[it](../distillation/none.md)\n", 4, "none.md leads nowhere"),
        ("# T\n\n[web](http://nowhere)\n", 3, "http://nowhere leads nowhere"),
    ],
)
def test_a_mistake_is_named_with_its_line(
    text: str, line: int, reason: str, course: Course
) -> None:
    (course.folder / "figures").mkdir(exist_ok=True)
    (course.folder / "figures" / "bad.svg").write_text("<svg", encoding="utf-8")
    with pytest.raises(SpecError) as caught:
        chapter(course.handout(text), Links())
    assert f"handout.en.md:{line}: " in str(caught.value)
    assert reason in str(caught.value)
    assert re.search("[а-яё]", caught.value.to("ru").replace("handout", ""))


def test_a_drawing_that_does_not_exist_is_named(course: Course) -> None:
    with pytest.raises(SpecError, match=r"no function pies\(drawing\)"):
        chapter(course.handout("# T\n\n![Pies.](figure:pies)\n"), Links())


def test_a_lesson_without_a_handout_says_so(course: Course) -> None:
    (course.folder / "handout.ru.md").unlink()
    with pytest.raises(UsageError, match=r"no handout\.ru\.md yet"):
        source.read(course.lesson, "ru")


def test_the_timer_runs_as_long_as_the_lecture_says_or_as_it_is_told(course: Course) -> None:
    said = re.compile(r'"minutes": (\d+)')
    body = "# T\n\n## S\n\n### A\n\n- b\n"
    assert said.findall(slides(course.handout(body), Links())) == ["90"]
    stated = course.handout("{minutes=60}\n" + body)
    assert said.findall(slides(stated, Links())) == ["60"]
    assert said.findall(slides(stated, Links(), minutes=45)) == ["45"]
    with pytest.raises(SpecError, match=r"handout\.en\.md:2: minutes=long"):
        course.handout("{minutes=long}\n" + body)


def test_a_footnote_is_below_the_chapter_and_no_dead_link_on_a_slide(course: Course) -> None:
    found = course.handout("# T\n\n## S\n\n### A\n\n- b[^1]\n\nWords.[^1]\n\n[^1]: Why.\n")
    assert 'href="#fn1"' in chapter(found, Links())
    assert "Why." in chapter(found, Links())
    assert "#fn1" not in slides(found, Links())


# Parts.


def test_formulas_are_mathml_core() -> None:
    found = render.mathml(r"\mathrm{clip}(x) = \lfloor x \rfloor", display=True)
    assert "<mi>clip</mi>" in found
    assert '<mo form="prefix">' in found
    assert 'alttext="\\mathrm{clip}(x) = \\lfloor x \\rfloor"' in found
    assert render.mathml(r"\lVert w \rVert_1").count('<mo stretchy="false">') == 2
    table = render.mathml(r"\begin{aligned} a &= b \\ c &= d \end{aligned}")
    assert table.count("<mtr>") == 2
    assert "&<" not in table


def test_the_colors_are_those_of_the_reports() -> None:
    sheet = (ALL / "grader/report/templates/style.css").read_text(encoding="utf-8")
    for dark in (False, True):
        for name, value in colors(dark=dark).items():
            assert f"--{name}: {value}" in sheet or len(set(value[1:])) == 1
    assert colors()["ink"] != colors(dark=True)["ink"]


def test_labels_have_the_same_placeholders_in_both_languages() -> None:
    for key, text in catalogue().items():
        assert set(re.findall(r"\{\w+\}", text.to("en"))) == set(
            re.findall(r"\{\w+\}", text.to("ru"))
        ), key


def test_links_to_other_pages_of_the_course_become_pages(course: Course) -> None:
    links = Links()
    text = "# T\n\n[how](../../student_template/distillation/README.ru.md) [code](lesson.toml)\n"
    page = chapter(course.handout(text), links)
    (name,) = links.companions
    assert f'<a href="{name}">how</a>' in page
    assert "<span>code</span>" in page
    alone = chapter(course.handout(text), Links(alone=True))
    assert "<span>how</span>" in alone


def test_other_lessons_are_linked_in_a_site_only(course: Course) -> None:
    text = "# T\n\n## S\n\n[back](../distillation/handout.en.md#s1)\n"
    assert "<span>back</span>" in chapter(course.handout(text), Links())
    linked = chapter(course.handout(text), Links(site=True))
    assert '<a href="distillation.en.html#s1">' in linked
