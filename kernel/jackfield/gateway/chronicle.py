"""What happens to the server itself, for audit sinks: its life, its models', and what administration has changed."""

from __future__ import annotations

import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

import jackfield
from jackfield.errors import JackfieldError, http
from jackfield.gateway.summary import event_of, outcome_of
from jackfield.ports.audit import AuditEvent
from jackfield.ports.identity import ADMINISTRATION
from jackfield.redaction import redact

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aiohttp import web

    from jackfield.channel.messages import WorkerStatus
    from jackfield.context import RequestContext
    from jackfield.gateway.auditing import Auditing
    from jackfield.gateway.routing import Endpoint
    from jackfield.ports.audit import Detail

_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing: RFC 9110, section 9.2.1."""

_PATH_MAX: Final = 256

_UNKNOWN: Final = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND})


class Chronicle:
    """Tells audit sinks. Event loop thread.

    Parameters:
        auditing: All sinks.
    """

    def __init__(self, auditing: Auditing) -> None:
        self._auditing = auditing
        self._states: dict[str, str] = {}

    def server(self, action: str, plugins: Sequence[str] = ()) -> None:
        """The server has begun, or ends."""
        details: dict[str, Detail] = {"version": jackfield.__version__}
        if plugins:
            details["plugins"] = tuple(plugins)
        self._tell(f"server.{action}", "", details)

    def worker(self, status: WorkerStatus) -> None:
        """A model's worker has entered a state; progress within one is no event."""
        if self._states.get(status.model) != status.state:
            self._states[status.model] = status.state
            self._tell(f"model.{status.state}", status.model, {"restarts": status.restarts})

    def _tell(self, action: str, resource: str, details: Mapping[str, Detail]) -> None:
        if self._auditing.enabled:
            self._auditing.tell(
                AuditEvent(
                    kind="lifecycle", action=action, outcome="ok", time=time.time(), resource=resource, details=details
                )
            )

    def records(self, endpoint: Endpoint, method: str) -> bool:
        """Whether a request to *endpoint* must be recorded as a change of the server."""
        return self._auditing.enabled and endpoint.scope in ADMINISTRATION and method not in _SAFE

    async def change(self, request: web.Request, context: RequestContext, endpoint: Endpoint) -> web.StreamResponse:
        """Have *endpoint* answer, and record what came of it before the answer is sent.

        Raises:
            AuditFailed: It cannot be recorded. What was changed is changed.
        """
        try:
            response = await endpoint.handler(request, context)
        except BaseException as error:  # who leaves meanwhile has perhaps changed something
            await self._changed(request, context, endpoint, error)
            raise
        failed = response.status >= HTTPStatus.BAD_REQUEST
        refusal = JackfieldError(HTTPStatus(response.status).phrase) if failed else None
        await self._changed(request, context, endpoint, refusal)
        return response

    async def _changed(
        self, request: web.Request, context: RequestContext, endpoint: Endpoint, error: BaseException | None
    ) -> None:
        outcome, reason = outcome_of(error), ""
        if isinstance(error, Exception):
            reason = http(error).code if isinstance(error, JackfieldError) else "internal_error"
        event = event_of(
            context,
            "admin",
            f"{request.method} {endpoint.path}",
            outcome,
            resource=context.changed or _named(request, endpoint, error),
            reason=reason,
        )
        await self._auditing.record(event)


def _named(request: web.Request, endpoint: Endpoint, error: BaseException | None) -> str:
    """The path, unless what it names is not there or no name: that may be a key in the place of its name."""
    unknown = isinstance(error, JackfieldError) and http(error).status in _UNKNOWN
    return endpoint.path if unknown else redact(request.path[:_PATH_MAX].encode(errors="replace")).decode()
