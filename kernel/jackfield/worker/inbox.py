"""What other threads tell a worker's loop."""

from __future__ import annotations

import queue
from typing import Generic, NamedTuple, TypeVar

Job = TypeVar("Job")


class _Wake:
    """Look at the recipients: one of them was cancelled."""


class _Stop:
    """End the loop."""


class News(NamedTuple, Generic[Job]):
    """What has arrived since the last look."""

    jobs: list[Job]
    """In order of arrival."""
    woken: bool
    """Whether a recipient's ``cancelled`` was set."""
    stopped: bool
    """Whether the loop is to end."""


class Inbox(Generic[Job]):
    """A queue of jobs, wake-ups and the end. ``take`` is the loop's; any thread may call the rest."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[Job | _Wake | _Stop] = queue.SimpleQueue()

    def submit(self, job: Job) -> None:
        """Queue a job."""
        self._queue.put(job)

    def wake(self) -> None:
        """Tell the loop that a recipient's ``cancelled`` was set."""
        self._queue.put(_Wake())

    def stop(self) -> None:
        """End the loop after what it is doing."""
        self._queue.put(_Stop())

    def take(self, wait: float | None) -> News[Job]:
        """What arrived, after waiting *wait* seconds (None: for ever) for the first of it."""
        jobs: list[Job] = []
        woken = False
        try:
            item = self._queue.get_nowait() if wait == 0.0 else self._queue.get(timeout=wait)
            while not isinstance(item, _Stop):
                if isinstance(item, _Wake):
                    woken = True
                else:
                    jobs.append(item)
                item = self._queue.get_nowait()
        except queue.Empty:
            return News(jobs, woken, stopped=False)
        return News(jobs, woken, stopped=True)
