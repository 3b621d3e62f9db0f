"""What each detector says of work that is independent, and of copies: real code, trained models.

    python benchmarks/similarity_trained.py          # trains 18 small models: 6 minutes
    python benchmarks/similarity_trained.py --keep FOLDER      # and uses those that are there

Models are those of the distillation template, trained on the built-in speech and asked the clips of
its validation part. Prints Markdown; exits 1 when an independent pair is listed.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import itertools
import math
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from scipy.stats import norm

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from grader import data
from grader.lesson import loading
from grader.similarity import behaviour, code, weights
from grader.similarity.behaviour import beyond_class
from grader.similarity.pairs import LEAST, USUAL_AGREEMENT, USUAL_CODE
from grader.similarity.weights import LessonTensors, sketches_of
from tests.similarity import works

EPOCHS = 6
LESSON = loading.load("distillation")
SOLUTIONS = ("first", "second", "third", "fourth")


@dataclass(frozen=True)
class Run:
    """One training run."""

    name: str
    seed: int
    rate: float = 1e-3
    epochs: int = EPOCHS
    order: int | None = None
    """Seed of the order of the data, where it is another."""
    start: str = ""
    """The run that it goes on from."""
    sizes: tuple[tuple[str, Any], ...] = ()
    """Changes to the template's STUDENT."""


RUNS = (
    Run("seed 0", 0),
    Run("seed 0, twice the learning rate", 0, rate=2e-3),
    Run("seed 0, other order of the data", 0, order=5),
    Run("seed 0, three epochs more", 0, epochs=EPOCHS + 3),
    Run("seed 1", 1),
    Run("copy of seed 1, trained 1 epoch at 3e-4", 7, rate=3e-4, epochs=1, start="seed 1"),
    Run("copy of seed 1, trained 3 epochs at 1e-3", 8, epochs=3, start="seed 1"),
    *(Run(f"seed {seed}", seed, rate=1e-3 * (1 + seed % 2)) for seed in range(2, 8)),
    Run("hidden size 24, seed 0", 0, sizes=(("hidden_size", 24),)),
    Run("hidden size 24, seed 3", 3, sizes=(("hidden_size", 24),)),
    Run("one layer, seed 0", 0, sizes=(("channels", 6), ("layers", 1))),
    Run("one layer, seed 4", 4, sizes=(("channels", 6), ("layers", 1))),
)
DISGUISES = ("float16", "int8", "permuted channels", "permuted channels, float16")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--keep", type=Path, help="folder of trained models")
    keep = parser.parse_args().keep
    code_fine = _code()
    folder = keep or Path(tempfile.mkdtemp(prefix="similarity-"))
    try:
        models = _models(folder)
    finally:
        if keep is None:
            shutil.rmtree(folder)
    raise SystemExit(0 if _trained(models) and code_fine else 1)


def _code() -> bool:
    """Tables of independent and of disguised code; whether no independent pair is listed."""
    common = code.common_to_all([LESSON.template], sorted(LESSON.folder.glob("*.md")))
    with tempfile.TemporaryDirectory() as folder:
        made = itertools.count()

        def prints(source: str) -> code.Hashes:
            place = works.solved(LESSON.template, Path(folder) / str(next(made)), source)
            texts = {path.name: path.read_text("utf-8") for path in place.glob("*.py")}
            return code.own_prints(texts, common)

        own = {name: prints(works.solution(name)) for name in SOLUTIONS}
        alone = [_two(own[a], own[b]) for a, b in itertools.combinations(SOLUTIONS, 2)]
        given = code.own_prints(
            {path.name: path.read_text("utf-8") for path in LESSON.template.glob("*.py")}, common
        )
        print(f"Template as given: {len(given)} fingerprints of its own.\n")
        print("| code of two people | similarity | beyond independent work |")
        print("|---|---|---|")
        print(f"| independent solutions, {len(alone)} pairs | at most {max(alone):.2f} | "
              f"{_beyond(max(alone)):.2f} |")  # fmt: skip
        for name, disguise in works.DISGUISES.items():
            found = [_two(own[one], prints(disguise(works.solution(one)))) for one in SOLUTIONS]
            print(f"| copy, {name} | {min(found):.2f} to {max(found):.2f} | "
                  f"{_beyond(min(found)):.2f} to {_beyond(max(found)):.2f} |")  # fmt: skip
    return _beyond(max(alone)) < LEAST


def _two(a: code.Hashes, b: code.Hashes) -> float:
    return float(code.similarity([a, b])[0, 1])


def _beyond(similarity: float) -> float:
    return max(0.0, (similarity - USUAL_CODE) / (1 - USUAL_CODE))


