"""What became of the last plan, read off the next view: the engine may compute less than planned."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from collections.abc import Set as AbstractSet

    from jackfield.ports.scheduler import SequenceView


class Account:
    """What is known of one sequence that runs, or ran and waits to be resumed."""

    __slots__ = (
        "computed",
        "counted",
        "drawn",
        "drew",
        "generated",
        "got",
        "level",
        "number",
        "pending",
        "priority",
        "sequence",
        "stood",
        "tenant",
    )

    def __init__(self, sequence: SequenceView, level: int, counted: int) -> None:
        self.sequence = sequence
        """As last seen running."""
        self.number = sequence.id
        self.tenant = sequence.tenant
        self.priority = sequence.priority
        self.stood = self.tenant, self.priority
        """In which line."""
        self.level = level
        """How urgent it is: for a slice as it was when it got its slot, so that ageing gets something done."""
        self.pending = sequence.pending
        """When it got its slot."""
        self.computed = sequence.computed
        """As last seen."""
        self.counted = counted
        """Tokens that were computed for it once, or found: computing them anew is nobody's service."""
        self.generated = sequence.generated
        """As last seen."""
        self.drawn = 0
        """Tokens drawn since it got its slot."""
        self.got = 0
        """Tokens computed for the first time, and drawn, in the last step."""
        self.drew = False
        """Whether its answer got on in the last step."""

    def seen(self, computed: int, generated: int, slice_tokens: int) -> None:
        """It is like this after a step."""
        if computed < self.computed:  # the beginning of its context was dropped
            self.counted = max(0, self.counted - (self.computed - computed))
        drawn = generated - self.generated
        self.got = drawn
        if computed > self.counted:
            self.got += computed - self.counted
            self.counted = computed
        self.drew = drawn > 0
        self.drawn += drawn
        if self.drawn >= slice_tokens:
            self.level = self.priority
        self.computed = computed
        self.generated = generated


class Ledger:
    """The accounts of all sequences that run, or ran and will be resumed.

    Parameters:
        slice_tokens: Of the plugin's options.
    """

    def __init__(self, slice_tokens: int) -> None:
        self._slice_tokens = slice_tokens
        self._accounts: dict[int, Account] = {}
        self._starting: dict[int, Account] = {}
        self._planned: Mapping[int, int] = {}
        self._running: AbstractSet[int] = set()

    def __len__(self) -> int:
        return len(self._accounts) + len(self._starting) + len(self._planned) + len(self._running)

    def __contains__(self, number: int) -> bool:
        """Whether that sequence was seen running."""
        return number in self._accounts

    def of(self, number: int) -> Account:
        """Of a sequence that was seen running."""
        return self._accounts[number]

    def starts(self, sequence: SequenceView, level: int) -> None:
        """A plan gives *sequence* a slot, at *level*."""
        before = self._accounts.get(sequence.id)
        counted = sequence.computed if before is None else max(before.counted, sequence.computed)
        self._starting[sequence.id] = Account(sequence, level, counted)

    def planned(self, tokens: Mapping[int, int]) -> None:
        """A plan is made: id → tokens."""
        self._planned = tokens

    def ran(self, sequence: SequenceView) -> Account:
        """*sequence* is seen running; return what it got."""
        number = sequence.id
        account = self._starting.get(number) or self._accounts.get(number)
        if account is None:  # somebody else gave it its slot
            account = Account(sequence, sequence.priority, sequence.computed)
        self._accounts[number] = account
        account.sequence = sequence
        account.seen(sequence.computed, sequence.generated, self._slice_tokens)
        return account

    @property
    def starting(self) -> Collection[int]:
        """Whom the last plan gave a slot."""
        return self._starting.keys()

    def without_slot(self, running: AbstractSet[int]) -> AbstractSet[int]:
        """Who had a slot or was to get one, and is not among *running*."""
        return (self._running | self._starting.keys()) - running

    def ended(self, number: int) -> Account | None:
        """A sequence is no more; what it got in its last step, if the plan had its last token in it."""
        starting = self._starting.get(number)
        account = starting or self._accounts.get(number)
        self._accounts.pop(number, None)
        tokens = self._planned.get(number)
        if account is None or tokens is None or (starting is not None and tokens < starting.pending):
            return None
        account.seen(account.computed + tokens, account.generated + 1, self._slice_tokens)
        return account

    def forget(self, number: int) -> None:
        """A sequence that waited is no more."""
        self._accounts.pop(number, None)

    def settle(self, running: AbstractSet[int]) -> None:
        """The last plan is accounted for; *running* have slots now."""
        self._starting.clear()
        self._planned = {}
        self._running = running
