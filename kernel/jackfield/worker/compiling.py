"""Threads for what takes long in a preparation: compiling what an answer must look like.

A schema may take seconds. The intake thread, which prepares everybody's requests, never compiles; and of the threads
that do, no tenant has them all, so that only its own requests wait for what it sends.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Final, Generic, NamedTuple, TypeVar

import structlog

from jackfield.worker.links import RequestHandle

log = structlog.get_logger("jackfield.worker")

Prepared_co = TypeVar("Prepared_co", covariant=True)

THREADS: Final = 2
"""One for a tenant whose grammars take long, one for all others. More would take processors from the model."""

_JOIN_S: Final = 10.0
"""How long the end waits for what is being compiled: twice the deadline of ``ConstraintEngine.compile``."""

_SORT_EVERY: Final = 64
"""Every so many jobs those that nobody wants any more are sorted out, so that they fill no memory."""


class Costly(NamedTuple, Generic[Prepared_co]):
    """The rest of a preparation, where that takes long."""

    tenant: str
    """Whose it is."""
    finish: Callable[[], Prepared_co]
    """Any thread. Raises ``JackfieldError`` to refuse."""


class Job(NamedTuple):
    """What a thread is to do."""

    handle: RequestHandle
    work: Callable[[], None]
    """Raises nothing; quick where *handle* is cancelled."""


class CompilingThreads:
    """Tenants take turns; each has one thread at most, and its jobs are done in their order.

    The threads start with the first job: a worker that compiles nothing has none.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: OrderedDict[str, deque[Job]] = OrderedDict()
        """Whose turn is next stands first."""
        self._busy: set[str] = set()
        self._count = 0
        self._stopping = False
        self._threads: list[threading.Thread] = []

    def put(self, tenant: str, job: Job) -> None:
        """Queue *job*. Intake thread."""
        if not self._threads:
            self._start()
        with self._changed:
            self._waiting.setdefault(tenant, deque()).append(job)
            self._count += 1
            dropped = self._sort_out() if self._count % _SORT_EVERY == 0 else []
            self._changed.notify()
        for each in dropped:
            each.work()

    def stop(self) -> None:
        """End the threads after what they are doing; what waits is dropped. After the last ``put``, any thread."""
        with self._changed:
            self._stopping = True
            self._waiting.clear()
            self._changed.notify_all()
        for thread in self._threads:
            thread.join(_JOIN_S)
            if thread.is_alive():
                log.error("a constraint engine still compiles; not waiting for it", seconds=_JOIN_S)

    def _start(self) -> None:
        for number in range(THREADS):
            thread = threading.Thread(target=self._run, name=f"compiling-{number}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def _sort_out(self) -> list[Job]:
        """Take out the jobs that nobody wants any more."""
        dropped: list[Job] = []
        for tenant, jobs in list(self._waiting.items()):
            dropped += [job for job in jobs if job.handle.cancelled]
            left = deque(job for job in jobs if not job.handle.cancelled)
            if left:
                self._waiting[tenant] = left
            else:
                del self._waiting[tenant]
        return dropped

    def _run(self) -> None:
        while (turn := self._take()) is not None:
            tenant, job = turn
            job.work()
            with self._changed:
                self._busy.remove(tenant)
                self._changed.notify()

    def _take(self) -> tuple[str, Job] | None:
        """The next job and its tenant, who is then busy; None at the end."""
        with self._changed:
            while not self._stopping:
                tenant = next((tenant for tenant in self._waiting if tenant not in self._busy), None)
                if tenant is not None:
                    return tenant, self._next_of(tenant)
                self._changed.wait()
        return None

    def _next_of(self, tenant: str) -> Job:
        jobs = self._waiting[tenant]
        job = jobs.popleft()
        if jobs:
            self._waiting.move_to_end(tenant)
        else:
            del self._waiting[tenant]
        self._busy.add(tenant)
        return job
