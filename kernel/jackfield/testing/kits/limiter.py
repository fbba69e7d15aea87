"""What every ``Limiter`` must pass.

Subclass ``LimiterKit`` in a test module and say which plugin it is about, and how much its options let each key have::

    class TestConformance(LimiterKit):
        manifest = '''
        enabled = ["my-plugin"]
        [config.my-plugin]
        requests_per_month = 5
        '''
        needs = {"requests": 5, "tokens": 1000, "concurrency": 3}

The kit's claims come from keys that nobody has used before, one for each test. The limits must be those of a window
that does not end while the kit runs, such as a month, and its figures hold for one key by itself.
"""

from __future__ import annotations

import asyncio
import functools
import secrets
import time
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Final, ParamSpec, get_args

import msgspec
import pytest

from jackfield.errors import LimitExceeded
from jackfield.plugins import Kernel
from jackfield.ports.identity import Principal
from jackfield.ports.limiter import Claim, Measure, Spent
from jackfield.testing.kits.kit import Kit

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence

    from jackfield.ports.limiter import Limiter, LimiterFactory, Reservation, Standing

PATIENCE_S: Final = 60.0
"""A busy machine is no reason to fail."""

POLL_S: Final = 0.02

PROMPT: Final = 10
"""Tokens of the kit's prompts."""

HOSTILE: Final = (
    "",
    "\0",
    "a" * 10_000,
    "a:b/c*?[",
    "..",
    "İ\u202e\ud800",
    "{0.__class__}",
    "'; DROP TABLE limits; --",
)
"""Names that break what takes them for patterns, paths or commands."""


P = ParamSpec("P")


def on_a_loop(test: Callable[P, Coroutine[None, None, None]]) -> Callable[P, None]:
    """*test*, run by an event loop of its own, within ``PATIENCE_S``."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        async def bounded() -> None:
            async with asyncio.timeout(PATIENCE_S):
                await test(*args, **kwargs)

        asyncio.run(bounded())

    return run


class LimiterNeeds(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a key may have."""

    requests: int
    """In a window that does not end meanwhile; at least 3."""
    tokens: int
    """Of prompts and answers together, in such a window; at least 20 for each request."""
    concurrency: int
    """Requests at a time; at least 2, less than ``requests``."""


