"""An HTTP server that speaks as OPA's REST API is documented to speak.

https://www.openpolicyagent.org/docs/latest/rest-api/: data, errors, authentication; nothing of it is evaluated.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

import msgspec
from aiohttp import web

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator
    from pathlib import Path

PATH: Final = "/v1/data/jackfield/decision"


class Opa:
    """What it answers next, and what it was asked."""

    def __init__(self) -> None:
        self.status = 200
        self.body: object = {"result": True}
        self.raw: bytes | None = None
        self.token = ""
        self.silent = False
        self.ended = asyncio.Event()
        self.asked: list[dict[str, object]] = []
        self.queries: list[dict[str, str]] = []
        self.connections: set[object] = set()
        self.url = ""

    async def post(self, request: web.Request) -> web.Response:
        """``POST /v1/data/{path}``."""
        self.connections.add(request.transport)
        if self.silent:
            await self.ended.wait()
        if self.token and request.headers.get("Authorization") != f"Bearer {self.token}":
            return _json(401, {"code": "unauthorized", "message": "request rejected by administrative policy"})
        if request.path != PATH:
            return _json(200, {})  # documented: 200 and no result, where the path is undefined
        try:
            self.asked.append(msgspec.json.decode(await request.read()))
        except msgspec.DecodeError:
            message = "body contains malformed input document: invalid character"
            return _json(400, {"code": "invalid_parameter", "message": message})
        self.queries.append(dict(request.query))
        if self.raw is not None:
            return web.Response(status=self.status, body=self.raw, content_type="application/json")
        return _json(self.status, self.body)


@asynccontextmanager
async def served(tls: ssl.SSLContext | None = None, socket: Path | None = None) -> AsyncIterator[Opa]:
    """An ``Opa`` that listens on loopback, or on a Unix socket."""
    opa = Opa()
    application = web.Application()
    application.router.add_post("/v1/data/{path:.+}", opa.post)
    runner = web.AppRunner(application, shutdown_timeout=0)
    await runner.setup()
    try:
        if socket is not None:
            await web.UnixSite(runner, socket).start()
            opa.url = f"unix:{socket}"
        else:
            await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
            port = runner.addresses[0][1]
            opa.url = f"https://localhost:{port}" if tls is not None else f"http://127.0.0.1:{port}"
        yield opa
    finally:
        opa.ended.set()
        await runner.cleanup()


def _json(status: int, body: object) -> web.Response:
    return web.Response(status=status, body=msgspec.json.encode(body), content_type="application/json")
