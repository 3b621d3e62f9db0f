"""Sandbox B: a submission's `tokenizer.json` turns our texts into token ids.

    encoded = encode(submission.read("tokenizer.json"), posts.texts, limits, max_length=128)
    encoded.ids         # one int64 array (length,) a text, 1 <= length <= max_length
    encoded.vocabulary  # every id is below it
    encoded.pad_id      # for SequenceJob.pad_ids

The file is data to the `tokenizers` library and is read by it in the sandbox only, never here.
Rules: a sequence ends at `max_length` or where the file's own truncation says, whichever is
shorter, special tokens included; the file's padding is not used; a text that gives no token at
all becomes the unknown token (the padding token where there is none), and too many of those are
refused; so is a tokenizer that encodes the same text in two ways.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from grader.lesson.grades import Status
from grader.lesson.spec import RunLimits
from grader.sandbox.isolation.levels import start
from grader.sandbox.isolation.process import (
    Child,
    Ended,
    Program,
    Stopped,
    raise_if_stopped,
    unfinished,
)
from grader.sandbox.isolation.task import ChildExit
from grader.sandbox.runners.child.tokens import HEADER
from grader.text import Text
from grader.text.errors import Rejected
from grader.text.untrusted import quoted

MAX_FILE_BYTES = 32 * 2**20
"""A vocabulary of 250,000 words takes 17 MB as JSON."""
MAX_WORDLESS = 0.05
"""Share of the texts that are not blank for which a tokenizer may find no token."""


@dataclass(frozen=True)
class Encoded:
    """Token ids of every text, in the order of the texts."""

    ids: tuple[NDArray[np.int64], ...]
    """(length,) each, at least 1 and at most `max_length`."""
    vocabulary: int
    """One more than the greatest id that the tokenizer knows."""
    pad_id: int
    """Its padding token; 0 where it names none."""
    cut: int
    """Texts that were longer than a sequence may be."""


def encode(
    tokenizer: bytes, texts: Sequence[str], limits: RunLimits, *, max_length: int
) -> Encoded:
    """Ids of `texts`. Raises Rejected or Stopped with a sentence: a file that is no
    tokenizer.json, one that fails, takes too long or too much memory, is not deterministic, or
    finds no tokens."""
    if len(tokenizer) > MAX_FILE_BYTES:
        limit = MAX_FILE_BYTES // 2**20
        raise Rejected(
            "tokenizer.json takes {tokenizer_count:,} bytes, at most {limit} MiB are read; keep "
            "fewer words in the vocabulary.",
            tokenizer_count=len(tokenizer),
            limit=limit,
        )
    # The library refuses lone surrogates.
    clean = [text.encode("utf-8", "replace").decode("utf-8") for text in texts]
    program = Program(
        task="tokens",
        order={"max_length": max_length},
        confine="compute",
        libraries=("numpy", "tokenizers"),
        blobs=[tokenizer, json.dumps(clean).encode()],
        limits=limits,
    )
    with closing(start(program)) as child:
        answer = _receive(child, len(texts), max_length)
        ended = child.finish()
    _raise_if_stopped(ended, limits)
    if answer is None:
        raise unfinished(0, len(texts), ended.log)
    return _checked(answer, texts)


_Answer = tuple[tuple[int, int, int], list[NDArray[np.int64]], int]
"""Vocabulary, ids of padding and of unknown words; ids of each text; texts that were cut."""


def _receive(child: Child, count: int, max_length: int) -> _Answer | None:
    """The answer of the child, not checked yet; None when it ended before or is not valid."""
    try:
        header = HEADER.unpack(child.receive(HEADER.size))
        lengths = np.frombuffer(child.receive(4 * count), "<u4")
        cut = np.frombuffer(child.receive(count), "u1")
        if lengths.size and int(lengths.max()) > max_length:
            return None
        total = int(lengths.sum(dtype=np.int64))
        flat = np.frombuffer(child.receive(4 * total), "<u4").astype(np.int64)
    except BrokenPipeError:  # its end says why
        return None
    ids = np.split(flat, np.cumsum(lengths, dtype=np.int64)[:-1]) if count else []
    return header, ids, int((cut > 0).sum())


def _checked(answer: _Answer, texts: Sequence[str]) -> Encoded:
    (vocabulary, pad, unknown), found, cut = answer
    written = [len(ids) for text, ids in zip(texts, found, strict=True) if text.strip()]
    lost = written.count(0)
    if lost > MAX_WORDLESS * len(written):
        raise Rejected(
            "The tokenizer finds no token in {lost:,} of {texts_count:,} posts that are not "
            "blank; give it an unknown token, or a vocabulary that knows these letters.",
            lost=lost,
            texts_count=len(texts),
        )
    greatest = max((int(ids.max()) for ids in found if len(ids)), default=-1)
    if greatest >= vocabulary:
        raise Rejected(
            "The tokenizer gives the id {greatest:,}, but its vocabulary ends at {vocabulary:,}; "
            "train and save it again, special tokens included.",
            greatest=greatest,
            vocabulary=vocabulary - 1,
        )
    stand_in = next((i for i in (unknown, pad) if i >= 0), 0)
    filler = np.array([stand_in], np.int64)
    return Encoded(
        ids=tuple(ids if len(ids) else filler for ids in found),
        vocabulary=vocabulary,
        pad_id=max(pad, 0),
        cut=cut,
    )


def _raise_if_stopped(ended: Ended, limits: RunLimits) -> None:
    """Raises Stopped with a sentence about the tokenizer, or else as for any model."""
    last = quoted((ended.log.strip().splitlines() or ["?"])[-1])
    sentences: dict[int, Text] = {
        ChildExit.LOAD_FAILED: Text(
            "tokenizer.json is not a file of the `tokenizers` library ({last}); write it with "
            "Tokenizer.save(), in UTF-8.",
            last=last,
        ),
        ChildExit.RUN_FAILED: Text(
            "The tokenizer fails on a post ({last}); load tokenizer.json with "
            "Tokenizer.from_file() and encode the public posts.",
            last=last,
        ),
        ChildExit.BAD_OUTPUT: Text(
            "The tokenizer gives different tokens for the same post; save it without BPE dropout."
        ),
    }
    sentence = sentences.get(ended.code)
    if ended.killed is None and sentence is not None:
        raise Stopped(Status.REJECTED, sentence, ended.log)
    try:
        raise_if_stopped(ended, limits, "onnx")
    except Stopped as stopped:
        seconds = limits.wall_seconds if ended.killed == "time" else limits.cpu_seconds
        size = f"{limits.memory_bytes / 2**20:,.0f}"
        text = {
            Status.TIMED_OUT: Text(
                "The tokenizer did not finish within {seconds:g} s; look for a regular "
                "expression that backtracks, such as (a+)+.",
                seconds=seconds,
            ),
            Status.OUT_OF_MEMORY: Text(
                "The tokenizer needs more than the {size} MiB of memory that are allowed; look "
                "for a rule that makes texts longer.",
                size=size,
            ),
            Status.CRASHED: Text(
                "The process that ran the tokenizer crashed; train it and save it again with "
                "Tokenizer.save()."
            ),
        }.get(stopped.status)
        if text is None:
            raise
        raise Stopped(stopped.status, text, ended.log) from None
