"""What an operator can ask a gateway; most of it is asked on, from the supervisor. Implements ``Operator``."""

from __future__ import annotations

import asyncio
from itertools import count
from typing import TYPE_CHECKING, Final, TypeVar

import msgspec

from jackfield.channel.messages import Ask
from jackfield.channel.operator import (
    Answer,
    AskCaches,
    CacheRead,
    CachesAsked,
    ChangeLogLevel,
    Declined,
    GetState,
    ReadCache,
    Reload,
    RestartWorker,
    ShutDown,
)
from jackfield.errors import DeadlineExceeded, InternalError, InvalidRequest, UnsupportedField
from jackfield.manifest_layers import origin_of
from jackfield.ports.operating import CacheOf, PluginState, ServerState, Setting
from jackfield.secret import HIDDEN, show

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from jackfield.channel.messages import Told
    from jackfield.channel.operator import AskedWorker, Question
    from jackfield.plugins import Kernel
    from jackfield.ports.operating import LogLevel

ANSWER_S: Final = 5.0
"""How long the supervisor may take; it answers at once."""

CACHE_S: Final = 10.0
"""How long a worker may take to say how its cache is: it does so between two steps."""

CACHE_LOOK_S: Final = 0.05

AnswerT = TypeVar("AnswerT", ServerState, CachesAsked, CacheRead)


class GatewayOperator:
    """Asks the supervisor, where there is one. Event loop thread.

    Parameters:
        kernel: With the manifest and the plugins.
    """

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
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

    def plugins(self) -> Sequence[PluginState]:
        return [
            PluginState(name=each.name, plugin=each.plugin, distribution=each.distribution)
            for each in self._kernel.instances
        ]

    def settings(self) -> Mapping[str, Setting]:
        manifest, found = self._kernel.manifest, dict[str, Setting]()
        tables: dict[str, Mapping[str, object]] = {"kernel": msgspec.to_builtins(manifest.kernel)}
        structs = self._kernel.config_structs()
        for each in self._kernel.instances:
            if each.name in structs:
                tables[f"config.{each.name}"] = msgspec.to_builtins(each.config(structs[each.name]), enc_hook=show)
        for name, model in manifest.models.items():
            tables[f"models.{name}"] = {**msgspec.to_builtins(model, enc_hook=show), "options": HIDDEN}
        for table, rows in tables.items():
            for key, value in rows.items():
                path = f"{table}.{key}"
                text = msgspec.json.encode(value).decode()
                found[path] = Setting(value=text, origin=origin_of(manifest, path))
        return found

    async def state(self) -> ServerState:
        return await self._ask(ServerState, GetState())

    async def restart(self, model: str, *, now: bool) -> ServerState:
        return await self._ask(ServerState, RestartWorker(model=model, now=now))

    async def caches(self, model: str, *, clear: bool) -> Sequence[CacheOf]:
        asked = await self._ask(CachesAsked, AskCaches(model=model, clear=clear))
        return await asyncio.gather(*(self._cache(each) for each in asked.workers))

    async def reload(self) -> ServerState:
        return await self._ask(ServerState, Reload())

    async def log_level(self, level: LogLevel) -> ServerState:
        return await self._ask(ServerState, ChangeLogLevel(level=level))

    async def drain(self) -> ServerState:
        return await self._ask(ServerState, ShutDown())

    async def _cache(self, worker: AskedWorker) -> CacheOf:
        if worker.ticket is None:
            return CacheOf(model=worker.model, reason=worker.reason or worker.state)
        try:
            async with asyncio.timeout(CACHE_S):
                while True:
                    read = await self._ask(CacheRead, ReadCache(ticket=worker.ticket))
                    if read.answer is not None or read.lost:
                        return CacheOf(model=worker.model, answer=read.answer, reason=read.lost)
                    await asyncio.sleep(CACHE_LOOK_S)
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
            raise InvalidRequest(answer.message, param="model")
        if not isinstance(answer, kind):
            raise InternalError("the supervisor has answered something else")
        return answer
