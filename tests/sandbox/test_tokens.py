"""A submission's tokenizer.json in the sandbox: ids, the rules for odd posts, and bad files."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

from grader.lesson.grades import Status
from grader.lesson.spec import RunLimits
from grader.sandbox.isolation.process import Stopped
from grader.sandbox.runners import tokens
from grader.sandbox.runners.tokens import Encoded, encode
from grader.text.errors import GraderError

pytestmark = pytest.mark.usefixtures("level")

LIMITS = RunLimits(wall_seconds=60, cpu_seconds=60, memory_bytes=512 * 2**20)
POSTS = ["привет мир", "мир и дела", "как дела у тебя сегодня"]


def trained(*, unknown: str | None = "[UNK]") -> Tokenizer:
    """Byte pairs of a few Russian words, with [CLS] in front."""
    tokenizer = Tokenizer(models.BPE(unk_token=unknown))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    names = ["[PAD]", "[CLS]", *([unknown] if unknown else [])]
    trainer = trainers.BpeTrainer(vocab_size=60, special_tokens=names, show_progress=False)
    tokenizer.train_from_iterator(POSTS * 20, trainer)
    return tokenizer


def with_start(tokenizer: Tokenizer) -> Tokenizer:
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A", special_tokens=[("[CLS]", tokenizer.token_to_id("[CLS]"))]
    )
    return tokenizer


def run(tokenizer: Tokenizer | bytes, texts: list[str], **changes: Any) -> Encoded:
    data = tokenizer if isinstance(tokenizer, bytes) else tokenizer.to_str().encode()
    length = changes.pop("max_length", 16)
    limits = changes.pop("limits", LIMITS)
    return encode(data, texts, limits, max_length=length)


def test_ids_are_those_of_the_library() -> None:
    tokenizer = with_start(trained())
    found = run(tokenizer, POSTS)
    assert [ids.tolist() for ids in found.ids] == [tokenizer.encode(text).ids for text in POSTS]
    assert found.vocabulary == tokenizer.get_vocab_size()
    assert found.pad_id == tokenizer.token_to_id("[PAD]")
    assert found.cut == 0
    assert run(tokenizer, POSTS).ids[2].tolist() == found.ids[2].tolist()


def test_a_long_post_is_cut_and_keeps_its_special_tokens() -> None:
    tokenizer = with_start(trained())
    found = run(tokenizer, ["мир " * 100, "мир"], max_length=8)
    assert len(found.ids[0]) == 8
    assert found.ids[0][0] == tokenizer.token_to_id("[CLS]")
    assert found.cut == 1


def test_the_files_own_truncation_counts_where_it_is_shorter_and_its_padding_never() -> None:
    tokenizer = trained()
    tokenizer.enable_truncation(4)
    tokenizer.enable_padding(length=12, pad_id=0)
    found = run(tokenizer, ["мир " * 100, "мир"], max_length=8)
    assert [len(ids) for ids in found.ids] == [4, 1]
    tokenizer.enable_truncation(400)
    assert len(run(tokenizer, ["мир " * 100], max_length=8).ids[0]) == 8


def test_an_empty_post_becomes_one_unknown_token() -> None:
    tokenizer = trained()
    found = run(tokenizer, ["", "  \n", *POSTS])
    unknown = tokenizer.token_to_id("[UNK]")
    assert [ids.tolist() for ids in found.ids[:2]] == [[unknown], [unknown]]


def test_texts_of_every_kind_are_encoded() -> None:
    odd = ["\x00\x01", "😀" * 3, "\ud800 мир", "e\u0301" * 9, "a" * 5000, "\u202eмир"]
    found = run(trained(), [*odd, *POSTS * 50])
    assert len(found.ids) == len(odd) + 150
    assert all(1 <= len(ids) <= 16 for ids in found.ids)


def ending(tokenizer: Tokenizer | bytes, texts: list[str], **changes: Any) -> GraderError:
    with pytest.raises(GraderError) as caught:
        run(tokenizer, texts, **changes)
    text = caught.value.text
    assert text.to("en") != text.to("ru")
    assert "Traceback" not in text.to("en")
    assert "The model" not in text.to("en")
    return caught.value


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"[1, 2]",
        b"not json",
        "мир".encode("cp1251"),
        "\ufeff{}".encode(),
        b"[" * 100_000,
        json.dumps({"version": "1.0", "model": {"type": "BPE"}}).encode(),
        b'{"version": "1.0", "model": {"type": "WordLevel", "vocab": {"a": -1}, "unk_token": ""}}',
    ],
    ids=["empty", "object", "list", "text", "cp1251", "bom", "nested", "bare", "negative"],
)
def test_a_file_that_is_no_tokenizer(data: bytes) -> None:
    ended = ending(data, POSTS)
    assert isinstance(ended, Stopped)
    assert ended.status is Status.REJECTED
    assert "not a file of the `tokenizers` library" in ended.text.to("en")


def test_a_tokenizer_that_finds_nothing() -> None:
    said = ending(Tokenizer(models.BPE()), POSTS).text.to("en")
    assert "no token in 3 of 3 posts" in said


def test_a_tokenizer_that_draws_lots() -> None:
    tokenizer = trained()
    tokenizer.model.dropout = 0.5
    assert "different tokens" in ending(tokenizer, POSTS * 20).text.to("en")


def test_a_truncation_without_room() -> None:
    tokenizer = with_start(trained())
    tokenizer.enable_truncation(1)
    assert "no room" in ending(tokenizer, POSTS).text.to("en")


def test_a_regular_expression_that_backtracks_for_ever() -> None:
    tokenizer = trained()
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex("(a+)+$"), "removed")
    assert "fails on a post" in ending(tokenizer, ["a" * 60 + "b"]).text.to("en")


def test_a_tokenizer_that_takes_too_long() -> None:
    tokenizer = trained()
    tokenizer.normalizer = normalizers.Sequence([normalizers.Replace("a", "aa")] * 19)
    ended = ending(tokenizer, ["a"] * 400, limits=RunLimits(wall_seconds=60, cpu_seconds=1))
    assert isinstance(ended, Stopped)
    assert ended.status is Status.TIMED_OUT
    assert "within 1 s" in ended.text.to("en")
    assert "regular expression" in ended.text.to("en")


def test_a_tokenizer_that_takes_too_much_memory() -> None:
    tokenizer = trained()
    tokenizer.normalizer = normalizers.Sequence([normalizers.Replace("a", "aa")] * 40)
    ended = ending(tokenizer, ["a"], limits=RunLimits(memory_bytes=2**28))
    assert isinstance(ended, Stopped)
    assert ended.status is Status.OUT_OF_MEMORY


def test_a_file_that_is_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "MAX_FILE_BYTES", 2**20)
    assert "at most 1 MiB" in ending(b"x" * (2**20 + 1), POSTS).text.to("en")
