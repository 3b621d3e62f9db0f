"""Submissions of the distillation lesson for comparing: independent ones, and disguised copies."""

from __future__ import annotations

import ast
import io
import re
import shutil
import tokenize
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

SOLUTIONS = Path(__file__).parent / "solutions"
Tensors = dict[str, NDArray[np.float32]]
SHAPES = {
    "conv": (4, 1, 9, 20),
    "gru_in": (1, 60, 32),
    "gru_hidden": (1, 60, 20),
    "gru2_in": (1, 60, 20),
    "energy": (20, 20),
    "classifier": (2, 20),
}


def solution(name: str) -> str:
    """One of four independent solutions of distill.py and augment.py."""
    return (SOLUTIONS / f"{name}.txt").read_text(encoding="utf-8")


def solved(template: Path, folder: Path, source: str) -> Path:
    """The template with `source` in place of what is to be written."""
    shutil.copytree(template, folder, ignore=shutil.ignore_patterns("__pycache__"))
    distill, augment = source.split("def augment(")
    given = (folder / "distill.py").read_text(encoding="utf-8")
    head = given[: given.index("def soft_loss(")]
    (folder / "distill.py").write_text(head + distill, encoding="utf-8")
    given = (folder / "augment.py").read_text(encoding="utf-8")
    head = given[: given.index("def augment(")]
    (folder / "augment.py").write_text(f"{head}def augment({augment}", encoding="utf-8")
    return folder


def renamed(source: str) -> str:
    """Every own name another one: arguments, variables, helpers."""
    tree = ast.parse(source)
    own = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)
           and isinstance(node.ctx, ast.Store)}  # fmt: skip
    own |= {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
    own -= {"self", "generator", "features"}
    for number, name in enumerate(sorted(own)):
        source = re.sub(
            rf"(?<![\w.]){re.escape(name)}(?!\w|\s*=[^=].*[,)]$)", f"q{number}x", source
        )
    return source


def reformatted(source: str) -> str:
    """Without comments and docstrings, every line broken as ast.unparse breaks it."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and ast.get_docstring(node):
            node.body = node.body[1:] or [ast.Pass()]
    return ast.unparse(tree) + "\n"


def reordered(source: str) -> str:
    """Functions in the opposite order, `augment` last."""
    tree = ast.parse(source)
    last = [node for node in tree.body if getattr(node, "name", "") == "augment"]
    others = [node for node in tree.body if node not in last]
    lines = source.splitlines(keepends=True)

    def text(node: ast.stmt) -> str:
        return "".join(lines[node.lineno - 1 : node.end_lineno]) + "\n\n"

    return "".join(text(node) for node in [*reversed(others), *last])


def commented(source: str) -> str:
    """A remark above every line that begins a statement."""
    starts = {token.start[0] for token in tokenize.generate_tokens(io.StringIO(source).readline)
              if token.type == tokenize.NAME and token.start[1] == 4}  # fmt: skip
    lines = source.splitlines()
    return "\n".join(
        f"    # step {number}\n{line}" if number in starts and line.startswith("    ") else line
        for number, line in enumerate(lines, 1)
    )


DISGUISES: dict[str, Callable[[str], str]] = {
    "as it is": lambda source: source,
    "renamed": renamed,
    "reformatted": reformatted,
    "reordered": reordered,
    "commented": commented,
    "renamed, reformatted": lambda source: reformatted(renamed(source)),
}


def trained(seed: int, start: int | None = None, *, moved: float = 1.0) -> Tensors:
    """Weights as a run leaves them: the initial ones of `start` (or of `seed`) and a way of length
    `moved` from there, relative to them, that `seed` draws."""
    first = np.random.default_rng(seed if start is None else start)
    way = np.random.default_rng([seed, 1])
    return {
        name: (first.normal(0, 0.2, shape) + moved * 0.2 * way.normal(0, 1, shape)).astype(
            np.float32
        )
        for name, shape in SHAPES.items()
    }


def tuned(tensors: Tensors, seed: int, by: float = 0.05) -> Tensors:
    """A copy that was trained a little further."""
    rng = np.random.default_rng(seed)
    return {
        name: (one + by * one.std() * rng.normal(0, 1, one.shape)).astype(np.float32)
        for name, one in tensors.items()
    }


def permuted(tensors: Tensors, seed: int = 0) -> Tensors:
    """The same network with its channels in another order, on every axis but of length 1."""
    rng = np.random.default_rng(seed)
    found = {}
    for name, one in tensors.items():
        for axis, side in enumerate(one.shape):
            one = np.take(one, rng.permutation(side), axis)
        found[name] = one
    return found


def model(tensors: Tensors, dtype: type = np.float32) -> bytes:
    """An ONNX file that holds the tensors."""
    held = [numpy_helper.from_array(one.astype(dtype), name) for name, one in tensors.items()]
    inputs = [helper.make_tensor_value_info("features", TensorProto.FLOAT, [1, 40, 101])]
    outputs = [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, 2])]
    graph = helper.make_graph([], "g", inputs, outputs, held)
    return onnx.helper.make_model(graph).SerializeToString()


def mistakes(
    skill: float, seed: int, difficulty: NDArray[np.float64], shared: float = 0.0, like: int = 0
) -> NDArray[np.uint8]:
    """(items,) of a model that errs where chance, of Rasch's kind, wants it; a share of its
    accidents are those of the model drawn from `like`."""
    own = np.random.default_rng([seed, 2]).random(len(difficulty))
    other = np.random.default_rng([like, 2]).random(len(difficulty))
    pick = np.random.default_rng([seed, 3]).random(len(difficulty)) < shared
    luck = np.where(pick, other, own)
    return (luck < 1 / (1 + np.exp(skill - difficulty))).astype(np.uint8)
