"""Save the grades of the demo's submissions and of every reference, and compare two such savings.

    python benchmarks/compare_grades.py save DIR
    python benchmarks/compare_grades.py compare BEFORE AFTER

`save` grades on two hidden seeds, through the command line only, so that it can be run in any
checkout. `compare` holds every field of each grade equal, with these exceptions: provenance, the
fingerprint of the submitted files, sentences, and times in milliseconds or seconds, which depend on
the load of the machine, are left out; ratios of times have to have overlapping intervals, widened
by TIMED_ROOM.

Exit code 0 when there is no difference, 1 otherwise.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

SEEDS = ("compare-one", "compare-two")
LEFT_OUT = {"provenance", "fingerprint", "seconds", "log", "reason", "audio", "further_hints"}
TIME_UNITS = {"ms", "s", "µs"}
TIMED_WORDS = ("latency", "ratio_b1", "ratio_b32", "second", "speed", "real_time", "time")
"""A measurement, series, term or check with one of these words in its name depends on the clock."""
SCORE_ROOM = 0.05
"""Points by which the score of a lesson may differ whose formula uses measured times."""
TIMED_LABELS = ("ms,", "ms_label", "faster", "times_label")
"""The same for the words of a table column's label."""
TIMED_ROOM = 0.5
"""Share by which a timed number without an interval may differ on a busy machine."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    saving = commands.add_parser("save")
    saving.add_argument("folder", type=Path)
    comparing = commands.add_parser("compare")
    comparing.add_argument("before", type=Path)
    comparing.add_argument("after", type=Path)
    arguments = parser.parse_args()
    if arguments.command == "save":
        save(arguments.folder)
        return 0
    differences = list(compare(arguments.before, arguments.after))
    for line in differences:
        print(line)
    print(f"{len(differences)} differences")
    return 1 if differences else 0


def save(folder: Path) -> None:
    """Write one JSON file a grade: FOLDER/SEED/LESSON/NAME.json."""
    demo = folder / "demo"
    _grader("demo", "--out", str(demo))
    for lesson in sorted(path.name for path in demo.iterdir() if path.is_dir()):
        for seed in SEEDS:
            target = folder / seed / lesson
            out = folder / "batches" / seed / lesson
            print(f"{lesson}, seed {seed} ...", flush=True)
            _grader("batch", lesson, str(demo / lesson / "submissions"), "--out", str(out),
                    "--seed", seed)  # fmt: skip
            target.mkdir(parents=True, exist_ok=True)
            for path in sorted((out / "grades").glob("*.json")):
                (target / path.name).write_bytes(path.read_bytes())
            reference = _grader("reference", lesson, "--seed", seed, "--json")
            (target / "reference solution.json").write_text(reference, encoding="utf-8")


def _grader(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "grader", *arguments], stdout=subprocess.PIPE, text=True, check=False
    )
    if done.returncode not in (0, 1):
        sys.exit(f"grader {' '.join(arguments)} ended with exit code {done.returncode}")
    return done.stdout


def compare(before: Path, after: Path) -> Iterator[str]:
    """One line a difference."""
    names = {
        path.relative_to(folder).as_posix()
        for folder in (before, after)
        for seed in SEEDS
        for path in (folder / seed).rglob("*.json")
    }
    if not names:
        yield f"no grades below {before} and {after}: run `save` first"
    for name in sorted(names):
        if not ((before / name).is_file() and (after / name).is_file()):
            yield f"{name}: only in one of the two"
            continue
        old, new = (json.loads((folder / name).read_bytes()) for folder in (before, after))
        timed = any(_depends_on_clock(str(term["formula"])) for term in old["terms"])
        if timed and abs(old["score"] - new["score"]) <= SCORE_ROOM:
            new["score"] = old["score"]
        for line in _differences(old, new, (), timed=False):
            yield f"{name}: {line}"


def _differences(old: object, new: object, path: tuple[str, ...], timed: bool) -> Iterator[str]:
    place = ".".join(path)
    if isinstance(old, dict) and isinstance(new, dict):
        if all(isinstance(one.get("en"), str) for one in (old, new)):  # a sentence
            return
        if TIME_UNITS & {old.get("unit"), *(_unit(old.get(axis)) for axis in ("x", "y"))}:
            return
        label = old.get("label") if isinstance(old.get("label"), dict) else {}
        named = " ".join(str(old.get(key, "")) for key in ("name", "metric", "formula"))
        named += " ".join(f"{word}_label" for word in str(label.get("en", "")).split())
        timed = timed or _depends_on_clock(named)
        if _is_timed_pair(old, new, timed):
            return
        for key in sorted((set(old) | set(new)) - LEFT_OUT):
            if key not in old or key not in new:
                yield f"{place}.{key}: only in one of the two"
            else:
                inside = timed or _depends_on_clock(key)
                yield from _differences(old[key], new[key], (*path, key), inside)
    elif isinstance(old, list) and isinstance(new, list):
        if len(old) != len(new):
            yield f"{place}: {len(old)} entries, now {len(new)}"
            return
        for number, (one, other) in enumerate(zip(old, new, strict=True)):
            yield from _differences(one, other, (*path, str(number)), timed)
    elif old != new and not (timed and _near(old, new, path)):
        yield f"{place}: {old!r}, now {new!r}"


def _unit(axis: object) -> object:
    return axis.get("unit") if isinstance(axis, dict) else None


def _depends_on_clock(name: str) -> bool:
    return any(word in name for word in (*TIMED_WORDS, *TIMED_LABELS))


def _is_timed_pair(old: dict, new: dict, timed: bool) -> bool:
    """Two timed measurements whose intervals overlap."""
    if not (timed and isinstance(old.get("interval"), list)):
        return False
    if not isinstance(new.get("interval"), list):
        return False
    (low, high), (low_new, high_new) = old["interval"], new["interval"]
    return low * (1 - TIMED_ROOM) <= high_new and low_new * (1 - TIMED_ROOM) <= high


def _near(old: object, new: object, path: tuple[str, ...]) -> bool:
    if not (isinstance(old, int | float) and isinstance(new, int | float)):
        return True  # a sentence that holds a time
    room = SCORE_ROOM if path[-1] == "points" else TIMED_ROOM * max(abs(old), abs(new))
    return abs(old - new) <= room


if __name__ == "__main__":
    sys.exit(main())
