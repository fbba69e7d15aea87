"""The keys of a running server: what the file says now, and what it has said of revocations before."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

import structlog

from jackfield.errors import ManifestError
from jackfield.ports.identity import Principal
from jackfield_keys.records import parse
from jackfield_keys.store import read, signature

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from jackfield_keys.records import KeyRecord
    from jackfield_keys.store import Signature

SETTLED_NS: Final = 100_000_000
"""A file changed less than 0.1 s ago may change again without looking different: clocks of file systems tick every few
milliseconds. It is read again."""


FOR_EVER: Final = 0.0
"""A moment that no clock is before."""


class Entry(NamedTuple):
    """One key that may be used."""

    digest: bytes
    principal: Principal
    expires: float
    """Unix seconds; infinite for one that does not expire."""


class Snapshot(NamedTuple):
    """What holds at one moment; replaced as a whole."""

    entries: Mapping[bytes, Entry]
    """By digest."""
    revoked: Mapping[bytes, float]
    """Digest → Unix seconds from which on it is refused; ``FOR_EVER`` once that has come. Nothing ever leaves it: a
    revoked key does not come back, whether an older copy of the file does or the clock is set back."""
    named: Mapping[str, Sequence[Entry]]
    """The same entries by their principal's id, the newest first."""
    broken: bool
    """Whether the file could not be used when it was last looked at: no key is good then."""


class LiveKeys:
    """Follows a key file. ``refresh`` runs in one thread at a time; ``snapshot`` may be read by any.

    Parameters:
        owner: Name of the authenticator.
        path: The file.
        shown: What messages call it.

    Raises:
        ManifestError: The file cannot be used.
    """

    def __init__(self, owner: str, path: Path, shown: str) -> None:
        self._owner = owner
        self._path = path
        self._shown = shown
        self._seen: Signature | None = None
        self._fault = ""
        self._next_end = float("inf")
        """When the next grace period ends; Unix seconds."""
        self._log = structlog.get_logger("jackfield.keys")
        self.snapshot = Snapshot({}, {}, {}, broken=True)
        self._load()

    def refresh(self) -> None:
        """Read the file again if it has changed. One that cannot be used any more is logged, and no key is good."""
        if time.time() >= self._next_end:
            self.snapshot = self.snapshot._replace(revoked=self._settled(self.snapshot.revoked))
        try:
            if self._seen is not None and signature(os.stat(self._path)) == self._seen:  # noqa: PTH116  2 µs less
                return
        except OSError:
            self._seen = None  # reading says what is the matter
        try:
            self._load()
        except ManifestError as error:
            self._broke(error.message)

    def _load(self) -> None:
        text, seen = read(self._path, self._shown)
        records = parse(text, self._shown)
        before = self.snapshot
        revoked = self._settled(_revocations(records, before.revoked))
        entries = {each.digest: each for each in map(self._entry, records)}
        self.snapshot = Snapshot(entries, revoked, _named(entries.values()), broken=False)
        self._seen = seen if time.time_ns() - seen.changed_ns > SETTLED_NS else None
        self._fault = ""
        lost = sorted(
            f"{record.name} ({record.fingerprint})"
            for record in records
            if record.revoked is None and record.digest_bytes in revoked
        )
        if lost:
            self._log.error("the key file has lost revocations; they stay in force until this server ends", keys=lost)
        elif before.broken or before.entries.keys() != self.snapshot.entries.keys() or before.revoked != revoked:
            self._log.info("keys loaded", file=self._shown, keys=len(records), revoked=len(revoked))

    def _broke(self, reason: str) -> None:
        self._seen = None
        self.snapshot = self.snapshot._replace(entries={}, named={}, broken=True)
        if reason != self._fault:
            self._fault = reason
            self._log.critical(
                "the key file cannot be used: nobody is let in", authenticator=self._owner, reason=reason
            )

    def _settled(self, revoked: Mapping[bytes, float]) -> Mapping[bytes, float]:
        """Those of *revoked* that are in force stay so, whatever the clock says later."""
        now = time.time()
        self._next_end = min((at for at in revoked.values() if at > now), default=float("inf"))
        return {digest: at if at > now else FOR_EVER for digest, at in revoked.items()}

    def _entry(self, record: KeyRecord) -> Entry:
        principal = Principal(
            id=record.name,
            name=record.name,
            owner=record.owner,
            fingerprint=record.fingerprint,
            scopes=frozenset(record.scopes),
            models=None if record.models is None else frozenset(record.models),
            priority=record.priority,
            authenticator=self._owner,
        )
        expires = float("inf") if record.expires is None else record.expires.timestamp()
        return Entry(record.digest_bytes, principal, expires)


def _named(entries: Iterable[Entry]) -> Mapping[str, Sequence[Entry]]:
    """*entries*, which stand in a file oldest first."""
    named: dict[str, list[Entry]] = {}
    for entry in entries:
        named.setdefault(entry.principal.id, []).insert(0, entry)
    return named


def _revocations(records: Sequence[KeyRecord], before: Mapping[bytes, float]) -> Mapping[bytes, float]:
    """Those of *records* and those known *before*; the earlier one wins."""
    revoked = dict(before)
    for record in records:
        if record.revoked is not None:
            at = record.revoked.timestamp()
            revoked[record.digest_bytes] = min(at, revoked.get(record.digest_bytes, at))
    return revoked
