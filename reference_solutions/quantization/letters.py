"""A tokenizer of letters, for a network that reads n-grams of them."""

from __future__ import annotations

from collections.abc import Sequence

from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers

from grader import starter

LETTERS = 255
"""Letters of a post that are read, where a token is one; 1 in 15 posts of RuSentiment is longer."""


def letters_tokenizer(posts: Sequence[str]) -> Tokenizer:
    """A token a letter, a punctuation mark or a run of spaces."""
    tokenizer = Tokenizer(models.WordLevel(unk_token=starter.UNKNOWN))
    spaces = normalizers.Replace(Regex(r"\s+"), " ")
    tokenizer.normalizer = normalizers.Sequence([*starter.normal_forms(), spaces])
    letters = [*starter.SPECIAL, " ", *starter.frequent_letters(tokenizer, posts)]
    numbers = {letter: number for number, letter in enumerate(letters)}
    tokenizer.model = models.WordLevel(numbers, unk_token=starter.UNKNOWN)
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"."), "isolated")
    return starter.finished(tokenizer, LETTERS)
