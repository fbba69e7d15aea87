"""The keys of a running server: what holds now, and what was ever heard of revocations."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec
import structlog

from jackfield.ports.identity import Principal
from jackfield_keys.records import KeyRecord

if TYPE_CHECKING:
    from collections.abc import Iterable

FOR_EVER: Final = 0.0
"""A moment that no clock is before."""

SLICE: Final = 500
"""Keys after which other threads have a turn: a millisecond or two."""


class Entry(msgspec.Struct, gc=False):
    """One key that is known.

    There may be ten thousand, and nothing refers back to them: what collects garbage need not look at them. A principal
    is made when somebody presents the key.
    """

    digest: bytes
    owner: str
    """Name of the authenticator."""
    record: KeyRecord
    expires: float
    """Unix seconds; infinite for one that does not expire."""
    known: Principal | None = None

    @property
    def principal(self) -> Principal:
        """Who holds it."""
        if self.known is None:
            self.known = principal_of(self.record, self.owner)
        return self.known


class Named:
    """Entries by their principal's id; sorted when somebody asks for the first time.

    Parameters:
        entries: Oldest first.
    """

    def __init__(self, entries: Iterable[Entry]) -> None:
        self._entries = entries
        self._sorted: Mapping[str, Sequence[Entry]] | None = None

    def of(self, name: str) -> Sequence[Entry]:
        """Those of one principal, the newest first."""
        found = self._sorted
        if found is None:
            found = self._sorted = _sorted(self._entries)
        return found.get(name, ())


class Snapshot(NamedTuple):
    """What holds at one moment; replaced as a whole."""

    entries: Mapping[bytes, Entry]
    """By digest."""
    revoked: Mapping[bytes, float]
    """Digest → Unix seconds from which on it is refused; ``FOR_EVER`` once that has come. Nothing ever leaves it: a
    revoked key does not come back, whether an older copy of the keys does or the clock is set back."""
    named: Named
    """The same entries by their principal's id."""
    broken: bool
    """Whether the keys could not be read when they were last looked at: no key is good then."""


class Ledger:
    """What holds. One thread at a time changes it; ``snapshot`` may be read by any.

    Parameters:
        owner: Name of the authenticator.
    """

    def __init__(self, owner: str) -> None:
        self._owner = owner
        self._fault = ""
        self._next_end = float("inf")
        """When the next grace period ends; Unix seconds."""
        self._log = structlog.get_logger("jackfield.keys")
        self.snapshot = Snapshot({}, {}, Named(()), broken=True)

    @property
    def fault(self) -> str:
        """Why the keys cannot be read; empty while they can."""
        return self._fault

    def adopt(self, records: Sequence[KeyRecord]) -> None:
        """*records*, oldest first, are what is kept now; what was heard of revocations before holds all the same."""
        before = self.snapshot
        revoked = self._settled(_revocations(records, before.revoked))
        entries: dict[bytes, Entry] = {}
        for number, record in enumerate(records):
            digest = record.digest_bytes
            known = before.entries.get(digest)
            entries[digest] = known if known is not None and known.record is record else self._entry(record)
            if number % SLICE == SLICE - 1:
                time.sleep(0)
        self.snapshot = Snapshot(entries, revoked, Named(entries.values()), broken=False)
        self._fault = ""
        self._tell(before, self.snapshot)

    def breaks(self, reason: str) -> None:
        """The keys cannot be read, which is logged: from now on no key is good."""
        self.snapshot = self.snapshot._replace(entries={}, named=Named(()), broken=True)
        if reason != self._fault:
            self._fault = reason
            self._log.critical("the keys cannot be used: nobody is let in", authenticator=self._owner, reason=reason)

    def settle(self) -> None:
        """Grace periods that have ended have ended for ever, whatever the clock says later."""
        if time.time() >= self._next_end:
            self.snapshot = self.snapshot._replace(revoked=self._settled(self.snapshot.revoked))

    def _tell(self, before: Snapshot, now: Snapshot) -> None:
        lost = sorted(
            f"{entry.record.name} ({entry.record.fingerprint})"
            for digest, entry in now.entries.items()
            if entry.record.revoked is None and digest in now.revoked
        )
        if lost:
            self._log.error("the keys have lost revocations; they stay in force until this server ends", keys=lost)
        elif before.broken or before.entries.keys() != now.entries.keys() or before.revoked != now.revoked:
            self._log.info("keys loaded", authenticator=self._owner, keys=len(now.entries), revoked=len(now.revoked))

    def _settled(self, revoked: Mapping[bytes, float]) -> Mapping[bytes, float]:
        now = time.time()
        self._next_end = min((at for at in revoked.values() if at > now), default=float("inf"))
        return {digest: at if at > now else FOR_EVER for digest, at in revoked.items()}

    def _entry(self, record: KeyRecord) -> Entry:
        expires = float("inf") if record.expires is None else record.expires.timestamp()
        return Entry(record.digest_bytes, self._owner, record, expires)


def principal_of(record: KeyRecord, owner: str) -> Principal:
    """Who holds the key of *record*, to the authenticator *owner*."""
    models = record.models
    if models is None and record.roles:
        models = ()  # its roles bring those that it may use
    return Principal(
        id=record.name,
        name=record.name,
        owner=record.owner,
        user=record.user,
        team=record.team,
        tenant_name=record.tenant,
        roles=frozenset(record.roles),
        tags=frozenset(record.tags),
        fingerprint=record.fingerprint,
        scopes=frozenset(record.scopes),
        models=None if models is None else frozenset(models),
        priority=record.priority,
        authenticator=owner,
    )


def _sorted(entries: Iterable[Entry]) -> Mapping[str, Sequence[Entry]]:
    """*entries*, which come oldest first, by name, the newest first."""
    named: dict[str, tuple[Entry, ...]] = {}
    for entry in entries:
        named[entry.record.name] = (entry, *named.get(entry.record.name, ()))
    return named


def _revocations(records: Sequence[KeyRecord], before: Mapping[bytes, float]) -> Mapping[bytes, float]:
    """Those of *records* and those known *before*; the earlier one wins."""
    revoked = dict(before)
    for record in records:
        if record.revoked is not None:
            at = record.revoked.timestamp()
            revoked[record.digest_bytes] = min(at, revoked.get(record.digest_bytes, at))
    return revoked
