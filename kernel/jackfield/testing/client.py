"""A typed client of the OpenAI API that records what really came over the wire, and when.

Concurrency belongs to the client: ``asks`` sends many requests at once. All coroutines run on one event loop;
synchronous callers go through ``BackgroundLoop.run``.
"""

from __future__ import annotations

import asyncio
import io
import time
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final, TypeAlias

import aiohttp
import msgspec

from jackfield.sse import SseError, SseEvent, SseParser
from jackfield.testing.openai_shapes import (
    ChatChunk,
    ChatCompletion,
    EmbeddingList,
    ErrorBody,
    ErrorEnvelope,
    ModelEntry,
    ModelList,
    TextCompletion,
    Usage,
)

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping, Sequence

    from multidict import CIMultiDictProxy

JsonValue: TypeAlias = "bool | int | float | str | Sequence[JsonValue] | Mapping[str, JsonValue] | None"
"""What a JSON body may hold."""

DONE: Final = "[DONE]"
"""Data of the event that ends a stream without an error."""

REQUEST_TIMEOUT_S: Final = 45.0
"""Longest whole request; below ``BackgroundLoop``'s own deadline, so that the message names the request."""


@dataclass(frozen=True)
class Reply:
    """A whole answer."""

    status: int
    headers: CIMultiDictProxy[str]
    body: bytes
    seconds: float
    """From sending the request to the last byte."""

    @property
    def completion(self) -> ChatCompletion:
        """The body as a chat completion."""
        return msgspec.json.decode(self.body, type=ChatCompletion)

    @property
    def embeddings(self) -> EmbeddingList:
        """The body as embeddings."""
        return msgspec.json.decode(self.body, type=EmbeddingList)

    @property
    def text(self) -> str:
        """The text of the chat completion."""
        return self.completion.choices[0].message.content or ""

    @property
    def finish_reason(self) -> str:
        """Why the chat completion ended."""
        return self.completion.choices[0].finish_reason

    @property
    def error(self) -> ErrorBody:
        """The body as an error."""
        return msgspec.json.decode(self.body, type=ErrorEnvelope).error

    @property
    def summary(self) -> str:
        """Status and the start of the body, for failure messages."""
        return f"{self.status} {self.body[:300].decode(errors='replace')}"


@dataclass(frozen=True)
class Arrival:
    """An event and when it came."""

    event: SseEvent
    at: float
    """Monotonic seconds."""


@dataclass(frozen=True)
class Stream:
    """All that came of a streamed answer."""

    status: int
    headers: CIMultiDictProxy[str]
    arrivals: tuple[Arrival, ...]
    started: float
    """When the request was sent, monotonic seconds."""
    ended: float
    """When the stream ended, monotonic seconds."""
    broken: str
    """Why the stream could not be read to a proper end; empty if it could."""
    refusal: bytes
    """The body, where the answer was no event stream but an error."""

    @cached_property
    def chunks(self) -> tuple[ChatChunk, ...]:
        """All events but errors and ``[DONE]``."""
        return tuple(
            msgspec.json.decode(arrival.event.data, type=ChatChunk)
            for arrival in self.arrivals
            if arrival.event.data != DONE and _error(arrival.event) is None
        )

    @property
    def text(self) -> str:
        """All text, joined."""
        return "".join(choice.delta.content or "" for chunk in self.chunks for choice in chunk.choices)

    @property
    def finish_reasons(self) -> tuple[str, ...]:
        """All reasons given; a correct stream gives one."""
        return tuple(choice.finish_reason for chunk in self.chunks for choice in chunk.choices if choice.finish_reason)

    @property
    def roles(self) -> tuple[str, ...]:
        """All roles given; a correct stream gives one, first."""
        return tuple(choice.delta.role for chunk in self.chunks for choice in chunk.choices if choice.delta.role)

    @property
    def usages(self) -> tuple[Usage, ...]:
        """All usages given; a correct stream gives one if it was asked for, last."""
        return tuple(chunk.usage for chunk in self.chunks if chunk.usage is not None)

    @property
    def errors(self) -> tuple[ErrorBody, ...]:
        """All error events."""
        return tuple(error for arrival in self.arrivals if (error := _error(arrival.event)) is not None)

    @property
    def done(self) -> bool:
        """Whether the last event is ``[DONE]``."""
        return bool(self.arrivals) and self.arrivals[-1].event.data == DONE


