"""The model's vocabulary, as llguidance reads it."""

from __future__ import annotations

import numpy as np
import pytest

from jackfield.ports.constraint import Choice
from jackfield.testing.script import END, VOCABULARY, ScriptedTokenizer
from jackfield_llguidance.config import LlguidanceConfig
from jackfield_llguidance.engine import LlguidanceEngine


class Spacing(ScriptedTokenizer):
    """Puts a space in front of a text, as SentencePiece vocabularies do."""

    def encode(self, text: str, *, add_bos: bool, parse_special: bool) -> list[int]:
        """The bytes of *text* behind a space."""
        return super().encode(f" {text}", add_bos=add_bos, parse_special=parse_special)


@pytest.mark.parametrize("tokenizer", [ScriptedTokenizer(), Spacing()])
def test_a_space_in_front_is_the_tokenizers_and_not_the_answers(tokenizer: ScriptedTokenizer) -> None:
    """What must come next is the text of the grammar, from its first token on."""
    matcher = LlguidanceEngine(tokenizer, LlguidanceConfig()).compile(Choice(("{abc}1", "{abc}2"))).matcher()
    mask = np.zeros(-(-VOCABULARY // 32), np.uint32)
    for wanted in b"{abc}2":
        matcher.mask(mask)
        allowed = [token for token in range(END) if mask[token // 32] >> (token % 32) & 1]
        assert wanted in allowed
        assert len(allowed) == (2 if wanted == ord("2") else 1)
        assert tokenizer.piece(next(iter(matcher.forced()), wanted)) == bytes((wanted,))
        matcher.accept(wanted)
    assert matcher.finished