class LimiterKit(Kit):
    """Conformance of one limiter."""

    Needs = LimiterNeeds

    @pytest.fixture
    def make_limiter(self) -> LimiterFactory:
        """The factory that the plugin hands over."""
        factory: LimiterFactory = self.made(Kernel.limiters)
        return factory

    @on_a_loop
    async def test_so_many_requests_and_no_more(self, make_limiter: LimiterFactory) -> None:
        """The one after the last is told what there is none of, and when to come back."""
        needs, claim = self.told(LimiterNeeds), new_claim()
        async with opened(make_limiter) as limiter:
            for _ in range(needs.requests):
                await used(limiter, claim)
            error = await refused(limiter, claim)
        assert error.measure == "requests", "the refusal does not say what is used up"
        assert error.retry_after is not None, "the refusal does not say when to come back"
        assert error.retry_after > 0
        check_standings(error.standings)
        assert remaining(error.standings, "requests") == 0

    @on_a_loop
    async def test_keys_have_their_own(self, make_limiter: LimiterFactory) -> None:
        """What one has used up is no other's."""
        needs, claim = self.told(LimiterNeeds), new_claim()
        async with opened(make_limiter) as limiter:
            for _ in range(needs.requests):
                await used(limiter, claim)
            await refused(limiter, claim)
            await used(limiter, new_claim())

    @on_a_loop
    async def test_standings_count_down(self, make_limiter: LimiterFactory) -> None:
        """By one request each time, and by the tokens that are reserved."""
        needs, claim = self.told(LimiterNeeds), new_claim()
        async with opened(make_limiter) as limiter:
            for number in range(1, needs.concurrency + 1):
                reservation = await limiter.reserve(claim)
                check_standings(reservation.standings)
                assert remaining(reservation.standings, "requests") == needs.requests - number
                assert remaining(reservation.standings, "tokens") == needs.tokens - number * PROMPT
                assert remaining(reservation.standings, "concurrency") == needs.concurrency - number

    @on_a_loop
    async def test_what_was_released_is_there_again(self, make_limiter: LimiterFactory) -> None:
        """Requests, tokens and places, as if nothing had been asked for."""
        needs, claim = self.told(LimiterNeeds), new_claim()
        async with opened(make_limiter) as limiter:
            for _ in range(2 * needs.requests):
                await (await limiter.reserve(claim)).release()
            await self.all_there(limiter, claim, tokens=needs.tokens)

    @on_a_loop
    async def test_what_was_not_used_is_given_back(self, make_limiter: LimiterFactory) -> None:
        """To the token; the request counts."""
        needs = self.told(LimiterNeeds)
        claim = new_claim(completion_tokens=needs.tokens - PROMPT)
        async with opened(make_limiter) as limiter:
            reservation = await limiter.reserve(claim)
            assert remaining(reservation.standings, "tokens") == 0
            await reservation.begin(PROMPT)
            await reservation.settle(Spent(prompt_tokens=PROMPT, cached_tokens=PROMPT, completion_tokens=3))
            after = await limiter.reserve(claim_of(claim, prompt_tokens=0, completion_tokens=0))
            assert remaining(after.standings, "tokens") == needs.tokens - PROMPT - 3
            assert remaining(after.standings, "requests") == needs.requests - 2

    @on_a_loop
    async def test_what_was_used_besides_is_charged(self, make_limiter: LimiterFactory) -> None:
        """A prompt that was estimated too short, also beyond the limit."""
        needs, claim = self.told(LimiterNeeds), new_claim()
        async with opened(make_limiter) as limiter:
            reservation = await limiter.reserve(claim)
            await reservation.begin(2 * PROMPT)
            after = await limiter.reserve(claim)
            assert remaining(after.standings, "tokens") == needs.tokens - 3 * PROMPT
            await after.release()
            await reservation.settle(Spent(prompt_tokens=needs.tokens + 1))
            error = await refused(limiter, claim)
            assert error.measure == "tokens"
            assert remaining(error.standings, "tokens") == 0

    @on_a_loop
    async def test_a_reservation_ends_once(self, make_limiter: LimiterFactory) -> None:
        """Whatever is called after its end does nothing."""
        needs, claim = self.told(LimiterNeeds), new_claim()
        async with opened(make_limiter) as limiter:
            kept = await limiter.reserve(claim)
            released = await limiter.reserve(claim)
            await ended_in_all_ways(released.release(), released)
            settled = await limiter.reserve(claim)
            await ended_in_all_ways(settled.settle(Spent(prompt_tokens=PROMPT)), settled)
            after = await limiter.reserve(claim)
            assert remaining(after.standings, "requests") == needs.requests - 3
            assert remaining(after.standings, "tokens") == needs.tokens - 3 * PROMPT
            assert remaining(after.standings, "concurrency") == needs.concurrency - 2
            await kept.release()

    @on_a_loop
    async def test_so_many_at_a_time(self, make_limiter: LimiterFactory) -> None:
        """A place is free again when its request has ended, in whatever way."""
        needs, claim = self.told(LimiterNeeds), new_claim()
        async with opened(make_limiter) as limiter:
            held = [await limiter.reserve(claim) for _ in range(needs.concurrency)]
            error = await refused(limiter, claim)
            assert error.measure == "concurrency"
            await held[0].settle(Spent(prompt_tokens=1))
            again = await limiter.reserve(claim)
            await refused(limiter, claim)
            await again.release()
            await (await limiter.reserve(claim)).release()

    @on_a_loop
    async def test_a_refusal_takes_nothing(self, make_limiter: LimiterFactory) -> None:
        """Of no limit, however often it is asked: that of places has none left, the others have."""
        needs, claim = self.told(LimiterNeeds), new_claim()
        async with opened(make_limiter) as limiter:
            held = [await limiter.reserve(claim) for _ in range(needs.concurrency)]
            for _ in range(2 * needs.requests):
                await refused(limiter, claim)
            for reservation in held:
                await reservation.release()
            await self.all_there(limiter, claim, tokens=needs.tokens)

    @on_a_loop
    async def test_all_at_once(self, make_limiter: LimiterFactory) -> None:
        """No more are granted than there are places, and everybody is told."""
        needs, claim = self.told(LimiterNeeds), new_claim()
        async with opened(make_limiter) as limiter:
            calls = [limiter.reserve(claim) for _ in range(5 * needs.requests)]
            answers = await asyncio.gather(*calls, return_exceptions=True)
            granted = [answer for answer in answers if not isinstance(answer, BaseException)]
            assert len(granted) == needs.concurrency
            assert all(isinstance(each, LimitExceeded) for each in answers if isinstance(each, BaseException))
            await asyncio.gather(*(reservation.release() for reservation in granted))
            await self.all_there(limiter, claim, tokens=needs.tokens)

    @pytest.mark.parametrize("turns", [0, 1, 2, 3, 5, 8])
    @on_a_loop
    async def test_a_cancelled_reservation_leaves_nothing(self, make_limiter: LimiterFactory, turns: int) -> None:
        """A client may leave at any moment; at the latest a little later all is there again."""
        needs, claim = self.told(LimiterNeeds), new_claim()
        async with opened(make_limiter) as limiter:
            for _ in range(needs.requests):
                task = asyncio.ensure_future(limiter.reserve(claim))
                for _ in range(turns):
                    await asyncio.sleep(0)
                task.cancel()
                # what others have left behind may still be on its way back
                with suppress(asyncio.CancelledError, LimitExceeded):
                    await (await task).release()
            await self.all_there(limiter, claim, tokens=needs.tokens, at_once=False)

    @on_a_loop
    async def test_anybody_may_claim_anything(self, make_limiter: LimiterFactory) -> None:
        """Callers that nobody knows, hostile names, no tokens at all and very many: granted, or refused in order."""
        async with opened(make_limiter) as limiter:
            for text in HOSTILE:
                for principal in (None, new_principal(text or "-", team=text)):
                    claim = claim_of(new_claim(), principal=principal, user=text, model=text or "-")
                    await tried(limiter, claim)
            for tokens in (0, 10**12):
                await tried(limiter, new_claim(completion_tokens=tokens))

    @on_a_loop
    async def test_it_says_how_it_is(self, make_limiter: LimiterFactory) -> None:
        """Sentences, none of which names a caller."""
        claim = new_claim()
        async with opened(make_limiter) as limiter:
            await used(limiter, claim)
            assert claim.principal is not None
            for trouble in getattr(limiter, "troubles", ()):
                assert isinstance(trouble, str)
                assert claim.principal.name not in trouble

    @on_a_loop
    async def test_it_ends_while_requests_run(self, make_limiter: LimiterFactory) -> None:
        """``close`` comes back, and what ends later does no harm."""
        limiter = make_limiter()
        reservation = await limiter.reserve(new_claim())
        await limiter.close()
        with suppress(Exception):
            await reservation.settle(Spent(prompt_tokens=PROMPT))

    async def all_there(self, limiter: Limiter, claim: Claim, *, tokens: int, at_once: bool = True) -> None:
        """Nothing of the key's is used: the next request is as its first."""
        needs = self.told(LimiterNeeds)
        wanted = (needs.requests - 1, tokens - PROMPT, needs.concurrency - 1)
        until = time.monotonic() + (0 if at_once else PATIENCE_S / 2)
        while True:
            left: Sequence[Standing]
            try:
                reservation = await limiter.reserve(claim)
            except LimitExceeded as error:
                left = error.standings
            else:
                left = reservation.standings
                await reservation.release()
            measures: tuple[Measure, ...] = ("requests", "tokens", "concurrency")
            found = tuple(remaining(left, measure) for measure in measures)
            if found == wanted or time.monotonic() > until:
                break
            await asyncio.sleep(POLL_S)
        assert found == wanted, "something that was given back is missing"


