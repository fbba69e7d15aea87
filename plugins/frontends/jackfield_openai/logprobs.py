"""Log probabilities in OpenAI's two shapes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jackfield.types import TokenLogprob, TopLogprob

UNLIKELY: Final = -9999.0
"""OpenAI's lowest: "used to signify that the token is very unlikely". JSON has no infinity."""

SEARCHED: Final = 16
"""Bytes of a text in which a token's place is looked for, where it is not the next: some replacement characters."""


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


class TextLogprobs:
    """``logprobs`` of a completion's choice: four lists with one entry a token.

    Parameters:
        offset: Characters of the choice's text before this part of it.
    """

    __slots__ = ("_offset", "_offsets", "_tokens", "_top", "_values")

    def __init__(self, offset: int = 0) -> None:
        self._offset = offset
        self._tokens: list[str] = []
        self._values: list[float | None] = []
        self._top: list[Mapping[str, float] | None] = []
        self._offsets: list[int] = []

    def add(self, text: str, tokens: Sequence[TokenLogprob]) -> None:
        """The next part of the text, and its tokens."""
        data = text.encode()
        begun = at = 0
        for token in tokens:
            piece = token.piece
            self._tokens.append(_name(piece))
            self._values.append(None if token.logprob is None else _finite(token.logprob))
            self._top.append(None if token.logprob is None else _top(token, token.logprob))
            start, end = _place(data, at, piece)
            begun += _characters(data[at:start])
            inside = start < end and _continues(data[start])
            self._offsets.append(self._offset + begun - inside)
            begun += _characters(data[start:end])
            at = end
        self._offset += len(text)

    def built(self) -> Mapping[str, object]:
        """The object."""
        return {
            "tokens": self._tokens,
            "token_logprobs": self._values,
            "top_logprobs": self._top,
            "text_offset": self._offsets,
        }


def _place(data: bytes, at: int, piece: bytes) -> tuple[int, int]:
    """Where *piece* stands in *data*, at or soon after *at*; nowhere is an empty place there.

    A control token has a name and no text; a text that was sent without the space that some vocabularies put in front
    is shown without it; and bytes that are no UTF-8 are shown as the replacement character.
    """
    if data.startswith(piece, at):
        return at, at + len(piece)
    if at == 0 and piece[:1] == b" " and data.startswith(piece[1:]):
        return 0, len(piece) - 1
    found = data.find(piece, at, at + SEARCHED + len(piece))
    return (at, at) if found < 0 else (found, found + len(piece))


def _characters(data: bytes) -> int:
    return sum(not _continues(byte) for byte in data)


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


def _continues(byte: int) -> bool:
    """Whether a byte of UTF-8 is not the first of its character."""
    return byte & 0xC0 == 0x80  # noqa: PLR2004 -- RFC 3629, section 3
