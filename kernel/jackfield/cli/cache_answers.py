"""Asking workers about their prefix caches, and waiting for their answers."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import msgspec

from jackfield.cache_report import CacheAnswer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jackfield.channel.operator import AskCaches, AskedWorker
    from jackfield.cli.servers import Operator

ANSWER_S: Final = 10.0
"""How long a worker may take: it answers between two steps, and a step with a long prompt takes seconds."""

POLL_S: Final = 0.02
"""Between two looks for answers."""


class WorkerCache(msgspec.Struct, frozen=True, kw_only=True):
    """One worker, and what it has answered."""

    model: str
    state: str
    """A ``WorkerState``."""
    note: str = ""
    """Why there is no answer, or why nothing is cached."""
    silent: bool = False
    """Whether it should have answered, and has not."""
    answer: CacheAnswer | None = None


def ask(operator: Operator, question: AskCaches) -> Sequence[WorkerCache]:
    """Ask, and wait until all have answered or have had ``ANSWER_S`` seconds.

    Raises:
        ServerUnreachable: There is no such model, or the server does not answer.
    """
    deadline = time.monotonic() + ANSWER_S
    return [_wait(operator, each, deadline) for each in operator.ask_caches(question).workers]


def _wait(operator: Operator, worker: AskedWorker, deadline: float) -> WorkerCache:
    unknown = WorkerCache(model=worker.model, state=worker.state, note=worker.reason or worker.state)
    if worker.ticket is None:
        return unknown
    while True:
        read = operator.read_cache(worker.ticket)
        if read.answer is not None:
            return msgspec.structs.replace(unknown, note=read.answer.off, answer=read.answer)
        if read.lost:
            return msgspec.structs.replace(unknown, note=read.lost, silent=True)
        if time.monotonic() >= deadline:
            note = f"has not answered in {ANSWER_S:g} s; jackfield workers list shows how it is"
            return msgspec.structs.replace(unknown, note=note, silent=True)
        time.sleep(POLL_S)
