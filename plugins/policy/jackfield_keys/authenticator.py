"""The authenticator of keys in a file."""

from __future__ import annotations

import asyncio
import hmac
import time
from typing import TYPE_CHECKING, Final

from jackfield.errors import AuthenticatorFailed, CredentialExpired, CredentialRevoked, Unauthenticated
from jackfield_keys.key import PREFIX, digest_of, is_whole
from jackfield_keys.live import LiveKeys
from jackfield_keys.review import reviewed

if TYPE_CHECKING:
    from pathlib import Path

    from jackfield.ports.identity import Credential, Principal

LOOK_S: Final = 0.25
"""Between two looks at the file: a key that was revoked a second ago is refused."""

LOOK_FOR_UNKNOWN_S: Final = 0.02
"""The same where a key is not known: it may just have been made. Guesses cost the file system this much at most."""


class KeysAuthenticator:
    """Knows the keys of one file, and follows its changes. Event loop thread; the file is read in another one.

    Parameters:
        name: Of the authenticator.
        path: The key file.
        shown: What messages call it.

    Raises:
        ManifestError: The file cannot be used.
    """

    def __init__(self, name: str, path: Path, shown: str) -> None:
        self._keys = LiveKeys(name, path, shown)
        self._looked = time.monotonic()
        self._looking: asyncio.Task[None] | None = None

    async def authenticate(self, credential: Credential) -> Principal | None:
        key = credential.value.reveal()
        if not key.startswith(PREFIX):
            return None
        if not is_whole(key):
            raise Unauthenticated("the API key is damaged: it must be copied whole, from jf_ to its last character")
        digest = digest_of(key)
        await self._look(LOOK_S)
        if digest not in self._keys.snapshot.entries:
            await self._look(LOOK_FOR_UNKNOWN_S)
        keys, now = self._keys.snapshot, time.time()
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
        return entry.principal

    async def follow(self) -> None:
        """Have the file looked at now: what it says when this is called holds when it returns."""
        if self._looking is not None:
            await asyncio.shield(self._looking)  # it may have begun before the file was changed
        await self._look(0.0)

    async def review(self, principal: Principal) -> Principal:
        """See ``Reviewer``: by its key, or by the one that came in its place."""
        await self._look(LOOK_S)
        return reviewed(self._keys.snapshot, principal, time.time())

    async def _look(self, pause_s: float) -> None:
        """Have the file looked at if the last time is *pause_s* ago; everybody who comes meanwhile waits for it."""
        if self._looking is None:
            if time.monotonic() - self._looked < pause_s:
                return
            self._looking = asyncio.get_running_loop().create_task(self._refresh())
        # one caller's deadline must not end the look that others wait for
        await asyncio.shield(self._looking)

    async def _refresh(self) -> None:
        self._looked = time.monotonic()
        try:
            await asyncio.to_thread(self._keys.refresh)
        finally:
            self._looking = None
