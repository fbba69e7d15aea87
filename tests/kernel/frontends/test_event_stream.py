"""Streams over real connections: framing, slow readers, clients that go."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

import pytest
from aiohttp import web

from jackfield.frontends.event_stream import EventStream

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

SILENT_S = 600.0
"""No comments."""


def serve(
    produce: Callable[[EventStream], Awaitable[None]],
    client: Callable[[socket.socket], Awaitable[None]],
    *,
    receive_buffer: int | None = None,
    late: Callable[[], Mapping[str, str]] | None = None,
) -> None:
    """Answer one request with what *produce* sends, to *client*."""

    async def handle(request: web.Request) -> web.StreamResponse:
        async with EventStream(request, {"x-early": "1"}, SILENT_S, late) as stream:
            await produce(stream)
            await stream.response.write_eof()
            return stream.response

    async def run() -> None:
        application = web.Application()
        application.router.add_get("/", handle)
        runner = web.AppRunner(application, handler_cancellation=True)
        await runner.setup()
        listener = socket.create_server(("127.0.0.1", 0))
        await web.SockSite(runner, listener).start()
        with socket.socket() as connection:
            if receive_buffer is not None:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            connection.setblocking(False)
            loop = asyncio.get_running_loop()
            await loop.sock_connect(connection, listener.getsockname())
            await client(connection)
        await runner.cleanup()

    asyncio.run(asyncio.wait_for(run(), 60))


async def answer(connection: socket.socket, version: str) -> bytes:
    """The whole answer to a request of HTTP *version*."""
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(connection, f"GET / HTTP/{version}\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    data = b""
    while piece := await loop.sock_recv(connection, 1 << 16):
        data += piece
    return data


def unchunked(body: bytes) -> bytes:
    """What chunks hold (RFC 9112, section 7.1); they must end as they should."""
    whole = b""
    while True:
        size, _, rest = body.partition(b"\r\n")
        length = int(size, 16)
        whole, body = whole + rest[:length], rest[length:]
        assert body.startswith(b"\r\n")
        body = body[2:]
        if not length:
            assert not body
            return whole


@pytest.mark.parametrize("version", ["1.1", "1.0"])
def test_what_is_written_directly_is_framed_as_the_rest(version: str) -> None:
    """In chunks, or as it is where the client knows none."""

    async def produce(stream: EventStream) -> None:
        assert not stream.ready
        await stream.send(b"data: 1\n\n")
        assert stream.ready
        stream.write(b"data: 2\n\n")
        stream.write(b"data: " + b"3" * 20 + b"\n\n")
        await stream.send(b"data: 4\n\n")
        stream.write(b"data: 5\n\n")

    async def client(connection: socket.socket) -> None:
        head, _, body = (await answer(connection, version)).partition(b"\r\n\r\n")
        assert (b"chunked" in head) == (version == "1.1")
        events = unchunked(body) if version == "1.1" else body
        assert events == b"data: 1\n\ndata: 2\n\ndata: " + b"3" * 20 + b"\n\ndata: 4\n\ndata: 5\n\n"

    serve(produce, client)


def test_a_slow_reader_makes_the_stream_wait_and_gets_it_whole() -> None:
    """Until it reads, nothing more is written than the connection has room for."""
    event = b"data: " + b"x" * 1000 + b"\n\n"
    blocked = asyncio.Event()
    written = 0

    async def produce(stream: EventStream) -> None:
        nonlocal written
        await stream.send(event)
        while stream.ready:
            stream.write(event)
            written += 1
        blocked.set()
        await stream.send(event)
        assert stream.ready
        stream.write(b"data: end\n\n")

    async def client(connection: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(connection, b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        await blocked.wait()
        data = b""
        while piece := await loop.sock_recv(connection, 1 << 16):
            data += piece
        events = unchunked(data.partition(b"\r\n\r\n")[2])
        assert events == event * (written + 2) + b"data: end\n\n"

    serve(produce, client, receive_buffer=4096)


def test_writing_to_a_client_that_has_gone_says_so() -> None:
    """Instead of writing into nothing."""
    refused = asyncio.Event()
    begun = asyncio.Event()

    async def produce(stream: EventStream) -> None:
        await stream.send(b"data: 1\n\n")
        begun.set()
        try:
            await asyncio.Event().wait()  # until the client hangs up, which cancels the handler
        finally:
            with pytest.raises(ConnectionResetError):
                stream.write(b"data: 2\n\n")
            refused.set()

    async def client(connection: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(connection, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        await begun.wait()
        connection.close()
        await refused.wait()

    serve(produce, client)


@pytest.mark.parametrize("events", [(), (b"data: 1\n\n",), (b"data: 1\n\n", b"data: 2\n\n")])
def test_late_headers_are_asked_for_once_when_the_stream_begins(events: tuple[bytes, ...]) -> None:
    """Not when it is made; also where nothing comes."""
    asked: list[str] = []
    steps = iter(["made", "about to begin"])
    step = next(steps)

    def late() -> Mapping[str, str]:
        asked.append(step)
        return {"x-late": step.replace(" ", "-")}

    async def produce(stream: EventStream) -> None:
        nonlocal step
        step = next(steps)
        await stream.begin()
        await stream.begin()
        for each in events:
            await stream.send(each)

    async def client(connection: socket.socket) -> None:
        head, _, rest = (await answer(connection, "1.1")).partition(b"\r\n\r\n")
        assert head.count(b"x-late: about-to-begin") == head.count(b"x-early: 1") == 1
        assert unchunked(rest) == b"".join(events)

    serve(produce, client, late=late)
    assert asked == ["about to begin"]
