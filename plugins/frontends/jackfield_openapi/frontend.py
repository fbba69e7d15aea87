"""Routes and handlers."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec
from aiohttp import web

from jackfield.errors import JackfieldError, http
from jackfield.ports.frontend import ErrorPayload, Operation, Route
from jackfield_openapi.page import CONTENT_SECURITY_POLICY, render_page

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jackfield.context import RequestContext
    from jackfield.ports.frontend import Gateway


class Problem(msgspec.Struct, frozen=True):
    """What went wrong."""

    message: str
    code: str


class ErrorBody(msgspec.Struct, frozen=True):
    """Body of every error."""

    error: Problem


class Description(msgspec.Struct, frozen=True):
    """The top of an OpenAPI document; https://spec.openapis.org/oas/v3.1.1 has the rest."""

    openapi: str
    info: dict[str, msgspec.Raw]
    paths: dict[str, msgspec.Raw]
    components: dict[str, msgspec.Raw]


class OpenAPIFrontend:
    """Serves the document of the running server, and a page made of it.

    Parameters:
        gateway: Has the document.
    """

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._page: bytes | None = None

    def routes(self) -> Sequence[Route]:
        """The document and its page."""
        document = Operation(summary="This document", answer=Description, error=ErrorBody)
        page = Operation(summary="A page to read it", answer_content="text/html", error=ErrorBody)
        return (
            Route("GET", "/openapi.json", self.document, scope="models:read", operation=document),
            Route("GET", "/docs", self.docs, scope="models:read", operation=page),
        )

    def render_error(self, error: JackfieldError, request_id: str) -> ErrorPayload:  # noqa: ARG002 - the port's
        """``{"error": {message, code}}``."""
        spec = http(error)
        body = ErrorBody(Problem(error.message, spec.code))
        return ErrorPayload(status=spec.status, body=msgspec.json.encode(body))

    async def document(self, _request: web.Request, _context: RequestContext) -> web.StreamResponse:
        """``GET /openapi.json``."""
        return web.Response(body=self._gateway.openapi, content_type="application/json")

    async def docs(self, _request: web.Request, _context: RequestContext) -> web.StreamResponse:
        """``GET /docs``."""
        headers = {"Content-Security-Policy": CONTENT_SECURITY_POLICY}
        if self._page is None:
            # takes some tens of milliseconds
            self._page = await asyncio.to_thread(render_page, self._gateway.openapi)
        return web.Response(body=self._page, content_type="text/html", charset="utf-8", headers=headers)
