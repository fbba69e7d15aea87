"""One HTTP connection: aiohttp's, with errors in our shape and a bound on how long its client may keep it waiting."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aiohttp import web

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from jackfield.gateway.connections import Bounds, Front

LINGER_S: Final = 2.0
"""How long the rest of a refused body is read and dropped, so that the client sees the answer and not a reset."""


class EdgeProtocol(web.RequestHandler):
    """One HTTP connection.

    Parameters:
        server: aiohttp's bookkeeping of connections and requests.
        bounds: How long its client may keep it waiting.
        front: Answers what is not HTTP.
        left: Called with this object at the connection's end.
        loop: The running loop.
    """

    __slots__ = ("_bounds", "_front", "_headers_since", "_left", "_unread_since", "_wire")

    def __init__(
        self,
        server: web.Server,
        bounds: Bounds,
        front: Front,
        left: Callable[[EdgeProtocol], None],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        super().__init__(server, loop=loop, keepalive_timeout=bounds.idle_s, lingering_time=LINGER_S, access_log=None)  # type: ignore[arg-type]  # None is its documented "off"
        self._bounds = bounds
        self._front = front
        self._left = left
        self._wire: asyncio.Transport | None = None
        self._headers_since: float | None = None
        """When the headers began that have not arrived whole; the loop's time."""
        self._unread_since: float | None = None
        """Since when the client has not read enough for more to be written; the loop's time."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        # aiohttp forgets a transport that it has closed, although it may still have to send
        self._wire = self.transport
        self._headers_since = self._loop.time()

    def connection_lost(self, exc: BaseException | None) -> None:
        self._wire = None
        self._left(self)
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._unread_since = self._loop.time()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._unread_since = None

    def end_with(self, response: web.StreamResponse) -> None:
        """Close it after *response*, whose headers are about to be sent, if it has had as many requests as it may."""
        if self._request_count >= self._bounds.requests:
            response.force_close()
            response.headers["Connection"] = "close"

    def overdue(self, now: float) -> bool:
        """Whether its client has kept it waiting for too long, for headers or for reading."""
        waits = self._waiter is not None  # for a request
        if waits and self._headers_since is not None and now - self._headers_since >= self._bounds.header_s:
            return True
        if self._unread_since is None and self._wire is not None and self._wire.is_closing():
            self._unread_since = now  # it lives because it has something to send
        return self._unread_since is not None and now - self._unread_since >= self._bounds.write_s

    def give_up(self) -> None:
        """End it at once, and the request it may be serving; what was not sent is lost."""
        if self._wire is not None:
            self._wire.abort()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,  # noqa: ARG002 -- aiohttp's signature; its texts quote the request
        message: str | None = None,  # noqa: ARG002 -- as above
    ) -> web.StreamResponse:
        """Called by aiohttp for what is not HTTP (400), and for defects outside of any handler (500)."""
        if request.writer.output_size > 0:
            raise ConnectionError("the response has begun; the connection can only be closed")
        response = self._front.bad_request(request, status)
        response.force_close()
        return response

    def data_received(self, data: bytes) -> None:
        count, body = self._request_count, self._body_arrives()
        super().data_received(data)
        if self._request_count != count:
            self._headers_since = None
        elif data and not body and self._headers_since is None:
            self._headers_since = self._loop.time()
        request = self._current_request
        if request is None or not self._messages or not self._body_arrives():
            return
        # Only what is no HTTP can follow an unfinished body. aiohttp queues its refusal behind the request, which would
        # wait for the rest of the body until its time is up.
        request.content.set_exception(web.RequestPayloadError("the body's chunks are damaged"))

    def _body_arrives(self) -> bool:
        return self._current_request is not None and not self._current_request.content.is_eof()

    def log_exception(self, *args: object, **kw: object) -> None:
        """Called by aiohttp for what ends a connection after its answer.

        A damaged body that is read to its end once more is no defect: its sender got 400, and may send it again and
        again.
        """
        if not isinstance(kw.get("exc_info"), web.RequestPayloadError):
            super().log_exception(*args, **kw)
