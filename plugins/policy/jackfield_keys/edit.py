"""Changes of a key file: create, revoke, rotate. Comments and order of what people wrote into it stay."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

import msgspec

from jackfield.errors import Conflict, KeyNotFound, ManifestError
from jackfield_keys.document import KeyDocument
from jackfield_keys.key import digest_of, new_key
from jackfield_keys.records import KEYS_MAX, KeyRecord, parse
from jackfield_keys.store import FILE_BYTES_MAX, locked, read, replace

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_HEADER: Final = """\
# Keys of a Jackfield server, written by `jackfield keys`. There are digests only: no key can be read from this file.
# Revoke keys instead of deleting them: a running server then refuses them also if an older copy of the file comes back.
version = 1

"""


Agree: TypeAlias = Callable[[Sequence[KeyRecord], Sequence[KeyRecord]], None]
"""Told, while the file is locked, which keys a change is about, and all others; what it raises refuses the change."""


def anyway(_affected: Sequence[KeyRecord], _others: Sequence[KeyRecord]) -> None:
    """Whoever may write the file may do everything."""


class Grant(NamedTuple):
    """What a new key is for."""

    name: str
    owner: str
    scopes: Sequence[str]
    models: Sequence[str] | None
    expires: datetime | None
    priority: int = 0


class KeyFile:
    """A key file as commands change it. One process, one thread.

    Parameters:
        path: The file; the first ``create`` makes it.
        shown: What messages call it.
    """

    def __init__(self, path: Path, shown: str) -> None:
        self._path = path
        self._shown = shown

    def records(self) -> Sequence[KeyRecord]:
        """All keys, in the order of the file.

        Raises:
            ManifestError: The file cannot be used.
        """
        return parse(read(self._path, self._shown)[0], self._shown)

    def create(self, grant: Grant) -> tuple[str, KeyRecord]:
        """Add a key.

        Returns:
            The key, which nobody can ever show again, and its record.

        Raises:
            ManifestError: The file cannot be used, or *grant* cannot be written.
            Conflict: The name is taken, or there are as many keys as there may be.
            ValueError: *grant* cannot be a key's; says why.
        """
        with self._editing(make=True) as edit:
            taken = next((each for each in edit.records if each.name == grant.name and each.revoked is None), None)
            if taken is not None:
                raise Conflict(
                    f"there is a key {grant.name} ({taken.fingerprint}, {taken.state(_now())}); rotate or revoke it, or"
                    " choose another name",
                    param="name",
                )
            return edit.add(grant)

    def revoke(self, which: str, agree: Agree = anyway) -> Sequence[KeyRecord]:
        """Refuse the keys called *which*, or the one with that fingerprint, from now on.

        Parameters:
            which: Name or fingerprint.
            agree: Asked about those that are not refused yet, if there are any.

        Returns:
            Those that were not refused before; empty where all were.

        Raises:
            ManifestError: The file cannot be used.
            KeyNotFound: There is no such key.
        """
        now = _now()
        with self._editing() as edit:
            found = [each for each in edit.records if which in (each.name, each.fingerprint)]
            if not found:
                raise self._unknown(which)
            good = [each for each in found if each.state(now) != "revoked"]
            if good:
                agree(good, edit.but(good))
            return [edit.revoke(each, now) for each in good]

    def rotate(
        self, which: str, grace: timedelta, expires: datetime | None, agree: Agree = anyway
    ) -> tuple[str, KeyRecord, KeyRecord]:
        """Give the holder of a key a new one.

        Parameters:
            which: Name or fingerprint of the present key.
            grace: How long the old one stays good.
            expires: Of the new one; None takes the old one's lifetime, if that has one.
            agree: Asked about the old one.

        Returns:
            The new key, its record, and the old one's.

        Raises:
            ManifestError: The file cannot be used.
            KeyNotFound: There is no such key.
            Conflict: It was revoked or rotated, or there are as many keys as there may be.
            OverflowError: The end of the grace, or the new expiry, lies beyond all dates.
        """
        now = _now()
        with self._editing() as edit:
            found = [each for each in edit.records if which in (each.name, each.fingerprint)]
            old = next((each for each in found if each.revoked is None), None)
            if old is None:
                raise (
                    self._unknown(which)
                    if not found
                    else Conflict(f"{which} was {found[-1].state(now)} and cannot be rotated; create a new key")
                )
            agree([old], edit.but([old]))
            lifetime = old.expires - old.created if old.expires is not None else None
            expires = expires if expires is not None or lifetime is None else now + lifetime
            revoked = edit.revoke(old, now + grace)
            key, record = edit.add(Grant(old.name, old.owner, old.scopes, old.models, expires, old.priority))
            return key, record, revoked

    @contextmanager
    def _editing(self, *, make: bool = False) -> Iterator[_Edit]:
        """The file under the lock; what was changed is written at the end, if nothing was raised."""
        with locked(self._path, self._shown):
            text = _HEADER if make and not self._path.exists() else read(self._path, self._shown)[0]
            edit = _Edit(text, self._shown)
            yield edit
            if edit.changed:
                replace(self._path, edit.text(), self._shown)

    def _unknown(self, which: str) -> KeyNotFound:
        return KeyNotFound(f"{self._shown}: there is no key called {which}, and none with that fingerprint")


class _Edit:
    """A document that is being changed."""

    def __init__(self, text: str, shown: str) -> None:
        self._shown = shown
        self.records = list(parse(text, shown))
        self._document = KeyDocument(text, len(self.records))
        self.changed = False

    def but(self, some: Sequence[KeyRecord]) -> Sequence[KeyRecord]:
        """All records but *some*."""
        left_out = {each.digest for each in some}
        return [each for each in self.records if each.digest not in left_out]

    def add(self, grant: Grant) -> tuple[str, KeyRecord]:
        if len(self.records) >= KEYS_MAX:
            raise Conflict(
                f"there are {KEYS_MAX} keys, which is all there may be; whoever has the file may remove old ones"
            )
        key = new_key()
        while digest_of(key).hex()[:6] in {each.fingerprint for each in self.records}:
            key = new_key()
        models = None if grant.models is None else tuple(grant.models)
        record = KeyRecord(
            name=grant.name,
            digest=f"sha256:{digest_of(key).hex()}",
            owner=grant.owner,
            scopes=tuple(grant.scopes),
            models=models,
            priority=grant.priority,
            created=_now(),
            expires=grant.expires,
        )
        self._document.append(record)
        self.records.append(record)
        self.changed = True
        return key, record

    def revoke(self, record: KeyRecord, at: datetime) -> KeyRecord:
        position = self.records.index(record)
        self._document.revoke(position, at)
        revoked = self.records[position] = msgspec.structs.replace(record, revoked=at)
        self.changed = True
        return revoked

    def text(self) -> str:
        """The whole document; what it would say is checked first."""
        text = self._document.text()
        if len(text.encode()) > FILE_BYTES_MAX:
            raise ManifestError(f"{self._shown}: it would be larger than {FILE_BYTES_MAX} bytes, which nobody reads")
        if list(parse(text, self._shown)) != self.records:
            raise AssertionError("the changed key file would not say what it must")
        return text


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)
