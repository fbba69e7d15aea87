"""The limiter kit itself: it passes a correct limiter and catches each kind of wrong one."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, ClassVar

import pytest

from jackfield.errors import LimitExceeded
from jackfield.ports.limiter import Standing
from jackfield.testing.kits.limiter import LimiterKit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jackfield.ports.limiter import Claim, LimiterFactory, Spent

REQUESTS, TOKENS, PLACES = 5, 1000, 3


class Account:
    """What one key has used."""

    def __init__(self) -> None:
        self.requests = self.tokens = self.places = 0

    def standings(self) -> tuple[Standing, ...]:
        """What is left for it."""
        return (
            Standing(measure="requests", limit=REQUESTS, remaining=max(0, REQUESTS - self.requests), reset_s=60.0),
            Standing(measure="tokens", limit=TOKENS, remaining=max(0, TOKENS - self.tokens), reset_s=60.0),
            Standing(measure="concurrency", limit=PLACES, remaining=PLACES - self.places, reset_s=1.0),
        )

    def lack(self, tokens: int) -> str:
        """What there is not so much left of."""
        if self.places >= PLACES:
            return "concurrency"
        if self.tokens + tokens > TOKENS:
            return "tokens"
        return "requests" if self.requests >= REQUESTS else ""


class Plain:
    """The simplest correct limiter: a table of accounts, and nothing that ends a window."""

    def __init__(self) -> None:
        self.accounts: defaultdict[str, Account] = defaultdict(Account)

    async def reserve(self, claim: Claim) -> Entry:
        """What is there."""
        account = self.accounts[self.whose(claim)]
        tokens = claim.prompt_tokens + claim.completion_tokens
        lack = account.lack(tokens)
        if lack:
            raise self.refusal(account, lack)
        account.requests += 1
        account.tokens += tokens
        account.places += 1
        return Entry(account, tokens, claim.completion_tokens)

    def whose(self, claim: Claim) -> str:
        """A key's."""
        return "" if claim.principal is None else claim.principal.tenant

    def refusal(self, account: Account, lack: str) -> LimitExceeded:
        """With all that it can say."""
        error = LimitExceeded("no more", retry_after=9.0)
        error.measure, error.standings = lack, account.standings()
        return error

    async def close(self) -> None:
        """Nothing to give back."""


class Entry:
    """Its reservations."""

    def __init__(self, account: Account, tokens: int, completion: int) -> None:
        self.account = account
        self.tokens = tokens
        self.completion = completion
        self.open = True
        self.standings: Sequence[Standing] = account.standings()

    async def begin(self, prompt_tokens: int) -> None:
        """The exact prompt."""
        if self.open:
            self.count(prompt_tokens + self.completion)

    async def leave_queue(self) -> None:
        """There is none."""

    async def settle(self, spent: Spent) -> None:
        """Once."""
        if self.open:
            self.open = False
            self.account.places -= 1
            self.count(spent.prompt_tokens + spent.completion_tokens)

    async def release(self) -> None:
        """Once."""
        if self.open:
            self.open = False
            self.account.places -= 1
            self.account.requests -= 1
            self.count(0)

    def count(self, tokens: int) -> None:
        """So many, instead of what counted."""
        self.account.tokens += tokens - self.tokens
        self.tokens = tokens


class PlainKit(LimiterKit):
    """The kit for a limiter that needs no manifest."""

    __test__ = False
    needs: ClassVar = {"requests": REQUESTS, "tokens": TOKENS, "concurrency": PLACES}
    limiter: ClassVar[type[Plain]] = Plain

    @pytest.fixture
    def make_limiter(self) -> LimiterFactory:
        """A new one."""
        return self.limiter


class TestPlain(PlainKit):
    """It conforms."""

    __test__ = True


class Shared(Plain):
    """All keys have one account."""

    def whose(self, claim: Claim) -> str:
        return "all"


class Silent(Plain):
    """Does not say when to come back, nor what is left."""

    def refusal(self, account: Account, lack: str) -> LimitExceeded:
        return LimitExceeded("no more", retry_after=0.0)


class Generous(Plain):
    """Lets one more in."""

    async def reserve(self, claim: Claim) -> Entry:
        account = self.accounts[self.whose(claim)]
        if account.requests == REQUESTS and account.lack(0) != "concurrency":
            account.requests -= 1
        return await super().reserve(claim)


class Greedy(Plain):
    """Takes before it refuses."""

    async def reserve(self, claim: Claim) -> Entry:
        account = self.accounts[self.whose(claim)]
        if account.lack(claim.prompt_tokens):
            account.requests += 1
        return await super().reserve(claim)


class Twice(Entry):
    """Gives back again and again."""

    async def release(self) -> None:
        self.open = True
        await super().release()


class Stingy(Entry):
    """Gives nothing back that was reserved and not used."""

    def count(self, tokens: int) -> None:
        super().count(max(tokens, self.tokens))


class Blind(Entry):
    """Charges nothing that was used besides."""

    def count(self, tokens: int) -> None:
        super().count(min(tokens, self.tokens))


class Places(Entry):
    """Keeps the place of what was settled."""

    async def settle(self, spent: Spent) -> None:
        self.account.places += self.open
        await super().settle(spent)


def with_entries(kind: type[Entry]) -> type[Plain]:
    """A limiter whose reservations are of that kind."""

    class With(Plain):
        async def reserve(self, claim: Claim) -> Entry:
            entry = await super().reserve(claim)
            return kind(entry.account, entry.tokens, entry.completion)

    return With


@pytest.mark.parametrize(
    ("limiter", "test"),
    [
        (Shared, "test_keys_have_their_own"),
        (Silent, "test_so_many_requests_and_no_more"),
        (Generous, "test_so_many_requests_and_no_more"),
        (Greedy, "test_a_refusal_takes_nothing"),
        (with_entries(Twice), "test_a_reservation_ends_once"),
        (with_entries(Stingy), "test_what_was_not_used_is_given_back"),
        (with_entries(Blind), "test_what_was_used_besides_is_charged"),
        (with_entries(Places), "test_so_many_at_a_time"),
    ],
)
def test_a_wrong_one_is_caught(limiter: type[Plain], test: str) -> None:
    """By the test of that promise."""
    with pytest.raises((AssertionError, LimitExceeded, pytest.fail.Exception)):
        getattr(PlainKit(), test)(limiter)
