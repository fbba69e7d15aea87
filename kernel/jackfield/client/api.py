"""A small client of OpenAI's chat API, for people's commands: streams event by event."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, Self, TypeAlias

import msgspec

from jackfield.client.connection import ApiError, ApiFault, Connection, failed, whole
from jackfield.client.printable import printable_line
from jackfield.sse import SseError, SseEvent, SseParser

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from types import TracebackType

    import aiohttp

    from jackfield.client.connection import Protection

_DONE: Final = "[DONE]"


class ChatTurn(msgspec.Struct, frozen=True):
    """One message of a conversation."""

    role: Literal["system", "user", "assistant"]
    content: str


class _StreamOptions(msgspec.Struct, frozen=True):
    include_usage: bool = True


class ChatRequest(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The body of ``POST /v1/chat/completions``; what is None is not sent."""

    model: str
    messages: tuple[ChatTurn, ...]
    temperature: float | None = None
    max_tokens: int | None = None
    seed: int | None = None
    ignore_eos: bool | None = None
    stream: bool | None = None
    stream_options: _StreamOptions | None = None


class PromptDetails(msgspec.Struct, frozen=True):
    """Of a prompt's tokens."""

    cached_tokens: int | None = None
    """Those that were not computed, because they had been before."""


class Usage(msgspec.Struct, frozen=True):
    """Tokens as the server counted them."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    prompt_tokens_details: PromptDetails | None = None
    """None where the server says nothing of them."""

    @property
    def cached_tokens(self) -> int:
        """Tokens of the prompt that were not computed, as far as the server says so."""
        return (self.prompt_tokens_details and self.prompt_tokens_details.cached_tokens) or 0


class AnswerText(msgspec.Struct, frozen=True):
    """The next part of the answer; never empty."""

    text: str


class AnswerEnd(msgspec.Struct, frozen=True):
    """The last event of an answer."""

    finish_reason: str | None
    usage: Usage | None
    """None where the server sends none."""


AnswerEvent: TypeAlias = AnswerText | AnswerEnd


class _Delta(msgspec.Struct, frozen=True):
    content: str | None = None
    reasoning_content: str | None = None


class _Choice(msgspec.Struct, frozen=True):
    delta: _Delta = _Delta()
    finish_reason: str | None = None


class _Chunk(msgspec.Struct, frozen=True):
    choices: list[_Choice] = []
    usage: Usage | None = None
    error: ApiFault | str | None = None


class _Model(msgspec.Struct, frozen=True):
    id: str


class _Models(msgspec.Struct, frozen=True):
    data: list[_Model]


_CHUNK: Final = msgspec.json.Decoder(_Chunk)


class ApiClient:
    """A connection pool to one server; an async context manager. One event loop.

    Parameters:
        url: Address; see ``base_url``.
        key: Sent as a Bearer token; None sends none.
        tls: What is trusted, and what is shown; None goes by the system's authorities, and shows nothing.
    """

    def __init__(self, url: str, key: str | None = None, tls: Protection | None = None) -> None:
        self._connection = Connection(url, key, tls)

    async def __aenter__(self) -> Self:
        await self._connection.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._connection.__aexit__(kind, error, trace)

    async def models(self) -> list[str]:
        """Names of the server's models.

        Raises:
            ApiError: No server answers, or it does not speak this dialect.
        """
        async with self._connection.ask("GET", "/v1/models") as response:
            data = await whole(response)
        try:
            return [model.id for model in msgspec.json.decode(data, type=_Models).data]
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            url = self._connection.url
            raise ApiError(f"{url} does not speak OpenAI's dialect: /v1/models is no list of models") from error

    async def chat(self, request: ChatRequest) -> AsyncGenerator[AnswerEvent, None]:
        """Stream the answer to *request*: texts, then one ``AnswerEnd``. Closing the generator hangs up.

        Raises:
            ApiError: The server refused the request, broke the stream, or could not be reached.
        """
        try:
            body = msgspec.json.encode(msgspec.structs.replace(request, stream=True, stream_options=_StreamOptions()))
        except UnicodeEncodeError as error:
            raise ApiError("the message is not UTF-8 text") from error
        async with self._connection.ask("POST", "/v1/chat/completions", body=body) as response:
            async for event in _events(response):
                yield event


async def _events(response: aiohttp.ClientResponse) -> AsyncGenerator[AnswerEvent, None]:
    parser, reason, usage = SseParser(strict=False), None, None
    try:
        async for data in response.content.iter_any():
            for item in parser.feed(data):
                if not isinstance(item, SseEvent):
                    continue
                if item.data == _DONE:
                    yield AnswerEnd(reason, usage)
                    return
                chunk = _CHUNK.decode(item.data)
                if chunk.error is not None:
                    raise failed(chunk.error)
                usage = chunk.usage or usage
                for choice in chunk.choices:
                    reason = choice.finish_reason or reason
                    text = choice.delta.content or choice.delta.reasoning_content
                    if text:
                        yield AnswerText(text)
    except (SseError, msgspec.MsgspecError) as error:
        raise ApiError(f"the server's stream cannot be read: {printable_line(str(error))}") from error
    raise ApiError("the stream broke off before its end")
