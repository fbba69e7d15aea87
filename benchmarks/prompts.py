"""Seeded prompts of an exact length in tokens, for the models of ``make_model.py``.

Their vocabulary has the byte alphabet and words of letters. A word of three letters, the second after the first in the
alphabet, is one token in every tokenizer that merges in their order, and the space before it another.
"""

from __future__ import annotations

import random
import string
from typing import Final

TEMPLATE_TOKENS: Final = 11
"""What the chat template adds to a message."""
WORD_TOKENS: Final = 2

_WORDS: Final = [
    first + second + third
    for first in string.ascii_lowercase
    for second in string.ascii_lowercase
    for third in string.ascii_lowercase
    if first < second
]


class Prompts:
    """Prompts that share nothing but chance: the same ones for the same seed."""

    def __init__(self, seed: object) -> None:
        self._random = random.Random(str(seed))

    def text(self, tokens: int) -> str:
        """Words of *tokens* tokens together, beginning with a space; a full stop makes an odd number even."""
        words = self._random.choices(_WORDS, k=tokens // WORD_TOKENS)
        return "".join(f" {word}" for word in words) + "." * (tokens % WORD_TOKENS)

    def message(self, tokens: int) -> str:
        """A message that is a prompt of *tokens* tokens, with what the chat template adds."""
        return self.text(tokens - TEMPLATE_TOKENS)
