"""The limiter: what rules say, kept in a ledger."""

from __future__ import annotations

import itertools
import os
import time
from typing import TYPE_CHECKING, Final

import msgspec

from jackfield.errors import InvalidRequest, LimiterFailed
from jackfield.frontends.malformed import without_value
from jackfield.ports.limiter import LimitEntry
from jackfield.ports.reloading import Reloading
from jackfield_limits.config import Rule
from jackfield_limits.ledger import Entry, Hold, LedgerAway
from jackfield_limits.memory import MemoryLedger
from jackfield_limits.prices import Prices, Use
from jackfield_limits.refusals import refusal
from jackfield_limits.reservation import FREE, LedgerReservation, amounts, standings
from jackfield_limits.roster import Roster
from jackfield_limits.rules import compiled
from jackfield_limits.snapshot import Snapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from jackfield import PluginInstance
    from jackfield.ports.limiter import Claim, Reservation
    from jackfield.ports.policy_store import Documents
    from jackfield_limits.config import LimitsConfig
    from jackfield_limits.ledger import Ledger
    from jackfield_limits.rules import Charge

_MARK_BYTES: Final = 8
_WITHOUT: Final = {
    "closed": "requests that have limits are refused meanwhile",
    "open": "requests that have limits pass uncounted meanwhile",
}
_decode = msgspec.json.Decoder(Rule).decode


class RulesLimiter:
    """Implements ``Limiter``, ``LimitBook``, ``Reloading``, and ``Governed`` with documents of the kind ``limit``.

    Parameters:
        config: Its options.
        ledger: Where it counts.
        clock: Unix seconds.

    Event loop thread.
    """

    def __init__(self, config: LimitsConfig, ledger: Ledger, clock: Callable[[], float]) -> None:
        self._config = config
        self._ledger = ledger
        self._clock = clock
        self._prices = Prices(config.prices)
        self._rules = compiled(config.rules)
        self._mark = os.urandom(_MARK_BYTES).hex()
        """Of this gateway, in the names of its holds."""
        self._numbers = itertools.count()
        self._roster = Roster()

    @property
    def troubles(self) -> Sequence[str]:
        troubles = list(self._ledger.troubles)
        if self._ledger.away:
            troubles.append(_WITHOUT[self._config.fail])
        return troubles

    @property
    def document_kind(self) -> str:
        return "limit"

    async def reserve(self, claim: Claim) -> Reservation:
        charges = self._charges(claim)
        if not charges:
            return FREE
        use = self._estimate(claim)
        wanted = amounts(charges, claim, use, self._prices)
        entries = list(map(Entry, charges, wanted))
        hold = f"{self._mark}{next(self._numbers):x}"
        now = self._clock()
        try:
            taken = await self._ledger.take(hold, entries)
        except LedgerAway as error:
            if self._config.fail == "open":
                return FREE
            raise LimiterFailed("how much is left for this caller cannot be told now; try again in a moment") from error
        left = standings(charges, taken.counts, now)
        if not taken.granted:
            raise refusal(entries, taken.counts, left, now, self._config.currency)
        indexes = [count.span.number if count.span is not None else 0 for count in taken.counts]
        return LedgerReservation(self._ledger, self._prices, claim, use, Hold(hold, entries, indexes), left)

    def governed(self, documents: Documents) -> None:
        """See ``Governed``: nothing here changes documents."""

    async def check(self, documents: Mapping[str, bytes]) -> None:
        for name, content in documents.items():
            _rule(name, content)

    async def adopt(self, documents: Mapping[str, bytes]) -> None:
        written = {rule.name: rule for rule in self._config.rules}
        stored = {name: _rule(name, content) for name, content in documents.items()}
        self._rules = compiled({**written, **stored}.values())

    async def entries(self, only: Mapping[str, str]) -> Sequence[LimitEntry]:
        seen, now = self._roster.find(only), self._clock()
        charges = [each.charge for each in seen]
        left = standings(charges, await self._ledger.look(charges), now)
        return [LimitEntry(whose=each.whose, standing=standing) for each, standing in zip(seen, left, strict=True)]

    async def reset(self, only: Mapping[str, str]) -> int:
        charges = [each.charge for each in self._roster.find(only) if each.charge.window]
        await self._ledger.forget(charges)
        return len(charges)

    async def reload(self) -> None:
        """See ``Reloading``."""
        if isinstance(self._ledger, Reloading):
            await self._ledger.reload()

    async def close(self) -> None:
        await self._ledger.close()

    def _charges(self, claim: Claim) -> Sequence[Charge]:
        """All counters that *claim* needs room in; whose they are is noted."""
        charges: list[Charge] = []
        for rule in self._rules:
            if rule.applies(claim):
                charges += rule.charges(claim)
                self._roster.note(rule, claim)
        return charges

    def _estimate(self, claim: Claim) -> Use:
        completion, most = claim.completion_tokens, self._config.answer_estimate
        if most is not None:
            completion = min(completion, most * claim.answers)
        return Use(prompt=claim.prompt_tokens, completion=completion)


def made(instance: PluginInstance, config: LimitsConfig) -> RulesLimiter:
    """The limiter of *instance*, with the ledger that its options name.

    Raises:
        ManifestError: Its password cannot be had.
        PluginError: Another gateway uses the file.
    """
    if config.backend == "memory":
        snapshot = None
        if config.file:
            snapshot = Snapshot(instance.path(config.file), config.file, config.snapshot_s)
        return RulesLimiter(config, MemoryLedger(config.counters, time.time, snapshot), time.time)
    from jackfield_limits.redis_ledger import RedisLedger  # costs 60 ms

    reference = config.redis.password
    password = None if reference is None else lambda: instance.secret(reference)
    return RulesLimiter(config, RedisLedger(config.redis, password, time.time, time.monotonic), time.time)


def _rule(name: str, content: bytes) -> Rule:
    """The rule in a document.

    Raises:
        InvalidRequest: There is none; ``param`` names document and field.
    """
    try:
        return msgspec.structs.replace(_decode(content), name=name)
    except (msgspec.MsgspecError, ValueError) as error:
        message, _, path = without_value(error).partition(" - at `$")
        raise InvalidRequest(f"the limit {name}: {message}", param=f"limit/{name}{path.rstrip('`')}") from error
