"""Posts to token numbers: a tokenizer trained on the posts themselves, and small as a file.

The bytes of `tokenizer.json` count: without it the deployed model cannot read a post.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence

from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

SPECIAL = PAD, UNKNOWN, START = "[PAD]", "[UNK]", "[CLS]"
"""Tokens 0, 1 and 2. Every post begins with [CLS], so that an empty one has a token too."""
LENGTH = 63
"""Tokens of a post that are read; 1 in 20 posts of RuSentiment is longer. One less than the teacher
has positions, so that a batch may be padded wider than its longest post."""
# BEGIN SOLUTION
LETTERS = 255
"""Letters of a post that are read, where a token is one; 1 in 15 posts of RuSentiment is longer."""
# END SOLUTION
ALPHABET = 120
"""Different characters that get a token; rarer ones make their word [UNK]."""


def train_tokenizer(posts: Sequence[str], vocabulary: int) -> Tokenizer:
    """At most `vocabulary` pieces of lower-case words and of runs of punctuation.

    Runs stay together because they speak: `)))` is a smile, `((` is the opposite.
    """
    tokenizer = Tokenizer(models.WordPiece(unk_token=UNKNOWN))
    tokenizer.normalizer = normalizers.Sequence(_normalizers())
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"\w+|[^\w\s]+"), "removed", invert=True)
    letters = frequent_letters(tokenizer, posts)
    trainer = trainers.WordPieceTrainer(
        vocab_size=vocabulary,
        # Numbered beforehand: pieces of equal frequency would be learned in an order of chance.
        special_tokens=[*SPECIAL, *(f"##{letter}" for letter in letters)],
        initial_alphabet=letters,
        limit_alphabet=len(letters),
        show_progress=False,
    )
    tokenizer.train_from_iterator(posts, trainer)
    return assembled(tokenizer, tokenizer.get_vocab())


def assembled(tokenizer: Tokenizer, pieces: dict[str, int]) -> Tokenizer:
    """A tokenizer that normalizes and splits as this one, with these pieces and their numbers."""
    new = Tokenizer(models.WordPiece(pieces, unk_token=UNKNOWN))
    new.normalizer = tokenizer.normalizer
    new.pre_tokenizer = tokenizer.pre_tokenizer
    return finished(new, LENGTH)


def finished(tokenizer: Tokenizer, length: int) -> Tokenizer:
    """It begins every post with [CLS], and stops after `length` tokens."""
    tokenizer.add_special_tokens(list(SPECIAL))
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{START} $A", special_tokens=[(START, tokenizer.token_to_id(START))]
    )
    tokenizer.enable_truncation(length)
    return tokenizer


def trim(tokenizer: Tokenizer, vocabulary: int) -> Tokenizer:
    """The same tokenizer with its first `vocabulary` pieces only.

    WordPiece learns frequent pieces first, so the numbers of those that stay do not change, and the
    first rows of an embedding table fit the trimmed tokenizer.
    """
    # BEGIN SOLUTION
    pieces = tokenizer.get_vocab()
    return assembled(tokenizer, {piece: i for piece, i in pieces.items() if i < vocabulary})
    # STARTER
    # # TODO: tokenizer.get_vocab() is a dictionary of pieces and numbers. Keep those whose number
    # # is below `vocabulary`; `assembled` makes a tokenizer of them.
    # raise NotImplementedError("write trim in tokenization.py before you use fewer pieces")
    # END SOLUTION


# BEGIN SOLUTION
def letters_tokenizer(posts: Sequence[str]) -> Tokenizer:
    """A token a letter, a punctuation mark or a run of spaces: for a network that reads n-grams."""
    tokenizer = Tokenizer(models.WordLevel(unk_token=UNKNOWN))
    spaces = normalizers.Replace(Regex(r"\s+"), " ")
    tokenizer.normalizer = normalizers.Sequence([*_normalizers(), spaces])
    letters = [*SPECIAL, " ", *frequent_letters(tokenizer, posts)]
    numbers = {letter: number for number, letter in enumerate(letters)}
    tokenizer.model = models.WordLevel(numbers, unk_token=UNKNOWN)
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"."), "isolated")
    return finished(tokenizer, LETTERS)


# END SOLUTION
def _normalizers() -> list[normalizers.Normalizer]:
    return [
        normalizers.NFKC(),
        normalizers.Lowercase(),
        normalizers.Replace("ё", "е"),
        normalizers.Replace(Regex(r"https?://\S+"), " url "),
    ]


def frequent_letters(tokenizer: Tokenizer, posts: Sequence[str]) -> list[str]:
    """The ALPHABET most frequent characters. The trainer would break ties by chance."""
    counts = Counter(
        letter for post in posts for letter in tokenizer.normalizer.normalize_str(post)
    )
    ordered = sorted(counts, key=lambda letter: (-counts[letter], letter))
    return [letter for letter in ordered if not letter.isspace()][:ALPHABET]


def compact(tokenizer: Tokenizer) -> bytes:
    """`tokenizer.json` without spaces and with Cyrillic as it is: a third fewer bytes."""
    content = json.loads(tokenizer.to_str())
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()
