"""Plugins' objects in the gateway: what fails or is slow is named, and nobody else notices."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NoReturn

import pytest
from structlog.testing import capture_logs

from jackfield.errors import QueueFull
from jackfield.gateway.foreign import NamedExposition, NamedFrontend
from jackfield.gateway.observing import Observers
from jackfield.port_calls import STALL_S
from jackfield.ports.observer import WorkerChanged

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jackfield.errors import JackfieldError
    from jackfield.ports.frontend import ErrorPayload, Route
    from jackfield.ports.observer import ObservedEvent

EVENT = WorkerChanged(model="m", state="ready", restarts=0)


class Broken:
    """A frontend and an observer with a page, of which nothing works."""

    def routes(self) -> Sequence[Route]:
        """None."""
        return []

    def render_error(self, error: JackfieldError, request_id: str) -> ErrorPayload:
        """Raises."""
        raise KeyError(request_id)

    def observe(self, event: ObservedEvent) -> None:
        """Raises."""
        raise KeyError(event)

    def render(self, accept: str) -> NoReturn:
        """Raises."""
        raise KeyError(accept)


class Slow:
    """An observer that holds everybody up."""

    def observe(self, event: ObservedEvent) -> None:
        """Takes as long as is worth a line."""
        time.sleep(STALL_S)


def test_an_error_that_a_frontend_cannot_render_is_answered_all_the_same() -> None:
    """In the kernel's shape; the log names the frontend."""
    with capture_logs() as logs:
        payload = NamedFrontend("odd", Broken()).render_error(QueueFull("full"), "req_1")
    assert payload.status == 429
    assert b'"full"' in payload.body
    assert [(log["event"], log["plugin"]) for log in logs] == [("frontend cannot render an error", "odd")]


def test_a_page_that_breaks_is_named() -> None:
    """The health port answers 500 for it."""
    with capture_logs() as logs, pytest.raises(KeyError):
        NamedExposition("odd", Broken()).render("*/*")
    assert [(log["event"], log["plugin"]) for log in logs] == [("observer failed", "odd")]


def test_an_observer_that_fails_or_stalls_is_named_and_the_others_are_told() -> None:
    """Once, not for every event."""
    told: list[ObservedEvent] = []

    class Listening:
        def observe(self, event: ObservedEvent) -> None:
            told.append(event)

    observers = Observers({"broken": Broken, "slow": Slow, "listening": Listening})
    with capture_logs() as logs:
        observers.tell(EVENT)
        observers.tell(EVENT)
    assert told == [EVENT, EVENT]
    assert [(log["event"], log["plugin"]) for log in logs] == [
        ("observer failed", "broken"),
        ("a plugin is slow", "slow"),
    ]
