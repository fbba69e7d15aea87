"""Log probabilities in OpenAI's two shapes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jackfield.types import TokenLogprob, TopLogprob

UNLIKELY: Final = -9999.0
"""OpenAI's lowest: "used to signify that the token is very unlikely". JSON has no infinity."""


def chat_logprobs(tokens: Sequence[TokenLogprob]) -> Mapping[str, object]:
    """``logprobs`` of a chat's choice.

    A token that is part of a character has the replacement character in its text, and its own ``bytes``.
    """
    content = [{**_chat_token(token), "top_logprobs": [_chat_token(other) for other in token.top]} for token in tokens]
    return {"content": content, "refusal": None}


def _chat_token(token: TokenLogprob | TopLogprob) -> Mapping[str, object]:
    return {
        "token": token.piece.decode(errors="replace"),
        "logprob": _finite(token.logprob),
        "bytes": list(token.piece),
    }


def text_logprobs(tokens: Sequence[TokenLogprob]) -> Mapping[str, object]:
    """``logprobs`` of a completion's choice: four lists with one entry a token."""
    return {
        "tokens": [_name(token.piece) for token in tokens],
        "token_logprobs": [None if token.logprob is None else _finite(token.logprob) for token in tokens],
        "top_logprobs": [None if token.logprob is None else _top(token, token.logprob) for token in tokens],
        "text_offset": [token.offset for token in tokens],
    }


def _top(token: TokenLogprob, logprob: float) -> Mapping[str, float]:
    """The most likely tokens, and the one that was drawn: "up to ``logprobs + 1`` elements"."""
    top: dict[str, float] = {}
    for other in token.top:
        top.setdefault(_name(other.piece), _finite(other.logprob))
    top.setdefault(_name(token.piece), _finite(logprob))
    return top


def _name(piece: bytes) -> str:
    """A token as text; part of a character as OpenAI's completions write it, so that no two have one name."""
    try:
        return piece.decode()
    except UnicodeDecodeError:
        return "bytes:" + "".join(f"\\x{byte:02x}" for byte in piece)


def _finite(logprob: float | None) -> float:
    return UNLIKELY if logprob is None else max(logprob, UNLIKELY)
