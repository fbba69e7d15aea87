"""Plugins' objects as the gateway calls them: measured, and named where they fail."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import structlog

from jackfield.errors import PluginError
from jackfield.gateway.rendering import plain_payload
from jackfield.logs import traceback_of
from jackfield.port_calls import CallTimes
from jackfield.ports.frontend import BackgroundWork, ErrorPayload

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jackfield.chat import ChatPrompt
    from jackfield.errors import JackfieldError
    from jackfield.ports.constraint import Constraint
    from jackfield.ports.dialect import ChatDialect, ChatReader, Opening, Traits
    from jackfield.ports.frontend import Frontend, Route
    from jackfield.ports.observer import Exposition


class NamedFrontend:
    """A frontend whose errors are answered also where it cannot render them."""

    def __init__(self, name: str, frontend: Frontend) -> None:
        self._name = name
        self._frontend = frontend
        self._times = CallTimes("Frontend.render_error", name)

    def routes(self) -> Sequence[Route]:
        return self._frontend.routes()

    async def run(self) -> None:
        """Its ``BackgroundWork``, where it has some; what breaks it is logged."""
        if not isinstance(self._frontend, BackgroundWork):
            return
        try:
            await self._frontend.run()
        except Exception as defect:  # noqa: BLE001 -- foreign code; requests are still served
            structlog.get_logger("jackfield.gateway").error(
                "the background work of a frontend ended", plugin=self._name, traceback=traceback_of(defect)
            )

    def render_error(self, error: JackfieldError, request_id: str) -> ErrorPayload:
        began = time.perf_counter()
        try:
            payload: object = self._frontend.render_error(error, request_id)
            if not isinstance(payload, ErrorPayload):
                raise PluginError(f"render_error() returned {type(payload).__name__}")
            return payload
        except Exception as defect:  # noqa: BLE001 -- foreign code that must not raise; the client still gets its answer
            structlog.get_logger("jackfield.gateway").error(
                "frontend cannot render an error",
                plugin=self._name,
                request_id=request_id,
                traceback=traceback_of(defect),
            )
            return plain_payload(error)
        finally:
            self._times.took(time.perf_counter() - began)


class NamedDialect:
    """A chat dialect that knows its name."""

    def __init__(self, name: str, dialect: ChatDialect) -> None:
        self.name = name
        self.traits: Traits = dialect.traits
        self._dialect = dialect
        self._times = CallTimes("ChatDialect.open", name)

    def open(self, chat: ChatPrompt, constraint: Constraint | None) -> Opening:
        began = time.perf_counter()
        try:
            return self._dialect.open(chat, constraint)
        finally:
            self._times.took(time.perf_counter() - began)

    def reader(self, chat: ChatPrompt, prompt_end: str) -> ChatReader:
        return self._dialect.reader(chat, prompt_end)


class NamedExposition:
    """A page for ``/metrics``; what breaks it is logged with the plugin's name."""

    def __init__(self, name: str, exposition: Exposition) -> None:
        self._name = name
        self._exposition = exposition
        self._times = CallTimes("Exposition.render", name)

    def render(self, accept: str) -> tuple[str, bytes]:
        began = time.perf_counter()
        try:
            return self._exposition.render(accept)
        except Exception:
            structlog.get_logger("jackfield.gateway").error("observer failed", plugin=self._name, call="render")
            raise
        finally:
            self._times.took(time.perf_counter() - began)
