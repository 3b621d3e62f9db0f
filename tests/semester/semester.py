"""What a class of sixty hands in through a semester, packed as Moodle, Canvas and git pack it."""

from __future__ import annotations

import csv
import io
import subprocess
import zipfile
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

from tests.conftest import REPOSITORY

MOSCOW = timezone(timedelta(hours=3))
DUE = {
    "distillation": datetime(2026, 3, 1, 23, 59, tzinfo=MOSCOW),
    "profiling": datetime(2026, 4, 1, 23, 59, tzinfo=MOSCOW),
    "streaming_kws": datetime(2026, 5, 1, 23, 59, tzinfo=MOSCOW),
}
FREE_DAYS, FREE_PER_LESSON = 3, 2
COURSE = """
schema = 1
timezone = "Europe/Moscow"

[late]
free_days = 3
free_days_per_lesson = 2
grace_minutes = 15
penalty = "0.1 * max_score * days_late"

[lessons.distillation]
deadline = 2026-03-01T23:59:00
graded = "graded/distillation"
teams = false

[lessons.profiling]
deadline = 2026-04-01T23:59:00
graded = "graded/profiling"
teams = false

[lessons.streaming_kws]
deadline = 2026-05-01T23:59:00
graded = "graded/streaming_kws"

[[extensions]]
student = "s04"
lesson = "distillation"
days = 5
why = "illness"

[[deductions]]
student = "s03"
lesson = "distillation"
points = 0.25
why = "no report"
"""
MISSING = {"distillation": {8, *range(50, 60)}, "profiling": {9, *range(54, 60)}}
COPIED = {21: 20, 31: 30}
"""Who handed in whose work."""
BROKEN = {40: "cut", 41: "checkpoint", 42: "outside", 43: "text", 44: "huge", 45: "link"}
"""Of the first lesson, and what is wrong."""
LATE = {
    "distillation": {0: 30.0, 1: 50.0, 2: 100.0, 3: 0.1, 4: 100.0, 5: 26.0},
    "profiling": {0: 30.0, 1: 26.0, 2: 60.0, 7: 200.0},
}
"""Hours after the deadline; everybody else is a day early."""
NAMES = {
    0: "Анна Фёдорова",
    1: "=cmd|' /C calc'!A0",
    2: "李 小龙",
    3: "Zoë 👩‍🔬 O'Brien",
    5: "Ы" * 200,
    6: 'Quote "Double" Comma, Jr',
}


@dataclass(frozen=True)
class Person:
    number: int

    @property
    def id(self) -> str:
        return f"s{self.number:02d}"

    @property
    def name(self) -> str:
        return NAMES.get(self.number, f"Student Number{self.number}")

    @property
    def moodle(self) -> int:
        return 10_000 + self.number

    @property
    def canvas(self) -> int:
        return 4_000 + self.number

    @property
    def team(self) -> str:
        return f"team-{self.number // 5}"


CLASS = [Person(number) for number in range(60)]


def submitted(lesson: str, number: int) -> datetime:
    return DUE[lesson] + timedelta(hours=LATE[lesson].get(number, -24.0))


def roster() -> str:
    head = ["id", "name", "email", "login", "moodle", "canvas", "section", "team"]
    lines = [
        [one.id, one.name, f"{one.id}@x.ru", one.id, one.moodle, one.canvas, "204", one.team]
        for one in CLASS
    ]
    buffer = io.StringIO(newline="")
    csv.writer(buffer).writerows([head, *lines])
    return buffer.getvalue()


def worksheet() -> str:
    """Moodle's, of the first lesson: with the times of handing in."""
    head = ["Identifier", "Full name", "ID number", "Email address", "Status", "Grade",
            "Maximum grade", "Grade can be changed", "Last modified (submission)",
            "Last modified (grade)", "Feedback comments"]  # fmt: skip
    lines = []
    for one in CLASS:
        handed = one.number not in MISSING["distillation"]
        time = submitted("distillation", one.number) if handed else None
        shown = f"{time:%A, %d %B %Y, %I:%M %p}" if time else "-"
        status = "Submitted for grading - " if handed else "No submission - "
        lines.append([f"Participant {one.moodle}", one.name, "", f"{one.id}@x.ru", status, "-",
                      "7.00", "Yes", shown, "-", ""])  # fmt: skip
    buffer = io.StringIO(newline="")
    csv.writer(buffer).writerows([head, *lines])
    return "\ufeff" + buffer.getvalue()


def gradebook_of_canvas() -> str:
    head = ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", "Profiling (77)"]
    possible = ["    Points Possible", "", "", "", "", "10.00"]
    lines = [[one.name, one.canvas, one.id, one.id, "204", ""] for one in CLASS]
    buffer = io.StringIO(newline="")
    csv.writer(buffer).writerows([head, possible, *lines])
    return buffer.getvalue()


# The first lesson, from Moodle --------------------------------------------------------------


