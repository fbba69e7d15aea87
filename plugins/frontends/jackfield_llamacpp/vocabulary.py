"""``/tokenize``, ``/detokenize`` and ``/apply-template``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from jackfield.chat import ChatPrompt
from jackfield.errors import InternalError, InvalidRequest
from jackfield.frontends.arrays import exceeds
from jackfield.frontends.messages import read_messages
from jackfield.frontends.tools import read_tool_choice, read_tools
from jackfield.questions import Detokenise, Render, Rendered, Text, Tokenise, Tokens
from jackfield_llamacpp import fields
from jackfield_llamacpp.bodies import DetokenizeBody, TemplateBody, TokenizeBody
from jackfield_llamacpp.prompts import TEXTS_MAX, mixed_tokens
from jackfield_llamacpp.reading import chosen_model, decoded, screened

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jackfield.chat import Message
    from jackfield.context import RequestContext
    from jackfield.frontends.rules import Mode
    from jackfield.ports.frontend import Gateway
    from jackfield.questions import Question
    from jackfield_llamacpp.reading import Headers

_TOKENIZE: Final = msgspec.json.Decoder(TokenizeBody)
_DETOKENIZE: Final = msgspec.json.Decoder(DetokenizeBody)
_TEMPLATE: Final = msgspec.json.Decoder(TemplateBody)
_ANY: Final = ("generate", "embed", "rerank", "classify")
"""Every model has a vocabulary."""


class TokenPiece(msgspec.Struct):
    """A token and its text; bytes where it is no whole text."""

    id: int
    piece: str | list[int]


class TokenizeAnswer(msgspec.Struct):
    """Token ids, or objects with their texts."""

    tokens: list[int | TokenPiece]


class DetokenizeAnswer(msgspec.Struct):
    """The text of tokens."""

    content: str


class CountAnswer(msgspec.Struct):
    """How long a conversation is, as the model reads it."""

    input_tokens: int
    object: str = "response.input_tokens"


class TemplateAnswer(msgspec.Struct):
    """A conversation as the model reads it."""

    prompt: str


class Vocabulary:
    """Questions about a model's vocabulary and template, answered with the headers to send. Event loop thread.

    Parameters:
        gateway: Whom to ask.
        default: Model of requests that name none; empty takes the first that generates.
        mode: What becomes of fields that cannot be honoured.
    """

    def __init__(self, gateway: Gateway, default: str, mode: Mode) -> None:
        self._gateway = gateway
        self._default = default
        self._mode: Mode = mode

    async def tokenize(self, data: bytes, context: RequestContext) -> tuple[TokenizeAnswer, Headers]:
        """Texts to tokens; raises as ``screened`` and ``Gateway.ask``."""
        read = screened(data, self._mode, fields.TOKENIZE_HONOURED, fields.NOTHING)
        if "content" in read.given and exceeds(read.given["content"], TEXTS_MAX + 1):
            raise InvalidRequest(f"content may have at most {TEXTS_MAX} texts", param="content")
        body = decoded(_TOKENIZE, read)
        model = self._model(context, body.model, *_ANY)
        special, parsed = bool(body.add_special), body.parse_special is not False
        if isinstance(body.content, list):
            pieces = tuple(body.content)
            tokens = await mixed_tokens(
                self._gateway, context, model, pieces, add_special=special, parse_special=parsed
            )
            if not body.with_pieces:
                return TokenizeAnswer(list(tokens)), read.headers
            asked: Question = Detokenise(model=model, tokens=tokens, pieces=True)
        else:
            asked = Tokenise(model=model, text=body.content, add_special=special, parse_special=parsed)
        reply = await self._gateway.ask(context, asked)
        if not isinstance(reply, Tokens):
            raise _odd_answer()
        if not body.with_pieces:
            return TokenizeAnswer(list(reply.tokens)), read.headers
        named = zip(reply.tokens, reply.pieces, strict=True)
        return TokenizeAnswer([TokenPiece(token, _text_or_bytes(piece)) for token, piece in named]), read.headers

    async def detokenize(self, data: bytes, context: RequestContext) -> tuple[DetokenizeAnswer, Headers]:
        """Tokens to text; raises as ``screened`` and ``Gateway.ask``."""
        read = screened(data, self._mode, fields.DETOKENIZE_HONOURED, fields.NOTHING)
        body = decoded(_DETOKENIZE, read)
        model = self._model(context, body.model, *_ANY)
        reply = await self._gateway.ask(context, Detokenise(model=model, tokens=tuple(body.tokens)))
        if not isinstance(reply, Text):
            raise _odd_answer()
        return DetokenizeAnswer(reply.text.decode(errors="replace")), read.headers

    async def apply_template(self, data: bytes, context: RequestContext) -> tuple[TemplateAnswer, Headers]:
        """A conversation to the prompt it becomes; raises as ``screened`` and ``Gateway.ask``."""
        rendered, headers = await self._rendered(data, context)
        return TemplateAnswer(rendered.text), headers

    async def count(self, data: bytes, context: RequestContext) -> tuple[CountAnswer, Headers]:
        """How many tokens that prompt has; raises as ``apply_template``."""
        rendered, headers = await self._rendered(data, context)
        return CountAnswer(rendered.tokens), headers

    async def _rendered(self, data: bytes, context: RequestContext) -> tuple[Rendered, Headers]:
        read = screened(data, self._mode, fields.TEMPLATE_HONOURED, fields.TEMPLATE)
        if "messages" not in read.given:
            raise InvalidRequest("messages is required", param="messages")
        body = decoded(_TEMPLATE, read)
        messages = read_messages(read.given["messages"], read.screening)
        prompt = ChatPrompt(
            messages,
            tools=read_tools(read.given.get("tools")),
            tool_choice=read_tool_choice(read.given.get("tool_choice")),
            parallel_tool_calls=body.parallel_tool_calls is not False,
            template_kwargs=body.chat_template_kwargs or {},
            continue_final=_begun(messages) if body.continue_final_message is None else body.continue_final_message,
        )
        reply = await self._gateway.ask(
            context, Render(model=self._model(context, body.model, "generate"), prompt=prompt)
        )
        if not isinstance(reply, Rendered):
            raise _odd_answer()
        return reply, read.headers

    def _model(self, context: RequestContext, named: str | None, *tasks: str) -> str:
        return chosen_model(self._gateway, context, named, self._default, *tasks)


def _begun(messages: Sequence[Message]) -> bool:
    """Whether the last message is an answer to go on with, as there: an assistant's, and no question of two answers."""
    last = messages[-1] if messages else None
    return last is not None and last.role == "assistant" and not last.tool_calls


def _text_or_bytes(piece: bytes) -> str | list[int]:
    try:
        return piece.decode()
    except UnicodeDecodeError:
        return list(piece)


def _odd_answer() -> InternalError:
    return InternalError("a worker has answered something else")
