"""What callers may give away, change, and take away: nobody makes a key that can do more than their own."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

import msgspec
from msgspec import UNSET

from jackfield.errors import Conflict, PolicyDenied
from jackfield.ports.identity import ADMIN, ALL, KEYS_WRITE

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from jackfield.ports.identity import Principal
    from jackfield.ports.key_issuer import IssuedKey, Judge, KeyChange, KeyGrant


def may_grant(caller: Principal, key: KeyGrant | IssuedKey) -> None:
    """Check that *caller*, who may use all models, may give somebody *key*.

    Raises:
        PolicyDenied: It could do more than the caller; ``param`` names what.
    """
    lacked = [scope for scope in dict.fromkeys(key.scopes) if not caller.may(scope)]
    if lacked:
        raise PolicyDenied(f"your key lacks {', '.join(lacked)}, and nobody gives what they lack", param="scopes")
    foreign = [role for role in dict.fromkeys(key.roles) if role not in caller.roles]
    if foreign and not caller.may(ALL):
        raise PolicyDenied(
            f"your key lacks the role {', '.join(foreign)}, and nobody gives what they lack", param="roles"
        )
    if key.priority < caller.priority:
        raise PolicyDenied(
            f"your key may ask for priorities from {caller.priority} on (lower goes first), and gives none before that",
            param="priority",
        )
    _check_tenant(caller, key.tenant)


def is_within(caller: Principal, key: IssuedKey) -> bool:
    """Whether *caller* may know of *key*: whoever belongs to a tenant manages that one's keys."""
    return caller.tenant_name in ("", key.tenant)


def may_replace(caller: Principal) -> Judge:
    """A judge of rotations: who gets the new key can do what it can."""

    def judge(affected: Sequence[IssuedKey], _others: Sequence[IssuedKey]) -> None:
        for key in affected:
            may_grant(caller, key)

    return judge


def may_change(caller: Principal, change: KeyChange, *, last: bool) -> Judge:
    """A judge of changes: of keys that can do no more than the caller, to such keys.

    Parameters:
        caller: Who asks.
        change: What is to be different.
        last: Whether the last key that can manage keys may become one that cannot.
    """
    told = {name: value for name, value in msgspec.structs.asdict(change).items() if value is not UNSET}
    blocked = told.pop("blocked", None)
    state = {None: None, True: "blocked", False: "active"}[blocked]

    def judge(affected: Sequence[IssuedKey], others: Sequence[IssuedKey]) -> None:
        for key in affected:
            may_grant(caller, key)
        after = [msgspec.structs.replace(key, **told, state=state or key.state) for key in affected]
        for key in after:
            may_grant(caller, key)
        _keep_one(affected, chain(after, others), last=last)

    return judge


def may_take(caller: Principal, *, last: bool) -> Judge:
    """A judge of what takes keys out of use.

    Parameters:
        caller: Who asks; it may take keys that can do more than its own.
        last: Whether the last key that can manage keys may go too.
    """

    def judge(affected: Sequence[IssuedKey], others: Sequence[IssuedKey]) -> None:
        for key in affected:
            _check_tenant(caller, key.tenant)
        _keep_one(affected, others, last=last)

    return judge


def _check_tenant(caller: Principal, tenant: str) -> None:
    if caller.tenant_name not in ("", tenant):
        raise PolicyDenied(
            f"your key belongs to the tenant {caller.tenant_name}, and manages that one's keys", param="tenant"
        )


def _keep_one(affected: Sequence[IssuedKey], left: Iterable[IssuedKey], *, last: bool) -> None:
    if not last and any(map(_manages, affected)) and not any(map(_manages, left)):
        raise Conflict(
            "that is the last good key that may manage keys, for all models: without it that can be done on the command"
            " line only; ask with ?last_admin=true if that is meant",
            param="last_admin",
        )


def _manages(key: IssuedKey) -> bool:
    """Whether a key can do here what its holder may want to do tomorrow."""
    return key.state == "active" and key.models is None and not {ADMIN, ALL, KEYS_WRITE}.isdisjoint(key.scopes)
