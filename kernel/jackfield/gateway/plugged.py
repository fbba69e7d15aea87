"""Objects of plugins as a stage of the gateway calls them: in bounded time, and named where they fail."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, Generic, TypeVar

import structlog

from jackfield.errors import JackfieldError, PluginError
from jackfield.gateway.answering import answered
from jackfield.logs import traceback_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

T = TypeVar("T")
Asked = TypeVar("Asked")
Answer = TypeVar("Answer")

LOG_INTERVAL_S: Final = 60.0
"""What is broken fails at every request; one line a minute says so."""


class Plugged(Generic[T]):
    """An object of a plugin. Event loop thread.

    Parameters:
        kind: What it is, for people: ``policy engine``.
        name: Its own name.
        factory: Makes it.
        failure: What its failures become.
        message: What callers are told then.

    Raises:
        PluginError: *factory* failed; the message names it.
        JackfieldError: Why it cannot be made, in the plugin's own words.
    """

    def __init__(
        self, kind: str, name: str, factory: Callable[[], T], failure: type[JackfieldError], message: str
    ) -> None:
        self.name = name
        self._kind = kind
        self._failure = failure
        self._message = message
        self._silent_until = 0.0
        try:
            self.object = factory()
        except JackfieldError:
            raise
        except Exception as error:
            raise PluginError(f"{kind} {name}: its factory raised {type(error).__name__}: {error}") from error

    async def ask(
        self,
        asked: Asked,
        call: Callable[[Asked], Awaitable[Answer]],
        deadline_s: float,
        *answers: type[JackfieldError],
    ) -> Answer:
        """Wait for *call* of *asked*.

        Parameters:
            asked: The object, or what it has handed over.
            call: Calls a method of it; one that raises at once, is missing, or gives what cannot be awaited has failed.
            deadline_s: How long it may take.
            answers: Errors that are its answer, and no failure.

        Raises:
            JackfieldError: One of *answers*, or what failures become.
        """
        try:
            return await answered(call(asked), deadline_s)
        except answers:
            raise
        except Exception as error:
            raise self.failed(error, deadline_s) from error

    def failed(self, error: Exception, deadline_s: float | None = None) -> JackfieldError:
        """What *error* becomes; it is logged with the plugin's name."""
        now = time.monotonic()
        if now >= self._silent_until:
            self._silent_until = now + LOG_INTERVAL_S
            late = isinstance(error, TimeoutError) and deadline_s is not None
            structlog.get_logger("jackfield.gateway").error(
                f"{self._kind} failed",
                plugin=self.name,
                reason=f"no answer within {deadline_s:g} s" if late else type(error).__name__,
                traceback=traceback_of(error),
            )
        return self._failure(self._message)


def plug(
    kind: str, factories: Mapping[str, Callable[[], T]], failure: type[JackfieldError], message: str
) -> Sequence[Plugged[T]]:
    """All objects of a kind, in manifest order; raises as ``Plugged``."""
    return [Plugged(kind, name, factory, failure, message) for name, factory in factories.items()]
