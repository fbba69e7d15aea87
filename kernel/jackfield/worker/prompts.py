"""Prompts to token ids, in bounded time and size. What may take milliseconds happens here, in the intake thread."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from jackfield.errors import ContextLengthExceeded, InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jackfield.ports.tokenizer import Tokenizer

_PIECE_FLOOR: Final = 4
"""Lower bound of the longest piece, in bytes: a vocabulary of single bytes still needs room for one character."""

_CONTROL_ROOM: Final = 4096
"""Bytes of control tokens that a text may have besides, since those are longer than they look."""


class PromptReader:
    """Measures and tokenises for one model.

    Parameters:
        tokenizer: The model's.
        context: Longest prompt in tokens.

    Made by the worker's main thread, used by the intake thread.
    """

    def __init__(self, tokenizer: Tokenizer, context: int) -> None:
        self._tokenizer = tokenizer
        self._context = context
        self.vocabulary: Final = tokenizer.vocabulary
        longest = max(len(tokenizer.piece(token)) for token in range(tokenizer.vocabulary))
        self.bytes_max: Final = context * max(longest, _PIECE_FLOOR) + _CONTROL_ROOM
        """Above this many bytes a text has certainly more tokens than the context."""

    def text(self, text: str, param: str, *, add_bos: bool = True, parse_special: bool = False) -> list[int]:
        """Token ids of *text*; *param* names it in errors.

        Raises:
            ContextLengthExceeded: It is far too long to be worth counting.
        """
        return self._tokenizer.encode(self.bounded(text, param), add_bos=add_bos, parse_special=parse_special)

    def bounded(self, text: str, param: str) -> str:
        """*text*, unless it is certainly too long."""
        if len(text.encode(errors="surrogatepass")) > self.bytes_max:
            raise self.too_long(param)
        return text

    def ids(self, tokens: Sequence[int], param: str) -> list[int]:
        """*tokens*, unless one of them is not in the vocabulary."""
        for index, token in enumerate(tokens):
            if not 0 <= token < self.vocabulary:
                raise InvalidRequest(
                    f"token ids must be between 0 and {self.vocabulary - 1}", param=f"{param}[{index}]"
                )
        return list(tokens)

    def too_long(self, param: str, tokens: int | None = None) -> ContextLengthExceeded:
        """The refusal of what *param* names, which has so many *tokens*, or too many to count."""
        length = "is far longer" if tokens is None else f"has {tokens}"
        error = ContextLengthExceeded(
            f"this model's context is {self._context} tokens; {_WORDS.get(param, param)} {length}", param=param
        )
        if tokens is not None:
            error.sizes = (tokens, self._context)
        return error


_WORDS: Final = {"prompt": "the prompt", "messages": "the prompt"}
"""What these are called in a sentence; anything else goes by its name."""
