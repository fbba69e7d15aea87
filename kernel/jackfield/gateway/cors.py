"""Lets pages of allowed origins read the answers: the CORS protocol of the Fetch standard, as far as an API needs it.

Which origins are allowed is ``OriginGuard``'s decision; it has been made when anything here is called.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aiohttp import web

if TYPE_CHECKING:
    from multidict import CIMultiDict

_METHODS: Final = "GET, HEAD, POST, PUT, PATCH, DELETE"
_EXPOSED: Final = "x-request-id, x-jackfield-decision, retry-after, retry-after-ms, x-should-retry"
_REMEMBER_S: Final = "600"
"""How long a browser may remember a preflight's answer, in seconds; Chromium caps it at two hours."""

_HEADERS_MAX: Final = 1000
"""Characters of ``Access-Control-Request-Headers`` that are repeated."""


def is_preflight(request: web.Request) -> bool:
    """Whether a browser asks, before a page's request, if it may be sent."""
    headers = request.headers
    return request.method == "OPTIONS" and "Origin" in headers and "Access-Control-Request-Method" in headers


def preflight(request: web.Request) -> web.Response:
    """Yes, with the headers that the page wants to send."""
    wanted = request.headers.get("Access-Control-Request-Headers", "")[:_HEADERS_MAX]
    return web.Response(
        status=204,
        headers={
            "Access-Control-Allow-Methods": _METHODS,
            "Access-Control-Allow-Headers": wanted,
            "Access-Control-Max-Age": _REMEMBER_S,
        },
    )


def open_to_page(request: web.Request, headers: CIMultiDict[str], *, may_read: bool) -> None:
    """Add what lets the page that sent *request*, if it *may_read* it, read the response that *headers* belong to."""
    headers.add("Vary", "Origin")  # beside what the frontend's answer depends on
    origin = request.headers.get("Origin")
    if origin is not None and may_read:
        headers["Access-Control-Allow-Origin"] = origin
        headers["Access-Control-Expose-Headers"] = _EXPOSED
