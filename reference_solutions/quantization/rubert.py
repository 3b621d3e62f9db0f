"""A pretrained teacher: rubert-tiny2, or any BERT that transformers can load.

    python rubert.py --data rusentiment --from DIR --out DIR
    python rubert.py --checkpoint FOLDER ...         a copy on disk, where the hub cannot be reached

Fine-tunes all weights and writes teacher.onnx and tokenizer.json, which quantize.py reads. Nine
tenths of rubert-tiny2 are its embedding table: of 29 million weights, 26 million are rows for 84
thousand pieces.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import onnx
import torch
from losses import hard_loss
from model import CLASSES, Dense
from tokenizers import Tokenizer
from torch import Tensor, nn
from train import Recipe, fit, load, parser
from transformers import AutoModel, AutoTokenizer

from grader import starter
from grader.data.text.posts import PostSet
from grader.starter import Posts

CHECKPOINT = "cointegrated/rubert-tiny2"
RECIPE = Recipe(
    epochs=3, learning_rate=1e-4, weight_decay=0.01, batch_size=32, word_dropout=0.0, bfloat16=True
)


class Pretrained(nn.Module):
    """A BERT and a dense layer on its first token; tokens (batch, length) to logits (batch, 5)."""

    def __init__(self, bert: nn.Module) -> None:
        super().__init__()
        self.bert = bert
        self.dropout = nn.Dropout(0.1)
        self.classifier = Dense(bert.config.hidden_size, CLASSES)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        states = self.bert(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        return self.classifier(self.dropout(states[:, 0]))


def load_pretrained(checkpoint: str) -> tuple[Pretrained, Tokenizer]:
    """The network and its tokenizer, from the hub or a folder. Raises OSError where neither is."""
    tokenizer = AutoTokenizer.from_pretrained(checkpoint).backend_tokenizer
    tokenizer.no_padding()
    tokenizer.enable_truncation(starter.LENGTH)
    # Other implementations of attention are faster in torch, and cannot be exported.
    bert = AutoModel.from_pretrained(checkpoint, attn_implementation="eager")
    return Pretrained(bert), tokenizer


def train_pretrained(
    module: Pretrained,
    tokenizer: Tokenizer,
    train: PostSet,
    validation: PostSet,
    path: Path,
    seed: int,
) -> None:
    """Fine-tune all weights, and write the float32 ONNX file."""
    starter.repeatable(seed)
    seen, unseen = (Posts.of(part, tokenizer) for part in (train, validation))
    trained = fit(module, seen, unseen, hard_loss(seen.labels), replace(RECIPE, seed=seed))
    export_pretrained(trained, path)


def export_pretrained(module: Pretrained, path: Path) -> None:
    """Write the network as float32 ONNX with the inputs and the output that are graded."""
    example = torch.ones(2, 7, dtype=torch.int64)
    tokens = {0: "batch", 1: "length"}
    free = {"input_ids": tokens, "attention_mask": tokens, "logits": {0: "batch"}}
    inputs = ["input_ids", "attention_mask"]
    model = starter.translate(module, (example, example), inputs, ["logits"], free)
    del model.graph.value_info[:]  # outdated shapes would mislead the quantizer
    onnx.save(model, path)


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--checkpoint", default=CHECKPOINT)
    arguments = options.parse_args()
    train, validation = load(arguments)
    try:
        teacher, tokenizer = load_pretrained(arguments.checkpoint)
    except OSError as error:
        raise SystemExit(
            f"{arguments.checkpoint} could not be loaded: {error}. Where there is no hub, "
            "give a folder with a copy by --checkpoint."
        ) from None
    (arguments.out / "tokenizer.json").write_bytes(starter.compact(tokenizer))
    train_pretrained(
        teacher, tokenizer, train, validation, arguments.out / "teacher.onnx", arguments.seed
    )


if __name__ == "__main__":
    starter.run_main(main)
