"""What the holder of a key may by now, who presents none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jackfield.errors import AuthenticatorFailed, CredentialExpired, CredentialRevoked

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jackfield.ports.identity import Principal
    from jackfield_keys.live import Entry, Snapshot


def reviewed(keys: Snapshot, principal: Principal, now: float) -> Principal:
    """*principal* by the key that it had, or by the one that came in its place.

    Parameters:
        keys: What holds.
        principal: As it was.
        now: Unix seconds.

    Raises:
        CredentialExpired, CredentialRevoked: It has no key any more that could be used.
        AuthenticatorFailed: Nobody can tell.
    """
    if keys.broken:
        raise AuthenticatorFailed("API keys cannot be checked now; the server's log says why")
    own = keys.named.get(principal.id, ())
    # the key that was used first, then the newest
    for entry in sorted(own, key=lambda each: each.principal.fingerprint != principal.fingerprint):
        if entry.expires > now and keys.revoked.get(entry.digest, now + 1) > now:
            return entry.principal
    raise _gone(own, keys, now)


def _gone(own: Sequence[Entry], keys: Snapshot, now: float) -> CredentialExpired | CredentialRevoked:
    if own and all(keys.revoked.get(entry.digest, now + 1) > now for entry in own):
        return CredentialExpired("the API key has expired")
    return CredentialRevoked("the API key was revoked")
