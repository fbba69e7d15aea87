"""One server-sent event stream over an aiohttp response."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType
    from typing import Self

_COMMENT: Final = b": keep-alive\n\n"
_HEADERS: Final = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-cache",
    "X-Accel-Buffering": "no",
}
"""``X-Accel-Buffering``: nginx and its kin otherwise hold a stream back until a buffer is full."""


class EventStream:
    """Sends events, and a comment whenever nothing was sent for a while. Gateway's event loop.

    Parameters:
        headers: Besides those of every event stream.
        keepalive_s: Seconds of silence before a comment.
    """

    __slots__ = ("_comment", "_keepalive_s", "_loop", "_sent_at", "_timer", "response")

    def __init__(self, headers: Mapping[str, str], keepalive_s: float) -> None:
        self.response = web.StreamResponse(headers={**_HEADERS, **headers})
        self._keepalive_s = keepalive_s
        self._loop = asyncio.get_running_loop()
        self._sent_at = self._loop.time()
        self._timer: asyncio.TimerHandle | None = None
        self._comment: asyncio.Task[None] | None = None

    async def open(self, request: web.Request) -> Self:
        """Send status 200 and the headers."""
        await self.response.prepare(request)
        self._timer = self._loop.call_later(self._keepalive_s, self._beat)
        return self

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._comment is not None:
            self._comment.cancel()

    async def send(self, events: bytes) -> None:
        """Send one or more whole events; waits while the client reads too slowly."""
        self._sent_at = self._loop.time()
        await self.response.write(events)

    def _beat(self) -> None:
        silent = self._loop.time() - self._sent_at
        if silent >= self._keepalive_s and (self._comment is None or self._comment.done()):
            self._comment = self._loop.create_task(self._send_comment())
            silent = 0.0
        self._timer = self._loop.call_later(max(self._keepalive_s - silent, 0.01), self._beat)

    async def _send_comment(self) -> None:
        # a client that has gone is noticed by the request's own task
        with suppress(ConnectionError):
            await self.send(_COMMENT)
