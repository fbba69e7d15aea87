"""Changes of keys: what is made of what there is, wherever keys are kept.

Each function gives a ``Change``: told all keys as they are, it says what comes of it, and which keys are new or
different then. It may be asked more than once, where somebody else was faster.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple, TypeAlias, TypeVar

import msgspec

from jackfield.errors import Conflict, InvalidRequest, KeyNotFound
from jackfield_keys.key import digest_of, new_key, prefix_of
from jackfield_keys.records import KEYS_MAX, KeyRecord

if TYPE_CHECKING:
    from jackfield.ports.key_issuer import KeyChange

Result = TypeVar("Result")

Change: TypeAlias = Callable[[Sequence[KeyRecord]], tuple[Result, Sequence[KeyRecord]]]

Agree: TypeAlias = Callable[[Sequence[KeyRecord], Sequence[KeyRecord]], None]
"""Told which keys a change is about, and all others; what it raises refuses the change."""


def anyway(_affected: Sequence[KeyRecord], _others: Sequence[KeyRecord]) -> None:
    """Whoever may write what keys are kept in may do everything."""


class Grant(NamedTuple):
    """What a new key is for."""

    name: str
    owner: str
    scopes: Sequence[str]
    models: Sequence[str] | None
    expires: datetime | None
    priority: int = 0
    user: str = ""
    team: str = ""
    tenant: str = ""
    roles: Sequence[str] = ()
    tags: Sequence[str] = ()


class Made(NamedTuple):
    """A key that was just made."""

    key: str
    """Which nobody can ever show again."""
    record: KeyRecord


class Rotated(NamedTuple):
    """A key, and the one in whose place it is."""

    key: str
    record: KeyRecord
    old: KeyRecord


def creating(grant: Grant) -> Change[Made]:
    """Add a key.

    Raises:
        Conflict: The name is taken, or there are as many keys as there may be.
        ValueError: *grant* cannot be a key's; says why.
    """

    def change(records: Sequence[KeyRecord]) -> tuple[Made, Sequence[KeyRecord]]:
        taken = next((each for each in records if each.name == grant.name and each.revoked is None), None)
        if taken is not None:
            raise Conflict(
                f"there is a key {grant.name} ({taken.fingerprint}, {taken.state(moment())}); rotate or revoke it, or"
                " choose another name",
                param="name",
            )
        made = _made(grant, records)
        return made, [made.record]

    return change


def revoking(which: str, agree: Agree) -> Change[Sequence[KeyRecord]]:
    """Refuse the keys called *which* from now on; those that were not refused before are what comes of it.

    Raises:
        KeyNotFound: There is no such key.
    """

    def change(records: Sequence[KeyRecord]) -> tuple[Sequence[KeyRecord], Sequence[KeyRecord]]:
        now = moment()
        good = [each for each in called(which, records) if each.state(now) != "revoked"]
        if good:
            agree(good, _but(good, records))
        revoked = [msgspec.structs.replace(each, revoked=now) for each in good]
        return revoked, revoked

    return change


def altering(which: str, wanted: KeyChange, agree: Agree) -> Change[Sequence[KeyRecord]]:
    """Let the keys called *which* be what *wanted* says; those that were revoked stay as they are.

    Raises:
        KeyNotFound: There is no such key.
        Conflict: All of them were revoked.
        InvalidRequest: *wanted* cannot be a key's; ``param`` names the field.
    """

    def change(records: Sequence[KeyRecord]) -> tuple[Sequence[KeyRecord], Sequence[KeyRecord]]:
        now = moment()
        good = [each for each in called(which, records) if each.state(now) != "revoked"]
        if not good:
            raise Conflict("it was revoked, which is for ever; create a new key")
        agree(good, _but(good, records))
        altered = [_altered(each, wanted, now) for each in good]
        return altered, [new for old, new in zip(good, altered, strict=True) if new != old]

    return change


def rotating(which: str, grace: timedelta, expires: datetime | None, agree: Agree) -> Change[Rotated]:
    """Give the holder of a key a new one.

    Parameters:
        which: Name, fingerprint or prefix of the present key.
        grace: How long the old one stays good.
        expires: Of the new one; None takes the old one's lifetime, if that has one.
        agree: Asked about the old one.

    Raises:
        KeyNotFound: There is no such key.
        Conflict: It was revoked, rotated or blocked, or there are as many keys as there may be.
        OverflowError: The end of the grace, or the new expiry, lies beyond all dates.
    """

    def change(records: Sequence[KeyRecord]) -> tuple[Rotated, Sequence[KeyRecord]]:
        now = moment()
        found = called(which, records)
        old = next((each for each in found if each.revoked is None), None)
        if old is None or old.blocked is not None:
            state = (old or found[-1]).state(now)
            raise Conflict(f"{found[-1].name} was {state} and cannot be rotated; create a new key")
        agree([old], _but([old], records))
        lifetime = old.expires - old.created if old.expires is not None else None
        ends = expires if expires is not None or lifetime is None else now + lifetime
        revoked = msgspec.structs.replace(old, revoked=now + grace)
        rights = {name: getattr(old, name) for name in Grant._fields if name != "expires"}
        made = _made(Grant(**rights, expires=ends), records)
        return Rotated(made.key, made.record, revoked), [revoked, made.record]

    return change


def importing(foreign: Sequence[KeyRecord]) -> Change[Sequence[KeyRecord]]:
    """Take keys over that were kept elsewhere; those that are there already stay as they are.

    Raises:
        Conflict: There would be too many.
    """

    def change(records: Sequence[KeyRecord]) -> tuple[Sequence[KeyRecord], Sequence[KeyRecord]]:
        known = {each.digest for each in records}
        new = [each for each in foreign if each.digest not in known]
        if len(records) + len(new) > KEYS_MAX:
            raise _full()
        return new, new

    return change


def called(which: str, records: Sequence[KeyRecord]) -> Sequence[KeyRecord]:
    """Those of *records* with that name, fingerprint or prefix; raises ``KeyNotFound`` where there is none."""
    found = [each for each in records if each.is_called(which)]
    if not found:
        # unnamed: what stands in the place of a name may be a key
        raise KeyNotFound("there is no such key, neither by name nor by fingerprint nor by prefix", param="key")
    return found


def moment() -> datetime:
    """Now, in whole seconds, as keys have it."""
    return datetime.now(UTC).replace(microsecond=0)


def _made(grant: Grant, records: Sequence[KeyRecord]) -> Made:
    if len(records) >= KEYS_MAX:
        raise _full()
    taken = {each.fingerprint for each in records}
    key = new_key()
    while digest_of(key).hex()[:6] in taken:
        key = new_key()
    record = KeyRecord(
        name=grant.name,
        digest=f"sha256:{digest_of(key).hex()}",
        prefix=prefix_of(key),
        owner=grant.owner,
        user=grant.user,
        team=grant.team,
        tenant=grant.tenant,
        roles=tuple(grant.roles),
        tags=tuple(grant.tags),
        scopes=tuple(grant.scopes),
        models=None if grant.models is None else tuple(grant.models),
        priority=grant.priority,
        created=moment(),
        expires=grant.expires,
    )
    return Made(key, record)


def _altered(record: KeyRecord, wanted: KeyChange, now: datetime) -> KeyRecord:
    told = {name: value for name, value in msgspec.structs.asdict(wanted).items() if value is not msgspec.UNSET}
    if "blocked" in told:
        told["blocked"] = (record.blocked or now) if told["blocked"] else None
    try:
        return msgspec.structs.replace(record, **told)
    except ValueError as error:
        raise InvalidRequest(str(error), param=str(error).partition(" ")[0]) from error


def _but(some: Sequence[KeyRecord], records: Sequence[KeyRecord]) -> Sequence[KeyRecord]:
    """All of *records* but *some*."""
    left_out = {each.digest for each in some}
    return [each for each in records if each.digest not in left_out]


def _full() -> Conflict:
    return Conflict(f"there are {KEYS_MAX} keys, which is all there may be; old ones may be taken out")
