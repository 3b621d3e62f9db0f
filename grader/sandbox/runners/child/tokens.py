"""Sandbox B: texts into token ids by a `tokenizer.json` that a submission wrote.

Blob 0 is that file, blob 1 our texts as a JSON list. The answer is a record `HEADER`, then for
every text the number of its ids and whether it was cut, then all ids, raw little-endian.
"""

from __future__ import annotations

import json
import os
import struct
from typing import Any

import numpy as np

from grader.sandbox.isolation.task import ChildExit, Failure, Work

HEADER = struct.Struct("<Qqq")
"""One more than the greatest id; ids of padding and of unknown words (-1: none)."""
PAD_NAMES = ("[PAD]", "<pad>", "<PAD>", "[pad]")
UNKNOWN_NAMES = ("[UNK]", "<unk>", "<UNK>", "[unk]")
REPEATED = 200
"""Texts that are encoded twice, to refuse a tokenizer that is not deterministic (BPE dropout)."""

os.environ["TOKENIZERS_PARALLELISM"] = "false"  # read when the first text is encoded


def run(work: Work) -> None:
    try:
        from tokenizers import Tokenizer
    except ImportError as error:
        raise Failure(ChildExit.NO_RUNTIME, f"{error}") from error
    data = work.blob(0)
    tokenizer = _guard(lambda: Tokenizer.from_str(data.decode("utf-8")), ChildExit.LOAD_FAILED)
    texts = json.loads(work.blob(1))
    longest = work.order["max_length"]
    header = _guard(lambda: _settle(tokenizer, longest), ChildExit.LOAD_FAILED)
    encoded = [_encode(tokenizer, text) for text in texts]
    for text, (ids, _) in zip(texts[:REPEATED], encoded, strict=False):
        if _encode(tokenizer, text)[0] != ids:
            raise Failure(ChildExit.BAD_OUTPUT, "")
    lengths = np.array([len(ids) for ids, _ in encoded], "<u4")
    cut = np.array([cut for _, cut in encoded], "u1")
    flat = np.array([number for ids, _ in encoded for number in ids], "<u4")
    work.channel.write(header + lengths.tobytes() + cut.tobytes() + flat.tobytes())


def _settle(tokenizer: Any, longest: int) -> bytes:
    """Make it truncate at `longest` or where the file says, whichever is shorter, and never pad.
    Returns the header of the answer."""
    known = tokenizer.get_vocab(with_added_tokens=True)
    pad = (tokenizer.padding or {}).get("pad_id", _first(known, PAD_NAMES))
    named = getattr(tokenizer.model, "unk_token", None)
    unknown = known.get(named, -1) if isinstance(named, str) else -1
    unknown = unknown if unknown >= 0 else _first(known, UNKNOWN_NAMES)
    own = tokenizer.truncation
    limit = min(own["max_length"], longest) if own else longest
    special = tokenizer.num_special_tokens_to_add(False)
    if limit <= special:
        raise ValueError(f"sequences of {limit} have no room beside {special} special tokens")
    tokenizer.no_padding()
    tokenizer.enable_truncation(limit, direction=own["direction"] if own else "right")
    return HEADER.pack(max(known.values(), default=-1) + 1, pad, unknown)


def _first(known: dict[str, int], names: tuple[str, ...]) -> int:
    return next((known[name] for name in names if name in known), -1)


def _encode(tokenizer: Any, text: str) -> tuple[list[int], bool]:
    encoding = _guard(lambda: tokenizer.encode(text), ChildExit.RUN_FAILED)
    return encoding.ids, bool(encoding.overflowing)


def _guard(call: Any, code: ChildExit) -> Any:
    """The result of `call()`; raises Failure with the library's message. A panic of Rust is no
    Exception."""
    try:
        return call()
    except MemoryError:
        raise
    except BaseException as error:
        message = " ".join(str(error).split())[:400]
        raise Failure(code, message or type(error).__name__) from None
