"""The audit stage: every event goes to every sink, and what must be recorded is before anybody sees the answer."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from jackfield.errors import AuditFailed, PluginError
from jackfield.gateway.plugged import plug
from jackfield.ports.audit import DEADLINE_S, Lossy
from jackfield.ports.observer import AuditLost

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from jackfield.gateway.observing import Observers
    from jackfield.gateway.plugged import Plugged
    from jackfield.ports.audit import AuditEvent, AuditSink, AuditSinkFactory


class Auditing:
    """All enabled audit sinks, in manifest order. Event loop thread.

    Parameters:
        factories: By name, as ``Kernel.audit_sinks`` gives them.
        observers: Told of events that sinks have lost.

    Raises:
        PluginError: A factory failed; the message names it.
    """

    def __init__(self, factories: Mapping[str, AuditSinkFactory], observers: Observers | None = None) -> None:
        message = "what this server does must be recorded, and cannot be now"
        self._observers = observers
        self._sinks = plug("audit sink", factories, AuditFailed, message)
        self._lossy = {each.name: each.object for each in self._sinks if isinstance(each.object, Lossy)}
        self._told = dict.fromkeys(self._lossy, 0)

    @property
    def enabled(self) -> bool:
        """Whether anybody records anything: events need not be made otherwise."""
        return bool(self._sinks)

    @property
    def objects(self) -> Sequence[tuple[str, object]]:
        """What plugins have supplied, with their names."""
        return [(each.name, each.object) for each in self._sinks]

    def note(self, event: AuditEvent) -> None:
        """Have *event* written before whatever ``record`` is told later, without waiting for it.

        Raises:
            AuditFailed: A sink does not take it.
        """
        for sink in self._sinks:
            _note(sink, event)

    def tell(self, event: AuditEvent) -> None:
        """As ``note``, for what happens whether it can be recorded or not."""
        with suppress(AuditFailed):
            self.note(event)

    async def record(self, event: AuditEvent) -> None:
        """Have *event* written by all sinks, also where one of them fails, or whoever waits for it is cancelled.

        Raises:
            AuditFailed: One of them could not, and must.
        """
        sinks = iter(self._sinks)
        try:
            for sink in sinks:
                await sink.ask(sink.object, lambda each: each.write(event), DEADLINE_S)
        except BaseException:
            for sink in sinks:
                with suppress(AuditFailed):
                    _note(sink, event)
            raise
        if self._lossy and self._observers is not None:
            for sink in self._sinks:
                self._count_lost(sink, self._observers)

    async def close(self) -> None:
        """Close all sinks."""
        for sink in self._sinks:
            with suppress(AuditFailed):
                await sink.ask(sink.object, lambda each: each.close(), DEADLINE_S)

    def _count_lost(self, sink: Plugged[AuditSink], observers: Observers) -> None:
        """Tell *observers* what *sink* has lost since they were told last; what is written is written."""
        lossy = self._lossy.get(sink.name)
        if lossy is None:
            return
        try:
            lost = lossy.lost
            count = lost - self._told[sink.name]
        except Exception as error:  # noqa: BLE001 -- foreign code
            sink.failed(error)
            return
        if count:
            observers.tell(AuditLost(sink=sink.name, count=count))
            self._told[sink.name] = lost


def _note(sink: Plugged[AuditSink], event: AuditEvent) -> None:
    try:
        note: Callable[[AuditEvent], object] = sink.object.note
        if note(event) is not None:
            raise PluginError("note() returned something, as if it were to be awaited")
    except Exception as error:
        raise sink.failed(error) from error
