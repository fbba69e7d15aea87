"""What became of the last plan, read off the next view: the engine may compute less than planned."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from jackfield.ports.scheduler import SequenceView


class Account:
    """What is known of one sequence that runs, or ran and waits to be resumed."""

    __slots__ = ("computed", "counted", "generated", "level", "pending", "priority", "started_at", "tenant")

    def __init__(self, sequence: SequenceView, level: int, counted: int) -> None:
        self.tenant = sequence.tenant
        self.priority = sequence.priority
        self.level = level
        """How urgent it was when it got its slot."""
        self.pending = sequence.pending
        """When it got its slot."""
        self.computed = sequence.computed
        """As last seen."""
        self.counted = counted
        """Tokens that were computed for it once, or found: computing them anew is nobody's service."""
        self.generated = sequence.generated
        """As last seen."""
        self.started_at = sequence.generated
        """How many it had drawn when it got its slot."""

    @property
    def drawn(self) -> int:
        """Tokens drawn since it got its slot."""
        return self.generated - self.started_at

    def served(self, computed: int, generated: int) -> int:
        """Tokens computed for the first time and tokens drawn until it is seen like this."""
        if computed < self.computed:  # the beginning of its context was dropped
            self.counted = max(0, self.counted - (self.computed - computed))
        tokens = max(0, computed - self.counted) + max(0, generated - self.generated)
        self.counted = max(self.counted, computed)
        self.computed = computed
        self.generated = generated
        return tokens


class Served(NamedTuple):
    """What a sequence got in the last step."""

    tenant: str
    priority: int
    tokens: int
    """Computed for the first time, and drawn."""
    drew: bool
    """Whether its answer got on."""


class Ledger:
    """The accounts of all sequences that run, or ran and will be resumed."""

    def __init__(self) -> None:
        self._accounts: dict[int, Account] = {}
        self._starting: dict[int, Account] = {}
        self._planned: Mapping[int, int] = {}

    def __len__(self) -> int:
        return len(self._accounts) + len(self._starting) + len(self._planned)

    def get(self, number: int) -> Account | None:
        """Of a sequence that runs or ran; None where it was not seen running."""
        return self._accounts.get(number)

    def starts(self, sequence: SequenceView, level: int) -> None:
        """A plan gives *sequence* a slot, at *level*."""
        before = self._accounts.get(sequence.id)
        counted = sequence.computed if before is None else max(before.counted, sequence.computed)
        self._starting[sequence.id] = Account(sequence, level, counted)

    def planned(self, tokens: Mapping[int, int]) -> None:
        """A plan is made: id → tokens."""
        self._planned = tokens

    def ran(self, sequence: SequenceView) -> Served:
        """*sequence* is seen running."""
        account = self._starting.pop(sequence.id, None) or self._accounts.get(sequence.id)
        if account is None:  # somebody else gave it its slot
            account = Account(sequence, sequence.priority, sequence.computed)
        self._accounts[sequence.id] = account
        generated = sequence.generated
        drew = generated > account.generated
        return Served(account.tenant, account.priority, account.served(sequence.computed, generated), drew)

    @property
    def starting(self) -> Collection[int]:
        """Whom the last plan gave a slot."""
        return self._starting.keys()

    def without_slot(self, running: Collection[int]) -> list[int]:
        """Who had a slot or was to get one, and is not among *running*."""
        return [number for number in {**self._accounts, **self._starting} if number not in running]

    def ended(self, number: int) -> Served | None:
        """A sequence is no more; what it got in its last step, if the plan had its last token in it."""
        starting = self._starting.pop(number, None)
        account = starting or self._accounts.get(number)
        self._accounts.pop(number, None)
        tokens = self._planned.get(number)
        if account is None or tokens is None or (starting is not None and tokens < starting.pending):
            return None
        served = account.served(account.computed + tokens, account.generated + 1)
        return Served(account.tenant, account.priority, served, drew=True)

    def settle(self) -> None:
        """The last plan is accounted for."""
        self._starting.clear()
        self._planned = {}
