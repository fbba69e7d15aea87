"""Answers that come in pieces over an aiohttp response: server-sent events, or one JSON object a line.

A stream begins with the first events. Until then a refusal can still be an HTTP status; but where a request waits for
long (in the queue, for its prompt), silence would make proxies and clients hang up, so the stream begins with a sign of
life instead, and what goes wrong after that is an error event.

A stream that has begun is written to without a detour: ``write`` puts whole events on the connection at once. Only
where the client reads too slowly does anybody wait, in ``send``.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, ClassVar, Final

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType
    from typing import Self

_HEADERS: Final = {
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",
}
"""``X-Accel-Buffering``: nginx and its kin otherwise hold a stream back until a buffer is full."""


class EventStream:
    """Sends server-sent events, and a comment whenever nothing was sent for a while. Gateway's event loop.

    Parameters:
        request: What it answers.
        headers: Besides those of every event stream.
        keepalive_s: Seconds of silence before a comment.
        late: Says headers that nobody knows before the stream begins, such as how long that took; asked then.
    """

    content_type: ClassVar[str] = "text/event-stream; charset=utf-8"
    sign_of_life: ClassVar[bytes] = b": keep-alive\n\n"
    """What readers of such a stream skip."""

    __slots__ = (
        "_chunked",
        "_comment",
        "_keepalive_s",
        "_late",
        "_loop",
        "_open",
        "_protocol",
        "_request",
        "_sending",
        "_sent_at",
        "_timer",
        "response",
    )

    def __init__(
        self,
        request: web.Request,
        headers: Mapping[str, str],
        keepalive_s: float,
        late: Callable[[], Mapping[str, str]] | None = None,
    ) -> None:
        self._request = request
        self._late = late
        self._protocol = request.protocol
        self._open = False
        """Whether the headers have gone out, and nothing waits."""
        self._sending = 0
        self._chunked = False
        self.response = web.StreamResponse(headers={"Content-Type": self.content_type, **_HEADERS, **headers})
        self._keepalive_s = keepalive_s
        self._loop = asyncio.get_running_loop()
        self._sent_at = self._loop.time()
        self._timer = self._loop.call_later(self._keepalive_s, self._beat)
        self._comment: asyncio.Task[None] | None = None

    @property
    def begun(self) -> bool:
        """Whether status 200 and the headers have been sent."""
        return self.response.prepared

    @property
    def ready(self) -> bool:
        """Whether ``write`` may be called: the stream has begun, and the client reads."""
        return self._open and not self._protocol.writing_paused

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._timer.cancel()
        if self._comment is not None:
            self._comment.cancel()

    async def begin(self) -> None:
        """Send status 200 and the headers, where they have not gone out."""
        if self.begun:
            return
        if self._late is not None:
            self.response.headers.update(self._late())
        await self.response.prepare(self._request)
        self._chunked = self.response.headers.get("Transfer-Encoding") == "chunked"

    def write(self, events: bytes) -> None:
        """Send one or more whole events at once, where the stream is ready.

        Raises:
            ConnectionResetError: The client has gone.
        """
        transport = self._protocol.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError("the client has gone")
        self._sent_at = self._loop.time()
        # what aiohttp's writer would do, three calls deeper: one chunk (RFC 9112, section 7.1), or bytes as they are
        transport.write(b"%x\r\n%b\r\n" % (len(events), events) if self._chunked else events)

    async def send(self, events: bytes) -> None:
        """Send one or more whole events; begins the stream, and waits while the client reads too slowly."""
        self._sent_at = self._loop.time()
        self._open = False
        self._sending += 1
        try:
            await self.begin()
            await self.response.write(events)
            await self._request.writer.drain()
        finally:
            self._sending -= 1
        self._open = not self._sending

    def _beat(self) -> None:
        silent = self._loop.time() - self._sent_at
        if silent >= self._keepalive_s and (self._comment is None or self._comment.done()):
            self._comment = self._loop.create_task(self._send_comment())
            silent = 0.0
        self._timer = self._loop.call_later(max(self._keepalive_s - silent, 0.01), self._beat)

    async def _send_comment(self) -> None:
        # a client that has gone is noticed by the request's own task
        with suppress(ConnectionError):
            await self.send(self.sign_of_life)


class LineStream(EventStream):
    """Sends JSON objects, one a line (NDJSON), and a space whenever nothing was sent for a while.

    White space may stand before a JSON value (RFC 8259, section 2), whereas many readers fail on an empty line.
    """

    content_type = "application/x-ndjson"
    sign_of_life = b" "

    __slots__ = ()
