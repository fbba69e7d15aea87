"""What the holder of a key may by now, who presents none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jackfield.errors import AuthenticatorFailed, CredentialBlocked, CredentialExpired, CredentialRevoked

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jackfield.ports.identity import Principal
    from jackfield_keys.ledger import Entry, Snapshot


def reviewed(keys: Snapshot, principal: Principal, now: float) -> Principal:
    """*principal* by the key that it had, or by the one that came in its place.

    Parameters:
        keys: What holds.
        principal: As it was.
        now: Unix seconds.

    Raises:
        CredentialExpired, CredentialRevoked, CredentialBlocked: It has no key any more that could be used.
        AuthenticatorFailed: Nobody can tell.
    """
    if keys.broken:
        raise AuthenticatorFailed("API keys cannot be checked now; the server's log says why")
    own = keys.named.of(principal.id)
    # the key that was used first, then the newest
    for entry in sorted(own, key=lambda each: each.record.fingerprint != principal.fingerprint):
        if entry.record.blocked is None and entry.expires > now and keys.revoked.get(entry.digest, now + 1) > now:
            return entry.principal
    raise _gone(own, keys, now)


def _gone(
    own: Sequence[Entry], keys: Snapshot, now: float
) -> CredentialExpired | CredentialRevoked | CredentialBlocked:
    left = [entry for entry in own if keys.revoked.get(entry.digest, now + 1) > now]
    if any(entry.record.blocked is not None and entry.expires > now for entry in left):
        return CredentialBlocked("the API key is blocked")
    if own and len(left) == len(own):
        return CredentialExpired("the API key has expired")
    return CredentialRevoked("the API key was revoked")
