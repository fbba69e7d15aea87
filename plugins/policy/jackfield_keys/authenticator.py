"""The authenticator of keys."""

from __future__ import annotations

import hmac
import time
from typing import TYPE_CHECKING

from jackfield.errors import (
    AuthenticatorFailed,
    CredentialBlocked,
    CredentialExpired,
    CredentialRevoked,
    Unauthenticated,
)
from jackfield_keys.key import PREFIX, digest_of, is_whole
from jackfield_keys.last_used import Uses
from jackfield_keys.review import reviewed

if TYPE_CHECKING:
    from jackfield.ports.identity import Credential, Principal
    from jackfield_keys.storage import KeyStorage


class KeysAuthenticator:
    """Knows the keys that are kept somewhere, and follows their changes. Event loop thread.

    Parameters:
        name: Of the authenticator.
        storage: Where they are kept.
    """

    def __init__(self, name: str, storage: KeyStorage) -> None:
        self._name = name
        self._storage = storage
        self._uses = Uses(name, storage.note_used)

    async def authenticate(self, credential: Credential) -> Principal | None:
        key = credential.value.reveal()
        if not key.startswith(PREFIX):
            return None
        if not is_whole(key):
            raise Unauthenticated("the API key is damaged: it must be copied whole, from jf_ to its last character")
        digest = digest_of(key)
        await self._storage.look(unknown=False)
        ledger = self._storage.ledger
        if digest not in ledger.snapshot.entries:
            await self._storage.look(unknown=True)
        keys, now = ledger.snapshot, time.time()
        entry = keys.entries.get(digest)
        fingerprint = digest.hex()[:6]
        if keys.revoked.get(digest, now + 1) <= now:
            raise CredentialRevoked("the API key was revoked", fingerprint=fingerprint)
        if keys.broken:
            raise AuthenticatorFailed("API keys cannot be checked now; the server's log says why")
        if entry is None or not hmac.compare_digest(entry.digest, digest):
            return None
        if entry.expires <= now:
            raise CredentialExpired("the API key has expired", fingerprint=fingerprint)
        if entry.record.blocked is not None:
            raise CredentialBlocked("the API key is blocked; ask whoever gave it to you", fingerprint=fingerprint)
        self._uses.note(fingerprint, now)
        return entry.principal

    async def review(self, principal: Principal) -> Principal:
        """See ``Reviewer``: by its key, or by the one that came in its place."""
        await self._storage.look(unknown=False)
        return reviewed(self._storage.ledger.snapshot, principal, time.time())

    async def close(self) -> None:
        """See ``ClosingAuthenticator``."""
        await self._uses.close()
        await self._storage.close()

    @property
    def troubles(self) -> tuple[str, ...]:
        """See ``Condition``."""
        fault = self._storage.ledger.fault
        return (f"the keys cannot be used: {fault}",) if fault else ()
