"""Bytes that the structure of a graph holds: which nodes there are, and which tensors they use.

Weights can be written as wiring: a ternary matrix as sums of the right columns, a codebook as
references to a few constants. So the structure counts as bytes like any constant, beyond what the
graph of an honest model needs: `FREE_BYTES`, and a `SHARE` of the stored bytes.

The structure is written down without names, each node as its operator, its attributes and how far
back the tensors lie that it uses. Its information is the length of a code that learns, byte by
byte, which byte follows which; repeated parts (the layers of a transformer, the steps of an
unrolled cell) cost little. The same graph gives the same number on every machine, which a library's
compression does not promise. What is beyond the free bytes counts twice, until all of the structure
is counted: structure that holds numbers holds them at no discount.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from math import log2

from onnx import GraphProto

from grader.measure.costs.walk import Step

FREE_BYTES = 192
"""More than a plain CRNN has; with SHARE, more than any reference has."""
SHARE = 16
"""One byte of structure is free for this many stored bytes."""


def charged(graph: GraphProto, steps: Sequence[Step], stored: int) -> int:
    """Bytes of structure that count, in a graph that stores `stored` bytes."""
    held = information(written(graph, steps))
    beyond = held - FREE_BYTES - stored // SHARE
    return max(min(2 * beyond, held), 0)


def written(graph: GraphProto, steps: Sequence[Step]) -> bytes:
    """The structure as bytes, in time linear in the number of references."""
    place: dict[str, int] = {}
    for named in (*graph.initializer, *graph.input):
        place.setdefault(named.name, len(place))
    for sparse in graph.sparse_initializer:
        place.setdefault(sparse.values.name, len(place))
    operators: dict[str, int] = {}
    found = bytearray()
    for step in steps:
        node = step.node
        if node.op != "Constant":  # counted as stored
            found += _number(operators.setdefault(node.op, len(operators)))
            found += _number(len(node.inputs))
            for name in node.inputs:
                found += _number(len(place) - place[name] if name else 0)
            for attribute in node.proto.attribute:
                for value in (attribute.i, *attribute.ints):
                    found += _number(value)
                found += attribute.s
                for text in attribute.strings:
                    found += text
        for name in node.outputs:
            if name:
                place[name] = len(place)
    return bytes(found)


def information(data: bytes) -> int:
    """Bytes that a code takes which predicts each byte of `data` from the one before it.

    Unseen pairs fall back to how often a byte occurs at all, unseen bytes to 8 bits (prediction by
    partial matching, Cleary and Witten 1984, order 1, escape method C).
    """
    pairs: dict[int, dict[int, int]] = defaultdict(lambda: defaultdict(int))
    single: dict[int, int] = defaultdict(int)
    totals: dict[int, int] = defaultdict(int)
    bits, before = 0.0, -1
    for count, byte in enumerate(data):
        after, total = pairs[before], totals[before]
        kinds = len(after)
        if byte in after:
            bits += log2((total + kinds) / after[byte])
        else:
            if total:
                bits += log2((total + kinds) / kinds)
            if byte in single:
                bits += log2((count + len(single)) / single[byte])
            else:
                bits += 8 + (log2((count + len(single)) / len(single)) if count else 0)
        after[byte] += 1
        single[byte] += 1
        totals[before] += 1
        before = byte
    return round(bits / 8)


def _number(value: int) -> bytes:
    """An integer of any size: seven bits in each byte, signs alternating."""
    left = 2 * value if value >= 0 else -2 * value - 1
    found = bytearray()
    while True:
        found.append(left & 127 | (128 if left > 127 else 0))
        left >>= 7
        if not left:
            return bytes(found)
