"""Logit biases: from what clients write to token ids."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from jackfield.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from jackfield.ports.tokenizer import Tokenizer
    from jackfield.sampling import LogitBias


def resolve_biases(biases: Sequence[LogitBias], tokenizer: Tokenizer) -> dict[int, float]:
    """The bias of each token id.

    A text stands for all tokens that it consists of, as in llama-server; where several entries name one token, the
    last one counts, as in a JSON object. Intake thread.

    Raises:
        InvalidRequest: A token is not in the vocabulary, or a text has none.
    """
    resolved: dict[int, float] = {}
    for entry in biases:
        for token in _tokens(entry, tokenizer):
            resolved[token] = entry.bias
    return resolved


def refuse_if_nothing_is_left(biases: Mapping[int, float], banned: Collection[int], vocabulary: int) -> None:
    """Raise ``InvalidRequest`` where *biases* and the *banned* tokens together leave none of the *vocabulary*."""
    barred = {token for token, bias in biases.items() if bias == -math.inf}
    if len(barred.union(banned)) >= vocabulary:
        raise InvalidRequest("logit_bias leaves no token that may be drawn", param="logit_bias")


def _tokens(entry: LogitBias, tokenizer: Tokenizer) -> Sequence[int]:
    token = entry.token
    if isinstance(token, str):
        tokens = tokenizer.encode(token, add_bos=False, parse_special=False)
        if not tokens:
            raise InvalidRequest("logit_bias: the text has no tokens in this model", param=entry.param)
        return tokens
    if not 0 <= token < tokenizer.vocabulary:
        raise InvalidRequest(
            f"logit_bias: there is no token {token}; they are 0 to {tokenizer.vocabulary - 1}",
            param=entry.param,
        )
    return (token,)
