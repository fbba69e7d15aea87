"""Requests to llama-server's routes, with a scripted gateway behind."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import aiohttp
from aiohttp.test_utils import TestServer

from jackfield.testing.kits.scripted_gateway import serve_frontend
from jackfield_llamacpp.config import LlamaCppConfig
from jackfield_llamacpp.frontend import LlamaCppFrontend

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jackfield.testing.kits.scripted_gateway import ScriptedGateway


def ask(
    gateway: ScriptedGateway,
    path: str,
    body: object = None,
    *,
    method: str = "POST",
    config: LlamaCppConfig | None = None,
) -> tuple[int, bytes]:
    """One request to the frontend: status and body of its answer."""
    status, _, data = answered(gateway, path, body, method=method, config=config)
    return status, data


def answered(
    gateway: ScriptedGateway,
    path: str,
    body: object = None,
    *,
    method: str = "POST",
    config: LlamaCppConfig | None = None,
) -> tuple[int, Mapping[str, str], bytes]:
    """The same with the headers. It follows nowhere."""

    async def serve() -> tuple[int, Mapping[str, str], bytes]:
        server = TestServer(serve_frontend(lambda port: LlamaCppFrontend(port, config or LlamaCppConfig()), gateway))
        async with server, aiohttp.ClientSession() as session:
            data = None if body is None else json.dumps(body)
            url = server.make_url(path)
            async with session.request(method, url, data=data, allow_redirects=False) as response:
                return response.status, response.headers, await response.read()

    return asyncio.run(serve())


def asked(gateway: ScriptedGateway, path: str, body: object = None, *, method: str = "POST") -> Any:
    """The JSON of an answer that must succeed."""
    status, data = ask(gateway, path, body, method=method)
    assert status == 200, data
    return json.loads(data)