@asynccontextmanager
async def opened(make_limiter: LimiterFactory) -> AsyncIterator[Limiter]:
    """A limiter, closed at the end."""
    limiter = make_limiter()
    try:
        yield limiter
    finally:
        await limiter.close()


def new_principal(name: str = "", team: str = "") -> Principal:
    """One that nobody has seen before."""
    mark = secrets.token_hex(8)
    return Principal(
        id=mark, name=name or f"kit-{mark}", fingerprint=mark[:6], team=team or f"team-{mark}", authenticator="kit"
    )


def new_claim(completion_tokens: int = 0) -> Claim:
    """What a request of a new key takes."""
    return Claim(
        request_id=secrets.token_hex(8),
        principal=new_principal(),
        model="kit",
        action="generate",
        prompt_tokens=PROMPT,
        completion_tokens=completion_tokens,
        queue=100,
    )


def claim_of(claim: Claim, **changes: object) -> Claim:
    """*claim*, with other values."""
    return msgspec.structs.replace(claim, **changes)


async def used(limiter: Limiter, claim: Claim) -> None:
    """A request from its beginning to its end."""
    reservation = await limiter.reserve(claim)
    await reservation.begin(claim.prompt_tokens)
    await reservation.leave_queue()
    await reservation.settle(Spent(prompt_tokens=claim.prompt_tokens))


async def refused(limiter: Limiter, claim: Claim) -> LimitExceeded:
    """Why there is no room for *claim*."""
    with pytest.raises(LimitExceeded) as refusal:
        await limiter.reserve(claim)
    assert refusal.value.message
    return refusal.value


async def tried(limiter: Limiter, claim: Claim) -> None:
    """Granted and given back, or refused, and nothing else."""
    try:
        reservation = await limiter.reserve(claim)
    except LimitExceeded as error:
        check_standings(error.standings)
    else:
        check_standings(reservation.standings)
        await reservation.release()


async def ended_in_all_ways(end: Awaitable[None], reservation: Reservation) -> None:
    """*end*, then everything else that could be called."""
    await end
    await reservation.release()
    await reservation.settle(Spent(prompt_tokens=10**6))
    await reservation.begin(10**6)
    await reservation.leave_queue()
    await reservation.release()


def check_standings(standings: Sequence[Standing]) -> None:
    """They are what headers can be made of."""
    for standing in standings:
        assert standing.measure in get_args(Measure)
        assert 0 <= standing.remaining <= standing.limit
        assert standing.reset_s >= 0
        assert standing.window in {"", "second", "minute", "hour", "day", "month"}


def remaining(standings: Sequence[Standing], measure: Measure) -> float:
    """What is left of the tightest limit of *measure*."""
    left = [standing.remaining for standing in standings if standing.measure == measure]
    assert left, f"nothing is said of {measure}"
    return min(left)
