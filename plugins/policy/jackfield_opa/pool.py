"""Evaluators at work: a few processes, each with one question at a time; who overruns is killed and replaced."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Final, cast

import structlog

from jackfield.errors import JackfieldError
from jackfield_opa.child import ANSWER_MAX, EvaluatorDied, framed

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from jackfield_opa.child import Child

WAITING_MAX: Final = 4096
"""Most questions that wait for an evaluator."""

AGAIN_S: Final = 1.0
"""Between two attempts to replace an evaluator, where none can be started."""

LATE_S: Final = 0.005
"""Where this process itself was held up, the answer is there already: it is read before the evaluator is killed."""

_PREFIX: Final = 4


class Overrun(JackfieldError):
    """An evaluation took too long, and its process was killed."""


class Crashed(JackfieldError):
    """The process of an evaluation ended."""


class NoEvaluator(JackfieldError):
    """Nobody is there to evaluate, or all are too busy."""


class Pool:
    """Evaluators that have one program loaded. Event loop thread.

    Parameters:
        children: Started and loaded.
        replace: Makes another one like these; blocks, and is called in a thread.
        deadline_s: How long one evaluation may take; and how long a question waits for its turn.
    """

    def __init__(self, children: Sequence[Child], replace: Callable[[], Child], deadline_s: float) -> None:
        self.deadline_s = deadline_s
        self._new = list(children)
        self._replace = replace
        self._links: set[_Link] = set()
        self._idle: list[_Link] = []
        self._jobs: deque[_Job] = deque()
        self._starting: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._retiring = False
        self._missing = 0

    @property
    def missing(self) -> int:
        """How many evaluators are being replaced."""
        return self._missing

    @property
    def pids(self) -> Sequence[int]:
        """Of the processes that evaluate."""
        return [*(child.pid for child in self._new), *(link.child.pid for link in self._links)]

    async def ask(self, payload: bytes) -> bytes:
        """The reply to *payload*.

        Raises:
            Overrun: It took too long.
            Crashed: It ended the process.
            NoEvaluator: None had time for it, or the pool is closed.
        """
        if self._new:
            await self._start()
        job = _Job(framed(payload), asyncio.get_running_loop().create_future())
        if self._idle:
            self._idle.pop().do(job)
        else:
            self._queue(job)
        return await job.future

    async def retire(self) -> None:
        """Answer what has been asked, and take no more. Nobody may ``ask`` once this is called."""
        self._retiring = True
        for link in list(self._idle):
            link.end()
        while self._links or self._tasks:
            await asyncio.wait([*self._tasks, *(link.ended for link in self._links)])
        await self._discard_new()

    async def close(self) -> None:
        """End all evaluators now; what is being asked fails."""
        self._retiring = True
        for job in self._jobs:
            job.fail(NoEvaluator("the engine was closed"))
        self._jobs.clear()
        for link in list(self._links):
            link.end()
        await self.retire()  # an evaluator that is being started is waited for: nobody else would end it

    def freed(self, link: _Link) -> None:
        """*link* has answered."""
        while self._jobs:
            job = self._jobs.popleft()
            if job.wanted:
                link.do(job)
                return
        if self._retiring:
            link.end()
        else:
            self._idle.append(link)

    def lost(self, link: _Link) -> None:
        """The process of *link* has ended, or will in a moment."""
        self._links.discard(link)
        if link in self._idle:
            self._idle.remove(link)
        self._run(asyncio.to_thread(link.child.close))
        if not self._retiring:
            structlog.get_logger("jackfield.opa").warning("an evaluator has ended; another one takes its place")
            self._missing += 1
            self._run(self._refill())

    def _run(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _start(self) -> None:
        if self._starting is None:
            self._starting = asyncio.ensure_future(self._adopt_all())
        await asyncio.shield(self._starting)

    async def _adopt_all(self) -> None:
        while self._new:
            await self._adopt(self._new[-1])
            self._new.pop()

    async def _adopt(self, child: Child) -> None:
        link = _Link(self, child)
        child.socket.setblocking(False)
        await asyncio.get_running_loop().create_unix_connection(lambda: link, sock=child.socket)
        self._links.add(link)
        self.freed(link)

    async def _refill(self) -> None:
        """Put another evaluator in the place of a lost one."""
        try:
            while not self._retiring:
                try:
                    await self._adopt(await asyncio.to_thread(self._replace))
                    return
                except (JackfieldError, EvaluatorDied, OSError) as error:
                    structlog.get_logger("jackfield.opa").error("no evaluator can be started", reason=str(error))
                    await asyncio.sleep(AGAIN_S)
        finally:
            self._missing -= 1

    def _queue(self, job: _Job) -> None:
        if self._retiring and not self._links:
            job.fail(NoEvaluator("the engine is closed"))
        elif len(self._jobs) >= WAITING_MAX:
            job.fail(NoEvaluator("too many questions wait"))
        else:
            job.expire_after(self.deadline_s)
            self._jobs.append(job)

    async def _discard_new(self) -> None:
        for child in self._new:
            await asyncio.to_thread(child.close)
        self._new.clear()


class _Job:
    """One question, and who waits for its answer."""

    __slots__ = ("_timer", "frame", "future")

    def __init__(self, frame: bytes, future: asyncio.Future[bytes]) -> None:
        self.frame = frame
        self.future = future
        self._timer: asyncio.TimerHandle | None = None

    @property
    def wanted(self) -> bool:
        """Whether anybody still waits. Stops its clock."""
        if self._timer is not None:
            self._timer.cancel()
        return not self.future.done()

    def expire_after(self, patience_s: float) -> None:
        """Fail if it has not had its turn by then."""
        error = NoEvaluator("all evaluators are busy")
        self._timer = asyncio.get_running_loop().call_later(patience_s, self.fail, error)

    def fail(self, error: JackfieldError) -> None:
        """There will be no answer."""
        if not self.future.done():
            self.future.set_exception(error)


class _Link(asyncio.Protocol):
    """One evaluator's socket."""

    def __init__(self, pool: Pool, child: Child) -> None:
        self.child = child
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._pool = pool
        self._transport: asyncio.Transport | None = None
        self._received = bytearray()
        self._job: _Job | None = None
        self._timer: asyncio.TimerHandle | None = None

    def do(self, job: _Job) -> None:
        """Have *job* answered; the pool hears of it."""
        self._job = job
        self._timer = asyncio.get_running_loop().call_later(self._pool.deadline_s, self._overdue)
        if self._transport is not None:
            self._transport.write(job.frame)

    def end(self) -> None:
        """Close the socket: the evaluator ends."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        received = self._received
        received += data
        if len(received) < _PREFIX:
            return
        size = int.from_bytes(received[:_PREFIX], "big")
        if not 0 < size <= ANSWER_MAX or len(received) > _PREFIX + size or self._job is None:
            self._fail(Crashed("the evaluator wrote what is no answer"))
        elif len(received) == _PREFIX + size:
            reply = bytes(received[_PREFIX:])
            received.clear()
            self._answered(self._job, reply)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._settle(Crashed("the process that evaluated it has ended"))
        self._pool.lost(self)
        if not self.ended.done():
            self.ended.set_result(None)

    def _answered(self, job: _Job, reply: bytes) -> None:
        self._clear()
        if not job.future.done():
            job.future.set_result(reply)
        self._pool.freed(self)

    def _overdue(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(LATE_S, self._overrun)

    def _overrun(self) -> None:
        self._fail(Overrun(f"the evaluation took longer than {self._pool.deadline_s:g} s"))

    def _fail(self, error: JackfieldError) -> None:
        self.child.kill()
        self._settle(error)
        self.end()

    def _settle(self, error: JackfieldError) -> None:
        job = self._job
        self._clear()
        if job is not None:
            job.fail(error)

    def _clear(self) -> None:
        self._job = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
