"""What operators have asked workers, until it is answered and read. The supervisor itself never waits."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Final

from jackfield.channel.messages import AskCache
from jackfield.channel.operator import CacheRead

if TYPE_CHECKING:
    from jackfield.cache_report import CacheAnswer
    from jackfield.channel.messages import CacheAnswered
    from jackfield.supervisor.slot import Process, Slot

INQUIRIES_MAX: Final = 2048
"""Answers that are kept, or waited for, at a time: those of a thousand workers to two operators."""


@dataclass
class _Inquiry:
    worker: Slot
    child: Process
    answer: CacheAnswer | None = None


class Inquiries:
    """Questions to workers, each with a ticket. Supervisor's only thread."""

    def __init__(self) -> None:
        self._numbers = count(1)
        self._open: dict[int, _Inquiry] = {}

    def ask(self, worker: Slot, *, clear: bool) -> int | None:
        """Ask *worker* for a report of its cache, or to clear it.

        Returns:
            The ticket; None where it serves nobody now.
        """
        if worker.child is None or not worker.serves:
            return None
        ticket = next(self._numbers)
        self._open[ticket] = _Inquiry(worker, worker.child)
        if len(self._open) > INQUIRIES_MAX:
            del self._open[next(iter(self._open))]
        worker.child.send(AskCache(ticket=ticket, clear=clear))
        return ticket

    def answered(self, child: Process, message: CacheAnswered) -> None:
        """Keep what *child* says, if it is the one that was asked."""
        inquiry = self._open.get(message.ticket)
        if inquiry is not None and inquiry.child is child:
            inquiry.answer = message.answer

    def read(self, ticket: int) -> CacheRead:
        """The answer, once; whether there will be one."""
        inquiry = self._open.get(ticket)
        if inquiry is None:
            return CacheRead(lost="nobody has asked that, or others have asked too much since")
        if inquiry.answer is not None:
            del self._open[ticket]
            return CacheRead(answer=inquiry.answer)
        if inquiry.worker.child is not inquiry.child:
            del self._open[ticket]
            return CacheRead(lost=f"its process has ended; {inquiry.worker.reason or inquiry.worker.state}")
        return CacheRead()
