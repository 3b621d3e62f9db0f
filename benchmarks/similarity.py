"""What comparing a class costs, where planted copies rank, and what independent work is taken for.

    python benchmarks/similarity.py                       # 1,000 and 5,000 submissions
    python benchmarks/similarity.py --submissions 200
    python benchmarks/similarity.py --pairs-only           # fingerprints drawn, no text is read

Every submission is drawn: code of its own of about 12 kB in three files (random programs in the
style of the lesson's), weights of its own in the template's shapes (every fourth of the class from
the template's seed), and mistakes on 16,000 hidden items by the Rasch model. Six pairs are planted:
renamed and reformatted code, code in part, a copy of the weights, one trained further, one with its
channels in another order, and the same mistakes from another file.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import sys
import tempfile
import time
import zlib
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from grader.lesson import loading
from grader.similarity import pairs
from grader.similarity.evidence import Evidence, to_json
from grader.similarity.weights import LessonTensors, own_tensors, sketches_of
from tests.similarity import works

LESSON = "distillation"
ITEMS = 16_000
FILES = ("train.py", "model.py", "distill.py")
STATEMENTS = 90
"""In each file: about 4 kB."""


@dataclass(frozen=True)
class Planted:
    kind: str
    a: int
    b: int


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--submissions", type=int, nargs="+", default=[1000, 5000])
    arguments.add_argument("--jobs", type=int, default=1)
    arguments.add_argument("--pairs-only", action="store_true")
    chosen = arguments.parse_args()
    for count in chosen.submissions:
        if chosen.pairs_only:
            _pairs_only(count)
            continue
        folder = Path(tempfile.mkdtemp(prefix="similarity-"))
        try:
            _one(count, chosen.jobs, folder)
        finally:
            shutil.rmtree(folder)


def _one(count: int, jobs: int, folder: Path) -> None:
    started = time.perf_counter()
    planted = _write_class(count, folder)
    paths = sorted(folder.glob("*.json"))
    size = sum(path.stat().st_size for path in paths) / count
    print(f"{count:,} submissions, {size / 1000:.0f} kB of evidence each "
          f"(written in {time.perf_counter() - started:.0f} s)")  # fmt: skip
    started, cpu = time.perf_counter(), time.process_time()
    marks: list[float] = []
    found = pairs.compare(
        paths,
        loading.load(LESSON),
        top=200,
        jobs=jobs,
        progress=lambda done, total: marks.append(time.perf_counter()),
    )
    ended = time.perf_counter()
    print(f"  reading and fingerprints  {marks[-1] - started:7.1f} s, {jobs} process(es)")
    print(f"  all {found.pairs_in_all:,} pairs  {ended - marks[-1]:7.1f} s")
    print(f"  CPU of the main process   {time.process_time() - cpu:7.1f} s")
    print(f"  peak memory               {_peak():7.0f} MB")
    names = {frozenset((pair.a, pair.b)): rank for rank, pair in enumerate(found.pairs, 1)}
    meant = {frozenset((_name(one.a), _name(one.b))) for one in planted}
    for one in planted:
        pair = frozenset((_name(one.a), _name(one.b)))
        rank = names.get(pair)
        if rank is None:
            print(f"  {one.kind:34} not among the first {len(found.pairs)}")
            continue
        row = found.pairs[rank - 1]
        print(f"  {one.kind:34} rank {rank:3}  number {row.number:.2f}  code {row.code:.2f}  "
              f"weights {row.weights:.2f}  mistakes {row.mistakes:.2f}")  # fmt: skip
    others = found.pairs_listed - sum(pair in meant for pair in names)
    highest = max((row.number for row in found.pairs
                   if frozenset((row.a, row.b)) not in meant), default=0.0)  # fmt: skip
    print(f"  independent pairs listed: {others} of {found.pairs_in_all - len(planted):,}; "
          f"the highest number {highest:.2f}")  # fmt: skip


def _pairs_only(count: int) -> None:
    """Time and memory of comparing all pairs, when everything has been read: the part that grows
    with the square of the class. The first and the last are alike in everything."""
    difficulty = np.random.default_rng(0).normal(-4.5, 1.6, ITEMS)
    known = LessonTensors([])
    held = [_drawn(index % (count - 1), index, difficulty, known) for index in range(count)]
    before, started = _peak(), time.perf_counter()
    cpu = time.process_time()
    numbers = pairs.score(held, known, {}).numbers()
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    first = np.unravel_index(int(numbers.argmax()), numbers.shape)
    highest = float(np.partition(numbers.ravel(), -2)[-2])
    print(f"{count:,} submissions, all pairs: {seconds:.1f} s, {cpu:.1f} s of CPU, "
          f"{_peak() - before:.0f} MB more than {before:.0f}; the planted pair is first: "
          f"{first == (0, count - 1)}; the next number is {highest:.2f}")  # fmt: skip


def _drawn(seed: int, index: int, difficulty: np.ndarray, known: LessonTensors) -> pairs.Features:
    rng = np.random.default_rng([seed, 9])
    own = rng.integers(0, 2**63, 1200).astype(np.uint64)
    usual = rng.zipf(1.3, 300).astype(np.uint64) % np.uint64(20_000)
    return pairs.Features(
        path=Path(),
        name=_name(index),
        prints=np.unique(np.concatenate([own, usual])),
        tensors=own_tensors(sketches_of(works.model(_weights(seed)), "model.onnx"), known),
        items="hidden",
        mistakes=works.mistakes(_skill(seed), seed, difficulty),
        as_given=False,
    )


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _write_class(count: int, folder: Path) -> list[Planted]:
    """Evidence of `count` submissions; which pairs are no accident."""
    rng = np.random.default_rng(0)
    difficulty = rng.normal(-4.5, 1.6, ITEMS)
    a, b = (int(n) for n in rng.choice(count // 2, 2, replace=False))
    planted = []
    for index in range(count):
        _write(folder, index, _evidence(index, difficulty))
    kinds = ("code, renamed and reformatted", "a third of the code", "weights, equal",
             "weights, trained further", "weights, channels permuted",
             "mistakes alone")  # fmt: skip
    for number, kind in enumerate(kinds):
        first, second = (
            (a + 7 * number) % (count // 2),
            count // 2 + (b + 11 * number) % (count // 2),
        )
        planted.append(Planted(kind, first, second))
        _write(folder, second, _copy(kind, first, second, difficulty))
    return planted


def _name(index: int) -> str:
    return f"student-{index:05}"


def _write(folder: Path, index: int, evidence: Evidence) -> None:
    (folder / f"{_name(index)}.json").write_bytes(to_json(evidence))


def _evidence(index: int, difficulty: np.ndarray) -> Evidence:
    texts = {file: program(index, number) for number, file in enumerate(FILES)}
    return _made(index, texts, _weights(index), works.mistakes(_skill(index), index, difficulty))


def _skill(index: int) -> float:
    return float(np.random.default_rng([index, 5]).normal(0, 0.5))


def _weights(index: int) -> works.Tensors:
    return works.trained(index, 0 if index % 4 == 0 else None, moved=0.2)


def _made(
    index: int, texts: dict[str, str], tensors: works.Tensors, mistakes: np.ndarray
) -> Evidence:
    return Evidence(
        lesson=LESSON,
        name=_name(index),
        fingerprint=str(index),
        files={path: f"{index}/{path}" for path in texts},
        texts=zlib.compress(msgspec.json.encode(texts)),
        own_code=True,
        given_code=True,
        sketches=sketches_of(works.model(tensors), "model.onnx"),
        items=f"hidden#{ITEMS}",
        mistakes=zlib.compress(mistakes.tobytes()),
    )


def _copy(kind: str, first: int, second: int, difficulty: np.ndarray) -> Evidence:
    """Of the second student, in one respect like the first."""
    texts = {file: program(second, number) for number, file in enumerate(FILES)}
    tensors = _weights(second)
    mistakes = works.mistakes(_skill(second), second, difficulty)
    if kind.startswith("code"):
        texts = {file: works.reformatted(works.renamed(program(first, number)))
                 for number, file in enumerate(FILES)}  # fmt: skip
    elif kind.startswith("a third"):
        texts[FILES[2]] = program(first, 2)
    elif kind.endswith("equal"):
        tensors = _weights(first)
    elif kind.endswith("further"):
        tensors = works.tuned(_weights(first), second)
    elif kind.endswith("permuted"):
        tensors = works.permuted(_weights(first), second)
    else:
        mistakes = works.mistakes(_skill(first), second, difficulty, shared=0.95, like=first)
    return _made(second, texts, tensors, mistakes)


def program(seed: int, number: int) -> str:
    """A random program: functions of assignments, loops and calls, in the idioms of training
    scripts, so that independent ones share short pieces and no long ones."""
    rng = np.random.default_rng([seed, number])
    lines, names = [], [f"v{n}" for n in range(12)]
    for function in range(6):
        lines.append(f"\n\ndef step_{function}(model, batch, rate):")
        lines += [f"    {line}" for _ in range(STATEMENTS // 6) for line in _statement(rng, names)]
        lines.append(f"    return {rng.choice(names)}")
    return "import torch\nfrom torch.nn import functional as F\n" + "\n".join(lines) + "\n"


def _statement(rng: np.random.Generator, names: list[str]) -> list[str]:
    a, b, c = rng.choice(names, 3)
    called = rng.choice(["F.relu", "F.softmax", "torch.cat", "torch.exp", "model.conv", "F.pad"])
    operator = rng.choice(["+", "-", "*", "/", "@", "**"])
    value = round(float(rng.random()), int(rng.integers(1, 4)))
    form = rng.integers(8)
    return [
        [f"{a} = {called}({b}, dim={rng.integers(3)}) {operator} {c}"],
        [f"{a} = {b} {operator} {value} {operator} {c}.mean()"],
        [
            f"for {a} in range({rng.integers(2, 99)}):",
            f"    {b} {operator if operator in '+-*/' else '+'}= {c}[{a}]",
        ],
        [f"if {a} > {value}:", f"    {b} = {c}.view(-1, {rng.integers(2, 64)})"],
        ["optimizer.zero_grad()", "loss.backward()", "optimizer.step()"],
        [f"{a}, {b} = {c}.shape[{rng.integers(3)}], {called}({b})"],
        ["with torch.no_grad():", f"    {a} = {called}(batch {operator} {value})"],
        [f"{a} = [{called}(x) for x in {b} if x != {rng.integers(50)}]"],
    ][form]


if __name__ == "__main__":
    main()
