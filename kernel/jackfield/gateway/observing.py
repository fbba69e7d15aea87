"""Tells observers what happened; none of them can break a request."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import structlog

from jackfield.errors import JackfieldError, PluginError
from jackfield.gateway.foreign import NamedExposition
from jackfield.logs import traceback_of
from jackfield.port_calls import CallTimes
from jackfield.ports.observer import Exposition

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jackfield.ports.observer import ObservedEvent, Observer, ObserverFactory

LOG_INTERVAL_S: Final = 60.0
"""A broken observer fails at every event; one line a minute says so."""


class Observers:
    """All enabled observers, in manifest order. Event loop thread.

    Parameters:
        factories: By name, as ``Kernel.observers`` gives them.

    Raises:
        PluginError: A factory failed, or made what cannot observe; the message names it.
    """

    def __init__(self, factories: Mapping[str, ObserverFactory]) -> None:
        made = {name: _made(name, factory) for name, factory in factories.items()}
        self._observers = [(name, observer, CallTimes("Observer.observe", name)) for name, observer in made.items()]
        self._silent_until: dict[str, float] = {}
        self._log = structlog.get_logger("jackfield.gateway")

    @property
    def exposition(self) -> Exposition | None:
        """The first observer that has a page for ``/metrics``."""
        pages = (NamedExposition(name, each) for name, each, _ in self._observers if isinstance(each, Exposition))
        return next(pages, None)

    def tell(self, event: ObservedEvent) -> None:
        """Tell everyone of *event*."""
        for name, observer, times in self._observers:
            began = time.perf_counter()
            try:
                observer.observe(event)
            except Exception as error:  # noqa: BLE001 -- foreign code; the failure policy of observers is open
                self._report(name, error)
            times.took(time.perf_counter() - began)

    def _report(self, name: str, error: Exception) -> None:
        now = time.monotonic()
        if now < self._silent_until.get(name, 0.0):
            return
        self._silent_until[name] = now + LOG_INTERVAL_S
        self._log.error("observer failed", plugin=name, traceback=traceback_of(error))


def _made(name: str, factory: ObserverFactory) -> Observer:
    try:
        observer = factory()
    except JackfieldError:
        raise
    except Exception as error:
        raise PluginError(f"observer {name}: its factory raised {type(error).__name__}: {error}") from error
    if not callable(getattr(observer, "observe", None)):
        raise PluginError(f"observer {name}: its factory made {type(observer).__name__}, which has no observe()")
    return observer
