"""What an operator can ask a gateway; most of it is asked on, from the supervisor. Implements ``Operator``."""

from __future__ import annotations

import asyncio
import time
from itertools import count
from typing import TYPE_CHECKING, Final, TypeVar

import msgspec

from jackfield.channel.messages import Ask
from jackfield.channel.operator import (
    Answer,
    AskCaches,
    CacheRead,
    CachesAsked,
    ChangeSettings,
    Declined,
    GetState,
    Offered,
    OfferRead,
    ReadCache,
    ReadOffer,
    Reload,
    RestartWorker,
    ShutDown,
)
from jackfield.errors import DeadlineExceeded, InternalError, InvalidRequest, Overloaded, UnsupportedField
from jackfield.gateway.live_settings import LiveSettings
from jackfield.ports.operating import CacheOf, PluginState, ServerState, Setting, SettingsChanged

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from jackfield.channel.messages import Told
    from jackfield.channel.operator import AskedWorker, NewValue, Question
    from jackfield.manifest import Manifest
    from jackfield.plugins import Kernel
    from jackfield.ports.operating import SettingValue, WorkerAnswer

ANSWER_S: Final = 5.0
"""How long the supervisor may take; it answers at once."""

CACHE_S: Final = 10.0
"""How long a worker may take to say how its cache is: it does so between two steps."""

OPTIONS_S: Final = 10.0
"""How long workers may take to take new options over; it takes milliseconds."""

LOOK_S: Final = 0.02
"""Between two looks at what workers have answered."""

AnswerT = TypeVar("AnswerT", ServerState, CachesAsked, CacheRead, Offered, OfferRead)


class GatewayOperator:
    """Asks the supervisor, where there is one. Event loop thread.

    Parameters:
        kernel: With the manifest and the plugins.
    """

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._live = LiveSettings(kernel)
        self._changing = asyncio.Lock()
        self._send: Callable[[Ask], None] | None = None
        self._tickets = count(1)
        self._open: dict[int, asyncio.Future[Answer]] = {}

    def connect(self, send: Callable[[Ask], None]) -> None:
        """There is a supervisor, and this sends it messages."""
        self._send = send

    def told(self, message: Told) -> None:
        """The supervisor has answered."""
        waiting = self._open.get(message.ticket)
        if waiting is not None and not waiting.done():
            waiting.set_result(msgspec.msgpack.decode(message.answer, type=Answer))

    def configured(self, manifest: Manifest) -> None:
        """This is in force from here on."""
        self._live.manifest = manifest

    def plugins(self) -> Sequence[PluginState]:
        return [
            PluginState(name=each.name, plugin=each.plugin, distribution=each.distribution)
            for each in self._kernel.instances
        ]

    def settings(self) -> Mapping[str, Setting]:
        return self._live.settings()

    async def state(self) -> ServerState:
        return await self._ask(ServerState, GetState())

    async def restart(self, model: str, *, now: bool) -> ServerState:
        return await self._ask(ServerState, RestartWorker(model=model, now=now))

    async def caches(self, model: str, *, clear: bool) -> Sequence[CacheOf]:
        asked = await self._ask(CachesAsked, AskCaches(model=model, clear=clear))
        return await asyncio.gather(*(self._cache(each) for each in asked.workers))

    async def reload(self) -> SettingsChanged:
        async with self._changing:
            before = self._live.manifest
            read = await self._settled(await self._ask(Offered, Reload()))
            changes = self._live.differences(before, self._live.manifest)
            if not changes:
                _refuse_if_all_did(read.workers)
            return SettingsChanged(changes=changes, workers=read.workers, restart=read.restart)

    async def change(self, values: Mapping[str, SettingValue], *, dry_run: bool) -> SettingsChanged:
        async with self._changing:
            planned = self._live.plan(values)
            if dry_run or not planned.changes:
                return SettingsChanged(changes=planned.changes)
            workers: Sequence[WorkerAnswer] = ()
            if planned.options:
                workers = await self._change_options(planned.options)
            if planned.log_level is not None:
                await self._ask(Offered, ChangeSettings(log_level=planned.log_level))
            return SettingsChanged(changes=planned.changes, workers=workers)

    async def drain(self) -> ServerState:
        return await self._ask(ServerState, ShutDown())

    async def _change_options(self, options: Sequence[NewValue]) -> Sequence[WorkerAnswer]:
        workers = (await self._settled(await self._ask(Offered, ChangeSettings(options=options)))).workers
        _refuse_if_all_did(workers)
        return workers

    async def _settled(self, offered: Offered) -> OfferRead:
        """What all workers have answered, or those that did in time."""
        deadline = time.monotonic() + OPTIONS_S
        while True:
            read = await self._ask(OfferRead, ReadOffer(ticket=offered.ticket))
            if time.monotonic() > deadline or not any(each.answer == "pending" for each in read.workers):
                return read
            await asyncio.sleep(LOOK_S)

    async def _cache(self, worker: AskedWorker) -> CacheOf:
        if worker.ticket is None:
            return CacheOf(model=worker.model, reason=worker.reason or worker.state)
        try:
            async with asyncio.timeout(CACHE_S):
                while True:
                    read = await self._ask(CacheRead, ReadCache(ticket=worker.ticket))
                    if read.answer is not None or read.lost:
                        return CacheOf(model=worker.model, answer=read.answer, reason=read.lost)
                    await asyncio.sleep(LOOK_S)
        except TimeoutError:
            return CacheOf(model=worker.model, reason="it did not answer in time")

    async def _ask(self, kind: type[AnswerT], question: Question) -> AnswerT:
        if self._send is None:
            raise UnsupportedField("this server runs without a supervisor, which would have to answer this")
        ticket = next(self._tickets)
        waiting = self._open[ticket] = asyncio.get_running_loop().create_future()
        try:
            self._send(Ask(ticket=ticket, question=msgspec.msgpack.encode(question)))
            async with asyncio.timeout(ANSWER_S):
                answer = await waiting
        except TimeoutError:
            raise DeadlineExceeded("the supervisor did not answer in time") from None
        finally:
            del self._open[ticket]
        if isinstance(answer, Declined):
            raise Overloaded(answer.message) if answer.busy else InvalidRequest(answer.message, param=answer.param)
        if not isinstance(answer, kind):
            raise InternalError("the supervisor has answered something else")
        return answer


def _refuse_if_all_did(workers: Sequence[WorkerAnswer]) -> None:
    refused = [each for each in workers if each.answer == "refused"]
    if refused and len(refused) == len(workers):
        raise InvalidRequest(refused[0].reason, param=refused[0].param)
