"""The teacher: an ensemble of float networks that look at more of the query than fits a board.

They see character groups of 2, 3 and 4 in 512 buckets, words and pairs of words in 512, and the
context in 512. Only their answers are used, so neither size nor time matters.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from grader.board.integer_network import Encoding, encode, hash16
from grader.data.text.chat import CLASSES, Position

BUCKETS = 512
CONTEXT = Encoding(query_buckets=1, context_buckets=BUCKETS, context_length=8)
MEMBERS = 3
EPOCHS = 30
BATCH = 128
RATE = 2e-3
DROPOUT = 0.5
SCALE = 0.5
"""Counts are multiplied by it."""


class Member(nn.Sequential):
    def __init__(self, inputs: int) -> None:
        super().__init__(
            nn.Dropout(0.4 * DROPOUT),
            *(nn.Linear(inputs, 256), nn.BatchNorm1d(256), nn.ReLU(), nn.Dropout(DROPOUT)),
            *(nn.Linear(256, 128), nn.BatchNorm1d(128), nn.ReLU(), nn.Dropout(DROPOUT)),
            nn.Linear(128, CLASSES),
        )


def load_or_train(positions: Sequence[Position], path: Path) -> list[Member]:
    """Networks that differ in their seed, from `path` where they were kept."""
    counts = torch.from_numpy(look(positions))
    if path.exists():
        members = [Member(counts.shape[1]) for _ in range(MEMBERS)]
        for member, weights in zip(members, torch.load(path, weights_only=True), strict=True):
            member.load_state_dict(weights)
        return [member.eval() for member in members]
    answers = torch.tensor([position.next_char for position in positions])
    members = [_train_one(counts, answers, seed) for seed in range(MEMBERS)]
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save([member.state_dict() for member in members], path)
    return members


@torch.no_grad()
def probabilities(members: Sequence[Member], positions: Sequence[Position]) -> Tensor:
    """What the ensemble believes, (positions, 40): the mean of its members."""
    found = []
    for start in range(0, len(positions), 2000):
        counts = SCALE * torch.from_numpy(look(positions[start : start + 2000])).float()
        found.append(torch.stack([F.softmax(member(counts), 1) for member in members]).mean(0))
    return torch.cat(found)


def look(positions: Sequence[Position]) -> np.ndarray:
    """Counts, uint8 (positions, 1537)."""
    queries = np.stack([_query(position.query) for position in positions])
    return np.concatenate([queries, encode(positions, CONTEXT)], axis=1)


def _train_one(counts: Tensor, answers: Tensor, seed: int) -> Member:
    torch.manual_seed(seed)
    member = Member(counts.shape[1])
    optimizer = torch.optim.AdamW(member.parameters(), RATE, weight_decay=1e-2)
    steps = EPOCHS * (len(answers) // BATCH)
    rates = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps)
    for _ in range(EPOCHS):
        member.train()
        for batch in torch.randperm(len(answers)).split(BATCH):
            if len(batch) < BATCH:
                continue
            loss = F.cross_entropy(member(SCALE * counts[batch].float()), answers[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            rates.step()
    print(f"  teacher {seed}: {EPOCHS} epochs, loss {loss.item():.2f}", flush=True)
    return member.eval()


@lru_cache(maxsize=100_000)
def _query(query: str) -> np.ndarray:
    text, words = f" {query} ", ["<", *query.split(), ">"]
    groups = [
        hash16(0, text[start : start + size]) % BUCKETS
        for size in (2, 3, 4)
        for start in range(len(text) - size + 1)
    ]
    spoken = [*words[1:-1], *(f"{a}_{b}" for a, b in pairwise(words))]
    places = [BUCKETS + zlib.crc32(word.encode()) % BUCKETS for word in spoken]
    return np.bincount([*groups, *places], minlength=2 * BUCKETS).astype(np.uint8)
