"""Inputs by their four shapes: a text, texts, token ids, arrays of token ids."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import msgspec

from jackfield.errors import InvalidRequest
from jackfield.frontends.arrays import Token, exceeds, typed
from jackfield.pooled import INPUTS_MAX
from jackfield.types import TextPrompt, TokenPrompt

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TypeAlias

RawPrompt: TypeAlias = "TextPrompt | TokenPrompt"
"""What stands for itself, without a chat template."""

_FIRST: Final = re.compile(rb"\[[ \t\r\n]*(.)", re.DOTALL)
"""The first character of an array's first element."""

_TEXT: Final = msgspec.json.Decoder(str)
_TEXTS: Final = msgspec.json.Decoder(list[str])
_TOKENS: Final[msgspec.json.Decoder[list[int]]] = msgspec.json.Decoder(list[Token])
_TOKEN_LISTS: Final[msgspec.json.Decoder[list[list[int]]]] = msgspec.json.Decoder(list[list[Token]])


def read_prompts(raw: msgspec.Raw, path: str) -> tuple[RawPrompt, ...]:
    """The inputs, in order; at least one.

    Parameters:
        raw: The value as it was sent.
        path: Its name.

    Raises:
        InvalidRequest: ``param`` is a path such as ``input[2]``: an array whose elements are not all of one kind, an
            empty one, one that is too long, or no input at all.
    """
    data = memoryview(raw)
    if data[0] == ord('"'):
        return (TextPrompt(typed(_TEXT, raw, path)),)
    found = _FIRST.match(data)
    kind = found[1] if found else b""
    if kind == b'"':
        _bounded(raw, path)
        texts: list[str] = typed(_TEXTS, raw, path)
        return tuple(map(TextPrompt, texts))
    if kind == b"[":
        _bounded(raw, path)
        lists: list[list[int]] = typed(_TOKEN_LISTS, raw, path)
        return tuple(_tokens(tokens, f"{path}[{index}]") for index, tokens in enumerate(lists))
    if kind.isdigit() or kind == b"-":
        tokens: list[int] = typed(_TOKENS, raw, path)
        return (_tokens(tokens, path),)
    raise _no_input(path, kind)


def _tokens(tokens: Sequence[int], path: str) -> TokenPrompt:
    if not tokens:
        raise InvalidRequest(f"{path} must have at least one token", param=path)
    return TokenPrompt(tuple(tokens))


def _bounded(raw: msgspec.Raw, path: str) -> None:
    # the array itself is one of those that are counted
    if exceeds(raw, INPUTS_MAX + 1):
        raise InvalidRequest(f"{path} may have at most {INPUTS_MAX} elements", param=path)


def _no_input(path: str, first: bytes) -> InvalidRequest:
    if first == b"]":
        return InvalidRequest(f"{path} must not be empty", param=path)
    kinds = "a string, an array of strings, an array of token ids, or an array of such arrays"
    return InvalidRequest(f"{path} must be {kinds}", param=f"{path}[0]" if first else path)
