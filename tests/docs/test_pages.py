"""What the documentation says can be typed in, linked to and found."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from urllib.parse import unquote

import click
import pytest

from grader.cli import COMMANDS, find
from tests.docs import pages

REPOSITORY = Path(__file__).resolve().parents[2]
PAGES = pages.pages(REPOSITORY)
NOT_RUN = {
    "README.md": 2,
    "cluster.md": 5,
    "data.md": 3,
    "handouts.md": 2,
    "instructors.md": 2,
    "new-lesson.md": 1,
    "real-board.md": 1,
    "students.md": 2,
    "translations.md": 1,
}
"""Blocks that no test runs from the page. Raise a number only with a reason on the page."""

by_name = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def test_blocks_that_are_not_run_are_counted_and_say_why() -> None:
    found = {
        page.name: [fence.why for fence in pages.shell(page) if fence.why is not None]
        for page in PAGES
    }
    assert {name: len(reasons) for name, reasons in found.items() if reasons} == NOT_RUN
    assert all(len(reason) > 10 for reasons in found.values() for reason in reasons)


@by_name
def test_every_command_stands_where_it_is_run(page: Path) -> None:
    """Not in an indented block, nor in a block without a language (`text` is for diagrams)."""
    loose = re.findall(r"(?m)^(?: {4,}|\t)(?:\w+=\S+ )?grader .*$", pages.outside(page))
    unknown = [
        fence.text
        for fence in pages.fences(page)
        if fence.kind not in (*pages.SHELL, "text") and fence.commands
    ]
    assert loose == []
    assert unknown == []


@by_name
def test_every_command_and_option_exists(page: Path) -> None:
    written = [*pages.inline(page), *(line for one in pages.shell(page) for line in one.commands)]
    wrong = [problem for line in written if (problem := misspelt(line))]
    assert wrong == []


@by_name
def test_links_lead_to_files_and_headings(page: Path) -> None:
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`\n]*`", "", pages.outside(page))):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = unquote(target).partition("#")
        file = page if not path else (page.parent / path).resolve()
        if not file.exists() or (anchor and anchor not in anchors(file)):
            broken.append(target)
    assert broken == []


def test_every_page_can_be_found_from_the_readme() -> None:
    seen, todo = set(), [PAGES[0]]
    while todo:
        page = todo.pop()
        seen.add(page)
        for target in re.findall(r"\]\(([^)\s#]+\.md)[^)]*\)", page.read_text("utf-8")):
            linked = (page.parent / target).resolve()
            if linked.is_file() and linked not in seen:
                todo.append(linked)
    assert set(PAGES) - seen == set()


def test_every_command_of_the_grader_is_documented() -> None:
    text = "\n".join(page.read_text("utf-8") for page in PAGES)
    absent = [name for name in COMMANDS if not re.search(rf"grader\s{name}\b", text)]
    assert absent == ["demo"]  # `make demo` runs it


def test_the_faq_names_threads_of_both_graders() -> None:
    text = (REPOSITORY / "docs" / "faq.md").read_text("utf-8")
    for short, repository in (
        ("nbgrader", "jupyter/nbgrader"),
        ("otter", "ucbds-infra/otter-grader"),
    ):
        links = re.findall(
            rf"\[{short} #(\d+)\]\(https://github\.com/{repository}/(?:issues|pull)/(\d+)\)", text
        )
        assert len(links) >= 10
        assert all(said == linked for said, linked in links)


def misspelt(line: str) -> str | None:
    """What of a written command does not exist; None where all of it does."""
    words = shlex.split(line.replace("...", "").replace("…", ""))[1:]
    if not words or words[0].startswith("-"):
        return None
    name = words[0].rstrip(",;")
    command = find(name)
    if command is None:
        return f"{line}: no command {name}"
    if isinstance(command, click.Group) and len(words) > 1:
        if words[1] not in command.commands:
            return f"{line}: no command {name} {words[1]}"
        command = command.commands[words[1]]
    known = {option for parameter in command.params for option in parameter.opts} | {"--help"}
    for word in words:
        if word.startswith("--") and word.split("=")[0].rstrip(",;") not in known:
            return f"{line}: no option {word}"
    return None


def anchors(page: Path) -> set[str]:
    """Headings as GitHub makes links of them."""
    headings = re.findall(r"(?m)^#+ (.+)$", page.read_text(encoding="utf-8"))
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {heading.replace(" ", "-") for heading in plain}
