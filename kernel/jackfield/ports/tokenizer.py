"""Tokenizers: text to tokens and back.

A model brings its own: ``Runner.tokenizer`` and ``PooledRunner.tokenizer`` hand it over.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping


class InfillTokens(msgspec.Struct, frozen=True, kw_only=True):
    """Control tokens with which a gap in a text is shown to a model that was trained to fill it."""

    prefix: int
    """Stands before what is in front of the gap."""
    suffix: int
    """Stands before what is behind it."""
    middle: int
    """Stands before what fills it."""
    repository: int | None = None
    """Stands before the name of a repository, where the model was trained on whole ones."""
    file: int | None = None
    """Stands before the name of a file of it."""


class Tokenizer(Protocol):
    """Text to tokens and back. Called by the intake thread and by the engine loop thread at the same time."""

    @property
    def vocabulary(self) -> int:
        """Number of token ids; valid ids are 0 to this - 1."""
        ...

    @property
    def end_tokens(self) -> frozenset[int]:
        """All end-of-generation ids (EOS, EOT, …); drawing one ends the answer."""
        ...

    @property
    def chat_template(self) -> str | None:
        """The Jinja source that came with the model, or None. Hostile until sandboxed."""
        ...

    @property
    def template_tokens(self) -> Mapping[str, str]:
        """Texts of the special tokens that templates name: ``bos_token``, ``eos_token``."""
        ...

    @property
    def infill(self) -> InfillTokens | None:
        """Its tokens for gaps; None where the model was not trained to fill any."""
        ...

    def encode(self, text: str, *, add_bos: bool, parse_special: bool) -> list[int]:
        """Tokenise *text*.

        Parameters:
            text: Any text.
            add_bos: Put the model's BOS in front if the model wants one.
            parse_special: Read control tokens written in the text (``<|im_end|>``) as such.

        Returns:
            Token ids.

        Process and thread: worker, intake thread and engine loop thread, also at the same time. Deadline: 1 s for the
        longest prompt. Failure policy: closed; the request fails.
        """
        ...

    def piece(self, token: int) -> bytes:
        """The bytes that *token* stands for; empty for control tokens. May be part of a UTF-8 character.

        Process and thread: worker, intake thread and engine loop thread, also at the same time. Deadline: 10 µs.
        Failure policy: closed; the worker ends and is started again.
        """
        ...

    def name(self, token: int) -> bytes:
        """As ``piece``, but a control token gives its name (``<|im_end|>``): for lists of likely tokens.

        Process and thread: worker, intake thread and engine loop thread, also at the same time. Deadline: 10 µs.
        Failure policy: closed; the worker ends and is started again.
        """
        ...
