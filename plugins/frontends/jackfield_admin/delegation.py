"""What callers may give away, and take away: nobody makes a key that can do more than their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jackfield.errors import Conflict, PolicyDenied
from jackfield.ports.identity import ADMIN, ALL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jackfield.ports.identity import Principal
    from jackfield.ports.key_issuer import IssuedKey, Judge


def may_grant(caller: Principal, scopes: Sequence[str], priority: int) -> None:
    """Check that *caller*, who may use all models, may make a key of these rights.

    Raises:
        PolicyDenied: It could do more than the caller; ``param`` names what.
    """
    lacked = [scope for scope in dict.fromkeys(scopes) if not caller.may(scope)]
    if lacked:
        raise PolicyDenied(f"your key lacks {', '.join(lacked)}, and nobody gives what they lack", param="scopes")
    if priority < caller.priority:
        raise PolicyDenied(
            f"your key may ask for priorities from {caller.priority} on (lower goes first), and gives none before that",
            param="priority",
        )


def may_replace(caller: Principal) -> Judge:
    """A judge of rotations: who gets the new key can do what it can."""

    def judge(affected: Sequence[IssuedKey], _others: Sequence[IssuedKey]) -> None:
        for key in affected:
            may_grant(caller, key.scopes, key.priority)

    return judge


def may_take(*, last: bool) -> Judge:
    """A judge of revocations.

    Parameters:
        last: Whether the last key that can manage keys may go too.
    """

    def judge(affected: Sequence[IssuedKey], others: Sequence[IssuedKey]) -> None:
        if not last and any(map(_manages, affected)) and not any(map(_manages, others)):
            raise Conflict(
                "that is the last good key with the scope admin for all models: without it keys can be managed on the"
                " command line only; ask with ?last_admin=true if that is meant",
                param="last_admin",
            )

    return judge


def _manages(key: IssuedKey) -> bool:
    """Whether a key can do here what its holder may want to do tomorrow."""
    return key.state == "active" and key.models is None and not {ADMIN, ALL}.isdisjoint(key.scopes)