def moodle(path: Path) -> None:
    """A model each: a few that were trained, others of the same shape that were not."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for one in CLASS:
            if one.number in MISSING["distillation"]:
                continue
            folder = f"{one.name.replace('/', ' ')}_{one.moodle}_assignsubmission_file_"
            for name, raw in _distilled(one.number).items():
                if name == "link":
                    info = zipfile.ZipInfo(f"{folder}/model.onnx")
                    info.external_attr = 0o120777 << 16
                    file.writestr(info, raw)
                elif name == "onlinetext.html":
                    file.writestr(f"{folder.replace('_file_', '_onlinetext_')}/{name}", raw)
                else:
                    file.writestr(f"{folder}/{name}", raw)


def _distilled(number: int) -> dict[str, bytes]:
    number = COPIED.get(number, number)
    model = _model(number)
    match BROKEN.get(number):
        case "cut":
            return {"model.onnx": model[:-500]}
        case "checkpoint":
            return {"student.pt": model}
        case "outside":
            return {"../../../model.onnx": model}
        case "text":
            return {"onlinetext.html": b"<p>my model is attached</p>"}
        case "huge":
            return {"model.onnx": model, "data.bin": b"\0" * (65 * 2**20)}
        case "link":
            return {"link": b"../s01/model.onnx"}
    table = _experiments(number)
    if number % 7 == 0:  # a zip in the zip, one folder down
        raw = io.BytesIO()
        with zipfile.ZipFile(raw, "w") as inner:
            inner.writestr("homework/model.onnx", model)
            inner.writestr("homework/experiments.csv", table)
        return {"my work.zip": raw.getvalue()}
    return {"model.onnx": model, "experiments.csv": table}


def _model(number: int) -> bytes:
    lesson = REPOSITORY / "reference_solutions" / "distillation"
    narrow = REPOSITORY / "assignments" / "distillation" / "samples" / "narrow.onnx"
    trained = [*sorted((lesson / "seeds").glob("*.onnx")), narrow]  # model.onnx is one of them
    if number < len(trained):
        return trained[number].read_bytes()
    rng = np.random.default_rng(number)
    # Pairs with a copy have something to be alike in; the others share a shape and no weights.
    model = onnx.load(trained[0])
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.size > 1:
            drawn = rng.normal(values.mean(), values.std() or 1.0, values.shape)
            if values.dtype == np.int8:
                drawn = drawn.clip(-127, 127).round()
            tensor.CopyFrom(numpy_helper.from_array(drawn.astype(values.dtype), tensor.name))
    return model.SerializeToString()


def _experiments(number: int) -> bytes:
    text = (REPOSITORY / "reference_solutions/distillation/experiments.csv").read_text("utf-8")
    head, *rows = text.splitlines()
    return "\n".join([head, *rows[number % 3 :]]).encode()


# The second, from Canvas --------------------------------------------------------------------


def canvas(path: Path) -> None:
    """An analysis each; some handed in twice, one typed a text, late ones are marked."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for one in CLASS:
            if one.number in MISSING["profiling"]:
                continue
            late = "_LATE" if submitted("profiling", one.number) > DUE["profiling"] else ""
            name = "".join(reversed(one.name.replace("/", " ").split())).lower()[:60]
            who = f"{name}{late}_{one.canvas}"
            if one.number == 46:
                file.writestr(f"{who}_text.html", "<p>see my notebook</p>")
                continue
            attachment = 90_000 + 10 * one.number
            if one.number % 10 == 3:
                file.writestr(f"{who}_{attachment}_hw.zip", _analysis(one.number, first=True))
                file.writestr(f"{who}_{attachment + 1}_hw-1.zip", _analysis(one.number))
            else:
                file.writestr(f"{who}_{attachment}_hw.zip", _analysis(one.number))


def _analysis(number: int, first: bool = False) -> bytes:
    folder = REPOSITORY / "reference_solutions" / "profiling"
    text = (folder / "analysis.toml").read_text("utf-8")
    if first:  # what was wrong before it was handed in again
        text = text.replace("macs = 914624", "macs = 1")
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("analysis.toml", text + f"\n# {number}\n")
        file.writestr("report.md", (folder / "report.md").read_bytes())
        file.writestr("model.onnx", (folder / "model.onnx").read_bytes())
    return raw.getvalue()


def times() -> str:
    """What Canvas's files do not say, as its submissions list has it."""
    lines = [
        f"{one.canvas},{submitted('profiling', one.number).isoformat()}"
        for one in CLASS
        if one.number not in MISSING["profiling"]
    ]
    return "\n".join(["canvas,submitted_at", *lines])


# The third, from git ------------------------------------------------------------------------

TEAMS = {0: -24.0, 1: 30.0, 2: -24.0}
"""Which teams hand in, and hours after the deadline; the model of the last is a checkpoint."""


def clones(folder: Path) -> None:
    """A repository for each team, as GitHub Classroom's command line clones them."""
    source = REPOSITORY / "reference_solutions" / "streaming_kws"
    for team, hours in TEAMS.items():
        place = folder / f"kws-team-{team}"
        place.mkdir(parents=True)
        (place / "README.md").write_text(f"team {team}", encoding="utf-8")
        for name in ("model.onnx", "offline.onnx"):
            target = "model.pt" if team == 2 and name == "model.onnx" else name
            (place / target).write_bytes((source / name).read_bytes())
        when = (DUE["streaming_kws"] + timedelta(hours=hours)).isoformat()
        who = {f"GIT_{role}_{part}": value for role in ("AUTHOR", "COMMITTER")
               for part, value in (("NAME", "t"), ("EMAIL", "t@x"), ("DATE", when))}  # fmt: skip
        for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "hand in"]):
            environment = who | {"PATH": "/usr/bin:/bin", "HOME": str(folder.parent)}
            subprocess.run(["git", *words], cwd=place, env=environment, check=True)
