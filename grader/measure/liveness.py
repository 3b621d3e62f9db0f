"""How much memory the activations of a graph need at once, node by node.

A tensor exists from the node that makes it to the last node that reads it; inputs of the graph
from the start, its outputs to the end. While a node runs, all its inputs and outputs exist: nothing
is computed in place. A view (Reshape and the like) is the tensor it looks at.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from grader.measure.workload import NOTHING, Amount


@dataclass(frozen=True)
class Use:
    """One node: the activations it reads and makes, by name."""

    reads: tuple[str, ...]
    makes: tuple[str, ...]


def live_amounts(
    uses: Sequence[Use],
    sizes: Mapping[str, Amount],
    inputs: Iterable[str],
    outputs: Iterable[str],
) -> tuple[Amount, ...]:
    """For each node the sum over the tensors that exist while it runs.

    `sizes` has every tensor; those of equal name are one piece of memory.
    """
    birth = dict.fromkeys(inputs, 0)
    death: dict[str, int] = {}
    for index, use in enumerate(uses):
        for name in use.makes:
            birth.setdefault(name, index)
        for name in (*use.reads, *use.makes):
            death[name] = index
    for name in outputs:
        death[name] = len(uses) - 1
    born: list[list[str]] = [[] for _ in uses]
    dies: list[list[str]] = [[] for _ in uses]
    for name, last in death.items():
        born[birth.get(name, 0)].append(name)
        dies[last].append(name)
    amounts, now = [], NOTHING
    for index in range(len(uses)):
        for name in born[index]:
            now = now + sizes[name]
        amounts.append(now)
        for name in dies[index]:
            now = _less(now, sizes[name])
    return tuple(amounts)


def _less(amount: Amount, part: Amount) -> Amount:
    return Amount(
        amount.numbers - part.numbers, amount.stored - part.stored, amount.fixed - part.fixed
    )
