"""Keys that are made and taken back over a port: what ``jackfield keys`` does, for a running server."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, TypeVar

import structlog

from jackfield.errors import AuthenticatorFailed, InvalidRequest, KeyNotFound, ManifestError
from jackfield.ports.key_issuer import KeyGrant, NewKey
from jackfield.secret import Secret
from jackfield_keys.authenticator import KeysAuthenticator
from jackfield_keys.edit import Grant, KeyFile
from jackfield_keys.records import KeyRecord

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from jackfield.ports.key_issuer import IssuedKey, Judge
    from jackfield_keys.edit import Agree

Result = TypeVar("Result")

_NO_DIGEST: Final = f"sha256:{'0' * 64}"
"""Of a record that is only looked at."""


class KeysIssuer(KeysAuthenticator):
    """An authenticator whose keys can be changed; implements ``KeyIssuer``. Event loop thread.

    Changes are made one after another, in a thread of their own: however many there are, looks at the file have one.

    Parameters:
        name: Of the authenticator.
        path: The key file.
        shown: What the log calls it; callers do not learn where it is.

    Raises:
        ManifestError: The file cannot be used.
    """

    def __init__(self, name: str, path: Path, shown: str) -> None:
        super().__init__(name, path, shown)
        self._file = KeyFile(path, shown)
        self._turn = asyncio.Lock()
        self._log = structlog.get_logger("jackfield.keys")

    async def issued(self) -> Sequence[IssuedKey]:
        return await self._in_turn(lambda: [each.issued() for each in self._file.records()])

    async def issue(self, grant: KeyGrant) -> NewKey:
        wanted = _wanted(grant)
        key, record = await self._change(lambda: self._file.create(wanted))
        return NewKey(key=Secret(key), issued=record.issued())

    async def revoke(self, which: str, judge: Judge) -> Sequence[IssuedKey]:
        revoked = await self._change(lambda: self._file.revoke(which, _agree(judge)))
        return [each.issued() for each in revoked]

    async def rotate(self, which: str, judge: Judge, *, grace_s: float, expires: datetime | None) -> NewKey:
        def replace() -> tuple[str, KeyRecord, KeyRecord]:
            return self._file.rotate(which, timedelta(seconds=grace_s), expires, _agree(judge))

        try:
            key, record, old = await self._change(replace)
        except OverflowError as error:
            raise InvalidRequest("the end of the grace, or the new expiry, lies beyond all dates") from error
        return NewKey(key=Secret(key), issued=record.issued(), replaced=old.issued())

    async def _change(self, change: Callable[[], Result]) -> Result:
        result = await self._in_turn(change)
        await self.follow()
        return result

    async def _in_turn(self, work: Callable[[], Result]) -> Result:
        """Do *work* in a thread. A caller that leaves gives up its place, but nothing that has begun."""
        await self._turn.acquire()
        task = asyncio.get_running_loop().create_task(self._in_thread(work))
        task.add_done_callback(self._ended)
        return await asyncio.shield(task)

    def _ended(self, task: asyncio.Task[Result]) -> None:
        self._turn.release()
        if not task.cancelled():
            task.exception()  # nobody may be left to take it

    async def _in_thread(self, work: Callable[[], Result]) -> Result:
        try:
            return await asyncio.to_thread(work)
        except ManifestError as error:
            self._log.error("the key file cannot be used", reason=error.message)
            raise AuthenticatorFailed("keys cannot be read or changed now; the server's log says why") from error
        except KeyNotFound as error:
            raise KeyNotFound("there is no such key, neither by name nor by fingerprint", param="key") from error


def _wanted(grant: KeyGrant) -> Grant:
    """*grant* as the file takes it."""
    wanted = Grant(grant.name, grant.owner, grant.scopes, grant.models, grant.expires, grant.priority)
    try:
        KeyRecord(**wanted._asdict(), digest=_NO_DIGEST, created=datetime.now(UTC))
    except ValueError as error:
        raise InvalidRequest(str(error), param=str(error).partition(" ")[0]) from error
    return wanted


def _agree(judge: Judge) -> Agree:
    def agree(affected: Sequence[KeyRecord], others: Sequence[KeyRecord]) -> None:
        judge([each.issued() for each in affected], [each.issued() for each in others])

    return agree