def _trained(models: dict[str, bytes]) -> bool:
    """Tables of trained models; whether no pair of different seeds is listed."""
    names = list(models)
    known = LessonTensors.of_folders((LESSON.template, LESSON.folder))
    owned = [weights.own_tensors(sketches_of(raw, "model.onnx"), known) for raw in models.values()]
    agreed = behaviour.agreement(list(_answers(models)))
    sigmas = float(norm.isf(0.025 / math.comb(len(names), 2)))
    acted = beyond_class(agreed.value, USUAL_AGREEMENT, agreed.low(sigmas))
    rows = []
    for a, b in itertools.combinations(range(len(names)), 2):
        alike = float(weights.similarity([owned[a], owned[b]], known)[0, 1])
        cosines = [match.cosine for match in weights.matches(owned[a], owned[b])]
        number = 1 - (1 - alike) * (1 - float(acted[a, b]))
        rows.append((names[a], names[b], cosines, alike, agreed.value[a, b], acted[a, b], number))
    print("\n| two models | cosines | weights | agreement | mistakes | number |")
    print("|---|---|---|---|---|---|")
    independent = [row for row in rows if _origin(row[0]) != _origin(row[1])]
    for row in rows:
        told = row[0] in ("seed 0", "seed 1") and _origin(row[0]) == _origin(row[1])
        if told:
            print(f"| {row[0]} and {row[1]} | {_span(row[2])} | {row[3]:.2f} | {row[4]:.2f} | "
                  f"{row[5]:.2f} | {row[6]:.2f} |")  # fmt: skip
    cosines = [cosine for row in independent for cosine in row[2]]
    listed = sum(row[6] >= LEAST for row in independent)
    print(f"| {len(independent)} independent pairs, at most | {_span(cosines)} | "
          f"{max(row[3] for row in independent):.2f} | {max(row[4] for row in independent):.2f} | "
          f"{max(row[5] for row in independent):.2f} | "
          f"{max(row[6] for row in independent):.2f} |")  # fmt: skip
    print(f"\n{listed} of {len(independent)} independent pairs would be listed.")
    return listed == 0


def _origin(name: str) -> str:
    """Which run the weights began as; other shapes begin as others."""
    return name.removeprefix("copy of ").split(",")[0] if name[0] not in "ho" else name


def _span(cosines: list[float]) -> str:
    return f"{min(cosines):.2f} to {max(cosines):.2f}" if cosines else "—"


def _answers(models: dict[str, bytes]) -> Iterator[np.ndarray]:
    clips = data.load("speech-synthetic", "validation")
    features, options = np.array(clips.features), ort.SessionOptions()
    options.intra_op_num_threads = 1
    for raw in models.values():
        session = ort.InferenceSession(raw, options)
        given = session.get_inputs()[0]
        size = 1 if given.shape[0] == 1 else 500
        parts = np.split(features, range(size, len(features), size))
        logits = np.concatenate([session.run(None, {given.name: part})[0] for part in parts])
        yield behaviour.of_scores(logits[:, 1] - logits[:, 0], clips.labels)


# Training -----------------------------------------------------------------------------------


def _models(folder: Path) -> dict[str, bytes]:
    """Every run and every disguise as ONNX, trained where it is not in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    wanted = {run.name: folder / f"{run.name}.onnx" for run in RUNS}
    wanted |= {f"copy of seed 1, {kind}": folder / f"{kind}.onnx" for kind in DISGUISES}
    if not all(path.exists() for path in wanted.values()):
        _train(folder, wanted)
    return {name: path.read_bytes() for name, path in wanted.items()}


def _train(folder: Path, wanted: dict[str, Path]) -> None:
    import torch

    sys.path.insert(0, str(LESSON.template))
    train, model, export = (importlib.import_module(n) for n in ("train", "model", "export"))
    torch.set_num_threads(1)
    parts = [train.clips(data.load("speech-synthetic", part)) for part in ("train", "validation")]
    done: dict[str, Any] = {}
    for run in RUNS:
        torch.manual_seed(run.seed)
        network = model.Crnn(replace(model.STUDENT, **dict(run.sizes)))
        if run.start:
            network.load_state_dict(done[run.start].state_dict())
        recipe = train.Recipe(
            epochs=run.epochs,
            learning_rate=run.rate,
            seed=run.seed if run.order is None else run.order,
        )
        with contextlib.redirect_stdout(sys.stderr):
            train.fit(network, *parts, train.hard_loss(network), recipe)
        done[run.name] = network.eval()
        export.export(network, wanted[run.name], "float32")
    copied = done["seed 1"]
    moved = _permuted(copied, model)
    for kind in DISGUISES:
        storage = next((one for one in ("float16", "int8") if one in kind), "float32")
        export.export(moved if "permuted" in kind else copied, folder / f"{kind}.onnx", storage)


def _permuted(network: Any, model: Any) -> Any:
    """The same function with every hidden channel in another place."""
    import torch

    config, state = network.config, network.state_dict()
    generator = torch.Generator().manual_seed(3)
    maps = torch.randperm(config.channels, generator=generator)
    first, second, energy = (
        torch.randperm(config.hidden_size, generator=generator) for _ in range(3)
    )
    bands = (model.BANDS - config.kernel[0]) // config.stride[0] + 1
    columns = torch.cat([torch.arange(bands) + bands * one for one in maps])
    new = dict(state)
    for kind in ("weight", "bias"):
        new[f"conv.{kind}"] = state[f"conv.{kind}"][maps]
        new[f"energy.0.{kind}"] = state[f"energy.0.{kind}"][energy]
    for layer, inputs, hidden in ((0, columns, first), (1, first, second)):
        gates = torch.cat([hidden + config.hidden_size * gate for gate in range(3)])
        for kind, axis in (("ih", inputs), ("hh", hidden)):
            name = f"_{kind}_l{layer}"
            new[f"gru.weight{name}"] = state[f"gru.weight{name}"][gates][:, axis]
            new[f"gru.bias{name}"] = state[f"gru.bias{name}"][gates]
    new["energy.0.weight"] = new["energy.0.weight"][:, second]
    new["energy.2.weight"] = state["energy.2.weight"][:, energy]
    new["classifier.weight"] = state["classifier.weight"][:, second]
    made = model.Crnn(config)
    made.load_state_dict(new)
    return made.eval()


if __name__ == "__main__":
    main()
