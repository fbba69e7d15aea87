"""What is told of every request when it has ended: one event for observers, one line for the log."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import structlog

from jackfield.ports.observer import RequestEnded

if TYPE_CHECKING:
    from jackfield.context import RequestContext
    from jackfield.gateway.observing import Observers

CLIENT_LEFT: Final = 499
"""nginx's status for a client that hung up first; nobody receives it, it is accounted."""


class Accounting:
    """Accounts for requests. Event loop thread.

    Parameters:
        observers: Told of every request's end.
    """

    def __init__(self, observers: Observers) -> None:
        self._observers = observers
        self._log = structlog.get_logger("jackfield.gateway")

    def ended(self, context: RequestContext, method: str, status: int) -> None:
        """The request of *context* was answered with *status*, or its client left (``CLIENT_LEFT``)."""
        event = _event(context, status)
        self._observers.tell(event)
        self._log.info("request", **_fields(context, method, event))


def _event(context: RequestContext, status: int) -> RequestEnded:
    finished = context.finished
    code = context.code or (finished.reason if finished else "ok")
    if status == CLIENT_LEFT:
        code = "client_disconnected"
    return RequestEnded(
        route=context.route,
        model=context.model,
        status=status,
        code=code,
        duration_s=time.monotonic() - context.arrived,
        queue_s=context.queue_s,
        ttft_s=context.first_token - context.arrived if context.first_token is not None else None,
        gaps_s=tuple(context.gaps),
        prompt_tokens=context.prompt_tokens,
        completion_tokens=finished.usage.completion_tokens if finished else context.completion_tokens,
        cached_tokens=finished.usage.cached_tokens if finished else 0,
    )


def _fields(context: RequestContext, method: str, event: RequestEnded) -> dict[str, str | int | float]:
    fields: dict[str, str | int | float] = {
        "request_id": context.request_id,
        "method": method,
        "route": context.route,
        "status": event.status,
        "code": event.code,
        "duration_ms": _ms(event.duration_s),
        "client": context.client,
    }
    if context.fingerprint:
        fields["key"] = context.fingerprint
    if context.principal is not None:
        fields["principal"] = context.principal.name
    if context.user:
        fields["user"] = context.user
    if event.model:
        fields["model"] = event.model
    if event.ttft_s is not None:
        fields["ttft_ms"] = _ms(event.ttft_s)
    if event.queue_s is not None:
        fields["queue_ms"] = _ms(event.queue_s)
    if event.prompt_tokens:
        fields["prompt_tokens"] = event.prompt_tokens
        fields["cached_tokens"] = event.cached_tokens
        fields["completion_tokens"] = event.completion_tokens
    return fields


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 1)
