"""The audit stage: every event goes to every sink, and what must be recorded is before anybody sees the answer."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from jackfield.errors import AuditFailed
from jackfield.gateway.plugged import plug
from jackfield.ports.audit import DEADLINE_S, Lossy
from jackfield.ports.observer import AuditLost

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

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
                await sink.ask(sink.object.write(event), DEADLINE_S)
        except BaseException:
            for sink in sinks:
                with suppress(AuditFailed):
                    _note(sink, event)
            raise
        for name, lossy in self._lossy.items():
            if lossy.lost != self._told[name] and self._observers is not None:
                self._observers.tell(AuditLost(sink=name, count=lossy.lost - self._told[name]))
                self._told[name] = lossy.lost

    async def close(self) -> None:
        """Close all sinks."""
        for sink in self._sinks:
            with suppress(AuditFailed):
                await sink.ask(sink.object.close(), DEADLINE_S)


def _note(sink: Plugged[AuditSink], event: AuditEvent) -> None:
    try:
        sink.object.note(event)
    except Exception as error:
        raise sink.failed(error) from error
