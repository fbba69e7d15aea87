"""Keys as documents of the policy store, one for each key, and one that says when they were last used."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec
import structlog

from jackfield.errors import AuthenticatorFailed, InvalidRequest
from jackfield_keys.last_used import decoded, encoded, united
from jackfield_keys.ledger import Ledger
from jackfield_keys.records import FINGERPRINT, KEYS_MAX, KIND, KeyRecord, called, differently

if TYPE_CHECKING:
    from collections.abc import Iterable

    from jackfield.ports.policy_store import Documents
    from jackfield_keys.changes import Change, Result

LAST_USED: Final = "last-used"
"""The document that is about no key. Others are called like the digest of their key, in hexadecimal."""

AT_ONCE: Final = 64
"""Documents that are read on the event loop, in about a millisecond; more are read in a thread."""

SHOWN: Final = 5
"""Documents that cannot be read, of which messages say why."""

_decoder: Final = msgspec.json.Decoder(KeyRecord)


class KeysRead(NamedTuple):
    """What documents of keys say."""

    records: Sequence[KeyRecord]
    """Oldest first."""
    unusable: Mapping[str, str]
    """Documents that say nothing, by name: why."""


class KeyDocuments:
    """Reads documents of keys; remembers what it has read.

    A document that cannot be read is nobody's key, and the others are what they say: if one stopped all, no key could
    be revoked any more by whoever writes the others.
    """

    def __init__(self) -> None:
        self._known: Mapping[str, tuple[bytes, KeyRecord]] = {}
        self._records: Sequence[KeyRecord] = ()

    def read(self, documents: Mapping[str, bytes]) -> KeysRead:
        """What *documents* say.

        Raises:
            InvalidRequest: There are too many keys.
        """
        known: dict[str, tuple[bytes, KeyRecord]] = {}
        unusable: dict[str, str] = {}
        strange = 0
        for name, data in documents.items():
            before = self._known.get(name)
            if before is None or before[0] != data:
                strange += 1
                if strange % AT_ONCE == 0:
                    time.sleep(0)
                try:
                    if name == LAST_USED:
                        decoded(data)
                        continue
                    before = data, _record(name, data)
                except (ValueError, RecursionError) as error:
                    unusable[name] = str(error)
                    continue
            known[name] = before
        if len(known) > KEYS_MAX:
            raise InvalidRequest(f"there are more than {KEYS_MAX} keys", param=KIND)
        if strange or len(known) != len(self._known):
            self._records = in_order(record for _, record in known.values())
        self._known = known
        return KeysRead(self._records, unusable)


class DocumentStorage:
    """Keys in the policy store; implements ``KeyStorage``. Event loop thread.

    Parameters:
        name: Of the authenticator.
    """

    def __init__(self, name: str) -> None:
        self.ledger = Ledger(name)
        self._log = structlog.get_logger("jackfield.keys")
        self._reader = KeyDocuments()
        self._documents: Documents | None = None
        self._last_used: Mapping[str, float] = {}
        self._unusable: Mapping[str, str] = {}
        self._reading = asyncio.Lock()

    @property
    def troubles(self) -> tuple[str, ...]:
        """See ``Condition``: which documents are nobody's keys."""
        if not self._unusable:
            return ()
        named = "; ".join(f"{name}: {why}" for name, why in sorted(self._unusable.items())[:SHOWN])
        return (f"documents of keys that cannot be read ({len(self._unusable)}) let nobody in: {named}",)

    def governed(self, documents: Documents) -> None:
        """*documents* changes what is kept."""
        self._documents = documents

    async def check(self, documents: Mapping[str, bytes]) -> None:
        """See ``Governed``."""
        await self._read(documents)

    async def adopt(self, documents: Mapping[str, bytes]) -> None:
        """See ``Governed``."""
        records, unusable = await self._read(documents)
        self._last_used = last_used_in(documents)
        if unusable and unusable != self._unusable:
            self._log.error("documents of keys cannot be read; they let nobody in", documents=sorted(unusable)[:SHOWN])
        self._unusable = unusable
        if len(records) > AT_ONCE:
            await asyncio.to_thread(self.ledger.adopt, records)
        else:
            self.ledger.adopt(records)

    async def look(self, *, unknown: bool) -> None:  # noqa: ARG002 - the port's
        """The kernel looks at the store all the time."""
        self.ledger.settle()

    async def records(self) -> Sequence[KeyRecord]:
        return in_order(entry.record for entry in self.ledger.snapshot.entries.values())

    async def apply(self, change: Change[Result]) -> Result:
        results: list[Result] = []

        def rewrite(documents: Mapping[str, bytes]) -> Mapping[str, bytes | None]:
            result, altered = change(self._reader.read(documents).records)
            results.append(result)
            return {name_of(record): msgspec.json.encode(record) for record in altered}

        await self._kept().rewrite(rewrite)
        return results[-1]

    async def last_used(self) -> Mapping[str, float]:
        return self._last_used

    async def note_used(self, times: Mapping[str, float]) -> None:
        known = {entry.record.fingerprint for entry in self.ledger.snapshot.entries.values()}

        def rewrite(documents: Mapping[str, bytes]) -> Mapping[str, bytes | None]:
            return {LAST_USED: encoded(united(last_used_in(documents), times, known))}

        await self._kept().rewrite(rewrite)

    async def close(self) -> None:
        """There is nothing to give back."""

    async def _read(self, documents: Mapping[str, bytes]) -> KeysRead:
        async with self._reading:
            if len(documents) > AT_ONCE:
                return await asyncio.to_thread(self._reader.read, documents)
            return self._reader.read(documents)

    def _kept(self) -> Documents:
        if self._documents is None:
            raise AuthenticatorFailed("keys cannot be read or changed now: the server has only begun to start")
        return self._documents


def name_of(record: KeyRecord) -> str:
    """What the document of *record* is called."""
    return record.digest_bytes.hex()


def described(name: str, before: bytes | None, after: bytes | None) -> str:
    """See ``Describing``: a key by its name and fingerprint, with what is different; nothing of when keys were used."""
    if name == LAST_USED:
        return ""
    old, new = (None if data is None else _readable(name, data) for data in (before, after))
    if old is not None and new is not None:
        return differently(old, new)
    known = new if after is not None else old
    # what stands in the place of a digest may be anything: no more of it than of a digest
    return called(known) if known is not None else f"a document that cannot be read ({name[:FINGERPRINT]})"


def in_order(records: Iterable[KeyRecord]) -> Sequence[KeyRecord]:
    """*records*, oldest first; of those of one second, the ones first that others came in the place of."""

    def age(record: KeyRecord) -> tuple[float, bool, float, str]:
        ends = record.revoked.timestamp() if record.revoked is not None else 0.0
        return record.created.timestamp(), record.revoked is None, ends, record.digest

    return sorted(records, key=age)


def last_used_in(documents: Mapping[str, bytes]) -> Mapping[str, float]:
    """When keys were last used, as *documents* say; nothing where that cannot be read: no decision hangs on it."""
    try:
        return decoded(documents[LAST_USED]) if LAST_USED in documents else {}
    except (ValueError, RecursionError):
        return {}


def _readable(name: str, data: bytes) -> KeyRecord | None:
    try:
        return _record(name, data)
    except (ValueError, RecursionError):
        return None


def _record(name: str, data: bytes) -> KeyRecord:
    """The record in the document *name*; raises ``ValueError``, which says why there is none."""
    record = _decoder.decode(data)
    if name != name_of(record):
        raise ValueError("a document of a key is called like its digest")
    return record
