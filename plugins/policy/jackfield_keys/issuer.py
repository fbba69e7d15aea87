"""Keys that are made, changed and taken back over a port: what ``jackfield keys`` does, for a running server."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, overload

from jackfield.errors import InvalidRequest
from jackfield.ports.key_issuer import KeyGrant, NewKey
from jackfield.secret import Secret
from jackfield_keys.authenticator import KeysAuthenticator
from jackfield_keys.changes import Grant, altering, creating, revoking, rotating
from jackfield_keys.document_storage import DocumentStorage, described
from jackfield_keys.records import KIND, KeyRecord

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jackfield.ports.key_issuer import IssuedKey, Judge, KeyChange
    from jackfield.ports.outside_change import Inventory, Tell
    from jackfield.ports.policy_store import Documents
    from jackfield_keys.changes import Agree
    from jackfield_keys.file_storage import FileStorage

_NO_DIGEST: Final = f"sha256:{'0' * 64}"
"""Of a record that is only looked at."""


class KeysIssuer(KeysAuthenticator):
    """An authenticator whose keys can be changed; implements ``KeyIssuer``. Event loop thread."""

    async def issued(self) -> Sequence[IssuedKey]:
        used = {**await self._storage.last_used(), **self._uses.pending}
        return [each.issued(_time_of(used.get(each.fingerprint))) for each in await self._storage.records()]

    async def issue(self, grant: KeyGrant) -> NewKey:
        made = await self._storage.apply(creating(_wanted(grant)))
        return NewKey(key=Secret(made.key), issued=made.record.issued())

    async def change(self, which: str, change: KeyChange, judge: Judge) -> Sequence[IssuedKey]:
        changed = await self._storage.apply(altering(which, change, _agree(judge)))
        return [each.issued() for each in changed]

    async def revoke(self, which: str, judge: Judge) -> Sequence[IssuedKey]:
        revoked = await self._storage.apply(revoking(which, _agree(judge)))
        return [each.issued() for each in revoked]

    async def rotate(self, which: str, judge: Judge, *, grace_s: float, expires: datetime | None) -> NewKey:
        try:
            change = rotating(which, timedelta(seconds=grace_s), expires, _agree(judge))
            new = await self._storage.apply(change)
        except OverflowError as error:
            raise InvalidRequest("the end of the grace, or the new expiry, lies beyond all dates") from error
        return NewKey(key=Secret(new.key), issued=new.record.issued(), replaced=new.old.issued())


class FiledKeysIssuer(KeysIssuer):
    """The same, of keys in a file; implements ``Watching``.

    Parameters:
        name: Of the authenticator.
        file: Where they are kept.
    """

    def __init__(self, name: str, file: FileStorage) -> None:
        self._file = file
        super().__init__(name, file)

    @property
    def inventory(self) -> Inventory:
        return self._file.inventory

    def watch(self, tell: Tell) -> None:
        self._file.watch(tell)


class StoredKeysIssuer(KeysIssuer):
    """The same, of keys in the policy store; implements ``Governed`` and ``Describing``.

    Parameters:
        name: Of the authenticator.
    """

    def __init__(self, name: str) -> None:
        self._stored = DocumentStorage(name)
        super().__init__(name, self._stored)

    @property
    def document_kind(self) -> str:
        return KIND

    def governed(self, documents: Documents) -> None:
        self._stored.governed(documents)

    async def check(self, documents: Mapping[str, bytes]) -> None:
        await self._stored.check(documents)

    async def adopt(self, documents: Mapping[str, bytes]) -> None:
        await self._stored.adopt(documents)

    def described(self, name: str, before: bytes | None, after: bytes | None) -> str:
        return described(name, before, after)

    @property
    def troubles(self) -> tuple[str, ...]:
        return (*super().troubles, *self._stored.troubles)


def _time_of(at: float | None) -> datetime | None:
    return None if at is None else datetime.fromtimestamp(int(at), UTC)


def _wanted(grant: KeyGrant) -> Grant:
    """*grant* as it can be kept."""
    wanted = Grant(**{name: getattr(grant, name) for name in Grant._fields})
    try:
        KeyRecord(**wanted._asdict(), digest=_NO_DIGEST, created=datetime.now(UTC))
    except ValueError as error:
        raise InvalidRequest(str(error), param=str(error).partition(" ")[0]) from error
    return wanted


class _Shown(Sequence["IssuedKey"]):
    """Records as they may be shown, each made when somebody looks at it: mostly the first few decide."""

    def __init__(self, records: Sequence[KeyRecord]) -> None:
        self._records = records

    @overload
    def __getitem__(self, place: int) -> IssuedKey: ...

    @overload
    def __getitem__(self, place: slice) -> Sequence[IssuedKey]: ...

    def __getitem__(self, place: int | slice) -> IssuedKey | Sequence[IssuedKey]:
        return _Shown(self._records[place]) if isinstance(place, slice) else self._records[place].issued()

    def __len__(self) -> int:
        return len(self._records)


def _agree(judge: Judge) -> Agree:
    def agree(affected: Sequence[KeyRecord], others: Sequence[KeyRecord]) -> None:
        judge(_Shown(affected), _Shown(others))

    return agree
