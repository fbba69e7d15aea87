"""Routes of llama-server for what is done elsewhere here, or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec
from aiohttp import web

from jackfield.errors import UnsupportedField
from jackfield.frontends.arrays import typed

if TYPE_CHECKING:
    from jackfield.context import RequestContext

PREFIX: Final = "/v1"
"""Where OpenAI's routes are."""

MOVED_PATHS: Final = ("/chat/completions", "/responses", "/responses/input_tokens")
"""Those that llama-server has with and without ``/v1``, besides ``/models``."""

_NONE: Final = msgspec.json.Decoder(tuple[()])


class Adapter(msgspec.Struct):
    """How strong an adapter is."""

    id: int
    scale: float


class Success(msgspec.Struct):
    """It is done."""

    success: bool = True


async def moved(request: web.Request, _context: RequestContext) -> web.StreamResponse:
    """The same path under ``/v1``; clients send method and body again there (RFC 9110, section 15.4.9)."""
    query = f"?{request.rel_url.raw_query_string}" if request.rel_url.raw_query_string else ""
    return web.Response(status=308, headers={"Location": f"{PREFIX}{request.rel_url.raw_path}{query}"})


def set_adapters(data: bytes) -> Success:
    """``POST /lora-adapters``.

    Raises:
        UnsupportedField: One is to be set: there are none.
        InvalidRequest: The body is no array.
        MalformedBody: It is not JSON.
    """
    if data.lstrip()[:1] == b"[" and data.strip()[1:-1].strip():
        raise UnsupportedField("no adapters are loaded, so there is none to set", param="id")
    typed(_NONE, data)
    return Success()
