"""Request bodies: read before any handler runs, bounded in size, in time, and in bytes over all connections."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

from aiohttp import HttpVersion11

from jackfield.errors import BodiesInFlight, BodyTooLarge, DeadlineExceeded, Draining, MalformedBody
from jackfield.gateway.large_bodies import LargeBodies

if TYPE_CHECKING:
    from aiohttp import web

    from jackfield.context import RequestContext
    from jackfield.errors import JackfieldError

BODY_S: Final = 120.0
"""How long a body may take to arrive: 16 MiB over 1.2 Mbit/s."""

DRAIN_BODY_S: Final = 2.0
"""The same while the server drains: nobody waits for a client that has not finished asking."""

CODINGS: Final = frozenset({"", "identity", "gzip", "deflate", "br", "zstd"})
"""Content codings (RFC 9110, section 8.4.1) that a body has no more when it comes here. Requests in the last two, where
aiohttp lacks the library for them, are refused by it before."""


class Bodies:
    """Reads the bodies of all requests. Event loop thread.

    Parameters:
        limit: Largest body, in bytes as the handler sees it (uncompressed).
        budget: Bytes of all bodies together, from their arrival to the end of their requests. A body that is announced
            but does not arrive takes nothing of it.
    """

    def __init__(self, limit: int, budget: int) -> None:
        self._limit = limit
        self._budget = budget
        self._held = 0
        self._large = LargeBodies()
        self._receiving: set[asyncio.Timeout] = set()
        self._draining = False

    @property
    def held(self) -> int:
        """Bytes that requests hold now."""
        return self._held

    async def receive(self, request: web.Request, context: RequestContext) -> None:
        """Read the body; the frontend's own read gets the same bytes.

        Raises:
            BodyTooLarge: It is, or says that it will be, larger than the limit.
            BodiesInFlight: There is no room for it beside the others.
            DeadlineExceeded: It did not arrive in time.
            Draining: The server goes down while it arrives.
            MalformedBody: It is encoded in a way that nobody here undoes.
        """
        announced = request.content_length or 0
        if announced > self._limit:
            raise self._too_large()
        if announced > self._budget - self._held:
            raise _no_room()
        if not request.can_read_body:
            return
        if request.headers.get("Content-Encoding", "").lower() not in CODINGS:
            raise MalformedBody("content-encoding: bodies are read as they are, or in gzip or deflate, once")
        patience = asyncio.timeout(_patience(context))
        self._receiving.add(patience)
        try:
            async with patience:
                if uninvited(request):
                    await _invite(request)
                await self._read(request, context)
        except TimeoutError:
            raise self._late(context) from None
        finally:
            self._receiving.discard(patience)

    def served(self, context: RequestContext) -> None:
        """The request of *context* has ended, and nobody reads its body any more."""
        self._held -= context.body_bytes
        self._large.served(context.body_bytes)

    def hurry(self) -> None:
        """A drain has begun: bodies that are still arriving get a little time only."""
        self._draining = True
        due = asyncio.get_running_loop().time() + DRAIN_BODY_S
        for patience in self._receiving:
            patience.reschedule(due)

    async def _read(self, request: web.Request, context: RequestContext) -> None:
        content, chunks = request.content, list[bytes]()
        while not content.at_eof():
            chunk = await content.readany()
            chunks.append(chunk)
            context.body_bytes += len(chunk)
            self._held += len(chunk)
            if context.body_bytes > self._limit:
                raise self._too_large()
            if self._held > self._budget:
                raise _no_room()
        # aiohttp's own read() fills this too, but tells nobody how far it is, and would hold every body twice
        request._read_bytes = b"".join(chunks)

    def _too_large(self) -> BodyTooLarge:
        return BodyTooLarge(f"the request body is larger than this server accepts ({self._limit} bytes)")

    def _late(self, context: RequestContext) -> JackfieldError:
        if self._draining:
            return draining()
        if context.deadline is not None and time.monotonic() >= context.deadline:
            return DeadlineExceeded("the request's deadline passed before its body had arrived")
        return DeadlineExceeded(f"the request body did not arrive within {BODY_S:g} seconds")


def uninvited(request: web.Request) -> bool:
    """Whether the client waits to be asked for the body: ``Expect: 100-continue`` (RFC 9110, section 10.1.1).

    Any other expectation is ignored, and so is this one where it has no meaning: in HTTP/1.0, and when all has arrived.
    """
    asks = request.headers.get("Expect", "").lower() == "100-continue" and request.version >= HttpVersion11
    return asks and not request.content.is_eof()


async def _invite(request: web.Request) -> None:
    await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    request.writer.output_size = 0


def draining() -> Draining:
    """The refusal of whatever comes while the server goes down."""
    return Draining("this server is shutting down; try another one, or again in a moment")


def _no_room() -> BodiesInFlight:
    return BodiesInFlight("the bodies of other requests take all the memory there is for them; try again later")


def _patience(context: RequestContext) -> float:
    return BODY_S if context.deadline is None else min(BODY_S, context.deadline - time.monotonic())
