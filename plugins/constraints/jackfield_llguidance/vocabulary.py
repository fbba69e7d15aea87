"""The model's vocabulary, as llguidance wants it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from llguidance import LLTokenizer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jackfield.ports.tokenizer import Tokenizer

_SHORTEST_MARKER: Final = 3
"""``<a>``."""

_SPACE: Final = r"[\x20\x0A\x0D\x09]+"
_CHARACTER: Final = r"[^\"\\\x00-\x1F\x7F]"
SLICES: Final = (_SPACE, *(f"{_CHARACTER}{{1,{most}}}" for most in (1, 2, 3, 4, 6, 8, 10, 30)), f"{_CHARACTER}+")
"""Sets of tokens that are allowed all at once where a lexeme has room for any of them. llguidance's own begin at ten
characters; near the end of a text of bounded length they leave 1.5 ms of single looks at 152,000 tokens."""

_GUARD: Final = "\x02"
"""Stands before a text that is to get no space in front; no token has it together with other characters."""


class VocabularyAdapter:
    """What ``LLTokenizer`` reads: attributes and a call, by the names of ``llguidance.TokenizerWrapper``.

    Parameters:
        tokenizer: The model's.
    """

    is_tokenizer_wrapper = True
    bos_token_id = None

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        self._guard = self._guarding()
        self.eos_token_id = min(tokenizer.end_tokens, default=None)
        self.tokens: Sequence[bytes] = [tokenizer.name(token) for token in range(tokenizer.vocabulary)]
        self.special_token_ids: Sequence[int] = [
            token for token, name in enumerate(self.tokens) if name and self._is_marker(token, name)
        ]

    def __call__(self, text: str) -> list[int]:
        """Tokenise; no name of a control token counts as such."""
        if self._guard:
            return self._encode(_GUARD + text)[len(self._guard) :]
        return self._encode(text)

    def _encode(self, text: str) -> list[int]:
        return self.tokenizer.encode(text, add_bos=False, parse_special=False)

    def _guarding(self) -> list[int]:
        """The tokens of the guard where the vocabulary puts a space in front of a text (SentencePiece); else none.

        Text that must come next continues an answer: a space in front would be a part of it.
        """
        spaced = any(self.tokenizer.piece(token).startswith(b" ") for token in self._encode("a"))
        return self._encode(_GUARD) if spaced else []

    def _is_marker(self, token: int, name: bytes) -> bool:
        """Whether *token* is a mark (``<|im_end|>``, ``<tool_call>``) and not the text of its name.

        Control tokens have no text. Other marks are found in any text before it is cut into tokens, so they survive
        between letters, where what merely looks like one is cut into pieces.
        """
        if not self.tokenizer.piece(token):
            return True
        if len(name) < _SHORTEST_MARKER or not (name.startswith(b"<") and name.endswith(b">")):
            return False
        return token in self(f"a{name.decode(errors='replace')}a")

    @property
    def special_tokens(self) -> dict[str, int]:
        """Ids of the special tokens, by name."""
        return {self.tokens[token].decode(errors="replace"): token for token in self.special_token_ids}


def read_vocabulary(adapter: VocabularyAdapter) -> LLTokenizer:
    """Make llguidance's tokenizer of what *adapter* reads; takes about 0.7 s for 152,000 tokens.

    Raises:
        ValueError: llguidance cannot use the vocabulary.
    """
    tokenizer = adapter.tokenizer
    # the stubs ask for a subclass of llguidance's own wrapper, the library for these attributes
    return LLTokenizer(adapter, eos_token=sorted(tokenizer.end_tokens), slices=list(SLICES))  # type: ignore[arg-type]