class OpenStream:
    """A streamed answer that is being read in the background. Made by ``Client.open``; used on its event loop."""

    def __init__(self, response: aiohttp.ClientResponse, started: float) -> None:
        self._response = response
        self._started = started
        self._parser = SseParser()
        self._arrivals: list[Arrival] = []
        self._refusal = b""
        self._news = asyncio.Event()
        self._reader = asyncio.create_task(self._read())
        self._reader.add_done_callback(self._announce)

    @property
    def headers(self) -> Mapping[str, str]:
        """Of the answer."""
        return self._response.headers

    async def reached(self, count: int) -> None:
        """Wait until *count* events have come.

        Raises:
            AssertionError: The stream ended before.
        """
        while len(self._arrivals) < count and not self._reader.done():
            await self._news.wait()
        if len(self._arrivals) < count:
            raise AssertionError(f"the stream ended after {len(self._arrivals)} events: {await self.finished()}")

    async def finished(self) -> Stream:
        """Wait until the stream has ended, and return all that came."""
        broken = await self._reader
        self._response.release()
        return Stream(
            self._response.status,
            self._response.headers,
            tuple(self._arrivals),
            self._started,
            time.monotonic(),
            broken,
            self._refusal,
        )

    async def hang_up(self) -> None:
        """Close the connection in the middle of the answer."""
        self._reader.cancel()
        await asyncio.gather(self._reader, return_exceptions=True)
        self._response.close()

    async def _read(self) -> str:
        try:
            if self._response.content_type != "text/event-stream":
                self._refusal = await self._response.read()
                return ""
            async for data in self._response.content.iter_any():
                self._take(data)
            self._parser.close()
        except (aiohttp.ClientError, SseError, TimeoutError) as error:
            return f"{type(error).__name__}: {error}"
        return ""

    def _take(self, data: bytes) -> None:
        now = time.monotonic()
        for item in self._parser.feed(data):
            if isinstance(item, SseEvent):
                self._arrivals.append(Arrival(item, now))
        self._announce()

    def _announce(self, _reader: asyncio.Task[str] | None = None) -> None:
        self._news.set()
        self._news = asyncio.Event()


class Client:
    """Asks one server.

    Parameters:
        url: The server's root, without ``/v1``.
        model: Name of the model in requests that name none.
        headers: Sent with every request, such as ``Authorization``.
        tls: What is trusted of an ``https`` server, and shown to it; None goes by the system's authorities.

    Made anywhere; used, and closed, on one event loop.
    """

    def __init__(
        self, url: str, model: str, headers: Mapping[str, str] = {}, *, tls: ssl.SSLContext | None = None
    ) -> None:
        self.url = url.rstrip("/")
        self.model = model
        self._headers = headers
        self._tls = tls
        self._session: aiohttp.ClientSession | None = None

    async def request(
        self, method: str, path: str, body: JsonValue | bytes = None, *, headers: Mapping[str, str] = {}
    ) -> Reply:
        """Send any request: *body* as it is if it is bytes, as JSON if it is anything else but None."""
        started = time.monotonic()
        async with self._send(method, path, body, headers) as response:
            content = await response.read()
        return Reply(response.status, response.headers, content, time.monotonic() - started)

    async def ask(self, prompt: str, **fields: JsonValue) -> Reply:
        """Ask *prompt* in a conversation of one message; *fields* join the body."""
        return await self.request("POST", "/v1/chat/completions", self._chat(prompt, fields))

    async def asks(self, prompts: Sequence[str], **fields: JsonValue) -> list[Reply]:
        """Ask all *prompts* at once, each on a connection of its own."""
        return await asyncio.gather(*(self.ask(prompt, **fields) for prompt in prompts))

    async def open(self, prompt: str, **fields: JsonValue) -> OpenStream:
        """Begin a streamed answer and return as soon as its headers are there."""
        started = time.monotonic()
        body = self._chat(prompt, {"stream": True, **fields})
        return OpenStream(await self._send("POST", "/v1/chat/completions", body, {}), started)

    async def stream(self, prompt: str, **fields: JsonValue) -> Stream:
        """Ask *prompt* and read the streamed answer to its end."""
        return await (await self.open(prompt, **fields)).finished()

    async def complete(self, prompt: str, **fields: JsonValue) -> TextCompletion:
        """Continue *prompt* as raw text."""
        reply = await self.request("POST", "/v1/completions", {"model": self.model, "prompt": prompt, **fields})
        assert reply.status == 200, reply.summary
        return msgspec.json.decode(reply.body, type=TextCompletion)

    async def embed(self, inputs: JsonValue, **fields: JsonValue) -> Reply:
        """Ask for the vectors of *inputs*; *fields* join the body."""
        return await self.request("POST", "/v1/embeddings", {"model": self.model, "input": inputs, **fields})

    async def models(self) -> Sequence[ModelEntry]:
        """What the server says it serves."""
        reply = await self.request("GET", "/v1/models")
        assert reply.status == 200, reply.summary
        return msgspec.json.decode(reply.body, type=ModelList).data

    async def close(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()

    def _chat(self, prompt: str, fields: Mapping[str, JsonValue]) -> JsonValue:
        return {"model": self.model, "messages": [{"role": "user", "content": prompt}], **fields}

    def _send(
        self, method: str, path: str, body: JsonValue | bytes, headers: Mapping[str, str]
    ) -> aiohttp.client._RequestContextManager:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                headers=self._headers,
                timeout=aiohttp.ClientTimeout(total=REQUEST_TIMEOUT_S),
                connector=aiohttp.TCPConnector(limit=0, ssl=True if self._tls is None else self._tls),
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        data = body if isinstance(body, bytes) else None if body is None else msgspec.json.encode(body)
        content = {} if data is None else {"Content-Type": "application/json"}
        # aiohttp warns of large bodies that are plain bytes
        payload = None if data is None else io.BytesIO(data)
        return self._session.request(method, self.url + path, data=payload, headers={**content, **headers})


class _Probe(msgspec.Struct):
    error: ErrorBody | None = None


def _error(event: SseEvent) -> ErrorBody | None:
    return None if event.data == DONE else msgspec.json.decode(event.data, type=_Probe).error
