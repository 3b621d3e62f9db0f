"""Train the network, and write it as `model.npz` with its tables in `firmware/weights.h`.

    python train.py                                  built-in pairs
    python train.py --data tinychat --from FOLDER    real pairs

`grader data get tinychat` downloads them; then --from is not needed.
"""

from __future__ import annotations

import argparse
import copy
from dataclasses import dataclass
from pathlib import Path

# BEGIN SOLUTION
import numpy as np
import torch
from distill import train_submitted
from model import ChatNet, keep_factors_positive

# STARTER
# import numpy as np
# import torch
# from export import write_header
# from model import ENCODING, SIZES, ChatNet, keep_factors_positive, to_integers
# from prune import prune
# END SOLUTION
from torch import Tensor
from torch.nn import functional as F

from grader import starter
from grader.board.integer_network import Encoding, encode
from grader.data import PairSet, load_pairs

HERE = Path(__file__).resolve().parent
# BEGIN SOLUTION
# STARTER
# RATIOS = (0.0, 0.0, 0.0)  # TODO: a share of the units of each hidden layer
# """What structured pruning removes. Layers need not lose the same share."""
# BITS = (2, 2, 2, 2)  # TODO: 1, 2 or 4 for each layer
# END SOLUTION


@dataclass(frozen=True)
class Recipe:
    """How `fit` trains."""

    epochs: int = 30
    learning_rate: float = 2e-3
    batch_size: int = 128
    warmup_epochs: int = 2
    """The learning rate rises for so long, and falls to 0 afterwards."""
    patience: int = 10
    """Epochs without a better validation accuracy before training ends."""
    dropout: float = 0.2
    seed: int = 0


@dataclass(frozen=True)
class Data:
    """One part of a data set as tensors."""

    counts: Tensor
    """(positions, inputs), uint8."""
    answers: Tensor
    """(positions,), int64."""

    @classmethod
    def of(cls, pairs: PairSet, encoding: Encoding) -> Data:
        answers = torch.tensor([position.next_char for position in pairs.positions])
        return cls(torch.from_numpy(encode(pairs.positions, encoding)), answers)


def main() -> None:
    arguments = _arguments()
    starter.repeatable(arguments.seed)
    pairs = starter.load(load_pairs, arguments.data, arguments.source)
    # BEGIN SOLUTION
    # They learn from a teacher; the plain training of `fit` is for what experiments.py compares.
    train_submitted(HERE, *pairs)
    # STARTER
    # train, validation = (Data.of(part, ENCODING) for part in pairs)
    # recipe = Recipe(epochs=arguments.epochs, seed=arguments.seed)
    # print("in float32")
    # # TODO: the answers alone are a weak teacher. Distil a larger network?
    # network = fit(ChatNet(ENCODING, SIZES), train, validation, recipe)
    # if any(RATIOS):
    #     print(f"pruned by {RATIOS}")
    #     network = fit(prune(network, RATIOS), train, validation, recipe)
    # print(f"with {BITS} bits")
    # for layer, bits in zip(network.layers, BITS, strict=True):
    #     layer.bits = bits
    # network = fit(network, train, validation, recipe)
    # integers = to_integers(network, train.counts)
    # integers.save(HERE / "model.npz")
    # write_header(integers, HERE / "firmware" / "weights.h")
    # starter.record_firmware(HERE, arguments.name, integers, "-".join(map(str, BITS)), pairs[1])
    # END SOLUTION


def fit(network: ChatNet, train: Data, validation: Data, recipe: Recipe) -> ChatNet:
    """The network of the best epoch; `network` itself is changed."""
    generator = torch.Generator().manual_seed(recipe.seed)
    optimizer = torch.optim.Adam(network.parameters(), recipe.learning_rate)
    best, best_accuracy, waited = copy.deepcopy(network), 0.0, 0
    for epoch in starter.epochs(recipe.epochs):
        network.train()
        order = torch.randperm(len(train.answers), generator=generator)
        for number, batch in enumerate(order.split(recipe.batch_size)[:-1]):
            done = epoch.number - 1 + number * recipe.batch_size / len(order)
            _set_rate(optimizer, recipe, done)
            logits = network(train.counts[batch].float(), recipe.dropout)
            loss = F.cross_entropy(logits, train.answers[batch])
            epoch.step(loss, optimizer)
            keep_factors_positive(network)
        reached = accuracy(network, validation)
        epoch.done(f"validation {reached:.1%}")
        waited += 1
        if reached > best_accuracy:
            best, best_accuracy, waited = copy.deepcopy(network), reached, 0
        if waited >= recipe.patience:
            break
    return best


def _set_rate(optimizer: torch.optim.Optimizer, recipe: Recipe, epoch: float) -> None:
    """Up in a line, then down along a cosine."""
    if epoch < recipe.warmup_epochs:
        share = (epoch + 0.1) / recipe.warmup_epochs
    else:
        rest = max(recipe.epochs - recipe.warmup_epochs, 1)
        share = 0.5 * (1 + np.cos(np.pi * (epoch - recipe.warmup_epochs) / rest))
    for group in optimizer.param_groups:
        group["lr"] = recipe.learning_rate * share


@torch.no_grad()
def accuracy(network: ChatNet, data: Data) -> float:
    """Share of positions whose next character is predicted."""
    network.eval()
    logits = torch.cat([network(batch.float()) for batch in data.counts.split(2000)])
    return float((logits.argmax(1) == data.answers).double().mean())


def _arguments() -> argparse.Namespace:
    options = starter.parser(__doc__, "chat-synthetic")
    # BEGIN SOLUTION
    # STARTER
    # options.add_argument("--epochs", type=int, default=Recipe.epochs)
    # options.add_argument("--name", default="first", help="of the row added to experiments.csv")
    # END SOLUTION
    return options.parse_args()


if __name__ == "__main__":
    starter.run_main(main)
