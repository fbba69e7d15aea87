"""The ledger in Redis, which several gateways share. Their clocks should agree: windows are told by them."""

from __future__ import annotations

import asyncio
import math
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

import structlog
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from jackfield.redis_credentials import Credentials
from jackfield_limits.ledger import Count, Hold, LedgerAway, Taken
from jackfield_limits.scripts import CHANGE, TAKE
from jackfield_limits.windows import SECONDS, Spans

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from jackfield.secret import Secret
    from jackfield_limits.config import RedisConfig
    from jackfield_limits.ledger import Entry
    from jackfield_limits.rules import Charge

T = TypeVar("T")

KEPT_S: Final = 86_400
"""How long Redis remembers what a request has taken: the longest that one may run."""

OWED_MAX: Final = 10_000
"""Changes that wait until Redis is back; further ones are lost, and what they would have given back stays taken."""

_RENEWALS: Final = 3
"""Signs of life in a lease's time."""

_BATCH: Final = 500
"""Places that are renewed at once."""

_CALLS: Final = 3
"""Times ``timeout_s`` that a call may take which nobody waits for: for a connection, to connect, to be answered."""

_OWED_S: Final = 0.05
"""Least seconds between two tries to bring what is owed."""


class RedisLedger:
    """Implements ``jackfield_limits.ledger.Ledger``.

    Parameters:
        config: Where Redis is, and how long to wait for it.
        password: Reads the one to it; None: it wants none.
        clock: Unix seconds.
        monotonic: Seconds, for how long Redis is left alone.

    Event loop thread.
    """

    def __init__(
        self,
        config: RedisConfig,
        password: Callable[[], Secret] | None,
        clock: Callable[[], float],
        monotonic: Callable[[], float],
    ) -> None:
        self._config = config
        self._clock = clock
        self._monotonic = monotonic
        self._spans = Spans()
        self._credentials = None if password is None else Credentials(config.username or "", password)
        self._redis = _client(config, self._credentials)
        self._take, self._change = self._redis.register_script(TAKE), self._redis.register_script(CHANGE)
        self._open: dict[str, Hold] = {}
        """Holds with places, which must be renewed."""
        self._owed: dict[str, tuple[Hold, Sequence[int]]] = {}
        """Last changes that have not arrived, by the hold's id."""
        self._away = ""
        self._away_until = 0.0
        self._lost = 0
        self._living: asyncio.Task[None] | None = None
        self._calls: set[asyncio.Future[Any]] = set()
        self._closing = asyncio.Event()
        self._closed = False
        self._log = structlog.get_logger("jackfield_limits")

    async def reload(self) -> None:
        """Connections that are made from now on use the password that there is now."""
        if self._credentials is not None:
            await self._credentials.reload()

    @property
    def away(self) -> bool:
        return bool(self._away)

    @property
    def troubles(self) -> Sequence[str]:
        troubles = [f"the Redis of the limits is away: {self._away}"] if self._away else []
        if self._lost:
            troubles.append(f"{self._lost} requests have reserved what could not be given back while Redis was away")
        return troubles

    async def take(self, hold: str, entries: Sequence[Entry]) -> Taken:
        now = self._clock()
        keys = [self._hold_key(hold)]
        values: list[str | int] = [repr(now), hold, repr(now + self._config.lease_s), KEPT_S]
        for charge, amount in entries:
            keys += self._keys(charge, now)
            values += (charge.limit, amount, *self._window_values(charge, now))
        taken = Hold(hold, entries, [self._index(entry.charge, now) for entry in entries])
        try:
            answer = await self._asked(lambda: self._take(keys=keys, args=values))
        except (LedgerAway, asyncio.CancelledError):
            self._owe(taken, [0] * len(entries))  # it may have arrived nevertheless
            raise
        granted = bool(answer[0])
        counts = []
        for place, (charge, amount) in enumerate(entries):
            span = self._spans.at(charge.window, now) if charge.window else None
            current, previous = answer[1 + 2 * place], answer[2 + 2 * place]
            counts.append(Count(current + (amount if granted else 0), previous, span))
        if granted and any(not charge.window for charge, _ in entries):
            self._open[hold] = taken
            self._live()
        return Taken(granted, counts)

    async def change(self, hold: Hold, amounts: Sequence[int], *, last: bool) -> None:
        if last:
            self._open.pop(hold.id, None)
        try:
            await self._changed(hold, amounts, last=last)
        except (LedgerAway, asyncio.CancelledError):
            if last:
                self._owe(hold, amounts)
            raise

    async def look(self, charges: Sequence[Charge]) -> Sequence[Count]:
        now = self._clock()
        return await self._asked(lambda: self._looked(charges, now))

    async def forget(self, charges: Sequence[Charge]) -> None:
        now = self._clock()
        keys = {key for charge in charges if charge.window for key in self._keys(charge, now)}
        if keys:
            await self._asked(lambda: self._redis.delete(*keys))

    async def close(self) -> None:
        self._closing.set()
        if self._living is not None:
            await self._living
        try:
            await self._settle_owed()
        except LedgerAway:
            self._log.warning("what was reserved cannot be given back", requests=len(self._owed))
        self._closed = True
        if self._calls:
            await asyncio.wait(self._calls, timeout=_CALLS * self._config.timeout_s)
        await self._redis.aclose()

    async def _looked(self, charges: Sequence[Charge], now: float) -> list[Count]:
        async with self._redis.pipeline(transaction=False) as pipeline:
            for charge in charges:
                key, before = self._keys(charge, now)
                if charge.window:
                    pipeline.mget(key, before)
                else:
                    pipeline.zcount(key, f"({now!r}", "+inf")
            answers = await pipeline.execute()
        counts = []
        for charge, answer in zip(charges, answers, strict=True):
            if charge.window:
                current, previous = (int(value or 0) for value in answer)
                counts.append(Count(current, previous if charge.sliding else 0, self._spans.at(charge.window, now)))
            else:
                counts.append(Count(answer, 0, None))
        return counts

    async def _changed(self, hold: Hold, amounts: Sequence[int], *, last: bool) -> None:
        keys = [self._hold_key(hold.id)]
        values: list[str | int] = [hold.id, int(last)]
        for entry, index, amount in zip(hold.entries, hold.indexes, amounts, strict=True):
            charge = entry.charge
            keys.append(self._window_key(charge.key, index) if charge.window else self._places_key(charge.key))
            values += (amount, int(not charge.window))
        await self._asked(lambda: self._change(keys=keys, args=values))

    async def _asked(self, call: Callable[[], Awaitable[T]]) -> T:
        """What Redis answers. Where it was away a moment ago it is not asked: nobody waits in vain twice."""
        if self._closed or self._monotonic() < self._away_until:
            raise LedgerAway(self._away or "closed")
        # its own task: the library loses connections whose calls are cancelled; they end by the socket's timeout
        task = asyncio.ensure_future(call())
        self._calls.add(task)
        task.add_done_callback(self._called)
        try:
            async with asyncio.timeout(self._config.timeout_s):
                answer = await asyncio.shield(task)
        except (RedisError, OSError) as error:  # TimeoutError is one
            self._lose(error)
            raise LedgerAway(self._away) from error
        if self._away:
            self._away = ""
            self._log.info("the Redis of the limits is back")
        return answer

    def _called(self, task: asyncio.Future[Any]) -> None:
        self._calls.discard(task)
        if not task.cancelled():
            task.exception()  # nobody may be waiting any more, which is no reason for a warning

    def _lose(self, error: Exception) -> None:
        if not self._away:
            self._log.error("the Redis of the limits is away", reason=type(error).__name__)
        self._away = type(error).__name__
        self._away_until = self._monotonic() + self._config.retry_s

    def _owe(self, hold: Hold, amounts: Sequence[int]) -> None:
        if len(self._owed) >= OWED_MAX and hold.id not in self._owed:
            self._lost += 1
            return
        self._owed[hold.id] = hold, amounts
        self._live()

    def _live(self) -> None:
        if self._living is None and not self._closing.is_set():
            self._living = asyncio.get_running_loop().create_task(self._renewing())

    async def _renewing(self) -> None:
        """Show signs of life for all places that are held, and bring what is owed, until there is neither."""
        while (self._open or self._owed) and not self._closing.is_set():
            rest_s = self._config.lease_s / _RENEWALS
            if self._owed:
                rest_s = min(rest_s, max(self._config.retry_s, _OWED_S))
            with suppress(TimeoutError):
                await asyncio.wait_for(self._closing.wait(), rest_s)
            with suppress(LedgerAway):
                await self._settle_owed()
                await self._renew()
        self._living = None

    async def _settle_owed(self) -> None:
        for hold, amounts in list(self._owed.values()):
            await self._changed(hold, amounts, last=True)
            self._owed.pop(hold.id, None)

    async def _renew(self) -> None:
        free_at = self._clock() + self._config.lease_s
        places = [place for hold in self._open.values() for place in self._places(hold)]
        for start in range(0, len(places), _BATCH):
            await self._asked(partial(self._renewed, places[start : start + _BATCH], free_at))

    async def _renewed(self, places: Sequence[tuple[str, str]], free_at: float) -> None:
        async with self._redis.pipeline(transaction=False) as pipeline:
            for key, member in places:
                pipeline.zadd(key, {member: free_at}, xx=True)
            await pipeline.execute()

    def _places(self, hold: Hold) -> list[tuple[str, str]]:
        return [
            (self._places_key(entry.charge.key), f"{hold.id}#{number + 1}")
            for entry in hold.entries
            if not entry.charge.window
            for number in range(entry.amount)
        ]

    def _keys(self, charge: Charge, now: float) -> tuple[str, str]:
        if not charge.window:
            key = self._places_key(charge.key)
            return key, key
        index = self._index(charge, now)
        key = self._window_key(charge.key, index)
        return key, self._window_key(charge.key, index - 1) if charge.sliding else key

    def _window_values(self, charge: Charge, now: float) -> tuple[str, int, int]:
        """Seconds that are left of the window, its length, and how long its counter is kept."""
        if not charge.window:
            return "0", 1, 0
        span, length = self._spans.at(charge.window, now), SECONDS[charge.window]
        return repr(span.left(now) * length), length, math.ceil(2 * (span.end - span.start)) + 1

    def _index(self, charge: Charge, now: float) -> int:
        return self._spans.at(charge.window, now).number if charge.window else 0

    def _window_key(self, key: str, index: int) -> str:
        return f"{self._config.prefix}:w:{key}:{index}"

    def _places_key(self, key: str) -> str:
        return f"{self._config.prefix}:p:{key}"

    def _hold_key(self, hold: str) -> str:
        return f"{self._config.prefix}:r:{hold}"


def _client(config: RedisConfig, credentials: Credentials | None) -> Redis:
    pool = BlockingConnectionPool.from_url(
        config.url,
        username=config.username if credentials is None else None,
        credential_provider=credentials,
        max_connections=config.connections,
        timeout=config.timeout_s,
        socket_timeout=config.timeout_s,
        socket_connect_timeout=config.timeout_s,
        retry=Retry(NoBackoff(), 0),
        decode_responses=True,
    )
    return Redis.from_pool(pool)
