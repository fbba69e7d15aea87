"""What the supervisor answers to the command line. No I/O but a look at ``/proc``."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from jackfield import __version__
from jackfield.channel.operator import (
    Answer,
    AskCaches,
    AskedWorker,
    CachesAsked,
    ChangeSettings,
    Declined,
    GetState,
    LogLines,
    Offered,
    Question,
    ReadCache,
    ReadLog,
    ReadOffer,
    Reload,
    RestartWorker,
    ShutDown,
)
from jackfield.errors import JackfieldError, Overloaded
from jackfield.ports.operating import ChildState, ServerState
from jackfield.supervisor.inquiries import Inquiries
from jackfield.supervisor.usage import Usage, usage

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jackfield.channel.messages import CacheAnswered
    from jackfield.log_ring import LogRing
    from jackfield.manifest import Manifest
    from jackfield.ports.operating import ChildKind
    from jackfield.supervisor.live_changes import LiveChanges
    from jackfield.supervisor.slot import Process, Slot

NAMES_SHOWN: Final = 20
"""Models that a message lists."""


class End(NamedTuple):
    """The end of the server."""

    begin: Callable[[], None]
    begun: Callable[[], bool]


class Answers:
    """Answers questions about the children of one server. Supervisor's only thread.

    Parameters:
        manifest: What is served.
        started: Unix seconds at which the server started.
        gateway: Its slot.
        workers: Theirs, in manifest order.
        logs: The log ring of each slot, once there are any.
        changes: Changes what may change while the server runs.
        end: Of the server.
    """

    def __init__(
        self,
        manifest: Manifest,
        *,
        started: int,
        gateway: Slot,
        workers: Sequence[Slot],
        logs: Mapping[Slot, LogRing],
        changes: LiveChanges,
        end: End,
    ) -> None:
        self._models = manifest.models
        self._drain_s = manifest.kernel.drain_s
        self._started = started
        self._gateway = gateway
        self._workers = workers
        self._logs = logs
        self._changes = changes
        self._end = end
        self._inquiries = Inquiries()
        self._api: Sequence[str] = ()
        self._health: Sequence[str] = ()

    def at(self, api: Sequence[str], health: Sequence[str]) -> None:
        """The server listens at these URLs."""
        self._api, self._health = api, health

    def answered(self, child: Process, message: CacheAnswered) -> None:
        """A worker's answer to what an operator has asked it."""
        self._inquiries.answered(child, message)

    def answer_encoded(self, question: bytes) -> bytes:
        """The answer to *question*, both as payloads."""
        asked = msgspec.msgpack.decode(question, type=Question)
        return msgspec.msgpack.encode(self.answer(asked))

    def answer(self, question: Question) -> Answer:
        """The answer to *question*, at once."""
        answer: Answer
        match question:
            case GetState():
                answer = self._state()
            case RestartWorker(model=model, now=now):
                answer = self._restart(model, 0.0 if now else self._drain_s)
            case ReadLog(kind=kind, model=model, cursor=cursor):
                answer = self._log(kind, model, cursor)
            case AskCaches(model=model, clear=clear):
                answer = self._ask_caches(model, clear=clear)
            case ReadCache(ticket=ticket):
                answer = self._inquiries.read(ticket)
            case Reload():
                answer = self._changed(self._changes.reread)
            case ChangeSettings():
                answer = self._changed(partial(self._changes.change, question))
            case ReadOffer(ticket=ticket):
                answer = self._changes.read(ticket)
            case ShutDown():
                self._end.begin()
                answer = self._state()
        return answer

    def _changed(self, change: Callable[[], int]) -> Answer:
        try:
            return Offered(ticket=change())
        except Overloaded as error:
            return Declined(error.message, busy=True)
        except JackfieldError as error:
            # who asks through a gateway need not learn where the file is
            place = error.message.partition(": ")[0]
            hidden = "plugins.toml cannot be read; the server's log says why"
            return Declined(hidden if "/" in place else error.message, error.param)

    def _state(self) -> ServerState:
        children = [self._child("gateway", self._gateway), *(self._child("worker", each) for each in self._workers)]
        return ServerState(
            version=__version__,
            pid=os.getpid(),
            started=self._started,
            api=self._api,
            health=self._health,
            stopping=self._end.begun(),
            children=children,
        )

    def _child(self, kind: ChildKind, slot: Slot) -> ChildState:
        ready, pid = slot.ready, slot.child.pid if slot.child is not None else None
        used = usage(pid) if pid is not None else Usage()
        config = self._models.get(slot.name) if kind == "worker" else None
        return ChildState(
            kind=kind,
            model=slot.name if kind == "worker" else "",
            aliases=config.aliases if config is not None else (),
            state=slot.state,
            reason=slot.reason,
            pid=pid,
            restarts=slot.restarts,
            uptime_s=slot.uptime_s,
            requests=slot.requests,
            memory_bytes=used.memory_bytes,
            threads=used.threads,
            info=ready.info if ready is not None else None,
            limits=ready.limits if ready is not None else None,
        )

    def _restart(self, model: str, grace_s: float) -> Answer:
        worker = self._worker(model)
        if worker is None:
            return self._unknown(model)
        if self._end.begun() or not worker.recycle(grace_s):
            return Declined("the server is shutting down")
        return self._state()

    def _log(self, kind: ChildKind, model: str, cursor: int) -> Answer:
        slot = self._gateway if kind == "gateway" else self._worker(model)
        if slot is None:
            return self._unknown(model)
        chunk = self._logs[slot].read(cursor)
        return LogLines(data=chunk.data, cursor=chunk.cursor)

    def _ask_caches(self, model: str, *, clear: bool) -> Answer:
        worker = self._worker(model) if model else None
        if model and worker is None:
            return self._unknown(model)
        asked = [
            AskedWorker(
                model=each.name,
                state=each.state,
                reason=each.reason,
                ticket=self._inquiries.ask(each, clear=clear),
            )
            for each in (self._workers if worker is None else [worker])
        ]
        return CachesAsked(workers=asked)

    def _worker(self, name: str) -> Slot | None:
        return next((each for each in self._workers if name in (each.name, *self._models[each.name].aliases)), None)

    def _unknown(self, model: str) -> Declined:
        names = list(self._models)
        more = ", …" if len(names) > NAMES_SHOWN else ""
        return Declined(f"this server has no model {model!r}; it has {', '.join(names[:NAMES_SHOWN])}{more}", "model")
