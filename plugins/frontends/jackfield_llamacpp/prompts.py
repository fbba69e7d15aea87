"""Prompts in llama-server's shapes: a text, tokens, both mixed, an object, or an array of these."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

import msgspec

from jackfield.errors import InternalError, InvalidRequest, UnsupportedField
from jackfield.frontends.arrays import exceeds, typed
from jackfield.pooled import INPUTS_MAX
from jackfield.questions import Tokenise, Tokens
from jackfield.types import TextPrompt, TokenPrompt
from jackfield_llamacpp.bodies import Piece, PromptField, PromptObject

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jackfield.context import RequestContext
    from jackfield.ports.frontend import Gateway

TEXTS_MAX: Final = 64
"""Most texts within one mixed prompt: each is a question to the worker."""

Mixed: TypeAlias = str | tuple[Piece, ...]
"""A text, or tokens with texts among them."""

_PROMPT: Final[msgspec.json.Decoder[PromptField]] = msgspec.json.Decoder(PromptField)


def read_mixed(raw: msgspec.Raw, path: str) -> tuple[Mixed, ...]:
    """The prompts.

    Parameters:
        raw: The value as it was sent.
        path: Its name.

    Raises:
        InvalidRequest: ``param`` is the path of what is at fault.
    """
    if exceeds(raw, INPUTS_MAX + 1):
        raise InvalidRequest(f"{path} may have at most {INPUTS_MAX} elements", param=path)
    value = typed(_PROMPT, raw, path)
    if isinstance(value, str | PromptObject):
        return (_single(value, path),)
    if not value:
        raise InvalidRequest(f"{path} must not be empty", param=path)
    if any(isinstance(each, int) for each in value):
        return (_one(value, path),)
    return tuple(_element(each, f"{path}[{index}]") for index, each in enumerate(value))


def _element(value: str | int | PromptObject | list[Piece], path: str) -> Mixed:
    return _one(value, path) if isinstance(value, list) else _single(value, path)


def _single(value: str | int | PromptObject, path: str) -> str:
    if isinstance(value, PromptObject):
        if value.multimodal_data:
            raise UnsupportedField(f"{path}: no media can be read", param=f"{path}.multimodal_data")
        return value.prompt_string
    return str(value)


def _one(value: Sequence[object], path: str) -> tuple[Piece, ...]:
    pieces = tuple(each for each in value if isinstance(each, str | int))
    if len(pieces) < len(value):
        raise InvalidRequest(f"{path}: an array with tokens may only have texts besides", param=path)
    if not pieces:
        raise InvalidRequest(f"{path} must not be empty", param=path)
    if sum(isinstance(each, str) for each in pieces) > TEXTS_MAX:
        raise InvalidRequest(f"{path} may have at most {TEXTS_MAX} texts among tokens", param=path)
    return pieces


async def resolved(gateway: Gateway, context: RequestContext, model: str, prompt: Mixed) -> TextPrompt | TokenPrompt:
    """*prompt* as the engine takes it; texts among tokens become tokens."""
    if isinstance(prompt, str):
        return TextPrompt(prompt, parse_special=True)
    return TokenPrompt(await mixed_tokens(gateway, context, model, prompt))


async def mixed_tokens(
    gateway: Gateway,
    context: RequestContext,
    model: str,
    pieces: tuple[Piece, ...],
    *,
    add_special: bool = True,
    parse_special: bool = True,
) -> tuple[int, ...]:
    """The tokens of *pieces*; only a text at the beginning gets the model's BOS.

    Raises:
        JackfieldError: Whatever refused it.
    """
    tokens: list[int] = []
    for index, piece in enumerate(pieces):
        if isinstance(piece, int):
            tokens.append(piece)
            continue
        special = add_special and not index
        asked = Tokenise(model=model, text=piece, add_special=special, parse_special=parse_special)
        reply = await gateway.ask(context, asked)
        if not isinstance(reply, Tokens):
            raise InternalError("a worker has answered something else")
        tokens += reply.tokens
    return tuple(tokens)
