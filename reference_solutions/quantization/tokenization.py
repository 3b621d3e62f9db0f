"""Posts to token numbers: the student may read with fewer pieces than the teacher.

The bytes of `tokenizer.json` count: without it the deployed model cannot read a post.
"""

from __future__ import annotations

from tokenizers import Tokenizer

from grader import starter  # SOLUTION


def trim(tokenizer: Tokenizer, vocabulary: int) -> Tokenizer:
    """The same tokenizer with its first `vocabulary` pieces only.

    WordPiece learns frequent pieces first, so the numbers of those that stay do not change, and the
    first rows of an embedding table fit the trimmed tokenizer.
    """
    # BEGIN SOLUTION
    pieces = tokenizer.get_vocab()
    kept = {piece: number for piece, number in pieces.items() if number < vocabulary}
    return starter.with_pieces(tokenizer, kept)
    # STARTER
    # # TODO: tokenizer.get_vocab() is a dictionary of pieces and numbers. Keep those whose number
    # # is below `vocabulary`; grader.starter.with_pieces makes a tokenizer of them.
    # raise NotImplementedError("write trim in tokenization.py before you use fewer pieces")
    # END SOLUTION
