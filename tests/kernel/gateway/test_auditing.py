"""The audit stage: what sinks have of an event, whatever becomes of the request that it is about."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from jackfield.context import RequestContext
from jackfield.errors import AuditFailed
from jackfield.gateway.auditing import Auditing
from jackfield.gateway.chronicle import Chronicle
from jackfield.gateway.routing import Endpoint
from jackfield.gateway.summary import event_of

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from aiohttp import web

    from jackfield.ports.audit import AuditEvent
    from jackfield.ports.frontend import Frontend


class Sink:
    """Keeps events.

    Parameters:
        full: Whether it writes nothing.
    """

    def __init__(self, *, full: bool = False) -> None:
        self.full = full
        self.events: list[AuditEvent] = []
        self.told = asyncio.Event()
        self.open = asyncio.Event()
        self.open.set()

    def note(self, event: AuditEvent) -> None:
        """Keep it, if it can."""
        if self.full:
            raise OSError("the disk is full")
        self.events.append(event)
        self.told.set()

    async def write(self, event: AuditEvent) -> None:
        """Keep it, if it can, and return once it is open."""
        self.note(event)
        await self.open.wait()

    async def close(self) -> None:
        """Nothing to give back."""


def context() -> RequestContext:
    """Of some request."""
    return RequestContext("req_1", "/admin/v1/keys", "192.0.2.7")


def event() -> AuditEvent:
    """Some event."""
    return event_of(context(), "auth", "authenticate", "denied")


def test_all_sinks_have_an_event_that_one_cannot_write() -> None:
    """And whoever waits for it is refused."""

    async def scenario() -> None:
        before, full, after, last = Sink(), Sink(full=True), Sink(full=True), Sink()
        sinks = {"a": lambda: before, "b": lambda: full, "c": lambda: after, "d": lambda: last}
        told = event()
        with pytest.raises(AuditFailed):
            await Auditing(sinks).record(told)
        assert (before.events, last.events) == ([told], [told])

    asyncio.run(scenario())


def test_all_sinks_have_the_event_of_a_client_that_leaves() -> None:
    """While the first one still writes it."""

    async def scenario() -> None:
        slow, second = Sink(), Sink()
        slow.open.clear()
        told = event()
        task = asyncio.create_task(Auditing({"slow": lambda: slow, "second": lambda: second}).record(told))
        await slow.told.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (slow.events, second.events) == ([told], [told])

    asyncio.run(scenario())


async def hangs() -> web.StreamResponse:
    """Never comes back."""
    await asyncio.Event().wait()
    raise AssertionError


async def breaks() -> web.StreamResponse:
    """Has a defect."""
    raise ZeroDivisionError


@pytest.mark.parametrize(
    ("answer", "outcome", "reason"), [(hangs, "left", ""), (breaks, "failed", "internal_error")], ids=["left", "broken"]
)
def test_a_change_is_recorded_whatever_ends_it(
    answer: Callable[[], Coroutine[None, None, web.StreamResponse]], outcome: str, reason: str
) -> None:
    """Who hangs up after the change and before the answer has changed something all the same."""

    async def handler(_request: web.Request, _context: RequestContext) -> web.StreamResponse:
        return await answer()

    async def scenario() -> None:
        sink = Sink()
        endpoint = Endpoint("admin", cast("Frontend", None), "/admin/v1/keys", handler, "keys:write", None)
        request = cast("web.Request", SimpleNamespace(method="DELETE", path="/admin/v1/keys"))
        change = Chronicle(Auditing({"sink": lambda: sink})).change(request, context(), endpoint)
        task = asyncio.create_task(change)
        await asyncio.sleep(0)
        task.cancel()
        with suppress(asyncio.CancelledError, ZeroDivisionError):
            await task
        assert [(each.action, each.outcome, each.reason) for each in sink.events] == [
            ("DELETE /admin/v1/keys", outcome, reason)
        ]

    asyncio.run(scenario())
