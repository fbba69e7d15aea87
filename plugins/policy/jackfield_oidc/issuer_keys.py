"""The keys of one issuer in a running server: fetched in the background, kept while the issuer is away."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

import structlog

from jackfield.errors import AuthenticatorFailed
from jackfield.logs import traceback_of
from jackfield_oidc.key_set import UnusableKeys

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from jackfield_oidc.key_set import KeySet, PublicKey
    from jackfield_oidc.key_source import KeySource
    from jackfield_oidc.token import Signature

UNKNOWN_S: Final = 60.0
"""A token that names an unknown key has the keys fetched, this often at most: tokens are anybody's to make up."""

RETRY_S: Final = 10.0
"""After a fetch that failed, or less where keys are refreshed more often."""


class IssuerKeys:
    """One event loop at a time, on its thread.

    Parameters:
        name: Of the issuer, for messages.
        source: Where the keys come from.
        refresh_s: Seconds between two fetches.
        stale_s: Seconds after a fetch that its keys may be used for.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        name: str,
        source: KeySource,
        refresh_s: float,
        stale_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name = name
        self._source = source
        self._refresh_s = refresh_s
        self._stale_s = stale_s
        self._clock = clock
        self._keys: KeySet | None = None
        self._fetched_at = 0.0
        self._unknown_at = -UNKNOWN_S
        self._fault = ""
        self._tried_at = float("-inf")
        self._following: asyncio.Task[None] | None = None
        self._fetching: asyncio.Task[None] | None = None
        self._log = structlog.get_logger("jackfield.oidc")
        self.losses = 0
        """How often keys have disappeared: what was verified with one that did is to be verified again."""

    @property
    def trouble(self) -> str | None:
        """What is wrong, in a sentence; None while keys can be fetched."""
        if not self._fault:
            return None
        if self._keys is None:
            return f"issuer {self._name}: there are no keys ({self._fault}); its tokens are answered with 503"
        age = self._clock() - self._fetched_at
        then = "are still used" if age <= self._stale_s else "are too old to be used, its tokens are answered with 503"
        return f"issuer {self._name}: no new keys ({self._fault}); those of {age:.0f} s ago {then}"

    async def candidates(self, signature: Signature) -> Sequence[PublicKey]:
        """Keys that may have made *signature*; where none is known, the issuer may be asked anew.

        Raises:
            AuthenticatorFailed: There are no keys, or only such that are too old.
        """
        await self.ready()
        found = self._current().candidates(signature)
        if found or signature.kid is None:
            return found
        if self._clock() - self._unknown_at >= UNKNOWN_S:
            self._unknown_at = self._clock()
            await self._fetch()
        elif self._fetching is not None and not self._fetching.done():
            await asyncio.shield(self._fetching)  # somebody has just asked
        return self._current().candidates(signature)

    async def ready(self) -> None:
        """Have the keys followed from now on; waits where there are none yet.

        Raises:
            AuthenticatorFailed: As ``candidates``.
        """
        if self._following is None or self._following.done():
            self._following = asyncio.get_running_loop().create_task(self._follow())
        if self._keys is None and self._clock() - self._tried_at >= self._pause_s:
            await self._fetch()
        elif self._keys is None and self._fetching is not None and not self._fetching.done():
            await asyncio.shield(self._fetching)
        self._current()

    async def close(self) -> None:
        """Stop following them."""
        tasks = [task for task in (self._following, self._fetching) if task is not None and not task.done()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        await self._source.close()

    def _current(self) -> KeySet:
        if self._keys is None or self._clock() - self._fetched_at > self._stale_s:
            raise AuthenticatorFailed("the issuer's keys cannot be had now; try again in a moment")
        return self._keys

    @property
    def _pause_s(self) -> float:
        return min(RETRY_S, self._refresh_s)

    async def _follow(self) -> None:
        while True:
            if self._clock() - self._tried_at >= (self._pause_s if self._fault else self._refresh_s):
                await self._fetch()
            await asyncio.sleep(self._pause_s)

    async def _fetch(self) -> None:
        """Fetch the keys; whoever comes meanwhile waits for the same fetch."""
        if self._fetching is None or self._fetching.done():
            self._fetching = asyncio.get_running_loop().create_task(self._refresh())
        # one caller's deadline must not end the fetch that others wait for
        await asyncio.shield(self._fetching)

    async def _refresh(self) -> None:
        self._tried_at = begun = self._clock()
        try:
            keys = await self._source.fetch()
        except UnusableKeys as error:
            self._failed(str(error))
        except Exception as error:  # noqa: BLE001 -- a defect must not end the following
            self._failed(type(error).__name__)
            self._log.error("fetching keys broke", issuer=self._name, traceback=traceback_of(error))
        else:
            self._arrived(keys, begun)

    def _arrived(self, keys: KeySet, begun: float) -> None:
        if self._keys is None or self._fault:
            self._log.info("keys of an issuer fetched", issuer=self._name, keys=len(keys))
        if self._keys is not None and keys.lost_from(self._keys):
            self.losses += 1
            self._log.info("an issuer has withdrawn keys", issuer=self._name, keys=len(keys))
        self._keys, self._fetched_at, self._fault = keys, begun, ""

    def _failed(self, fault: str) -> None:
        if fault != self._fault:
            self._log.error("the keys of an issuer cannot be fetched", issuer=self._name, reason=fault)
        self._fault = fault
